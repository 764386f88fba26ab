"""Notes about trouble that a person has to mend: to the owner of the flow that met it, and to the admins.

Each says what does not work, what was done instead, and how to mend it; once an hour for each cause, not for each card.
A note is stored before it is sent, so one that cannot be sent now is sent later.
"""

from __future__ import annotations

import asyncio
import logging
import re
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from bot.people import People
from bot.workspaces import Workspaces
from flows.clock import Clock
from flows.definition import Flow
from flows.errors import ActionError, FlowError
from flows.handles import InvalidHandle, normalise
from flows.instants import to_ms
from flows.people import Person
from flows.ports import Json
from flows.store.connection import StoreError
from flows.store.sqlite import SqliteStore
from integrations.mail.mailer import Mailer
from integrations.mail.messages import Mail
from integrations.slack.failures import BAD_BLOCKS, DISCONNECTED, PERSON_GONE, SlackError
from integrations.slack.text import escape

log = logging.getLogger(__name__)

QUIET = timedelta(hours=1)
"""After a note, the same reader hears so long nothing of the same cause."""

ADMINS = "admins"
"""The reader that is the admins' channel, or the admins themselves where there is none."""

_MOST = 20  # people behind one reader: an owner may be a group
_CHANNEL_ID = re.compile(r"\b([CG][A-Z0-9]{8,})\b")


@dataclass(frozen=True, slots=True)
class Trouble:
    """What does not work. ``cause`` is the same for everything that is mended at one go; sentences are plain text."""

    cause: str
    what: str
    mend: str


def trouble(error: SlackError, *, place: str = "", team: str | None = None) -> Trouble:
    """What Slack's refusal means. ``place`` is the channel, or the name of the person, that a message was for."""
    code = error.code or "unknown"
    if code in DISCONNECTED:
        workspace = f"the Slack workspace {team}" if team else "Slack"
        return Trouble(
            f"disconnected:{team or ''}",
            f"{workspace[0].upper()}{workspace[1:]} does not take Signoff's token any more ({code}).",
            "Install the app again (`signoff connect slack`); whatever waits is sent then.",
        )
    if code == "missing_scope":
        return Trouble(
            f"missing_scope:{team or ''}:{error}",
            "The Slack app lacks a scope.",
            f"{str(error).partition('missing_scope: ')[2].rstrip('.').capitalize() or str(error)}.",
        )
    if code in BAD_BLOCKS:
        return Trouble(
            f"{code}:{team or ''}",
            f"Slack refused the layout of a card: {error}",
            "It can be answered as it is. Please report this with the flow's text, so that it can be mended in Signoff.",
        )
    if code in PERSON_GONE:
        return Trouble(
            f"{code}:{team or ''}:{place}",
            f"{place or 'Somebody'} cannot be written to in Slack ({code}).",
            "Name somebody else in the flow; for a wait that is open, an admin can reassign it.",
        )
    what, mend = _PLACES.get(code, (f"A message to {place or 'Slack'} was refused: {error}", _LOOK))
    return Trouble(f"{code}:{team or ''}:{place}", what.format(place=place), mend.format(place=place))


_LOOK = "`signoff effects` lists what is parked; `signoff retry` sends it once the cause is gone."
_INVITE = "Invite it there with /invite @signoff; the card follows within minutes."
_OTHERS = "Allow Signoff to post there, or name another channel in the flow."
_PLACES = {
    "is_archived": ("{place} is archived.", "Unarchive {place}, or name another channel in the flow."),
    "is_inactive": ("{place} is archived or frozen.", "Unarchive {place}, or name another channel in the flow."),
    "not_in_channel": ("Signoff is not in {place}.", _INVITE),
    "no_permission": ("Signoff may not post in {place}.", _INVITE),
    "channel_not_found": (
        "Signoff sees no channel {place}.",
        "Check its name in the flow; if it is private, invite Signoff there with /invite @signoff.",
    ),
    "restricted_action": ("{place} lets only some people post.", _OTHERS),
    "restricted_action_read_only_channel": ("{place} lets only some people post.", _OTHERS),
    "restricted_action_thread_only_channel": (
        "{place} takes only replies in threads.",
        "Name another channel in the flow.",
    ),
    "restricted_action_non_threadable_channel": (
        "{place} takes no replies in threads.",
        "Name another channel in the flow.",
    ),
}


class TroubleNotes:
    """``admin_channel`` is a channel's name or id, None where there is none; then each of ``admins`` (mail addresses) is
    told. ``mailer`` reaches those whom Slack does not."""

    def __init__(
        self,
        store: SqliteStore,
        people: People,
        workspaces: Workspaces,
        clock: Clock,
        *,
        admin_channel: str | None = None,
        admins: Iterable[str] = (),
        mailer: Mailer | None = None,
    ) -> None:
        self._store = store
        self._people = people
        self._workspaces = workspaces
        self._clock = clock
        self._admin_channel = admin_channel
        self._admins = tuple(admins)
        self._mailer = mailer
        self._delivering = asyncio.Lock()

    async def note(
        self, found: Trouble, *, instead: str = "", flow: Flow | None = None, run: int | None = None
    ) -> None:
        """Tell those who can mend it, unless they have been told within the hour. ``instead`` says what was done instead."""
        where = ""
        if flow is not None:
            where = f" This concerns the flow {flow.title or flow.flow}"
            where += f" (for example {self._store.ids.run_url(run)})." if run is not None else "."
        text = " ".join(filter(None, (found.what, instead, found.mend))) + where
        log.warning("somebody has to mend something: %s", text, extra={"cause": found.cause})
        readers = [*((flow.owner,) if flow is not None and flow.owner else ()), ADMINS]
        now = self._clock.now()

        def work(connection: sqlite3.Connection) -> None:
            for reader in readers:
                _put(connection, found.cause, reader, text, to_ms(now), to_ms(now - QUIET))

        try:
            await self._store.write(work)
        except StoreError as error:
            log.error("a note could not be stored", extra={"error": str(error)})
            return
        await self.deliver()

    async def deliver(self) -> None:
        """Send the notes that are on their way. One that cannot be sent stays for the next time."""
        async with self._delivering:
            pending = await self._store.read(
                lambda c, _: c.execute(
                    "SELECT cause, reader, text FROM trouble_notes WHERE sent_at IS NULL ORDER BY at"
                ).fetchall()
            )
            for cause, reader, text in pending:
                if await self._told(reader, text):
                    await self._sent(cause, reader)

    async def _sent(self, cause: str, reader: str) -> None:
        now = to_ms(self._clock.now())
        await self._store.write(
            lambda c: c.execute(
                "UPDATE trouble_notes SET sent_at = ? WHERE cause = ? AND reader = ?", (now, cause, reader)
            )
        )

    async def _told(self, reader: str, text: str) -> bool:
        """Whether somebody has it now. Nobody to be told counts as told: it stands in the log."""
        try:
            if reader == ADMINS:
                return await self._tell_admins(text)
            return await self._tell_all([reader], text)
        except (ActionError, FlowError, StoreError) as error:
            log.warning("a note is sent later", extra={"reader": reader, "error": str(error)})
            return False
        except Exception:
            log.exception("a note failed for a reason that nobody foresaw")
            return True

    async def _tell_admins(self, text: str) -> bool:
        if self._admin_channel is not None:
            try:
                await self._post(None, self._admin_channel, text)
            except SlackError as error:
                if error.retryable and not error.uncertain:
                    raise
                if error.uncertain:
                    return True
                log.warning("the admins' channel cannot be written to", extra={"error": str(error)})
            else:
                return True
        return await self._tell_all(self._admins, text)

    async def _tell_all(self, readers: Iterable[str], text: str) -> bool:
        people: dict[int, Person] = {}
        for reader in readers:
            for person in await self._behind(reader):
                people.setdefault(person.id, person)
        for person in list(people.values())[:_MOST]:
            await self._tell(person, text)
        return True

    async def _behind(self, reader: str) -> list[Person]:
        """Who stands behind a handle; where Slack cannot be asked, who was known by it."""
        try:
            handle = normalise(reader)
        except InvalidHandle:
            return []
        try:
            ids = (await self._people.resolve([handle])).ids()
        except FlowError:
            known = await self._people.known(handle)
            if known is None and self._mailer is None:
                raise
            return [known or Person(0, handle, email=handle)]
        return [found for one in ids if (found := await self._store.person(one)) is not None]

    async def _tell(self, person: Person, text: str) -> None:
        team, _, user = (person.slack or "").rpartition("/")
        failed: ActionError | None = None
        if user and team in self._workspaces:
            try:
                channel = await self._workspaces.client(team).open_direct(user)
                await self._post(team, channel, text)
            except SlackError as error:
                if error.uncertain:
                    return  # twice would be worse than a note that may be missing
                failed = error
            else:
                return
        if self._mailer is not None and person.email is not None:
            mail = Mail(to=(person.email,), subject="Signoff: something has to be mended", text=text)
            await self._mailer.send(mail, memo={}, remember=_forget)
        elif failed is not None and failed.retryable:
            raise failed

    async def _post(self, team: str | None, channel: str, text: str) -> None:
        shown = _CHANNEL_ID.sub(r"<#\1>", escape(text))
        await self._workspaces.client(team).post(channel, text=f":warning: {shown}")


def _put(connection: sqlite3.Connection, cause: str, reader: str, text: str, now: int, quiet_since: int) -> None:
    row = connection.execute(
        "SELECT sent_at, at FROM trouble_notes WHERE cause = ? AND reader = ?", (cause, reader)
    ).fetchone()
    if row is not None and (row[0] is None or row[0] > quiet_since):
        connection.execute("UPDATE trouble_notes SET times = times + 1 WHERE cause = ? AND reader = ?", (cause, reader))
        return
    connection.execute(
        "INSERT OR REPLACE INTO trouble_notes (cause, reader, text, at, sent_at, times) VALUES (?, ?, ?, ?, NULL, 1)",
        (cause, reader, text, now),
    )


async def _forget(_memo: Mapping[str, Json]) -> None:
    """A note that is mailed twice does no harm."""
