"""``signoff manifest``: the Slack app's manifest for this installation, ready to be pasted at Slack.

``manifest.yml`` is for Socket Mode, without any address. Here the addresses are filled in. All that Slack sends goes to
one of them; two more are where Slack sends people back to.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

import bot
from bot.connections import http_url
from bot.public_address import unfit_for_slack
from bot.scopes import OPTIONAL, SCOPES
from bot.settings import Settings
from bot.terminal import err, out, out_table
from flows.errors import ConfigError

EVENTS_PATH = "/slack/events"
"""Where Slack sends events, clicks, commands and what menus ask for."""

INSTALLED_PATH = "/slack/oauth_redirect"
"""Where Slack sends back whoever has installed the app."""

SIGNED_IN_PATH = "/verify/slack/callback"
"""Where Slack sends back whoever has shown who they are, for ``verify: slack``."""

GMAIL_PATH = "/connect/gmail/callback"
"""Where Google sends back whoever has consented."""

_FILE = "manifest.yml"
_CREATE = "https://api.slack.com/apps?new_app=1&manifest_json="
_LONGEST_LINK = 8_000  # characters; what browsers and servers on the way take

_PASTE = "Paste it at https://api.slack.com/apps: Create New App, From a manifest; or your app, App Manifest."

_OVER_HTTP = """\
The Slack app of the bot at {url}, which Slack calls.
Create it at https://api.slack.com/apps ("From a manifest"), and give the bot three things from "Basic Information":
SLACK_CLIENT_ID, SLACK_CLIENT_SECRET and SLACK_SIGNING_SECRET. Then open this, once for each workspace:
  {url}/slack/install
Or install it by hand: then the bot takes SLACK_BOT_TOKEN (xoxb-, under "Install App") in place of the first two."""

_OVER_SOCKET = """\
The Slack app of the bot at {url}, in Socket Mode:
what Slack has to say comes through a connection that the bot opens. Create it at https://api.slack.com/apps ("From a
manifest"), and give the bot three things from "Basic Information": SLACK_CLIENT_ID, SLACK_CLIENT_SECRET and, as
SLACK_APP_TOKEN, an app-level token with connections:write (xapp-). Then open this, once for each workspace:
  {url}/slack/install
Or install it by hand: then the bot takes SLACK_BOT_TOKEN (xoxb-, under "Install App") in place of the first two."""


def text() -> str:
    """``manifest.yml`` as it is shipped: for Socket Mode, without an address."""
    # In a wheel it lies within the package, in a checkout beside it.
    inside = Path(bot.__file__).parent / _FILE
    return (inside if inside.is_file() else inside.parent.parent / _FILE).read_text("utf-8")


def filled_in(
    url: str | None, *, socket_mode: bool = False, sign_in: bool = False, token_rotation: bool = False
) -> CommentedMap:
    """The manifest with the addresses of ``url`` in it; None: without any, which takes ``socket_mode``.

    ``sign_in`` asks for what ``verify: slack`` needs. Raises ``ConfigError`` where Slack would not take the address.
    """
    loaded: CommentedMap = _yaml().load(text())
    settings, oauth = loaded["settings"], loaded["oauth_config"]
    settings["socket_mode_enabled"] = socket_mode
    settings["token_rotation_enabled"] = token_rotation
    oauth["scopes"]["bot_optional"] = CommentedSeq(scope for scope in oauth["scopes"]["bot"] if scope in OPTIONAL)
    if sign_in:
        oauth["scopes"]["user"] = CommentedSeq(["openid"])
    if url is None:
        return loaded
    base = _checked(url, called=not socket_mode)
    loaded.yaml_set_start_comment((_OVER_SOCKET if socket_mode else _OVER_HTTP).format(url=base))
    oauth.insert(0, "redirect_urls", CommentedSeq([f"{base}{INSTALLED_PATH}", f"{base}{SIGNED_IN_PATH}"]))
    if not socket_mode:
        address = f"{base}{EVENTS_PATH}"
        settings["event_subscriptions"].insert(0, "request_url", address)
        settings["interactivity"]["request_url"] = address
        settings["interactivity"]["message_menu_options_url"] = address
        for command in loaded["features"]["slash_commands"]:
            command.insert(1, "url", address)
    return loaded


def written(manifest: CommentedMap) -> str:
    """The manifest as YAML, with its comments."""
    stream = io.StringIO()
    _yaml().dump(manifest, stream)
    return stream.getvalue()


def redirects(url: str) -> Iterator[tuple[str, str]]:
    """Each address that somebody is sent back to, and where it has to be entered. Raises ``ConfigError``."""
    base = _checked(url, called=False)
    yield f"{base}{INSTALLED_PATH}", "Slack, OAuth & Permissions: installing the app"
    yield f"{base}{SIGNED_IN_PATH}", "Slack, OAuth & Permissions: signing in, for verify: slack"
    yield f"{base}{GMAIL_PATH}", "Google Cloud, Credentials, the OAuth client: connecting Gmail"


def link(manifest: Mapping[str, Any]) -> str | None:
    """A link that opens Slack with the manifest filled in; None where it would be too long for that."""
    address = _CREATE + quote(json.dumps(manifest, separators=(",", ":")), safe="")
    return address if len(address) <= _LONGEST_LINK else None


def manifest(
    url: Annotated[
        str | None,
        typer.Option("--url", help="Where Slack and people reach the bot. Default: SIGNOFF_PUBLIC_URL."),
    ] = None,
    socket_mode: Annotated[
        bool, typer.Option("--socket-mode", help="The bot calls Slack: no address is needed, but for installing.")
    ] = False,
    sign_in: Annotated[
        bool, typer.Option("--sign-in", help="Also ask for what flows with `verify: slack` need.")
    ] = False,
    token_rotation: Annotated[
        bool,
        typer.Option("--token-rotation", help="Tokens that last 12 hours and are renewed; Slack never takes it back."),
    ] = False,
    redirects_only: Annotated[
        bool, typer.Option("--redirects", help="Only the addresses that people are sent back to, one in each line.")
    ] = False,
    as_link: Annotated[bool, typer.Option("--link", help="A link that opens Slack with all of it filled in.")] = False,
) -> None:
    """Print the Slack app's manifest with this installation's addresses filled in."""
    # Asked for only where it is missing: nobody has to have settings yet.
    base = url or (None if socket_mode and not redirects_only else _of_the_settings())
    if redirects_only:
        out_table(("address", "goes to"), redirects(base or ""), empty="")
        return
    if token_rotation and base is None:
        raise typer.BadParameter("tokens are renewed only where the app was installed at /slack/install; add --url")
    made = filled_in(base, socket_mode=socket_mode, sign_in=sign_in, token_rotation=token_rotation)
    if as_link:
        address = link(made)
        if address is None:
            raise ConfigError(["The manifest is too long for a link; paste it instead."])
        out(address)
        return
    out(written(made).rstrip("\n"))
    err("")
    err(_PASTE)
    err("Slack lets whoever installs it leave these out:")
    for scope in made["oauth_config"]["scopes"]["bot_optional"]:
        err(f"  {scope}: without it the bot cannot {SCOPES[scope]}")


def _of_the_settings() -> str:
    return Settings.from_environment().public_url


def _checked(url: str, *, called: bool) -> str:
    try:
        base = http_url(url)
    except ValueError as error:
        raise ConfigError([f"{url!r} {error}."]) from None
    if problem := unfit_for_slack(base, called=called):
        raise ConfigError([problem])
    return base


def _yaml() -> YAML:
    yaml = YAML()  # keeps comments, and the order
    yaml.width = 4_096
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml
