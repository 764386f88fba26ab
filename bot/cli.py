"""The command line: ``signoff``.

Exit codes: 0 done; 1 refused or failed, with a sentence on standard error; 2 used or configured wrongly, with
every problem there is.
"""

from __future__ import annotations

import asyncio
import errno
import os
import pwd
import shlex
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from bot import connect_gmail, connect_slack, delegate_command, remote, tokens
from bot.doctor.command import doctor
from bot.init import CannotInit
from bot.init import init as fill
from bot.manifest import manifest
from bot.people_command import people_app
from bot.settings import Settings
from bot.terminal import err, out, out_table
from bot.webhook_command import webhook
from flows.clock import SystemClock
from flows.durations import parse_duration
from flows.errors import ConfigError, Refused
from flows.loader import load_folder
from signoff.client import Refused as RefusedByServer
from signoff.client import SignoffError

REFUSED = 1
WRONG = 2

_CANNOT_LISTEN = frozenset({errno.EACCES, errno.EADDRINUSE, errno.EADDRNOTAVAIL})
_LONGEST = timedelta(days=3653)  # beyond it somebody meant never, or has mistyped


class Commands(TyperGroup):
    """Translates the errors of every command, once."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except ConfigError as error:
            for problem in error.problems:
                err(problem, style="red")
            raise typer.Exit(WRONG) from None
        except CannotInit as error:
            for problem in error.problems:
                err(problem, style="red")
        except RefusedByServer as error:
            # The detail of a problem that names fields is the fields once more, in one line.
            err(f"{error.problem.title}:" if error.fields else error, style="red")
            for name, problem in error.fields.items():
                err(f"  {name}: {problem}", style="red")
            _hint(error)
        except SignoffError as error:
            err(error, style="red")
            _hint(error)
        except (Refused, tokens.UnknownToken) as error:
            err(error, style="red")
        raise typer.Exit(REFUSED)


def _hint(error: SignoffError) -> None:
    if (hint := remote.hint(error)) is not None:
        err(hint)


app = typer.Typer(
    name="signoff",
    cls=Commands,
    help="Flows that ask people in Slack and by mail, and go on with who approved.",
    no_args_is_help=True,
    add_completion=False,
    # A traceback with the values of variables shows tokens; help is plain text, in a pipe too.
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
token_app = typer.Typer(
    help="API tokens: make, list, revoke. Needs the database, not the server.", no_args_is_help=True
)
app.add_typer(token_app, name="token")
connect_app = typer.Typer(
    help="Connect accounts of the installation, by an admin's browser; ends with a test message.", no_args_is_help=True
)
app.add_typer(connect_app, name="connect")


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder; it is made if it is not there.")],
) -> None:
    """Fill a folder with a first flow, its functions, its test and the settings."""
    for path in fill(folder):
        out(path)
    here = folder.resolve() == Path.cwd()
    err("")
    err("Next:" if here else f"Next: cd {shlex.quote(str(folder))}")
    err("  signoff check .   checks the flow")
    err("  pytest            runs its test")
    err("  signoff serve     serves it; .env has the settings")


def _connections() -> Mapping[str, tuple[str, ...]] | None:
    """The accounts that steps may name, where this machine has the settings that say so."""
    try:
        return Settings.from_environment().connection_names or None
    except ConfigError:
        return None


@app.command()
def check(
    path: Annotated[
        Path, typer.Argument(metavar="PATH", help="A flow file, or a folder with everything below it.")
    ] = Path(),
) -> None:
    """Check flows: every problem at once, with file, line and what was meant."""
    # Here and below, late: these bring the clients of Slack and Google, which most commands can do without.
    from bot.performers import builtin_actions

    library = load_folder(path, actions=builtin_actions(), connections=_connections())
    for warning in library.warnings:
        out(replace(warning, message=f"warning: {warning.message}"), style="yellow")
    for problem in library.problems:
        out(problem, style="red")
    names = ", ".join(library.flows) or "none"
    if library.problems:
        count = len(library.problems)
        err(f"{count} problem{'s' if count > 1 else ''}. Flows without one: {names}.")
        raise typer.Exit(REFUSED)
    if not library.flows:
        err(f"There is no flow at {path}.", style="red")
        raise typer.Exit(REFUSED)
    err(f"No problems. Flows: {names}.", style="green")


@app.command()
def demo(
    auto: Annotated[
        bool, typer.Option("--auto", help="Play the shipped flows with scripted people, and report.")
    ] = False,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="The port to listen on; 0 takes a free one.")
    ] = 3000,
) -> None:
    """Try Signoff on this machine: stand-ins for Slack and Gmail, a handful of people, no set-up."""
    from bot.demo import run as play

    raise typer.Exit(asyncio.run(play(auto=auto, port=port)))


@app.command()
def serve() -> None:
    """Serve: run the flows, listen to Slack, answer pages and the API."""
    settings = Settings.from_environment(serving=True)
    for warning in settings.warnings():
        err(f"warning: {warning}", style="yellow")
    from bot.app import serve as serve_bot
    from bot.logs import configure

    configure()
    try:
        asyncio.run(serve_bot(settings))
    except OSError as error:
        if error.errno not in _CANNOT_LISTEN:
            raise
        raise ConfigError(
            [
                f"SIGNOFF_HOST, SIGNOFF_PORT: cannot listen on {settings.host}, port {settings.port}: {os.strerror(error.errno)}."
            ]
        ) from None


connect_app.command()(connect_gmail.gmail)
connect_app.command()(connect_slack.slack)
app.add_typer(people_app, name="people")
app.command()(webhook)
app.command()(manifest)
app.command()(doctor)
for command in (*remote.COMMANDS, *delegate_command.COMMANDS):
    app.command()(command)


@token_app.command("create")
def create_token(
    person: Annotated[str, typer.Option("--person", metavar="EMAIL", help="Whom the token acts as.")],
    scopes: Annotated[
        str, typer.Option("--scopes", help=f"What it may do, separated by commas: {', '.join(tokens.SCOPES)}.")
    ] = ",".join(tokens.DEFAULT_SCOPES),
    expires: Annotated[
        str, typer.Option("--expires", help="How long it is good for, like 90d or 12h; or never.")
    ] = "90d",
) -> None:
    """Make a token and print it. It is shown once."""
    try:
        issued = asyncio.run(
            tokens.create(
                Settings.from_environment().database_path,
                SystemClock(),
                person=person,
                scopes=tokens.parse_scopes(scopes),
                lifetime=_lifetime(expires),
                issued_by=_operator(),
            )
        )
    except tokens.InvalidToken as error:
        raise typer.BadParameter(str(error)) from None
    out(issued.secret)
    until = issued.expires_at.strftime("until %Y-%m-%d %H:%M UTC") if issued.expires_at else "for ever"
    err(f"{issued.id} acts as {issued.person}, may {', '.join(issued.scopes)}, {until}. It is not shown again.")


@token_app.command("list")
def list_tokens() -> None:
    """List the tokens; what they are themselves is not stored."""
    clock = SystemClock()
    found = asyncio.run(tokens.listed(Settings.from_environment().database_path, clock))
    now = clock.now()
    out_table(
        ("id", "person", "scopes", "state", "expires", "issued by"),
        [
            (
                one.id,
                one.person,
                ",".join(one.scopes),
                one.state(now),
                one.expires_at.strftime("%Y-%m-%d") if one.expires_at else "never",
                one.issued_by,
            )
            for one in found
        ],
        empty="There are no tokens.",
    )


@token_app.command("revoke")
def revoke_token(token: Annotated[str, typer.Argument(metavar="ID", help="The token's id, tok_...")]) -> None:
    """Let a token be worth nothing from now on."""
    new = asyncio.run(tokens.revoke(Settings.from_environment().database_path, SystemClock(), token))
    out(f"{token} is revoked." if new else f"{token} was revoked before.")


def main() -> None:
    """The console script."""
    app(prog_name="signoff")


def _lifetime(text: str) -> timedelta | None:
    if text == "never":
        return None
    try:
        lifetime = parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} {error}, or never", param_hint="--expires") from None
    if not timedelta(0) < lifetime <= _LONGEST:
        raise typer.BadParameter(f"{text!r} is not within ten years; or write never", param_hint="--expires")
    return lifetime


def _operator() -> str:
    """Who sits at this machine, for the ledger: the account's name, which no variable can change."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"
