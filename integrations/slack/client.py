"""Slack's Web API, outward: every call that Signoff makes, and the one place where its failures are translated.

slack_sdk sends each request once. By default it would send ``chat.postMessage`` again after a dropped connection;
when to try again is the outbox's to decide. So is waiting for a turn: with a pacer, what Slack would refuse as too much
is not even sent.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from yarl import URL

from flows.errors import ConfigError
from flows.ports import Json
from integrations.slack.answers import Auth, ChannelState, Group, Page, Posted, Seen, ShownView, SlackUser, read_user
from integrations.slack.failures import (
    ONCE,
    PERISHABLE,
    REPEATABLE,
    Doubt,
    RateLimited,
    SlackError,
    Untraceable,
    connection,
    failure,
    lost,
)
from integrations.slack.pacing import PATIENCE, URGENT, Pacer
from integrations.slack.response_urls import checked
from integrations.slack.text import POSTED_TEXT, UPDATED_TEXT, clip

SLACK_API = "https://slack.com/api/"

_TIMEOUT = 30.0
_CONNECT_TIMEOUT = 10.0
# Seconds. Slack's side closes idle connections later than that, and a closed one that is used again looks like a
# post that nobody answered.
_KEEP_ALIVE = 15.0

_CHANNEL_ID = re.compile(r"[CDG][A-Z0-9]{6,}")
_USER_ID = re.compile(r"[UW][A-Z0-9]{2,}")
_CODE = re.compile(r"[a-z_]{1,80}")

_SILENT = timedelta(minutes=1).total_seconds()
"""Seconds without one answer after which the next one means that Slack is back."""

_SKEW = timedelta(minutes=5)  # between this machine's clock and Slack's
_HISTORY_PAGE = 200  # "we recommend no more than 200 results at a time"
_HISTORY_PAGES = 10
_LIST_PAGE = 999  # "an integer under 1000"; few large pages, because these methods allow 20 calls a minute
_LIST_PAGES = 20

_BLIND = frozenset(
    {
        "access_denied",
        "channel_not_found",
        "method_not_supported_for_channel_type",
        "missing_scope",
        "no_permission",
        "not_allowed_token_type",
        "not_in_channel",
        "thread_not_found",
    }
)
"""Refusals to let the bot read a conversation."""

_NO_GROUP = frozenset({"no_such_subteam", "subteam_disabled"})
_NO_USER = frozenset({"user_not_found", "user_not_visible"})


@dataclass(frozen=True, slots=True)
class _Answer:
    """A success. What is read from it is checked, since an answer that lacks it is as good as none."""

    what: str
    doubt: Doubt
    body: Mapping[str, Json]
    headers: Mapping[str, str]

    def text(self, name: str) -> str:
        value = self.body.get(name)
        if not isinstance(value, str):
            raise self._lacks(name)
        return value

    def object(self, name: str) -> Mapping[str, Json]:
        value = self.body.get(name)
        if not isinstance(value, dict):
            raise self._lacks(name)
        return value

    def list(self, name: str) -> Sequence[Json]:
        value = self.body.get(name)
        if not isinstance(value, list):
            raise self._lacks(name)
        return value

    def cursor(self) -> str | None:
        """Where the next page begins, None after the last one."""
        return (self.body.get("response_metadata") or {}).get("next_cursor") or None

    def view(self) -> ShownView:
        view = self.object("view")
        return ShownView(str(view.get("id")), view.get("hash"))

    def _lacks(self, name: str) -> SlackError:
        return lost(self.what, f"it lacks {name}", self.doubt)


def tag(event_type: str, key: str) -> dict[str, Json]:
    """Metadata for ``post`` by which ``find_post`` recognises the message. Other apps can read it: no secrets."""
    return {"event_type": event_type, "event_payload": {"key": key}}


class SlackClient:
    """One workspace's Slack, seen by one bot token.

    Every method raises ``SlackError`` (an ``ActionError``) and never repeats itself. ``timeout`` is in seconds, for one
    request. No proxy but ``proxy`` is used, whatever the environment says. A ``session`` brings its own timeouts and
    stays its owner's. With a ``pacer`` a call whose turn has not come is not made: it raises ``RateLimited``, which says
    when; what somebody waits for after a click waits a moment itself, and is made again once after a 429 (which has done
    nothing). Raises ``ConfigError`` where ``base_url`` is no address. Call ``close()`` in the end.
    """

    on_back: Callable[[], None] | None = None
    """Called when Slack answers again after it had not for a minute or more. Needs a pacer, which has the clock."""

    def __init__(
        self,
        token: str,
        *,
        base_url: str = SLACK_API,
        timeout: float = _TIMEOUT,
        proxy: str | None = None,
        session: aiohttp.ClientSession | None = None,
        pacer: Pacer | None = None,
    ) -> None:
        self._base_url = _parsed(base_url)
        self._proxy = proxy
        self._timeout = aiohttp.ClientTimeout(total=timeout, connect=min(_CONNECT_TIMEOUT, timeout / 2))
        self._session = session
        self._owns_session = session is None
        # Its debug log would repeat every message, and messages hold personal links.
        quiet = logging.Logger("slack_sdk", logging.CRITICAL)
        self._web = AsyncWebClient(token=token, base_url=base_url, retry_handlers=[], logger=quiet)
        # Set afterwards: told None, it looks for a proxy in the environment, which only the settings may read.
        self._web.proxy = proxy
        self._pacer = pacer
        self._silent_since: float | None = None
        self._home: Auth | None = None
        self._directs: dict[str, str] = {}
        self._channels: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"SlackClient({self._base_url.host})"

    def use(self, token: str) -> None:
        """Go on with another token for the same workspace: one that was renewed, or that of a new installation."""
        self._web.token = token
        self._home = None  # the app may have another bot user by now
        self._directs.clear()

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None and self._owns_session:
            await self._session.close()
            self._session = None

    # -- messages

    async def post(
        self,
        channel: str,
        *,
        text: str,
        blocks: Sequence[Json] | None = None,
        metadata: Mapping[str, Json] | None = None,
        thread_ts: str | None = None,
        urgent: bool = False,
    ) -> Posted:
        """Post a message to a channel's id, ``#name``, or the id of a direct message.

        ``text`` is what notifications and screen readers say; what exceeds Slack's limit is cut. An uncertain error
        means that it may be there: look with ``find_post`` before posting again. ``urgent``: somebody waits for it.
        """
        answer = await self._call(
            "chat.postMessage",
            ONCE,
            urgent=urgent,
            channel=channel,
            text=clip(text, POSTED_TEXT),
            blocks=blocks,
            metadata=metadata,
            thread_ts=thread_ts,
            unfurl_links=False,
            unfurl_media=False,
        )
        posted = Posted(answer.text("channel"), answer.text("ts"))
        self._channels[channel] = posted.channel
        return posted

    async def update(
        self,
        channel: str,
        ts: str,
        *,
        text: str,
        blocks: Sequence[Json] | None = None,
        metadata: Mapping[str, Json] | None = None,
    ) -> None:
        """Replace one of the bot's messages; without blocks the old ones go, without metadata the old ones stay.

        ``channel`` has to be an id. ``text`` is cut at 4,000 characters, a tenth of what a new message may have.
        """
        await self._call(
            "chat.update",
            REPEATABLE,
            channel=channel,
            ts=ts,
            text=clip(text, UPDATED_TEXT),
            blocks=blocks,
            metadata=metadata,
            # Slack's default differs from that of a new message, and would link what people wrote.
            parse="none",
        )

    async def delete(self, channel: str, ts: str) -> None:
        """Take one of the bot's messages away. One that is gone already is fine."""
        try:
            await self._call("chat.delete", REPEATABLE, channel=channel, ts=ts)
        except SlackError as error:
            if error.code != "message_not_found":
                raise

    async def ephemeral(
        self,
        channel: str,
        user: str,
        *,
        text: str,
        blocks: Sequence[Json] | None = None,
        thread_ts: str | None = None,
    ) -> None:
        """Show a message to one member of a channel, until they reload; with ``thread_ts`` in a thread that has replies."""
        await self._call(
            "chat.postEphemeral",
            ONCE,
            channel=channel,
            user=user,
            text=clip(text, POSTED_TEXT),
            blocks=blocks,
            thread_ts=thread_ts,
        )

    async def open_direct(self, user_id: str) -> str:
        """The id of the bot's direct message with a user. Asked for once; it never changes."""
        known = self._directs.get(user_id)
        if known is None:
            answer = await self._call("conversations.open", REPEATABLE, users=user_id)
            known = self._directs[user_id] = str(answer.object("channel")["id"])
        return known

    async def find_post(
        self, channel: str, *, event_type: str, key: str, since: datetime, thread_ts: str | None = None
    ) -> Posted | None:
        """The bot's message with the metadata ``tag(event_type, key)``, posted after ``since``; None: not there.

        For after an uncertain ``post`` with the same ``channel`` and ``thread_ts``. Raises ``Untraceable`` where nobody
        can tell, because the bot may not read there or more than 2,000 messages came since.
        """
        try:
            home = await self._at_home()
            place = await self._channel_id(channel)
            return await self._found(place, home, tag(event_type, key), since - _SKEW, thread_ts)
        except SlackError as error:
            if error.code in _BLIND:
                raise Untraceable(f"Nobody can tell whether it was posted. {error}", code=error.code) from None
            raise

    async def page(self, channel: str, *, latest: str | None = None, limit: int = 100) -> Page:
        """The newest messages of a channel, from the one with ``latest`` as its ts back; those in threads are not there.

        Raises ``Untraceable`` where the bot may not read there.
        """
        home = await self._at_home()
        try:
            answer = await self._call(
                "conversations.history",
                REPEATABLE,
                channel=channel,
                latest=latest,
                inclusive=True,
                limit=limit,
                include_all_metadata=True,
            )
        except SlackError as error:
            if error.code in _BLIND and error.code != "channel_not_found":
                raise Untraceable(f"The bot may not read there. {error}", code=error.code) from None
            raise
        messages = answer.list("messages")
        # The last one is the oldest: what is older than that was not looked at, unless there is nothing older.
        reaches = str(messages[-1]["ts"]) if messages and answer.cursor() is not None else None
        ours = (one for one in messages if _is_by(one, home) and one.get("subtype") != "tombstone")
        return Page(tuple(map(_seen, ours)), reaches)

    async def channel(self, channel: str) -> ChannelState | None:
        """How a channel stands; None where the bot sees no such channel (any more)."""
        try:
            answer = await self._call("conversations.info", REPEATABLE, channel=channel)
        except SlackError as error:
            if error.code == "channel_not_found":
                return None
            raise
        found = answer.object("channel")
        direct = bool(found.get("is_im"))
        name = found.get("name")
        return ChannelState(
            bool(found.get("is_archived")), direct or bool(found.get("is_member")), str(name) if name else None
        )

    async def channels_named(self, names: Iterable[str]) -> dict[str, ChannelState]:
        """How channels stand, by what they are named by: ``#name`` or an id. Those that the bot does not see are left out.

        Archived ones are there. Raises ``SlackError``.
        """
        found: dict[str, ChannelState] = {}
        wanted: dict[str, list[str]] = {}
        for name in names:
            if not _CHANNEL_ID.fullmatch(name):
                wanted.setdefault(name.removeprefix("#"), []).append(name)
            elif (state := await self.channel(name)) is not None:
                found[name] = state
        refused: list[SlackError] = []
        # Apart, because each kind needs a scope of its own.
        for kind in ("public_channel", "private_channel") if wanted else ():
            try:
                async for each in self._paged("conversations.list", "channels", types=kind):
                    for name in wanted.get(str(each.get("name")), ()):
                        found[name] = ChannelState(bool(each.get("is_archived")), bool(each.get("is_member")))
            except SlackError as error:
                if error.code != "missing_scope":
                    raise
                refused.append(error)
        if len(refused) > 1:
            raise refused[0]
        return found

    async def permalink(self, channel: str, ts: str) -> str:
        """The address of a message, for people."""
        answer = await self._call("chat.getPermalink", REPEATABLE, channel=channel, message_ts=ts)
        return answer.text("permalink")

    async def respond(self, response_url: str, payload: Mapping[str, Json]) -> None:
        """Answer a click or command at the address that came with it: five times within thirty minutes.

        An error is not retryable where the address has expired, is used up, or is none of Slack's.
        """
        what = "Slack response_url"
        url = checked(response_url, self._base_url)
        if url is None:
            raise SlackError(f"{what}: it is none of Slack's addresses, so it was not called.")
        again = payload.get("replace_original") is True or payload.get("delete_original") is True
        doubt = REPEATABLE if again else ONCE
        with connection(what, doubt):
            async with self._opened().post(url, json=payload, allow_redirects=False, proxy=self._proxy) as response:
                status, headers = response.status, response.headers
                body = _body(await response.read())
        refused = isinstance(body, dict) and body.get("ok") is False
        if refused or not 200 <= status < 300:
            raise failure(what, status, headers, body, doubt)

    # -- views

    async def open_view(self, trigger_id: str, view: Mapping[str, Json]) -> ShownView:
        """Open a modal for a click that is at most three seconds old. No error of it is retryable."""
        return (await self._call("views.open", PERISHABLE, trigger_id=trigger_id, view=view)).view()

    async def update_view(
        self,
        view_id: str,
        view: Mapping[str, Json],
        *,
        hash: str | None = None,  # noqa: A002 - Slack's word
    ) -> ShownView:
        """Replace what a modal shows; with ``hash``, only if nobody has in the meantime (else ``hash_conflict``)."""
        return (await self._call("views.update", REPEATABLE, view_id=view_id, view=view, hash=hash)).view()

    async def publish_home(
        self,
        user_id: str,
        view: Mapping[str, Json],
        *,
        hash: str | None = None,  # noqa: A002 - Slack's word
    ) -> ShownView:
        """Replace what a user's App Home shows; ``hash`` as in ``update_view``."""
        return (await self._call("views.publish", REPEATABLE, user_id=user_id, view=view, hash=hash)).view()

    # -- people

    async def user(self, user_id: str) -> SlackUser | None:
        """A user by id; None where this workspace knows nobody by it."""
        home = await self._at_home()
        try:
            answer = await self._call("users.info", REPEATABLE, user=user_id)
        except SlackError as error:
            if error.code in _NO_USER:
                return None
            raise
        return read_user(answer.object("user"), home)

    async def user_by_email(self, email: str) -> SlackUser | None:
        """A user by mail address; None where nobody has it, or somebody who was deactivated.

        Everything else raises: "not found" is not "could not ask".
        """
        home = await self._at_home()
        try:
            answer = await self._call("users.lookupByEmail", REPEATABLE, email=email)
        except SlackError as error:
            if error.code == "users_not_found":
                return None
            raise
        return read_user(answer.object("user"), home)

    async def users(self) -> AsyncIterator[SlackUser]:
        """Everybody, a page at a time, deactivated users and bots included. At most 20 pages of 999."""
        home = await self._at_home()
        async for user in self._paged("users.list", "members"):
            yield read_user(user, home)

    async def groups(self) -> list[Group]:
        """The user groups that are not disabled."""
        answer = await self._call("usergroups.list", REPEATABLE)
        return [Group(group["id"], str(group["handle"]).lower()) for group in answer.list("usergroups")]

    async def group_members(self, group_id: str) -> list[str] | None:
        """The ids of a group's users; None where there is no such group (any more)."""
        try:
            answer = await self._call("usergroups.users.list", REPEATABLE, usergroup=group_id)
        except SlackError as error:
            if error.code in _NO_GROUP:
                return None
            raise
        return [str(user_id) for user_id in answer.list("users")]

    async def check_socket_mode(self) -> None:
        """Raise ``SlackError`` unless this token, an app-level one, may open a Socket Mode connection."""
        # The one method that slack_sdk does not give the client's own token.
        await self._call("apps.connections.open", REPEATABLE, app_token=self._web.token)

    async def auth(self) -> Auth:
        """Who the token acts for, asked anew. Good for a check at start: it needs no scope."""
        answer = await self._call("auth.test", REPEATABLE)
        scopes = answer.headers.get("X-OAuth-Scopes", "")
        self._home = Auth(
            team_id=answer.text("team_id"),
            team=str(answer.body.get("team") or ""),
            user_id=answer.text("user_id"),
            bot_id=answer.body.get("bot_id"),
            enterprise_id=answer.body.get("enterprise_id"),
            scopes=frozenset(scope for scope in re.split(r"[,\s]+", scopes) if scope),
        )
        return self._home

    # -- inside

    async def _at_home(self) -> Auth:
        return self._home or await self.auth()

    async def _channel_id(self, channel: str) -> str:
        if _CHANNEL_ID.fullmatch(channel):
            return channel
        if _USER_ID.fullmatch(channel):
            return await self.open_direct(channel)
        if channel in self._channels:
            return self._channels[channel]
        name = channel.removeprefix("#")
        # Apart, because each kind needs a scope of its own.
        for kind in ("public_channel", "private_channel"):
            try:
                async for found in self._paged("conversations.list", "channels", types=kind, exclude_archived=True):
                    if found.get("name") == name:
                        return str(found["id"])
            except SlackError as error:
                if error.code != "missing_scope":
                    raise
        raise SlackError(
            f"Slack conversations.list: no channel {channel} that the bot can see.", code="channel_not_found"
        )

    async def _found(
        self, place: str, home: Auth, metadata: Mapping[str, Json], since: datetime, thread_ts: str | None
    ) -> Posted | None:
        method = "conversations.history"
        where: dict[str, Json] = {"channel": place, "oldest": f"{since.timestamp():.6f}", "include_all_metadata": True}
        if thread_ts is not None:
            method = "conversations.replies"
            where["ts"] = thread_ts
        cursor = None
        for _ in range(_HISTORY_PAGES):
            answer = await self._call(method, REPEATABLE, limit=_HISTORY_PAGE, cursor=cursor, **where)
            for message in answer.list("messages"):
                if _carries(message, metadata) and _is_by(message, home):
                    return Posted(place, str(message["ts"]))
            cursor = answer.cursor()
            if cursor is None:
                return None
        raise Untraceable("Nobody can tell whether it was posted: too many messages came since.")

    async def _paged(self, method: str, name: str, **arguments: Json) -> AsyncIterator[Mapping[str, Json]]:
        cursor = None
        for _ in range(_LIST_PAGES):
            answer = await self._call(method, REPEATABLE, limit=_LIST_PAGE, cursor=cursor, **arguments)
            for each in answer.list(name):
                yield each
            cursor = answer.cursor()
            if cursor is None:
                return

    async def _call(self, method: str, doubt: Doubt, *, urgent: bool = False, **arguments: Json) -> _Answer:
        """Call a method by Slack's name for it, in its turn. The one border: whatever fails leaves here as ``SlackError``."""
        what = f"Slack {method}"
        channel = arguments.get("channel")
        if isinstance(channel, str):
            what += f" ({channel})"
            channel = self._channels.get(channel, channel)
        if self._pacer is None:
            return await self._send(method, what, doubt, arguments)
        urgent = urgent or method in URGENT
        await self._turn(self._pacer, method, what, doubt, channel, urgent=urgent)
        try:
            answer = await self._heard(self._pacer, method, what, doubt, arguments)
        except RateLimited as error:
            wait = self._pacer.refused(method, error.retry_after, channel)
            if not urgent or wait > PATIENCE:
                raise
            await self._turn(self._pacer, method, what, doubt, channel, urgent=True)
            answer = await self._heard(self._pacer, method, what, doubt, arguments)
        return answer

    async def _turn(
        self, pacer: Pacer, method: str, what: str, doubt: Doubt, channel: str | None, *, urgent: bool
    ) -> None:
        """Return when the call may be made. Raises ``RateLimited`` where that is not soon, or nobody waits for it."""
        while wait := pacer.turn(method, channel, urgent=urgent):
            if not urgent or wait > PATIENCE:
                raise RateLimited(
                    f"{what}: waits its turn; Slack takes no more of it for now.",
                    code="ratelimited",
                    retryable=doubt.retryable,
                    retry_after=wait,
                )
            await pacer.sleep(wait)

    async def _heard(
        self, pacer: Pacer, method: str, what: str, doubt: Doubt, arguments: Mapping[str, Json]
    ) -> _Answer:
        """Send it, and notice whether Slack is there at all."""
        try:
            answer = await self._send(method, what, doubt, arguments)
        except SlackError as error:
            self._silent(pacer, silent=not error.answered)
            raise
        self._silent(pacer, silent=False)
        return answer

    def _silent(self, pacer: Pacer, *, silent: bool) -> None:
        since, now = self._silent_since, pacer.monotonic()
        if silent:
            self._silent_since = now if since is None else since
            return
        self._silent_since = None
        if since is not None and now - since >= _SILENT and self.on_back is not None:
            self.on_back()

    async def _send(self, method: str, what: str, doubt: Doubt, arguments: Mapping[str, Json]) -> _Answer:
        send: Any = getattr(self._web, method.replace(".", "_"))
        self._web.session = self._opened()
        with connection(what, doubt):
            try:
                response = await send(**arguments)
            except SlackApiError as error:
                raise _failure(what, error.response, doubt) from None
            except (AttributeError, UnicodeDecodeError):
                # How slack_sdk meets a body that is not the JSON object it expects, as a captive portal sends it.
                raise lost(what, "its answer makes no sense", doubt) from None
        return _Answer(what, doubt, response.data, response.headers)

    def _opened(self) -> aiohttp.ClientSession:
        # Opened late, because it belongs to the running loop and the object is built before there is one.
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(keepalive_timeout=_KEEP_ALIVE),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=self._timeout,
                trust_env=False,
            )
        return self._session


def _parsed(base_url: str) -> URL:
    try:
        url = URL(base_url)
    except ValueError:
        url = URL()
    if url.scheme not in ("http", "https") or not url.host:
        raise ConfigError([f"SLACK_API_URL: {base_url[:100]!r} is no address like {SLACK_API}."])
    return url


def _failure(what: str, response: Any, doubt: Doubt) -> SlackError:
    # slack_sdk hands on its own response or, where the body was no JSON, aiohttp's.
    if isinstance(response, aiohttp.ClientResponse):
        return failure(what, response.status, response.headers, None, doubt)
    return failure(what, response.status_code, response.headers, response.data, doubt)


def _body(raw: bytes) -> Json:
    """The body of an answer of ``response_url``: JSON, or one bare word, which stands for its error."""
    text = raw[:10_000].decode("utf-8", "replace").strip()
    try:
        return json.loads(text)
    except ValueError:
        return {"error": text} if _CODE.fullmatch(text) else None


def _seen(message: Mapping[str, Json]) -> Seen:
    metadata = message.get("metadata") or {}
    key = (metadata.get("event_payload") or {}).get("key")
    return Seen(
        ts=str(message["ts"]),
        text=str(message.get("text") or ""),
        blocks=tuple(message.get("blocks") or ()),
        event_type=metadata.get("event_type"),
        key=key if isinstance(key, str) else None,
        replies=int(message.get("reply_count") or 0),
    )


def _carries(message: Mapping[str, Json], metadata: Mapping[str, Json]) -> bool:
    found = message.get("metadata") or {}
    payload = found.get("event_payload") or {}
    wanted = metadata["event_payload"]["key"]
    return bool(found.get("event_type") == metadata["event_type"] and payload.get("key") == wanted)


def _is_by(message: Mapping[str, Json], home: Auth) -> bool:
    """Whether the bot wrote it. Metadata can be copied by everybody who may post there; the author cannot."""
    return message.get("user") == home.user_id or (home.bot_id is not None and message.get("bot_id") == home.bot_id)
