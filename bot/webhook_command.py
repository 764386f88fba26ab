"""``signoff webhook``: where a sender posts to, and the secret that it signs with."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated

import typer

from bot.settings import Settings
from bot.terminal import err, out
from flows.definition import Flow, WebhookTrigger
from flows.errors import ConfigError
from flows.findings import did_you_mean
from flows.loader import load_folder
from flows.signatures import HookKeys, Scheme

_SIGNED = {
    Scheme.SIGNOFF: "X-Signoff-Signature, HMAC-SHA256 over the time, a dot and the body",
    Scheme.GITHUB: "X-Hub-Signature-256; enter it as the secret of a webhook at GitHub, with content type application/json",
}


def webhook(
    flow: Annotated[str, typer.Argument(help="The flow's name.")],
    name: Annotated[str, typer.Argument(help="The webhook's name, as its trigger has it.")],
    github: Annotated[
        bool, typer.Option("--github", help="For a sender that signs as GitHub does; it has a secret of its own.")
    ] = False,
) -> None:
    """Print the secret of a flow's webhook. It is worked out from SIGNOFF_SECRET_KEY, and stored nowhere."""
    settings = Settings.from_environment()
    if not settings.secret_keys:
        raise ConfigError(["SIGNOFF_SECRET_KEY is missing; it has to be the server's."])
    flows = load_folder(settings.flows).flows
    _check("flow", flow, flows)
    _check("webhook", name, _webhooks(flows[flow]))
    scheme = Scheme.GITHUB if github else Scheme.SIGNOFF
    out(HookKeys(settings.secret_keys).secret(flow, name, scheme))
    err(f"POST {settings.public_url}/hooks/{flow}/{name}")
    err(f"Signed with this secret: {_SIGNED[scheme]}.")


def _webhooks(flow: Flow) -> list[str]:
    return [trigger.webhook for trigger in flow.triggers if isinstance(trigger, WebhookTrigger)]


def _check(what: str, name: str, known: Collection[str]) -> None:
    if name not in known:
        hint = did_you_mean(name, known)
        raise typer.BadParameter(f"there is no {what} {name!r}" + (f"; {hint}" if hint else ""))
