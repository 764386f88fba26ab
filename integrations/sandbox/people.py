"""A person at the keyboard: sees what Slack and Gmail show, and does what their clients let people do.

Everything a ``Human`` does reaches the bot as Slack's servers would send it, over real sockets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Literal

from flows.ports import Json
from integrations.sandbox import payloads
from integrations.sandbox.arguments import SlackRefusal
from integrations.sandbox.blocks import Block, elements_of, options_of
from integrations.sandbox.bot_line import Answer, BotLine
from integrations.sandbox.changes import Changes
from integrations.sandbox.content import MODALS, checked_view, push_modal
from integrations.sandbox.events import Events
from integrations.sandbox.inputs import Incomplete, NotPossible, complaint, entered, state_of
from integrations.sandbox.mailbox import Mail, PostOffice
from integrations.sandbox.members import Channel, User
from integrations.sandbox.message import Message
from integrations.sandbox.response_url import show_response
from integrations.sandbox.view import StateValues, View
from integrations.sandbox.workspace import ResponseAddress, Workspace

Place = Message | View
_MENTIONED = ("user", "text", "ts", "team", "channel", "event_ts", "thread_ts", "parent_user_id")
TROUBLE = "We had some trouble connecting. Try again?"


class Human:
    """One person of a workspace.

    Messages that it hands out are snapshots: a click on one checks that the button is still there. Views are live.
    ``notices`` collects what Slack's client says in red, for example when the bot has not answered in time.
    """

    def __init__(
        self,
        user: User,
        *,
        workspace: Workspace,
        office: PostOffice,
        line: BotLine,
        events: Events,
        changes: Changes,
        origin: Callable[[], str],
    ) -> None:
        self.user = user
        self.workspace = workspace
        self.notices: list[str] = []
        self._office = office
        self._line = line
        self._events = events
        self._changes = changes
        self._origin = origin
        self._filled: dict[tuple[str, str], StateValues] = {}

    def __repr__(self) -> str:
        return f"Human({self.user.name})"

    @property
    def id(self) -> str:
        """The Slack user id."""
        return self.user.id

    @property
    def name(self) -> str:
        """The short name."""
        return self.user.name

    @property
    def email(self) -> str:
        """The mail address; empty if there is none."""
        return self.user.email or ""

    # -- seeing

    def messages(self, channel: str | None = None) -> list[Message]:
        """All messages in the channels and direct messages that this person is in, oldest first.

        ``channel`` (an id, a name with or without ``#``, or ``"@signoff"`` for the direct message with the bot) keeps
        those of one place.
        """
        places = [self._channel(channel)] if channel is not None else self._channels()
        return [message.snapshot() for message in self._live(places)]

    def ephemerals(self) -> list[Message]:
        """All messages that only this person sees, oldest first."""
        return [message.snapshot() for message in self._whispers()]

    def message(self, containing: str = "") -> Message | None:
        """The newest message that shows this text; None if there is none."""
        return _newest(self._live(self._channels()), containing)

    def now(self, message: Message) -> Message:
        """The message as it stands. Raises ``NotPossible`` if it is gone."""
        return self._current(message).snapshot()

    @property
    def modal(self) -> View | None:
        """The modal on top; None if none is open."""
        stack = self.workspace.modals.get(self.id)
        return stack[-1] if stack else None

    @property
    def home(self) -> View | None:
        """The home tab as last published; None if it never was."""
        return self.workspace.homes.get(self.id)

    def inbox(self) -> list[Mail]:
        """The mails that were delivered to this person, oldest first."""
        return list(self._office.inbox(self.email)) if self.email else []

    # -- waiting to see (raise NeverHappened after ``within`` seconds)

    async def sees(self, containing: str, *, within: float = 30.0) -> Message:
        """Wait for a message that shows this text; the newest of them."""
        what = f"{self.name} sees {containing!r}"
        return await self._changes.until(lambda: self.message(containing), within=within, what=what)

    async def is_told(self, containing: str, *, within: float = 30.0) -> Message:
        """Wait for an ephemeral message that shows this text; the newest of them."""
        what = f"{self.name} is told {containing!r}"
        return await self._changes.until(lambda: _newest(self._whispers(), containing), within=within, what=what)

    async def gets_modal(self, containing: str = "", *, within: float = 30.0) -> View:
        """Wait until the modal on top shows this text."""

        def found() -> View | None:
            return self.modal if self.modal is not None and containing in self.modal.shown_text() else None

        return await self._changes.until(found, within=within, what=f"{self.name} gets a modal with {containing!r}")

    async def gets_home(self, containing: str = "", *, within: float = 30.0) -> View:
        """Wait until the home tab shows this text."""

        def found() -> View | None:
            return self.home if self.home is not None and containing in self.home.shown_text() else None

        return await self._changes.until(found, within=within, what=f"{self.name} gets a home tab with {containing!r}")

    async def gets_mail(self, containing: str = "", *, within: float = 30.0) -> Mail:
        """Wait for a mail whose subject or plain part has this text; the newest of them."""

        def found() -> Mail | None:
            fitting = (mail for mail in reversed(self.inbox()) if containing in f"{mail.subject}\n{mail.plain}")
            return next(fitting, None)

        return await self._changes.until(found, within=within, what=f"{self.name} gets a mail with {containing!r}")

    # -- doing

    async def click(
        self, place: Place, button: str, *, value: str | None = None, block_id: str | None = None, confirm: bool = True
    ) -> Answer:
        """Press a button, by action id or by its text, on a message, in a modal or on the home tab.

        ``value`` and ``block_id`` tell apart several that fit. Where the button asks back, ``confirm`` is what the
        person answers; on False nothing is sent. Raises ``NotPossible`` if there is no such button now.
        """
        current = self._current(place) if isinstance(place, Message) else self._open(place)
        block, element = _element(current, button, value=value, block_id=block_id, sort="button")
        if "confirm" in element and not confirm:
            return Answer(200)
        return await self._act(current, block, element, {})

    async def click_stale(
        self, snapshot: Message, button: str, *, value: str | None = None, block_id: str | None = None
    ) -> Answer:
        """Press a button of a message as it once was: a client that has not heard of the change yet."""
        block, element = _element(snapshot, button, value=value, block_id=block_id, sort="button")
        return await self._act(snapshot, block, element, {})

    async def select(self, place: Place, element: str, value: Json, *, block_id: str | None = None) -> Answer:
        """Choose in a menu, overflow, date or time picker, checkboxes or radio buttons outside of an input block.

        ``value`` is what ``inputs.entered`` takes: an option's value or text, a list of them, a person, a date.
        """
        current = self._current(place) if isinstance(place, Message) else self._open(place)
        block, found = _element(current, element, value=None, block_id=block_id, sort=None)
        state = entered(found, value)
        if found["type"] != "overflow":
            filled = current.values if isinstance(current, View) else self._typed(current)
            filled.setdefault(block["block_id"], {})[found["action_id"]] = state
        if block["type"] == "input" and not block.get("dispatch_action"):
            return Answer(200)
        return await self._act(current, block, found, state)

    async def suggestions(self, place: Place, element: str, query: str) -> list[Json]:
        """Type into an external select; the options that the bot offers (``block_suggestion``)."""
        current = self._current(place) if isinstance(place, Message) else self._open(place)
        block, found = _element(current, element, value=None, block_id=None, sort="external_select")
        payload = payloads.interaction("block_suggestion", self.workspace, self.user)
        payload |= {"action_id": found["action_id"], "block_id": block["block_id"], "value": query}
        if isinstance(current, View):
            payload |= {"container": {"type": "view", "view_id": current.id}, "view": current.as_json()}
        else:
            payload |= {
                "container": {"type": "message", "message_ts": current.ts, "channel_id": current.channel},
                "message": current.as_json(with_metadata=True),
            }
        answer = await self._interact("block_suggestion", payload)
        options: Json = answer.body.get("options", []) if isinstance(answer.body, dict) else []
        return options if isinstance(options, list) else []

    async def submit(self, values: Mapping[str, Json] | None = None, *, view: View | None = None) -> Answer:
        """Fill in the modal on top and press its submit button.

        ``values`` go by block id, action id or label. Raises ``Incomplete``, saying what the client says, where it
        would not submit: an empty required field, too long, not a number. What the bot answers is carried out:
        afterwards ``modal`` is closed, changed, covered by another one, or has ``errors``.
        """
        shown = self._open(view or self._top())
        if shown.content.get("submit") is None:
            raise NotPossible("this modal has no submit button")
        for name, value in (values or {}).items():
            block = _input(shown, name)
            element = block["element"]
            shown.values.setdefault(block["block_id"], {})[element["action_id"]] = entered(element, value)
        state = state_of(shown.blocks, shown.values)
        complaints = {block["block_id"]: complaint(block, state) for block in shown.blocks}
        if wrong := {block_id: sentence for block_id, sentence in complaints.items() if sentence is not None}:
            raise Incomplete(wrong)
        shown.errors = {}
        trigger = self.workspace.new_trigger(self.id, view_id=shown.id)
        payload = payloads.submission(self.workspace, self.user, shown, state=state, trigger_id=trigger.id)
        answer = await self._interact("view_submission", payload)
        if answer.ok:
            self._carry_out(shown, answer.body)
        return answer

    async def close(self, view: View | None = None, *, all_of_them: bool = False) -> Answer:
        """Close the modal on top with its close button, or with ``all_of_them`` the whole stack.

        The bot hears of it only where the view asked for that.
        """
        shown = self._open(view or self._top())
        stack = self.workspace.modals[self.id]
        cleared = all_of_them or bool(shown.content.get("clear_on_close"))
        closed = list(stack) if cleared else [shown]
        self.workspace.modals[self.id] = [each for each in stack if each not in closed]
        self._changes.notify()
        answer = Answer(200)
        for each in reversed(closed):
            if each.content.get("notify_on_close"):
                state = state_of(each.blocks, each.values)
                payload = payloads.closing(self.workspace, self.user, each, state=state, is_cleared=cleared)
                answer = await self._interact("view_closed", payload)
        return answer

    async def open_home(self, *, tab: Literal["home", "messages"] = "home") -> Answer:
        """Open the bot's home tab, or its messages (``app_home_opened``)."""
        return await self._events.tell(self.workspace, payloads.home_opened(self.workspace, self.user, tab=tab))

    async def command(self, name: str, text: str = "", *, channel: str | None = None) -> Answer:
        """Type a slash command, ``command("/approvals", "all")``; without ``channel`` in the direct message with the bot.

        The bot's answer is shown as Slack does: to this person only, or in the channel.
        """
        place = self._channel(channel or "@signoff")
        if not self.workspace.installed:
            self._notice(f"{name} is not a valid command.")
            return Answer(0)
        trigger = self.workspace.new_trigger(self.id)
        address = self.workspace.new_response(self.id, place.id, None)
        payload = payloads.command(
            self.workspace,
            self.user,
            place,
            name=name,
            text=text,
            trigger_id=trigger.id,
            response_url=self._response_url(address),
        )
        answer = await self._line.deliver("slash_commands", "slash_commands", payload)
        if not answer.ok:
            self._notice(f"{name} failed with the error {'operation_timeout' if answer.late else 'dispatch_failed'}")
        for body in (answer.body, answer.again.body if answer.again else None):
            self._show_command_answer(name, address, body)
        return answer

    async def global_shortcut(self, callback_id: str) -> Answer:
        """Use a shortcut from the menu beside the line to write in."""
        return await self._shortcut(callback_id, payloads.interaction("shortcut", self.workspace, self.user))

    async def message_shortcut(self, message: Message, callback_id: str) -> Answer:
        """Use a shortcut from a message's own menu."""
        current = self._current(message)
        if current.ephemeral_to is not None:
            raise NotPossible("a message that only one person sees has no menu")
        address = self.workspace.new_response(self.id, current.channel, None)
        channel = self.workspace.channels[current.channel]
        url = self._response_url(address)
        payload = payloads.message_action(self.workspace, self.user, current, channel, response_url=url)
        return await self._shortcut(callback_id, payload)

    async def shortcut(self, callback_id: str, message: Message | None = None) -> Answer:
        """Use a shortcut: a global one, or the one in a message's menu."""
        if message is None:
            return await self.global_shortcut(callback_id)
        return await self.message_shortcut(message, callback_id)

    async def say(
        self, text: str, *, channel: str | None = None, thread_ts: str | None = None, broadcast: bool = False
    ) -> Message:
        """Write a message, or with ``thread_ts`` a reply; without ``channel`` in the direct message with the bot.

        The bot hears of it (``message``, and ``app_mention`` where it is mentioned) in places that it is in.
        """
        place = self._channel(channel or "@signoff")
        if place.is_archived:
            raise NotPossible(f"#{place.name} is archived: nobody can write there")
        if place.is_im and self._events.messages_read_only:
            raise NotPossible("Sending messages to this app has been turned off.")
        message = self.workspace.post(place, self.id, text, thread_ts=thread_ts, broadcast=broadcast)
        inner = payloads.said(self.workspace, place, message)
        bot = self.workspace.bot.id
        if f"<@{bot}>" in text and bot in place.members and not place.is_im:
            mention = {"type": "app_mention"} | {name: inner[name] for name in _MENTIONED if name in inner}
            await self._events.tell(self.workspace, mention, shared=self.workspace.is_shared(place))
        await self._events.tell_message(self.workspace, place, inner)
        return message.snapshot()

    async def reply_in_thread(self, message: Message, text: str, *, broadcast: bool = False) -> Message:
        """Write a reply in a message's thread; with ``broadcast`` it stands in the channel as well."""
        current = self._current(message)
        if current.ephemeral_to is not None:
            raise NotPossible("a message that only one person sees has no thread")
        return await self.say(
            text, channel=current.channel, thread_ts=current.thread_ts or current.ts, broadcast=broadcast
        )

    def thread(self, message: Message) -> list[Message]:
        """A message and its replies as they stand, oldest first, with those that only this person sees."""
        root = message.thread_ts or message.ts
        whispers = [each for each in self._whispers() if (each.channel, each.thread_ts) == (message.channel, root)]
        found = [*self.workspace.thread(message.channel, root), *whispers]
        return [each.snapshot() for each in sorted(found, key=lambda each: float(each.ts))]

    async def change_words(self, message: Message, text: str) -> Answer:
        """Write one's own message anew (``message_changed``)."""
        current = self._own(message)
        before = current.snapshot()
        self.workspace.edit(current, text, [])
        channel = self.workspace.channels[current.channel]
        inner = payloads.message_changed(self.workspace, channel, current, before)
        return await self._events.tell_message(self.workspace, channel, inner)

    async def delete_message(self, message: Message) -> Answer:
        """Delete one's own message (``message_deleted``); to delete any, as an administrator does, ask the sandbox."""
        current = self._own(message)
        before = current.snapshot()
        self.workspace.remove(current)
        channel = self.workspace.channels[current.channel]
        inner = payloads.message_deleted(self.workspace, channel, before)
        return await self._events.tell_message(self.workspace, channel, inner)

    # -- how it gets there

    async def _act(self, place: Place, block: Block, element: Block, state: Mapping[str, Json]) -> Answer:
        workspace = self.workspace
        used = [payloads.action(block, element, state, ts=workspace.new_ts())]
        if isinstance(place, View):
            # From a home tab one can open a modal, but not push one.
            trigger = workspace.new_trigger(self.id, view_id=place.id if place.type == "modal" else None)
            values = state_of(place.blocks, place.values)
            payload = payloads.on_view(workspace, self.user, place, actions=used, state=values, trigger_id=trigger.id)
        else:
            trigger = workspace.new_trigger(self.id)
            address = workspace.new_response(self.id, place.channel, place.ts)
            payload = payloads.on_message(
                workspace,
                self.user,
                place,
                workspace.channels[place.channel],
                actions=used,
                state=state_of(place.all_blocks(), self._typed(place)),
                trigger_id=trigger.id,
                response_url=self._response_url(address),
                attachment=place.attachment_of(block),
            )
        return await self._interact("block_actions", payload)

    async def _shortcut(self, callback_id: str, payload: dict[str, Json]) -> Answer:
        trigger = self.workspace.new_trigger(self.id)
        payload |= {"callback_id": callback_id, "trigger_id": trigger.id, "action_ts": self.workspace.new_ts()}
        return await self._interact(payload["type"], payload)

    async def _interact(self, name: str, payload: dict[str, Json]) -> Answer:
        installed = self.workspace.installed
        answer = await self._line.deliver("interactive", name, payload) if installed else Answer(0)
        if not answer.ok:
            self._notice(TROUBLE)
        return answer

    def _carry_out(self, view: View, body: Json) -> None:
        """Do with a submitted modal what the bot has answered."""
        stack = self.workspace.modals.get(self.id, [])
        if view not in stack:
            return
        if body in (None, "", {}):
            stack.remove(view)
            self._changes.notify()
            return
        try:
            self._obey(view, stack, body)
        except SlackRefusal as refusal:
            self._notice(f"{TROUBLE} ({refusal.code})")
        self._changes.notify()

    def _obey(self, view: View, stack: list[View], body: Json) -> None:
        match body:
            case {"response_action": "errors", "errors": dict() as errors} if errors:
                inputs = {block["block_id"] for block in view.blocks if block["type"] == "input"}
                if not errors.keys() <= inputs:
                    raise SlackRefusal("invalid_arguments")
                view.errors = {str(block_id): str(sentence) for block_id, sentence in errors.items()}
            case {"response_action": "update", "view": content}:
                self.workspace.change_view(view, checked_view(self.workspace, content))
            case {"response_action": "push", "view": content}:
                if len(stack) >= MODALS:
                    raise SlackRefusal("push_limit_reached")
                push_modal(self.workspace, self.id, checked_view(self.workspace, content))
            case {"response_action": "clear"}:
                stack.clear()
            case _:
                raise SlackRefusal("invalid_arguments")

    def _show_command_answer(self, name: str, address: ResponseAddress, body: Json) -> None:
        if body in (None, "", {}):
            return
        try:
            show_response(self.workspace, address, body if isinstance(body, dict) else {"text": str(body)})
        except SlackRefusal as refusal:
            self._notice(f"{name} failed with the error {refusal.code}")

    def _notice(self, sentence: str) -> None:
        self.notices.append(sentence)
        self._changes.notify()

    def _response_url(self, address: ResponseAddress) -> str:
        return f"{self._origin()}/response/{address.token}"

    def _typed(self, message: Message) -> StateValues:
        return self._filled.setdefault((message.channel, message.ts), {})

    def _live(self, places: list[Channel]) -> list[Message]:
        found = [message for place in places for message in self.workspace.messages_in(place.id)]
        return sorted(found, key=lambda message: float(message.ts))

    def _whispers(self) -> list[Message]:
        return [message for message in self.workspace.ephemerals if message.ephemeral_to == self.id]

    def _channels(self) -> list[Channel]:
        return [channel for channel in self.workspace.channels.values() if self.id in channel.members]

    def _channel(self, name: str) -> Channel:
        if name == f"@{self.workspace.bot.name}":
            return self.workspace.direct_message(self.id)
        channel = self.workspace.channels.get(name) or self.workspace.channel_named(name)
        if channel is None or self.id not in channel.members:
            raise NotPossible(f"{self.name} is in no channel {name}")
        return channel

    def _own(self, message: Message) -> Message:
        current = self._current(message)
        if current.user != self.id or current.tombstone:
            raise NotPossible("this is not your message")
        return current

    def _top(self) -> View:
        if self.modal is None:
            raise NotPossible(f"{self.name} has no modal open")
        return self.modal

    def _open(self, view: View) -> View:
        if view is not self.home and view is not self.modal:
            raise NotPossible("this view is not on the screen")
        return view

    def _current(self, message: Message) -> Message:
        if message.ephemeral_to is not None:
            found = self.workspace.ephemeral(message.channel, message.ts)
            mine = found is not None and found.ephemeral_to == self.id
        else:
            found = self.workspace.message(message.channel, message.ts)
            mine = self.id in self.workspace.channels[message.channel].members
        if found is None:
            raise NotPossible("this message is gone")
        if not mine:
            raise NotPossible(f"{self.name} does not see this message")
        return found


def _newest(messages: list[Message], containing: str) -> Message | None:
    fitting = (each for each in reversed(messages) if containing in each.text or containing in each.shown_text())
    found = next(fitting, None)
    return None if found is None else found.snapshot()


def _element(
    place: Place, name: str, *, value: str | None, block_id: str | None, sort: str | None
) -> tuple[Block, Block]:
    """The one element that fits, by action id or by the text on it."""
    fitting = [
        (block, element)
        for block, element in place.elements()
        if name in (element.get("action_id"), _label(element))
        and (sort is None or element["type"] == sort)
        and (value is None or element.get("value") == value)
        and (block_id is None or block["block_id"] == block_id)
    ]
    if not fitting:
        raise NotPossible(f"there is no {name!r} here; there are {list(_names(place))}")
    if len(fitting) > 1:
        raise NotPossible(f"there are {len(fitting)} of {name!r} here; tell them apart by value or block_id")
    return fitting[0]


def _label(element: Block) -> str | None:
    text = element.get("text") or element.get("placeholder")
    return str(text["text"]) if isinstance(text, dict) else None


def _names(place: Place) -> Iterator[str]:
    for _, element in place.elements():
        options = [option["value"] for option in options_of(element)]
        yield f"{element.get('action_id')} ({_label(element)})" + (f": {options}" if options else "")


def _input(view: View, name: str) -> Block:
    for block in view.blocks:
        if block["type"] != "input":
            continue
        element = next(elements_of(block))
        if name in (block["block_id"], element["action_id"], block["label"]["text"]):
            return block
    offered = [block["block_id"] for block in view.blocks if block["type"] == "input"]
    raise NotPossible(f"there is no input {name!r} here; there are {offered}")
