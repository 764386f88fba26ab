"""Slack: whether the tokens are good, and what the app may do with them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from bot.doctor.finding import Finding, fail, ok, warn
from bot.doctor.patient import Connected, Patient
from bot.scopes import OPTIONAL, SCOPES
from flows.errors import ActionError

_APPS = "https://api.slack.com/apps"


class TokensValid:
    """Whether Slack takes the bot token."""

    name = "slack token"

    async def look(self, patient: Patient) -> Sequence[Finding]:
        return [_token(one) for one in await patient.workspaces()]


class ScopesGranted:
    """Whether the bot may do what it has to, and what it cannot without the rest."""

    name = "slack scopes"

    async def look(self, patient: Patient) -> Sequence[Finding]:
        found: list[Finding] = []
        for one in await patient.workspaces():
            if not isinstance(one.auth, ActionError):
                found += lacking(one.auth.team or one.named, one.auth.scopes)
        return found


class SocketModeOpens:
    """Whether the app-level token lets the bot connect by Socket Mode."""

    name = "socket mode"

    async def look(self, patient: Patient) -> Sequence[Finding]:
        token = patient.settings.slack_app_token
        if token is None:
            return []
        try:
            await patient.slack_client(token.get_secret_value()).check_socket_mode()
        except ActionError as error:
            if error.retryable:
                return [
                    fail(f"Slack does not answer: {error}", "Look whether this machine reaches Slack, and try again.")
                ]
            todo = f"At {_APPS}, your app: switch Socket Mode on, and make an app-level token with connections:write."
            return [fail(f"SLACK_APP_TOKEN: {error}", todo)]
        return [ok("Socket Mode is on: Slack needs no address of the bot.")]


def _token(one: Connected) -> Finding:
    if not isinstance(one.auth, ActionError):
        return ok(f"{one.named} is good: the bot is in the workspace {one.auth.team} ({one.auth.team_id}).")
    if one.auth.retryable:
        return fail(f"Slack does not answer: {one.auth}", "Look whether this machine reaches Slack, and try again.")
    if one.installed:
        return fail(f"{one.named}: {one.auth}", "`signoff connect slack` installs the app there again.")
    todo = f"Take the bot token from {_APPS}, your app, Install App; install the app again if it is gone."
    return fail(f"{one.named}: {one.auth}", todo)


def lacking(where: str, granted: Iterable[str]) -> Iterator[Finding]:
    """What is to be said of the scopes that were granted in a workspace."""
    have = set(granted)
    missing = [scope for scope in SCOPES if scope not in have]
    todo = f"Paste what `signoff manifest` prints at {_APPS}, your app, App Manifest; then install the app again."
    for scope in missing:
        said = f"{where}: without {scope} the bot cannot {SCOPES[scope]}."
        yield warn(said, todo) if scope in OPTIONAL else fail(said, todo)
    if not missing:
        yield ok(f"{where}: all {len(SCOPES)} scopes were granted.")
