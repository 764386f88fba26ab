"""The demo's stage: a real bot, and the sandbox that stands in for Slack and Gmail, spoken to over real sockets."""

from __future__ import annotations

import socket
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from secrets import token_urlsafe

from pydantic import SecretStr

from bot import library, tokens
from bot.app import App
from bot.demo.company import PHONES, Company, put_in_mailbox
from bot.manifest import INSTALLED_PATH, filled_in
from bot.settings import Settings
from bot.slack.views.help import COMMANDS
from bot.web.sign_in import CALLBACK as SIGNED_IN_PATH
from flows.clock import Clock
from flows.errors import InvalidForm, Refused
from flows.people import Person
from flows.ports import Json
from integrations.sandbox import SENDER, Human, Sandbox
from integrations.sandbox.page import Guide, SandboxPage, Step
from signoff.client import AsyncClient

LIBRARY = Path(library.__file__).parent
ADMIN = "eve"


@dataclass
class Stage:
    """Bot, sandbox and the systems around them, up and connected."""

    sandbox: Sandbox
    app: App
    page: SandboxPage
    company: Company
    settings: Settings

    def human(self, name: str) -> Human:
        return self.sandbox.person(name)

    async def person(self, name: str) -> Person:
        """The bot's idea of somebody in the sandbox."""
        human = self.human(name)
        return await self.app.people.by_slack(human.user.team_id, human.id)

    @asynccontextmanager
    async def client(self, name: str, *scopes: str) -> AsyncIterator[AsyncClient]:
        """Somebody's program at the API, with a token of its own."""
        issued = await tokens.create(
            self.settings.database_path,
            self.sandbox.clock,
            person=self.human(name).email,
            scopes=scopes,
            lifetime=timedelta(hours=1),
            issued_by="the demo",
        )
        async with AsyncClient(str(self.settings.public_url), issued.secret) as api:
            yield api

    async def small_talk(self) -> None:
        """Something that people have said already, so that there is a message to ask approval for."""
        await self.human("dan").say("The new coffee machine is 480 euros. Shall we?", channel="general")

    async def mail_in_advance(self, run: int, name: str) -> None:
        """What an admin's script does: makes somebody's link for a run that does not ask yet, and mails it."""
        person, admin = self.human(name), self.human(ADMIN)
        async with self.client(ADMIN, "read", "links") as api:
            made = await api.links(self.app.engine.ids.run(run), person.email, whole_run=True)
        put_in_mailbox(
            self.sandbox,
            sender=f"{admin.user.real_name} <{admin.email}>",
            to=person.email,
            subject="If you cannot wait for the build",
            text=f"You may decide in advance, for whatever this run asks you first:\n\n{made.page}\n",
        )


@asynccontextmanager
async def stage(*, port: int = 0, clock: Clock | None = None) -> AsyncIterator[Stage]:
    """Set the stage in a temporary folder; ``port`` is the page's, and the bot's is a free one."""
    with tempfile.TemporaryDirectory(prefix="signoff-demo-") as folder:
        sandbox = Sandbox.with_neighbours(clock=clock)
        sandbox.manifest.read(filled_in(None, socket_mode=True))
        company = Company(sandbox)
        theatre: list[Stage] = []
        page = SandboxPage(
            sandbox,
            flows=lambda: _flows(theatre[0]) if theatre else [],
            start=lambda person, flow, values: _start(theatre[0], person, flow, values),
            guide=_GUIDE,
        )
        await sandbox.start(port=port)
        try:
            settings = _settings(Path(folder), sandbox, company, port=free_port())
            sandbox.oauth.redirects |= {f"{settings.public_url}{path}" for path in (INSTALLED_PATH, SIGNED_IN_PATH)}
            app = await App.open(settings, clock=sandbox.clock)
            try:
                theatre.append(Stage(sandbox, app, page, company, settings))
                sandbox.events_url = f"{await app.start()}/slack/events"
                yield theatre[0]
            finally:
                await app.stop()
        finally:
            await company.close()
            await sandbox.stop()


_HINTS = {f"/approvals {name.partition(' ')[0]}".rstrip(): told.replace("`", "") for name, told in COMMANDS.items()}
_GUIDE = Guide(
    title="A company in a box",
    lead="Signoff runs on your machine. Slack and Gmail are stand-ins; the bot, its flows and its links are real.",
    steps=[
        Step("You are Ann. Start the vacation request.", "?as=ann&flow=vacation"),
        Step("Become Bob, her manager: a card is in his direct messages. Approve it.", "?as=bob&open=dm"),
        Step("Back to Ann: her vacation is booked, and she was told.", "?as=ann&open=dm"),
        Step("Then ask for a release: it takes two of Bob, Cat and Dan, in #releases.", "?as=ann&flow=release"),
        Step("Or by mail: the link opens a page, and only the page decides.", "?as=ann&flow=gmail_approval"),
    ],
    more=[
        Step("A hotfix: a reminder after a minute, Eve after three, ten seconds to undo.", "?as=ann&flow=hotfix"),
        Step("As Bob, on its card: ··· and Explain; or ask, or say ok, in its thread.", "?as=bob&open=releases"),
        Step("Bob's Home: select several, and decide them at once.", "?as=bob&open=home"),
        Step("Ann's own messages: Nudge; and after a rejection, Edit and resubmit.", "?as=ann&open=dm"),
        Step("Bob goes away: type /approvals delegate.", "?as=bob&open=general"),
        Step(
            "Dan has written something: ask approval for it, from the menu ··· of his message.", "?as=ann&open=general"
        ),
        Step("A contract by mail, with a code that only the mail shows.", "?as=ann&flow=contract"),
        Step("Eve is the admin: from her Home she installs the bot in Globex.", "?as=eve&open=home"),
        Step("Bad days, on the left: archive #releases while a card waits there, or let Slack be down."),
    ],
    notes=(
        "Approve your own request, approve twice, click an old card: each click gets an answer that says why. The other"
        " flows are those of the migration guide; jobs take half a minute, and text messages come by mail."
    ),
    commands=_HINTS,
)


def _settings(folder: Path, sandbox: Sandbox, company: Company, *, port: int) -> Settings:
    return Settings(
        database=f"sqlite:///{folder / 'demo.db'}",
        flows=LIBRARY,
        host="127.0.0.1",
        port=port,
        public_url=f"http://127.0.0.1:{port}",
        secret_key=(SecretStr(token_urlsafe(32)),),
        admins=(f"{ADMIN}@example.com",),
        http_allow=("127.0.0.1",),
        reconcile=timedelta(minutes=1),  # whoever tries a bad day wants to see what becomes of it
        connections=company.connections,
        slack_bot_token=SecretStr(sandbox.bot_token),
        slack_signing_secret=SecretStr(sandbox.signing_secret),
        slack_api_url=sandbox.slack_url,
        slack_client_id=sandbox.oauth.client_id,
        slack_client_secret=SecretStr(sandbox.oauth.client_secret),
        gmail_api_url=sandbox.gmail_url,
        gmail_sender=SENDER,
        gmail_token=SecretStr(sandbox.gmail_token),
    )


def free_port() -> int:
    """A port that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _flows(set_up: Stage) -> list[dict[str, Json]]:
    """The flows with their inputs as the page wants them, filled in so that a stranger needs only one click."""
    filled = _filled(set_up)
    flows = [set_up.app.engine.flows[name] for name in library.FLOWS]
    return [
        {
            "name": flow.flow,
            "title": flow.name,
            "description": flow.description or "",
            "fields": [
                field.model_dump(mode="json", exclude_none=True)
                | filled.get(field.name, {})
                | _FILLED.get((flow.flow, field.name), {})
                for field in flow.inputs
            ],
        }
        for flow in flows
    ]


_FILLED: dict[tuple[str, str], dict[str, Json]] = {
    ("hotfix", "version"): {"default": "1.4.1"},
    ("hotfix", "lead"): {"default": "eve@example.com"},
}
"""Where one flow is filled in differently from the others."""


def _filled(set_up: Stage) -> dict[str, dict[str, Json]]:
    today = set_up.sandbox.clock.now().date()
    phones = {name: number for number, name in PHONES.items()}
    values = {
        "employee": "ann@example.com",
        "manager": "bob@example.com",
        "start": str(today + timedelta(days=30)),
        "end": str(today + timedelta(days=44)),
        "subject": "the new price list",
        "approver": "bob@example.com",
        "phone": phones["bob"],
        "first": "bob@example.com",
        "second": "cat@example.com",
        "third": "dan@example.com",
        "request": "Shall we order the blue chairs?",
        "approvers": "bob@example.com, cat@example.com",
        "version": "1.4.0",
        "changes": "Faster search. Fixes the time zone of invoices.",
        "problem": "Invoices cannot be opened since 1.4.0.",
        "partner": "Globex",
        "amount": 4800,
        "signer": "dan@example.com",
        "customer": "zoe@example.net",
        "order": "4711",
        "lead": "bob@example.com",
        "month": f"{today:%Y-%m}",
        "year": today.year,
    }
    return {name: {"default": value} for name, value in values.items()}


async def _start(set_up: Stage, person: str, flow: str, values: Mapping[str, Json]) -> dict[str, Json]:
    """What the page's "Start a flow" does: the same call as the API's, as the person whom one has become."""
    try:
        who = await set_up.person(person)
        run_, _ = await set_up.app.engine.start(flow, who.id, values)
    except InvalidForm as error:
        return {"errors": error.fields}
    except Refused as error:
        return {"error": str(error)}
    if flow == "pre_approval":
        await set_up.mail_in_advance(run_.id, "bob")
    return {"run": set_up.app.engine.ids.run(run_.id), "url": set_up.app.engine.ids.run_url(run_.id)}
