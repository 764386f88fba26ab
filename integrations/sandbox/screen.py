"""What stands on one person's screen, as JSON: the places they are in, their mail, the modal, what is unread."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from flows.ports import Json
from integrations.sandbox.mailbox import Mail
from integrations.sandbox.members import Channel
from integrations.sandbox.message import Message
from integrations.sandbox.people import Human
from integrations.sandbox.server import Sandbox
from integrations.sandbox.view import View

SHOWN = 200
"""How many of the newest messages of a place are shown."""


class Screens:
    """Every person's screen, with what each has read so far. Read marks are lost when the sandbox stops."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._read: dict[tuple[str, str], str] = {}
        self._mails_read: set[tuple[str, str]] = set()

    def of(self, name: str) -> dict[str, Json]:
        """The whole screen of a person. Raises ``KeyError`` if there is nobody of that name."""
        person = self._sandbox.people[name]
        workspace = person.workspace
        home = workspace.homes.get(person.id)
        stack = workspace.modals.get(person.id, [])
        return {
            "me": name,
            "workspace": workspace.name,
            "bot": workspace.bot.id,
            "people": [self._card(key, each) for key, each in self._sandbox.people.items()],
            "users": {
                user.id: {"name": user.name, "real_name": user.real_name, "bot": user.is_bot}
                for user in workspace.users.values()
            },
            "channels": {place.id: place.name for place in workspace.channels.values() if not place.is_im},
            "groups": {group.id: group.handle for group in workspace.groups.values()},
            "places": [self._place(name, person, place) for place in _places(person)],
            "mails": [self._mail(name, mail) for mail in reversed(person.inbox())],
            "modal": {**_view(stack[-1]), "depth": len(stack)} if stack else None,
            "home": _view(home) if home is not None else None,
            "notices": list(person.notices),
        }

    def mail(self, name: str, mail_id: str) -> Mail | None:
        """A mail in a person's inbox."""
        return next((mail for mail in self._sandbox.people[name].inbox() if mail.id == mail_id), None)

    def read(self, name: str, channel: str, ts: str) -> None:
        """The person has seen everything in this place up to ``ts``."""
        if _later(ts, self._read.get((name, channel))):
            self._read[name, channel] = ts
            self._sandbox.changes.notify()

    def read_mail(self, name: str, mail_id: str) -> None:
        """The person has opened this mail."""
        if (name, mail_id) not in self._mails_read:
            self._mails_read.add((name, mail_id))
            self._sandbox.changes.notify()

    def _card(self, name: str, person: Human) -> dict[str, Json]:
        places = _places(person)
        mails = sum((name, mail.id) not in self._mails_read for mail in person.inbox())
        return {
            "key": name,
            "id": person.id,
            "name": person.user.real_name,
            "email": person.email,
            "unread": mails + sum(self._unread(name, person, place) for place in places),
        }

    def _place(self, name: str, person: Human, place: Channel) -> dict[str, Json]:
        kind = "dm" if place.is_im else "group" if place.is_mpim else "channel"
        others = (person.workspace.users[member].real_name for member in place.members if member != person.id)
        return {
            "id": place.id,
            "kind": kind,
            "name": place.name if kind == "channel" else ", ".join(others),
            "members": len(place.members),
            "private": place.is_private,
            "unread": self._unread(name, person, place),
            "messages": [_message(message) for message in _seen(person, place)][-SHOWN:],
        }

    def _unread(self, name: str, person: Human, place: Channel) -> int:
        mark = self._read.get((name, place.id))
        return sum(_later(message.ts, mark) for message in _seen(person, place) if message.user != person.id)

    def _mail(self, name: str, mail: Mail) -> dict[str, Json]:
        return {
            "id": mail.id,
            "from": mail.sender,
            "to": ", ".join(mail.to),
            "subject": mail.subject,
            "plain": mail.plain,
            "html": bool(mail.html),
            "at": _instant(mail.received_at),
            "unread": (name, mail.id) not in self._mails_read,
        }


def _places(person: Human) -> list[Channel]:
    """Channels in the order of their making, then group messages, then the direct message with the bot."""
    workspace = person.workspace
    direct = workspace.direct_message(person.id)
    mine = [place for place in workspace.channels.values() if person.id in place.members and not place.is_im]
    return [*sorted(mine, key=lambda place: place.is_mpim), direct]


def _seen(person: Human, place: Channel) -> list[Message]:
    """What this person sees in a place, oldest first: everybody's messages and those for their eyes only."""
    return sorted(
        [*person.workspace.messages_in(place.id), *_whispers(person, place)], key=lambda message: float(message.ts)
    )


def _whispers(person: Human, place: Channel) -> Iterator[Message]:
    for message in person.workspace.ephemerals:
        if message.ephemeral_to == person.id and message.channel == place.id:
            yield message


def _message(message: Message) -> dict[str, Json]:
    return {
        "channel": message.channel,
        "ts": message.ts,
        "user": message.user,
        "text": message.text,
        "blocks": message.blocks,
        "thread_ts": message.thread_ts if message.thread_ts != message.ts else None,
        "edited": message.edited_ts is not None,
        "ephemeral": message.ephemeral_to is not None,
        "version": message.version,
    }


def _view(view: View) -> dict[str, Json]:
    return {
        "id": view.id,
        "hash": view.hash,
        "title": view.title,
        "submit": view.content.get("submit"),
        "close": view.content.get("close"),
        "blocks": view.blocks,
        "values": view.values,
        "errors": view.errors,
    }


def _later(ts: str, mark: str | None) -> bool:
    return mark is None or float(ts) > float(mark)


def _instant(at: datetime) -> float:
    return at.timestamp()
