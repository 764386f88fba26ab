"""What the sandbox's page asks and does: JSON over HTTP, acting as the person on whose screen something was done.

Everything that a person does goes through ``Human``, which signs the real requests to the bot. Answers:
200 ``{"ok": bool}`` (false: the bot did not take it; the screen says so), 409 ``{"error"}`` for what Slack's client would
not let a person do, 422 ``{"errors": {field: sentence}}`` for what has to be filled in differently.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol, Self, TypeVar

from aiohttp import ClientConnectionResetError, web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from flows.ports import Json
from integrations.sandbox.inputs import Incomplete, NotPossible
from integrations.sandbox.message import Message
from integrations.sandbox.page_bad_days import FAULTS, BadDays, ChannelAct, GroupAct, PersonAct, SlackAct
from integrations.sandbox.people import Human
from integrations.sandbox.screen import Screens
from integrations.sandbox.server import Sandbox
from integrations.sandbox.view import View

FlowList = Callable[[], Sequence[Mapping[str, Json]]]
Start = Callable[[str, str, Mapping[str, Json]], Awaitable[Mapping[str, Json]]]

# Seconds without news after which a word goes out, so that a closed browser is noticed.
_QUIET = 15.0


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    person: str


class _Use(_Body):
    """Something that stands on a message (``channel``, ``ts``) or in a view. ``values``: what is typed in there."""

    channel: str | None = None
    ts: str | None = None
    view: str | None = None
    block_id: str
    action_id: str
    value: Json = None
    values: dict[str, Json] = {}


class _Query(_Body):
    """What is typed into an external menu on a message or in a view."""

    channel: str | None = None
    ts: str | None = None
    view: str | None = None
    action_id: str
    query: str


class _Submission(_Body):
    view: str
    values: dict[str, Json]


class _Closing(_Body):
    view: str
    everything: bool = False


class _Words(_Body):
    """Something written in a channel, or with ``thread_ts`` in a thread of it."""

    channel: str
    text: str
    thread_ts: str | None = None
    broadcast: bool = False


class _Shortcut(_Body):
    """A global shortcut, or with ``channel`` and ``ts`` one of a message."""

    callback_id: str
    channel: str | None = None
    ts: str | None = None


class _Pointed(_Body):
    """A message."""

    channel: str
    ts: str


class _Read(_Body):
    channel: str | None = None
    ts: str | None = Field(default=None, pattern=r"^\d{1,12}\.\d{6}$")
    thread_ts: str = ""
    mail: str | None = None


class _Begin(_Body):
    flow: str
    values: dict[str, Json]


class _HasPerson(Protocol):
    """What every body says: who does it."""

    @property
    def person(self) -> str: ...

    @classmethod
    def model_validate_json(cls, json_data: str) -> Self: ...


B = TypeVar("B", bound=_HasPerson)


class PageApi:
    """The endpoints behind the page, all under ``/_sandbox/api/``."""

    def __init__(self, sandbox: Sandbox, screens: Screens, *, flows: FlowList, start: Start) -> None:
        self._sandbox = sandbox
        self._screens = screens
        self._flows = flows
        self._start = start
        self._bad_days = BadDays(sandbox)

    def routes(self) -> dict[tuple[str, str], Callable[[web.Request], Awaitable[web.StreamResponse]]]:
        """Method and path of every endpoint, with what answers it."""
        acts: dict[str, Callable[[web.Request], Awaitable[web.StreamResponse]]] = {
            "click": self._act(_Use, self._click),
            "select": self._act(_Use, self._select),
            "suggest": self._act(_Query, self._suggest),
            "submit": self._act(_Submission, self._submit),
            "close": self._act(_Closing, self._close),
            "say": self._act(_Words, self._say),
            "command": self._act(_Words, self._command),
            "shortcut": self._act(_Shortcut, self._shortcut),
            "delete": self._act(_Pointed, self._delete),
            "home": self._act(_Body, self._home),
            "channel": self._act(ChannelAct, _done(self._bad_days.channel)),
            "somebody": self._act(PersonAct, _done(self._bad_days.somebody)),
            "group": self._act(GroupAct, _done(self._bad_days.group)),
            "slack": self._act(SlackAct, _done(self._bad_days.slack)),
            "read": self._act(_Read, self._mark_read),
            "start": self._act(_Begin, self._begin),
        }
        return {
            ("GET", "state"): self._state,
            ("GET", "events"): self._events,
            ("GET", "flows"): self._list_flows,
            ("GET", "faults"): self._list_faults,
            **{("POST", name): handler for name, handler in acts.items()},
        }

    # -- seeing

    async def _state(self, request: web.Request) -> web.Response:
        return web.json_response(self._screens.of(self._name_in(request)))

    async def _events(self, request: web.Request) -> web.StreamResponse:
        """The screen now and after each change, as server-sent events ``screen``."""
        name = self._name_in(request)
        changes = self._sandbox.changes
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
        await response.prepare(request)
        shown = ""
        try:
            while True:
                seen = changes.count
                screen = json.dumps(self._screens.of(name))
                if screen != shown:
                    await response.write(f"event: screen\ndata: {screen}\n\n".encode())
                    shown = screen
                # What changed while that was being written must not wait for the next change.
                if changes.count == seen and not await self._news():
                    await response.write(b": quiet\n\n")
        except ClientConnectionResetError:
            return response

    async def _news(self) -> bool:
        try:
            async with asyncio.timeout(_QUIET):
                await self._sandbox.changes.next()
        except TimeoutError:
            return False
        return True

    async def _list_flows(self, _request: web.Request) -> web.Response:
        return web.json_response({"flows": [dict(flow) for flow in self._flows()]})

    async def _list_faults(self, _request: web.Request) -> web.Response:
        return web.json_response({"faults": {name: sentence for name, (sentence, _) in FAULTS.items()}})

    # -- doing

    async def _click(self, person: Human, use: _Use) -> web.Response:
        place = await self._place(person, use)
        value = use.value if isinstance(use.value, str) else None
        answer = await person.click(place, use.action_id, value=value, block_id=use.block_id)
        return web.json_response({"ok": answer.ok})

    async def _select(self, person: Human, use: _Use) -> web.Response:
        place = await self._place(person, use)
        answer = await person.select(place, use.action_id, use.value, block_id=use.block_id)
        return web.json_response({"ok": answer.ok})

    async def _suggest(self, person: Human, query: _Query) -> web.Response:
        place: Message | View
        if query.view is not None:
            place = _view(person, query.view)
        else:
            place = _message(person, query.channel or "", query.ts or "")
        options = await person.suggestions(place, query.action_id, query.query)
        return web.json_response({"options": options})

    async def _submit(self, person: Human, submission: _Submission) -> web.Response:
        answer = await person.submit(submission.values, view=_view(person, submission.view))
        return web.json_response({"ok": answer.ok})

    async def _close(self, person: Human, closing: _Closing) -> web.Response:
        answer = await person.close(_view(person, closing.view), all_of_them=closing.everything)
        return web.json_response({"ok": answer.ok})

    async def _say(self, person: Human, words: _Words) -> web.Response:
        if not words.text.strip():
            raise NotPossible("there is nothing to send")
        await person.say(words.text, channel=words.channel, thread_ts=words.thread_ts, broadcast=words.broadcast)
        return web.json_response({"ok": True})

    async def _shortcut(self, person: Human, used: _Shortcut) -> web.Response:
        if used.channel is None or used.ts is None:
            answer = await person.global_shortcut(used.callback_id)
        else:
            answer = await person.message_shortcut(_message(person, used.channel, used.ts), used.callback_id)
        return web.json_response({"ok": answer.ok})

    async def _delete(self, person: Human, pointed: _Pointed) -> web.Response:
        """One's own message as oneself, and any other as an administrator."""
        message = _message(person, pointed.channel, pointed.ts)
        if message.user == person.id:
            await person.delete_message(message)
        else:
            await self._sandbox.delete_message(message, workspace=person.workspace)
        return web.json_response({"ok": True})

    async def _command(self, person: Human, words: _Words) -> web.Response:
        name, _, text = words.text.strip().partition(" ")
        answer = await person.command(name, text.strip(), channel=words.channel)
        return web.json_response({"ok": answer.ok})

    async def _home(self, person: Human, _body: _Body) -> web.Response:
        answer = await person.open_home()
        return web.json_response({"ok": answer.ok})

    async def _mark_read(self, _person: Human, read: _Read) -> web.Response:
        if read.channel is not None and read.ts is not None:
            self._screens.read(read.person, read.channel, read.ts, read.thread_ts)
        if read.mail is not None:
            self._screens.read_mail(read.person, read.mail)
        return web.json_response({"ok": True})

    async def _begin(self, _person: Human, begin: _Begin) -> web.Response:
        started = dict(await self._start(begin.person, begin.flow, begin.values))
        refused = bool(started.get("errors") or started.get("error"))
        return web.json_response(started, status=422 if refused else 200)

    # -- how it gets there

    def _act(
        self, form: type[B], perform: Callable[[Human, B], Awaitable[web.Response]]
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.Response:
            if request.content_type != "application/json":
                return _error(415, "this takes application/json")
            try:
                body = form.model_validate_json(await request.text())
            except ValidationError as error:
                return _error(400, "; ".join(f"{each['loc']}: {each['msg']}" for each in error.errors()))
            person = self._sandbox.people.get(body.person)
            if person is None:
                return _error(404, f"there is nobody called {body.person}")
            try:
                return await perform(person, body)
            except Incomplete as incomplete:
                return web.json_response({"errors": incomplete.fields}, status=422)
            except NotPossible as refusal:
                return _error(409, str(refusal))

        return handle

    def _name_in(self, request: web.Request) -> str:
        """Whose screen is asked for; without a name, the first person's."""
        name = request.query.get("person") or next(iter(self._sandbox.people), "")
        if name not in self._sandbox.people:
            raise web.HTTPNotFound(text=f"there is nobody called {name}")
        return name

    async def _place(self, person: Human, use: _Use) -> Message | View:
        if use.view is not None:
            view = _view(person, use.view)
            await _fill(person, view, use.values)
            return view
        return _message(person, use.channel or "", use.ts or "")


def _done(perform: Callable[[Human, B], Awaitable[None]]) -> Callable[[Human, B], Awaitable[web.Response]]:
    async def perform_and_say_so(person: Human, body: B) -> web.Response:
        await perform(person, body)
        return web.json_response({"ok": True})

    return perform_and_say_so


def _message(person: Human, channel: str, ts: str) -> Message:
    seen = [*person.workspace.messages_in(channel), *person.ephemerals()]
    found = next((each for each in seen if (each.channel, each.ts) == (channel, ts)), None)
    if found is None:
        raise NotPossible("this message is gone")
    return found


def _view(person: Human, view_id: str) -> View:
    found = next((each for each in (person.modal, person.home) if each is not None and each.id == view_id), None)
    if found is None:
        raise NotPossible("this view is not on the screen any more")
    return found


async def _fill(person: Human, view: View, values: Mapping[str, Json]) -> None:
    """Note what is typed in already: Slack sends it along with every click inside a modal."""
    for block in view.blocks:
        # Those that dispatch have been sent when they were changed.
        if block["type"] == "input" and block["block_id"] in values and not block.get("dispatch_action"):
            name = block["element"]["action_id"]
            await person.select(view, name, values[block["block_id"]], block_id=block["block_id"])


def _error(status: int, sentence: str) -> web.Response:
    return web.json_response({"error": sentence}, status=status)
