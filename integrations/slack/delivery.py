"""Posting what a flow says, each message once as far as Slack lets one tell.

Slack has no idempotency key. So the place that is about to be posted to is remembered before each post, and the message
carries the effect's key as metadata. A repeat that finds a place remembered looks for the message there first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

from flows.errors import ActionError
from flows.ports import ActionCall, Json
from integrations.slack.answers import Posted
from integrations.slack.client import SlackClient, tag
from integrations.slack.failures import SlackError, Untraceable

EVENT = "signoff_message"
"""The metadata's event type of messages that flows post."""

_NO_THREAD = frozenset({"message_not_found", "thread_not_found", "invalid_thread_ts"})


@dataclass(frozen=True, slots=True)
class Message:
    """What is posted: ``text`` in Slack's own markup, which with blocks only stands in for them in notifications."""

    text: str
    blocks: Sequence[Json] | None = None
    thread_ts: str | None = None


@dataclass(frozen=True, slots=True)
class _Open:
    """A post that an earlier delivery began and of whose end it left no word."""

    place: str
    since: datetime


async def deliver(
    slack: SlackClient, call: ActionCall, places: Sequence[str], message: Message, *, now: Callable[[], datetime]
) -> list[Posted]:
    """Post ``message`` to each of ``places`` (channel ids or ``#names``, each once), in order. As ``deliver_each``."""
    posted = await deliver_each(slack, call, dict.fromkeys(places, message), now=now)
    return [posted[place] for place in places]


async def deliver_each(
    slack: SlackClient,
    call: ActionCall,
    messages: Mapping[str, Message],
    *,
    now: Callable[[], datetime],
    through: Mapping[str, SlackClient] | None = None,
) -> dict[str, Posted]:
    """Post to each place its message, in order. Returns where they are, also those that an earlier delivery posted.
    ``through`` has the clients of places in other workspaces than that of ``slack``.

    Raises ``SlackError`` at the first that fails. The same call with the memo that it left goes on from there. Where
    the bot may not read, a post of unknown end is posted again.
    """
    done = _done(call.memo)
    left_open = _left_open(call.memo)
    for place, message in messages.items():
        if place in done:
            continue
        client = (through or {}).get(place, slack)
        posted = None
        if left_open is not None and left_open.place == place:
            with suppress(Untraceable):
                posted = await _look(client, call, left_open, message)
        done[place] = posted or await _post(client, call, place, message, done, now)
    return done


async def deliver_below(
    slack: SlackClient, call: ActionCall, place: str, message: Message, *, now: Callable[[], datetime]
) -> None:
    """The same to one place, in the message's thread. Somebody may have deleted what it was the thread of: they are told
    all the same, beside it."""
    try:
        await deliver(slack, call, [place], message, now=now)
    except SlackError as error:
        if message.thread_ts is None or error.code not in _NO_THREAD:
            raise
        await deliver(slack, call, [place], replace(message, thread_ts=None), now=now)


async def _look(slack: SlackClient, call: ActionCall, begun: _Open, message: Message) -> Posted | None:
    return await slack.find_post(
        begun.place, event_type=EVENT, key=call.key, since=begun.since, thread_ts=message.thread_ts
    )


async def _post(
    slack: SlackClient,
    call: ActionCall,
    place: str,
    message: Message,
    done: Mapping[str, Posted],
    now: Callable[[], datetime],
) -> Posted:
    begun = _Open(place, now())
    await call.remember(_memo(done) | {"posting": place, "since": begun.since.isoformat()})
    try:
        return await slack.post(
            place,
            text=message.text,
            blocks=message.blocks,
            metadata=tag(EVENT, call.key),
            thread_ts=message.thread_ts,
        )
    except SlackError as error:
        if not error.uncertain:
            await call.remember(_memo(done))
            raise
        # Only one sort of answer settles it: there it is. Not there now may still be there in a moment.
        with suppress(SlackError):
            posted = await _look(slack, call, begun, message)
            if posted is not None:
                return posted
        raise


def _memo(done: Mapping[str, Posted]) -> dict[str, Json]:
    return {"posted": {place: [posted.channel, posted.ts] for place, posted in done.items()}}


def _done(memo: Mapping[str, Json]) -> dict[str, Posted]:
    return {place: Posted(channel, ts) for place, (channel, ts) in memo.get("posted", {}).items()}


def _left_open(memo: Mapping[str, Json]) -> _Open | None:
    if "posting" not in memo:
        return None
    return _Open(memo["posting"], datetime.fromisoformat(memo["since"]))


async def permalink(slack: SlackClient, posted: Posted) -> str | None:
    """The message's address, None where Slack does not say: the message counts without it."""
    try:
        return await slack.permalink(posted.channel, posted.ts)
    except ActionError:
        return None
