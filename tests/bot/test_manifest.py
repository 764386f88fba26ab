"""``signoff manifest``, and what Slack would say of it: by the types of its own client, and by the limits of its schema."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner, Result

from bot.cli import app
from bot.manifest import GMAIL_PATH, INSTALLED_PATH, SIGNED_IN_PATH, filled_in, link, text
from bot.scopes import OPTIONAL, SCOPES
from bot.web import connect, install, sign_in
from flows.errors import ConfigError
from tests.slack_schema.check import check_manifest

URL = "https://signoff.example.com"
EVENTS = f"{URL}/slack/events"
ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _nowhere(tmp_path, monkeypatch) -> None:
    """No settings but those that a test makes."""
    monkeypatch.chdir(tmp_path)
    for name in ("SIGNOFF_PUBLIC_URL", "SIGNOFF_HOST", "SIGNOFF_PORT"):
        monkeypatch.delenv(name, raising=False)


def signoff(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["manifest", *arguments])


def printed(*arguments: str) -> dict[str, Any]:
    """What the command prints, read as Slack reads it."""
    result = signoff(*arguments)
    assert result.exit_code == 0, result.output
    loaded = YAML(typ="safe").load(result.stdout)
    assert isinstance(loaded, dict)
    return loaded


# The lengths and counts of slackapi/manifest-schema, 1.0.0 (as of July 2026).
_LENGTHS = {
    "display_information.name": (1, 35),
    "display_information.description": (1, 140),
    "display_information.long_description": (175, 4_000),
    "features.bot_user.display_name": (1, 80),
    "settings.event_subscriptions.request_url": (9, 3_500),
    "settings.interactivity.request_url": (9, 3_500),
    "settings.interactivity.message_menu_options_url": (9, 3_500),
}
_COUNTS = {
    "features.slash_commands": (1, 50),
    "features.shortcuts": (1, 10),
    "oauth_config.redirect_urls": (0, 1_000),
    "oauth_config.scopes.bot": (0, 255),
    "oauth_config.scopes.bot_optional": (0, 255),
    "settings.event_subscriptions.bot_events": (0, 100),
}
_OF_EACH = {
    "features.slash_commands": {
        "command": (2, 32),
        "description": (1, 2_000),
        "usage_hint": (1, 1_000),
        "url": (9, 3_000),
    },
    "features.shortcuts": {"name": (1, 24), "description": (1, 150), "callback_id": (1, 255)},
}


def over(manifest: dict[str, Any]) -> Iterator[str]:
    """What of a manifest is longer or more than Slack takes."""

    def at(path: str) -> Any:
        value: Any = manifest
        for key in path.split("."):
            value = value.get(key) if isinstance(value, dict) else None
        return value

    for path, (least, most) in {**_LENGTHS, **_COUNTS}.items():
        if (value := at(path)) is not None and not least <= len(value) <= most:
            yield f"{path}: {len(value)}"
    for path, limits in _OF_EACH.items():
        for each in at(path) or []:
            yield from (f"{path}.{key}: {each[key]}" for key, (least, most) in limits.items() if key in each and not least <= len(each[key]) <= most)  # fmt: skip
    for path in ("oauth_config.scopes.bot", "settings.event_subscriptions.bot_events", "oauth_config.redirect_urls"):
        found = at(path) or []
        if len(set(found)) != len(found):
            yield f"{path}: one is there twice"
    if not re.fullmatch(r"#[0-9a-f]{6}", at("display_information.background_color")):
        yield "background_color"


VARIANTS = [
    {"url": URL},
    {"url": URL, "sign_in": True, "token_rotation": True},
    {"url": URL, "socket_mode": True},
    {"url": None, "socket_mode": True},
]


@pytest.mark.parametrize("variant", VARIANTS, ids=["url", "everything", "socket mode and url", "socket mode"])
def test_slack_takes_each_variant_by_its_types_and_its_limits(variant):
    manifest = json.loads(json.dumps(filled_in(**variant)))

    assert check_manifest(manifest) == []
    assert list(over(manifest)) == []


def test_the_limits_are_seen():
    manifest = json.loads(json.dumps(filled_in(URL)))
    manifest["display_information"] |= {"name": "x" * 36, "long_description": "x" * 174}
    manifest["features"]["shortcuts"] = [{"name": "x" * 25, "type": "global", "callback_id": "x", "description": "x"}]
    manifest["settings"]["event_subscriptions"]["bot_events"] *= 2

    found = list(over(manifest))

    assert [one.partition(":")[0] for one in found] == [
        "display_information.name",
        "display_information.long_description",
        "features.shortcuts.name",
        "settings.event_subscriptions.bot_events",
    ]


def test_W13_every_address_is_filled_in_with_one_url():
    manifest = printed("--url", f"{URL}/")

    assert [command["url"] for command in manifest["features"]["slash_commands"]] == [EVENTS]
    assert manifest["settings"]["event_subscriptions"]["request_url"] == EVENTS
    assert manifest["settings"]["interactivity"] == {
        "is_enabled": True,
        "request_url": EVENTS,
        "message_menu_options_url": EVENTS,
    }
    assert manifest["oauth_config"]["redirect_urls"] == [f"{URL}/slack/oauth_redirect", f"{URL}/verify/slack/callback"]
    assert manifest["settings"]["socket_mode_enabled"] is False


def test_but_for_the_addresses_it_is_the_manifest_that_is_shipped_comments_included():
    shipped, made = YAML(typ="safe").load(text()), printed("--url", URL)

    assert made["display_information"] == shipped["display_information"]
    assert made["oauth_config"]["scopes"]["bot"] == shipped["oauth_config"]["scopes"]["bot"]
    assert (
        made["settings"]["event_subscriptions"]["bot_events"]
        == shipped["settings"]["event_subscriptions"]["bot_events"]
    )
    assert text() == (ROOT / "manifest.yml").read_text("utf-8")
    assert "- users:read.email # who stands behind a mail address" in signoff("--url", URL).stdout
    assert f"{URL}/slack/install" in signoff("--url", URL).stdout.partition("_metadata")[0]


def test_socket_mode_needs_no_address_and_takes_one_for_what_browsers_open():
    alone, both = printed("--socket-mode"), printed("--socket-mode", "--url", "https://signoff.corp.internal")

    assert "http" not in json.dumps(alone)
    assert alone["settings"]["socket_mode_enabled"] is True
    assert "request_url" not in json.dumps(both)
    assert both["settings"]["socket_mode_enabled"] is True
    assert both["oauth_config"]["redirect_urls"][0] == "https://signoff.corp.internal/slack/oauth_redirect"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://signoff.example.com", "is not https"),
        ("https://localhost:3000", "opens on this machine only"),
        ("https://127.0.0.1", "opens on this machine only"),
        ("https://[::1]", "opens on this machine only"),
        ("https://signoff.localhost", "opens on this machine only"),
        ("https://10.0.0.7", "opens within your network only"),
        ("https://[fd00::7]", "opens within your network only"),
        ("https://signoff.internal", "opens within your network only"),
        ("https://signoff", "opens within your network only"),
        ("signoff.example.com", "must be an address like"),
        ("https://ann:secret@signoff.example.com", "must be an address like"),
        ("https://signoff.example.com/?a=b", "must be an address like"),
    ],
)
def test_an_address_that_slack_cannot_call_is_refused_with_what_to_do(url, said):
    result = signoff("--url", url)

    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr
    with pytest.raises(ConfigError):
        filled_in(url)


def test_the_address_of_the_settings_is_taken_where_none_is_given(monkeypatch):
    assert signoff().exit_code == 2
    monkeypatch.setenv("SIGNOFF_PUBLIC_URL", URL)

    assert printed() == printed("--url", URL)


def test_redirects_are_told_one_in_each_line_with_where_to_enter_them():
    lines = signoff("--redirects", "--url", URL).stdout.splitlines()

    assert [line.partition("\t")[0] for line in lines] == [
        f"{URL}/slack/oauth_redirect",
        f"{URL}/verify/slack/callback",
        f"{URL}/connect/gmail/callback",
    ]
    assert "Google" in lines[-1]


def test_the_addresses_are_those_that_the_bot_answers_at():
    assert (INSTALLED_PATH, SIGNED_IN_PATH, GMAIL_PATH) == (install.REDIRECT, sign_in.CALLBACK, connect.CALLBACK)


def test_a_link_opens_slack_with_all_of_it():
    address = signoff("--link", "--url", URL).stdout.strip()

    query = parse_qs(urlsplit(address).query)
    assert address.startswith("https://api.slack.com/apps?new_app=1&manifest_json=")
    assert json.loads(query["manifest_json"][0]) == printed("--url", URL)
    assert link({"x": "y" * 10_000}) is None


def test_optional_scopes_are_marked_for_slack_and_told_with_what_each_is_for():
    result = signoff("--url", URL)
    scopes = printed("--url", URL)["oauth_config"]["scopes"]

    assert set(scopes["bot_optional"]) == OPTIONAL < set(scopes["bot"]) == SCOPES.keys()
    for scope in OPTIONAL:
        assert f"{scope}: without it the bot cannot {SCOPES[scope]}" in result.stderr
    assert "user" not in scopes
    assert printed("--url", URL, "--sign-in")["oauth_config"]["scopes"]["user"] == ["openid"]


def test_token_rotation_is_only_for_what_is_installed_through_the_bot():
    assert printed("--url", URL)["settings"]["token_rotation_enabled"] is False
    assert printed("--url", URL, "--token-rotation")["settings"]["token_rotation_enabled"] is True
    assert signoff("--socket-mode", "--token-rotation").exit_code == 2
