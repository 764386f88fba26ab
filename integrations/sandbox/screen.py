"""What stands on one person's screen, as JSON: the places they are in, their mail, the modal, what is unread."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime

from flows.ports import Json
from integrations.sandbox.mailbox import Mail
from integrations.sandbox.manifest import Manifest
from integrations.sandbox.members import Channel
from integrations.sandbox.message import Message
from integrations.sandbox.overview import overview, sort_of
from integrations.sandbox.people import Human
from integrations.sandbox.server import Sandbox
from integrations.sandbox.view import View
from integrations.sandbox.workspace import Workspace

SHOWN = 200
"""How many of the newest messages of a place are shown, with the threads that hang on them."""


class Screens:
    """Every person's screen, with what each has read so far. Read marks are lost when the sandbox stops."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._read: dict[tuple[str, str, str], str] = {}
        self._mails_read: set[tuple[str, str]] = set()

    def of(self, name: str) -> dict[str, Json]:
        """The whole screen of a person. Raises ``KeyError`` if there is nobody of that name."""
        person = self._sandbox.people[name]
        workspace = person.workspace
        home = workspace.homes.get(person.id)
        stack = workspace.modals.get(person.id, [])
        names = _names(workspace)
        return {
            "me": name,
            "workspace": workspace.name,
            "workspaces": self._workspaces(),
            "installed": workspace.installed,
            "bot": workspace.bot.id,
            "zone": person.user.tz,
            "people": [self._card(key, each) for key, each in self._sandbox.people.items()],
            **names,
            "places": [self._place(name, person, place) for place in _places(person)],
            "mails": [self._mail(name, mail) for mail in reversed(person.inbox())],
            "modal": {**_view(stack[-1]), "depth": len(stack)} if stack else None,
            "home": _view(home) if home is not None else None,
            "notices": list(person.notices),
            "app": self._app(workspace),
            "overview": overview(self._sandbox, workspace),
        }

    def mail(self, name: str, mail_id: str) -> Mail | None:
        """A mail in a person's inbox."""
        return next((mail for mail in self._sandbox.people[name].inbox() if mail.id == mail_id), None)

    def read(self, name: str, channel: str, ts: str, thread_ts: str = "") -> None:
        """The person has seen everything in this place, or in that thread of it, up to ``ts``."""
        if _later(ts, self._read.get((name, channel, thread_ts))):
            self._read[name, channel, thread_ts] = ts
            self._sandbox.changes.notify()

    def read_mail(self, name: str, mail_id: str) -> None:
        """The person has opened this mail."""
        if (name, mail_id) not in self._mails_read:
            self._mails_read.add((name, mail_id))
            self._sandbox.changes.notify()

    def _workspaces(self) -> list[dict[str, Json]]:
        """Each workspace, and who of it comes first."""
        people = self._sandbox.people.items()
        homes = self._sandbox.workspaces.values()
        firsts = {home.id: next((key for key, each in people if each.workspace is home), None) for home in homes}
        return [{"id": home.id, "name": home.name, "first": firsts[home.id]} for home in homes if firsts[home.id]]

    def _app(self, workspace: Workspace) -> dict[str, Json]:
        """What the app has told Slack about itself; nothing of it is there where it is not installed."""
        manifest = self._sandbox.manifest if workspace.installed else Manifest()
        return {
            "commands": [asdict(each) for each in manifest.commands],
            "shortcuts": [asdict(each) for each in manifest.shortcuts],
            "read_only": manifest.messages_read_only,
        }

    def _card(self, name: str, person: Human) -> dict[str, Json]:
        places = _places(person)
        mails = sum((name, mail.id) not in self._mails_read for mail in person.inbox())
        return {
            "key": name,
            "id": person.id,
            "name": person.user.real_name,
            "email": person.email,
            "workspace": person.workspace.id,
            "sort": sort_of(person.user, person.workspace),
            "unread": mails + sum(self._unread(name, person, place) for place in places),
        }

    def _place(self, name: str, person: Human, place: Channel) -> dict[str, Json]:
        workspace = person.workspace
        kind = "dm" if place.is_im else "group" if place.is_mpim else "channel"
        others = (workspace.users[member].real_name for member in place.members if member != person.id)
        seen = _seen(person, place)
        top = [message for message in seen if message.in_channel][-SHOWN:]
        parents = {message.ts for message in top if not message.is_reply}
        shown = [message for message in seen if message.thread_ts in parents or message in top]
        return {
            "id": place.id,
            "kind": kind,
            "name": place.name if kind == "channel" else ", ".join(others),
            "members": len(place.members),
            "private": place.is_private,
            "archived": place.is_archived,
            "shared": workspace.is_shared(place),
            "bot": workspace.bot.id in place.members,
            "unread": self._unread(name, person, place),
            "messages": [self._message(name, person, message) for message in shown],
        }

    def _unread(self, name: str, person: Human, place: Channel) -> int:
        """Messages in the channel, and replies in the threads that this person follows."""
        mark = self._read.get((name, place.id, ""))
        count = 0
        for message in _seen(person, place):
            if message.user == person.id:
                continue
            if message.in_channel:
                count += _later(message.ts, mark)
            elif _follows(person, place, message):
                count += _later(message.ts, self._read.get((name, place.id, message.thread_ts or "")))
        return count

    def _message(self, name: str, person: Human, message: Message) -> dict[str, Json]:
        mark = self._read.get((name, message.channel, message.ts))
        whispers = [each for each in person.workspace.ephemerals if each.ephemeral_to == person.id]
        replies = {
            "count": len(message.replies),
            "users": list(dict.fromkeys(user for _, user in message.replies)),
            "latest": message.replies[-1][0] if message.replies else None,
            "unread": sum(user != person.id and _later(ts, mark) for ts, user in message.replies)
            + sum(whisper.thread_ts == message.ts and _later(whisper.ts, mark) for whisper in whispers),
        }
        return {
            "channel": message.channel,
            "ts": message.ts,
            "user": message.user,
            "text": message.text,
            "blocks": message.blocks,
            "attachments": message.attachments,
            "thread_ts": message.thread_ts if message.is_reply else None,
            "broadcast": message.broadcast,
            "replies": replies if message.replies else None,
            "reactions": {reaction: len(users) for reaction, users in message.reactions.items()},
            "tombstone": message.tombstone,
            "edited": message.edited_ts is not None,
            "ephemeral": message.ephemeral_to is not None,
            "version": message.version,
        }

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


def _follows(person: Human, place: Channel, reply: Message) -> bool:
    """Whether somebody hears of replies in this thread: they wrote in it, or it is a direct message."""
    thread = person.workspace.thread(place.id, reply.thread_ts or "")
    return place.is_im or reply.ephemeral_to is not None or any(message.user == person.id for message in thread)


def _names(workspace: Workspace) -> dict[str, Json]:
    """Who and what the ids in texts are."""
    return {
        "users": {
            user.id: {
                "name": user.name,
                "real_name": user.real_name,
                "bot": user.is_bot,
                "external": user.team_id != workspace.id,
            }
            for user in workspace.users.values()
        },
        "channels": {place.id: place.name for place in workspace.channels.values() if not place.is_im},
        "groups": {group.id: group.handle for group in workspace.groups.values()},
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
