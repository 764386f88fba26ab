"""The Bolt app, and its two ways to be reached: requests at ``/slack/events``, or Socket Mode."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Coroutine, Mapping
from datetime import timedelta

from aiohttp import web
from slack_bolt.adapter.aiohttp import to_aiohttp_response
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_sdk.signature import Clock as SignatureClock
from slack_sdk.signature import SignatureVerifier
from slack_sdk.web.async_client import AsyncWebClient

from bot.installations.keeper import Installations
from bot.links import PageLinks
from bot.people import People
from bot.reconciler.channel_events import EVENTS as CHANNEL_EVENTS
from bot.reconciler.channel_events import ChannelEvents
from bot.reconciler.passes import Reconciler
from bot.slack.breaking_glass import BreakingGlass
from bot.slack.buttons import Ack, Buttons
from bot.slack.cards import Cards
from bot.slack.commands import COMMAND, Commands, Digests
from bot.slack.copies import Copies
from bot.slack.decisions import Decisions
from bot.slack.delegating import Delegating
from bot.slack.departures import GROUP_UPDATED, MEMBERS_CHANGED, USER_CHANGE, Departures
from bot.slack.errands import Errands
from bot.slack.explaining import Explaining
from bot.slack.hand_overs import HandOvers
from bot.slack.home import Home, Trouble
from bot.slack.home_actions import HOME_OPENED, HomeActions
from bot.slack.homes import Homes
from bot.slack.installed import Installed
from bot.slack.installing import Installing, Invite
from bot.slack.lists import Lists
from bot.slack.menu import Menu
from bot.slack.modals import Modals
from bot.slack.questions import Questions
from bot.slack.reassigning import Reassigning
from bot.slack.replies import Replies
from bot.slack.requesting import Requesting
from bot.slack.run_control import RunControl
from bot.slack.shortcuts import Shortcuts
from bot.slack.snoozing import Snoozing
from bot.slack.starting import Starting
from bot.slack.submissions import Submissions
from bot.slack.threads import HEARD, Threads
from bot.slack.uninstalled import APP_UNINSTALLED, TOKENS_REVOKED, Uninstalled
from bot.slack.views import buttons, cancel_modal, form_inputs, run_modal, startable
from bot.slack.views.decision_modal import VERDICTS
from bot.workspaces import Workspaces
from flows.clock import Clock
from flows.engine import Engine
from flows.ports import Json
from integrations.slack.client import SLACK_API

EVENTS = (
    HOME_OPENED,
    USER_CHANGE,
    GROUP_UPDATED,
    MEMBERS_CHANGED,
    APP_UNINSTALLED,
    TOKENS_REVOKED,
    *CHANNEL_EVENTS,
    *HEARD,
)
"""The events that are listened to; ``manifest.yml`` subscribes to exactly these."""

_LONGEST_TIMESTAMP = 20  # digits; Python refuses to read a number of thousands of them


class SlackDoor:
    """Slack as a way in. ``drain`` it before the engine's store is closed.

    ``signing_secret`` is None where there is only Socket Mode; then every request is refused. Without ``homes`` home
    tabs are drawn when somebody opens theirs or does something there, and not kept up to date. ``trouble`` is what
    admins are told there, ``invite`` makes their links for installing it. ``reconciler`` is told what Slack says of its
    channels, and deals with copies of cards.
    """

    def __init__(
        self,
        *,
        engine: Engine,
        people: People,
        workspaces: Workspaces,
        cards: Cards,
        links: PageLinks,
        clock: Clock,
        signing_secret: str | None,
        homes: Homes | None = None,
        trouble: Trouble | None = None,
        reconciler: Reconciler | None = None,
        digests: Digests | None = None,
        installations: Installations | None = None,
        invite: Invite | None = None,
    ) -> None:
        self._errands = errands = Errands()
        self._verifier = _Verifier(signing_secret, _Now(clock)) if signing_secret else None
        lists = Lists(engine, people, cards)
        self.home = home = Home(engine, people, workspaces, cards, clock, homes, trouble, installs=invite is not None)
        self._hand_overs = HandOvers(engine, clock, home.touch)
        replies = Replies(engine, people, workspaces, links, lists, home)
        decisions = Decisions(engine, people, cards)
        copies = Copies(engine, cards, reconciler.strays if reconciler is not None else None)
        starting = Starting(engine, people, workspaces, cards, replies, errands)
        run_control = RunControl(engine, people, workspaces, replies, errands)
        buttons_ = Buttons(engine, decisions, workspaces, replies, copies, errands)
        self.delegating = delegating = Delegating(engine, people, workspaces, clock, replies, errands)
        reassigning = Reassigning(engine, people, workspaces, replies, delegating, errands)
        breaking_glass = BreakingGlass(engine, people, workspaces, replies, errands)
        self.app = slack_app(
            buttons_,
            Submissions(engine, people, decisions, workspaces, replies, copies, errands),
            Commands(
                engine,
                people,
                workspaces,
                cards,
                lists,
                replies,
                starting,
                run_control,
                buttons_,
                delegating,
                errands,
                digests,
            ),
            starting,
            run_control,
            Departures(engine, people, workspaces),
            Installed(workspaces, errands),
        )
        modals = Modals(workspaces, replies)
        explaining = Explaining(engine, people, decisions, cards, links, modals, errands, clock)
        questions = Questions(engine, people, replies, modals, errands)
        snoozing = Snoozing(engine, people, replies, modals, errands, clock)
        more = {
            buttons.EXPLAIN: explaining.open,
            buttons.ASK: questions.open,
            buttons.SNOOZE: snoozing.open,
            buttons.REASSIGN: reassigning.open,
            buttons.BREAK_GLASS: breaking_glass.open,
        }
        HomeActions(engine, people, workspaces, cards, clock, home, starting, errands).listen(self.app)
        if invite is not None:
            Installing(people, workspaces, home, invite, errands).listen(self.app)
        Menu(engine.ids, errands, more, buttons=(buttons.EXPLAIN, buttons.ASK, buttons.SNOOZE)).listen(self.app)
        Requesting(engine, people, replies, starting, run_control, errands).listen(self.app)
        Shortcuts(engine, people, workspaces, starting, errands).listen(self.app)
        for one in (explaining, questions, snoozing, delegating, reassigning, breaking_glass):
            one.listen(self.app)
        if reconciler is not None:
            ChannelEvents(reconciler).listen(self.app)
        if installations is not None:
            Uninstalled(installations, clock).listen(self.app)
        # The last: Bolt hands a message to the first listener that fits, and this one takes all of them.
        Threads(engine, people, workspaces, decisions, replies, errands).listen(self.app)

    async def events(self, request: web.Request) -> web.StreamResponse:
        """Answer one request of Slack's; for ``POST /slack/events``. Who is not Slack gets 401, whatever they send."""
        raw = await request.read()
        # Here and not in Bolt, which looks at signatures only after it has parsed what anybody may have sent.
        if self._verifier is None or not self._verifier.signed(raw, request.headers):
            # Slack's own check of the certificate is not signed, and wants no more than an answer.
            checked = b"ssl_check=1" in raw.split(b"&")
            return web.Response() if checked else web.json_response({"error": "invalid request"}, status=401)
        try:
            bolt_request = AsyncBoltRequest(
                body=raw.decode(), query=request.query_string, headers=dict(request.headers)
            )
        # Bolt takes what it has parsed for a mapping, and looks for ids in it at once.
        except (ValueError, TypeError, AttributeError, LookupError, RecursionError):
            return web.json_response({"error": "the body cannot be read"}, status=400)
        return await to_aiohttp_response(await self.app.async_dispatch(bolt_request))

    def socket_mode(self, app_token: str, *, base_url: str = SLACK_API) -> SocketMode:
        """Another way to be reached, for where Slack cannot call the bot."""
        return SocketMode(self.app, app_token, base_url)

    async def drain(self, patience: timedelta = timedelta(seconds=5)) -> None:
        """Finish answering what was acknowledged, at most ``patience``."""
        await self._errands.drain(patience)

    def changed(self, run: int) -> None:
        """A run has changed: home tabs may show it. For ``SqliteStore.on_change``."""
        self.home.changed(run)

    def start(self) -> None:
        """Keep home tabs up to date also where only the clock changes what they show."""
        self._hand_overs.start()

    async def stop(self, patience: timedelta = timedelta(seconds=5)) -> None:
        """Keep no home tab up to date any more, and finish answering."""
        await self._hand_overs.stop()
        await self.home.stop()
        await self.drain(patience)


class SocketMode:
    """A websocket to Slack that the bot opens. It reconnects by itself."""

    def __init__(self, app: AsyncApp, app_token: str, base_url: str) -> None:
        self._app = app
        self._app_token = app_token
        self._base_url = base_url
        self._handler: AsyncSocketModeHandler | None = None
        self._connecting: asyncio.Task[None] | None = None

    async def start(self, patience: timedelta = timedelta(seconds=5)) -> None:
        """Connect. Returns once connected, or after ``patience``, and then goes on trying: Slack may be down."""
        quiet = logging.Logger("slack_sdk", logging.CRITICAL)  # its debug log repeats payloads
        web_client = AsyncWebClient(token=self._app_token, base_url=self._base_url, logger=quiet)
        self._handler = AsyncSocketModeHandler(self._app, self._app_token, logger=_discreet(), web_client=web_client)
        connecting: Coroutine[None, None, None] = self._handler.connect_async()  # type: ignore[no-untyped-call]  # Bolt's is not annotated
        self._connecting = asyncio.create_task(connecting)
        await asyncio.wait([self._connecting], timeout=patience.total_seconds())

    async def stop(self) -> None:
        """Hang up."""
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.gather(self._connecting, return_exceptions=True)
            self._connecting = None
        if self._handler is not None:
            await self._handler.close_async()  # type: ignore[no-untyped-call]  # Bolt's is not annotated
            self._handler = None


def slack_app(
    clicks: Buttons,
    submissions: Submissions,
    commands: Commands,
    starting: Starting,
    run_control: RunControl,
    departures: Departures,
    installed: Installed,
) -> AsyncApp:
    """The Bolt app with every listener. It takes each request for Slack's: see ``SlackDoor.events``."""
    app = AsyncApp(
        name="signoff",
        logger=_discreet(),
        client=AsyncWebClient(),
        authorize=_authorize,
        request_verification_enabled=False,
        # Bolt then answers when the listener has returned, and polls for nothing in between. What may take longer
        # than an answer is an errand, which a stop waits for; Bolt's own background tasks are nobody's.
        process_before_response=True,
    )

    app.middleware(installed.check)

    async def changed(ack: Ack, body: Mapping[str, Json]) -> None:
        """An input was filled in on which it depends which others are asked. All of them have the same action id."""
        of_a_start = body["view"]["callback_id"] == run_modal.RUN_FORM
        await (starting.changed if of_a_start else submissions.changed)(ack, body)

    app.action(buttons.APPROVE)(clicks.approve)
    app.action(buttons.APPROVE_WITH)(clicks.approve_with)
    app.action(_beginning_with(buttons.OPTION))(clicks.option)
    app.action(_beginning_with(buttons.OPTION_WITH))(clicks.option_with)
    app.action(buttons.REJECT)(clicks.reject)
    app.action(buttons.RESUME)(clicks.resume)
    app.action(buttons.RESUME_WITH)(clicks.resume_with)
    app.action(buttons.TAKE_BACK)(clicks.take_back)
    app.action(buttons.OPEN_PAGE)(commands.open_page)
    app.action(_beginning_with(startable.START))(starting.clicked)
    app.action(form_inputs.ACTION)(changed)
    for callback_id in VERDICTS:
        app.view(callback_id)(submissions.sent)
    app.view(run_modal.RUN_FORM)(starting.sent)
    app.view(cancel_modal.CANCEL_RUN)(run_control.cancel)
    app.command(COMMAND)(commands.approvals)
    app.event(USER_CHANGE)(departures.user_changed)
    app.event(GROUP_UPDATED)(departures.group_changed)
    app.event(MEMBERS_CHANGED)(departures.group_changed)
    return app


def _beginning_with(text: str) -> re.Pattern[str]:
    return re.compile(f"^{re.escape(text)}")


def _discreet() -> logging.Logger:
    """For Bolt and the SDK, whose debug logs repeat what people sent."""
    logger = logging.getLogger(f"{__name__}.bolt")
    logger.setLevel(logging.INFO)
    return logger


async def _authorize(enterprise_id: str | None, team_id: str | None) -> AuthorizeResult:
    """Nobody is asked: the listeners call Slack through clients of their own, and who clicked is the payload's to say.
    ``installed`` looks at whether the bot is in that workspace."""
    return AuthorizeResult(enterprise_id=enterprise_id, team_id=team_id)


class _Verifier(SignatureVerifier):
    """Slack's signature over the bytes of a request, by our clock."""

    def signed(self, body: bytes, headers: Mapping[str, str]) -> bool:
        timestamp, signature = (headers.get(f"X-Slack-{name}", "") for name in ("Request-Timestamp", "Signature"))
        # The original raises for a timestamp that is no number and for a signature that is not ASCII.
        if not (timestamp.isdecimal() and len(timestamp) <= _LONGEST_TIMESTAMP and signature.isascii()):
            return False
        try:
            return self.is_valid(body, timestamp, signature)
        except UnicodeDecodeError:
            return False  # Slack sends UTF-8


class _Now(SignatureClock):
    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def now(self) -> float:
        return self._clock.now().timestamp()
