"""What a failed call of Slack's API means for whoever made it: by code and status, never by text.

The codes are those of Slack's method pages. Of ``internal_error`` and ``fatal_error`` these say that "it's possible
some aspect of the operation succeeded before the error was raised", so they are treated like an answer that never
came. ``request_timeout`` is no such thing: the request arrived cut off, and nothing was done.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import aiohttp

from flows.errors import ActionError, NotConnected, NotYet
from flows.ports import Json
from integrations.retry_after import retry_after

_LATER = frozenset(
    {
        "external_channel_migrating",
        "message_limit_exceeded",
        "org_login_required",
        "request_timeout",
        "team_added_to_org",
    }
)
"""Not done, and possible later."""

_TOO_OFTEN = frozenset({"rate_limited", "ratelimited"})

ACCOUNT = "slack"
"""What an effect waits for that needs a workspace to be connected."""

DISCONNECTED = frozenset(
    {
        "account_inactive",
        "invalid_auth",
        "not_allowed_token_type",
        "not_authed",
        "not_connected",
        "team_access_not_granted",
        "token_expired",
        "token_revoked",
    }
)
"""Slack does not take the token (any more): nothing works in that workspace until it is connected again."""

PLACE_LOST = frozenset(
    {
        "channel_not_found",
        "is_archived",
        "is_inactive",
        "no_permission",
        "not_in_channel",
        "restricted_action",
        "restricted_action_non_threadable_channel",
        "restricted_action_read_only_channel",
        "restricted_action_thread_only_channel",
    }
)
"""The bot cannot post in that channel, and could elsewhere."""

PERSON_GONE = frozenset(
    {
        "cannot_dm_bot",
        "messages_tab_disabled",
        "user_disabled",
        "user_not_found",
        "user_not_visible",
        "users_not_found",
    }
)
"""The bot cannot write to that person."""

GONE = frozenset({"cant_update_message", "message_not_found"})
"""There is no such message of the bot's: it was deleted. Of one with a thread, a stone is left that cannot be changed."""

BAD_BLOCKS = frozenset({"block_mismatch", "invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long"})
"""Slack does not take these blocks; it may take others."""

_UNCLEAR = frozenset({"fatal_error", "internal_error", "service_unavailable", "update_failed"})
"""Done or not: nobody knows."""

_INVITE = "invite the bot with /invite @signoff"
_TOKEN = "check the bot token (SLACK_BOT_TOKEN, or its connection's)"  # noqa: S105 - a hint
_REINSTALL = "the app is no longer installed; install it again and renew the bot token"
_NOBODY_POSTS = "the channel lets only some people post; allow the bot there, or name another channel"
_TOO_OLD = "Slack gives three seconds from the click to a modal, and each click opens one; click again"
_HINTS = {
    "access_denied": "an administrator of the workspace has to allow it",
    "accesslimited": "the workspace allows only certain networks; an administrator has to add this machine's address",
    "account_inactive": _REINSTALL,
    "cannot_dm_bot": "a bot cannot be written to",
    "cant_delete_message": "only the bot's own messages can be deleted",
    "cant_update_message": "only the bot's own messages can be changed",
    "channel_not_found": f"check the name; for a private channel, {_INVITE}",
    "ekm_access_denied": "the organisation's administrators have suspended posting",
    "exchanged_trigger_id": _TOO_OLD,
    "expired_trigger_id": _TOO_OLD,
    "expired_url": "the click was more than 30 minutes ago",
    "invalid_auth": f"{_TOKEN}, and that the workspace allows this machine's address",
    "invalid_trigger_id": _TOO_OLD,
    "is_archived": "unarchive the channel, or name another",
    "is_inactive": "the channel is archived or frozen; unarchive it",
    "messages_tab_disabled": "switch on the Messages tab under App Home in the app's settings",
    "missing_scope": "add the scope under OAuth & Permissions in the app's settings and install the app again",
    "no_permission": _INVITE,
    "not_allowed_token_type": f"{_TOKEN}: it has to be a bot's token, which starts with xoxb-",
    "not_authed": f"{_TOKEN}: it is empty",
    "not_in_channel": _INVITE,
    "restricted_action": _NOBODY_POSTS,
    "restricted_action_read_only_channel": _NOBODY_POSTS,
    "restricted_action_thread_only_channel": "the channel takes only replies in threads; name another channel",
    "team_access_not_granted": "the app is not installed in that workspace of the organisation; install it there",
    "token_expired": f"{_TOKEN}: it has expired; switch token rotation off, or renew it",
    "token_revoked": _REINSTALL,
    "used_url": "a click can be answered five times",
    "user_disabled": "that person has left Slack",
    "user_not_found": "check the id, and that it is one of this workspace",
}
_DETAILS = 3  # Slack lists every bad block; the first few tell
_DETAIL_LENGTH = 200


class SlackError(ActionError):
    """Slack did not do it. ``code`` is Slack's word for it, None where Slack said none or was not heard.

    ``answered`` is false where Slack seems to be down: no answer, or one that only says so.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        retryable: bool = False,
        retry_after: timedelta | None = None,
        uncertain: bool = False,
        answered: bool = True,
    ) -> None:
        self.code = code
        self.answered = answered
        super().__init__(message, retryable=retryable, retry_after=retry_after, uncertain=uncertain)


class RateLimited(SlackError, NotYet):
    """Slack takes no more of this method for now, by its own word or by our count."""


class Disconnected(SlackError, NotConnected):
    """The workspace's token is worth nothing (any more), or there is none."""

    account = ACCOUNT


class Untraceable(SlackError):
    """Nobody can tell whether a message is there: the bot may not read there, or too much was said since."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """What it means for a call that nobody knows whether Slack has carried it out.

    ``retryable`` is also whether the call makes sense at all at a later time.
    """

    retryable: bool
    uncertain: bool


REPEATABLE = Doubt(retryable=True, uncertain=False)
"""Reads, and writes that leave the same behind when they happen twice."""

ONCE = Doubt(retryable=True, uncertain=True)
"""Twice are two messages."""

PERISHABLE = Doubt(retryable=False, uncertain=True)
"""Opens a modal for a click, which is worth three seconds and works once."""


def failure(what: str, status: int, headers: Mapping[str, str], answer: Json, doubt: Doubt) -> SlackError:
    """The error for an answer that is no success. ``what`` was called; ``answer`` is its parsed body, if it is JSON."""
    body: Mapping[str, Json] = answer if isinstance(answer, dict) else {}
    code = body.get("error")
    code = code[:80] if isinstance(code, str) else None
    wait = retry_after(headers)
    if status == 429 or code in _TOO_OFTEN:
        code = code or "ratelimited"
        return RateLimited(f"{what}: not now ({code}).", code=code, retryable=doubt.retryable, retry_after=wait)
    if code in _LATER:
        return SlackError(f"{what}: not now ({code}).", code=code, retryable=doubt.retryable, retry_after=wait)
    if status >= 500 or code in _UNCLEAR:
        return lost(what, code or f"HTTP {status}", doubt, code=code, retry_after=wait)
    if code is None and status < 400:
        return lost(what, "its answer makes no sense", doubt)
    hint = _hint(code, body)
    sort = Disconnected if code in DISCONNECTED else SlackError
    return sort(f"{what}: {code or f'HTTP {status}'}" + (f": {hint}." if hint else "."), code=code)


def lost(
    what: str, why: str, doubt: Doubt, *, code: str | None = None, retry_after: timedelta | None = None
) -> SlackError:
    """The error for a call after which nobody knows what Slack has done."""
    return SlackError(
        f"{what}: no answer that counts ({why}).",
        code=code,
        retryable=doubt.retryable,
        retry_after=retry_after,
        uncertain=doubt.uncertain,
        answered=False,
    )


@contextmanager
def connection(what: str, doubt: Doubt) -> Iterator[None]:
    """Translates what goes wrong on the way to Slack and back.

    Causes are not chained: they repeat addresses, and in those stand mail addresses and rights to answer.
    """
    try:
        yield
    except aiohttp.ClientConnectorCertificateError:
        said = f"{what}: the server's certificate is not trusted."
        raise SlackError(said, retryable=doubt.retryable, answered=False) from None
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
        raise SlackError(f"{what}: Slack cannot be reached.", retryable=doubt.retryable, answered=False) from None
    except TimeoutError:
        raise lost(what, "not in time", doubt) from None
    except (aiohttp.ClientError, OSError):
        raise lost(what, "the connection broke", doubt) from None


def _hint(code: str | None, body: Mapping[str, Json]) -> str | None:
    needed = body.get("needed")
    if code == "missing_scope" and isinstance(needed, str):
        return f"add the scope {needed[:80]} under OAuth & Permissions in the app's settings and install the app again"
    if code in _HINTS:
        return _HINTS[code]
    metadata = body.get("response_metadata")
    messages = metadata.get("messages") if isinstance(metadata, dict) else None
    if not isinstance(messages, list):
        return None
    said = [re.sub(r"^\[ERROR\] ", "", each)[:_DETAIL_LENGTH] for each in messages if isinstance(each, str)]
    return "; ".join(said[:_DETAILS]) or None
