"""An admin installs the app in a workspace: from the link to Slack's page of consent and back."""

from __future__ import annotations

from typing import Any

from pydantic import SecretStr

from bot.web.admin_links import AdminDoor, AdminLinks
from flows.links import Keyring
from integrations.sandbox import Human, Page, Sandbox, Visitor
from integrations.sandbox.workspace import Workspace
from tests.e2e.conftest import KEY, Bot

ADMIN = "eve@example.com"


def by_oauth(sandbox: Sandbox, **more: Any) -> dict[str, Any]:
    """Settings of a bot that has no token of its own: workspaces come by OAuth."""
    return {
        "slack_bot_token": None,
        "slack_client_id": sandbox.oauth.client_id,
        "slack_client_secret": SecretStr(sandbox.oauth.client_secret),
        **more,
    }


def link(bot: Bot, *, admin: str = ADMIN, door: AdminDoor = AdminDoor.SLACK) -> str:
    """The link that `signoff connect slack` makes."""
    return AdminLinks(Keyring([KEY]), bot.clock, bot.url).url(door, admin)


async def consents(browser: Visitor, page: Page, installer: Human | str, verdict: str = "allow") -> Page:
    """Goes on from Signoff's page to Slack's, and answers there."""
    at_slack = await browser.send(page, {})
    who = installer if isinstance(installer, str) else f"{installer.workspace.id}/{installer.id}"
    return await browser.send(at_slack, {"as": who, "verdict": verdict})


async def install(bot: Bot, installer: Human, *, browser: Visitor | None = None) -> Page:
    """All of it; returns the page at its end."""
    bot.sandbox.oauth.redirects.add(f"{bot.url}/slack/oauth_redirect")
    if browser is not None:
        return await consents(browser, await browser.open(link(bot)), installer)
    async with Visitor() as visitor:
        return await consents(visitor, await visitor.open(link(bot)), installer)


def neighbour(sandbox: Sandbox, *names: str) -> tuple[Workspace, list[Human]]:
    """Another workspace, where the app is not installed yet, with people in it: an address is ``name@example.com``."""
    beta = sandbox.add_workspace("Beta", "beta", installed=False)
    people = [sandbox.add_person(name, f"{name.capitalize()} Beta", workspace=beta) for name in names]
    beta.add_channel("general", [person.user for person in people])
    return beta, people
