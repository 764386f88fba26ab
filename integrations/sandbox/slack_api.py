"""Slack's Web API: ``POST /api/{method}``, with its scopes, refusals and shapes.

A refusal is HTTP 200 with ``{"ok": false, "error": code}``, as Slack does it. Bodies may be forms or JSON, the token
a bearer header or a ``token`` argument. Sources: docs.slack.dev, method by method, and refusals seen in the wild.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from json import JSONDecodeError
from typing import Literal

from aiohttp import web

from flows.clock import Clock
from flows.ports import Json
from integrations.sandbox.arguments import Arguments, SlackRefusal, arguments_of, invalid_arguments, token_of
from integrations.sandbox.blocks import MARKDOWN_TEXT, Block, with_ids
from integrations.sandbox.content import (
    MODALS,
    checked_blocks,
    checked_metadata,
    checked_view,
    open_modal,
    push_modal,
)
from integrations.sandbox.gate import Gate, Performed
from integrations.sandbox.members import Channel, User, UserGroup
from integrations.sandbox.message import Message
from integrations.sandbox.socket_mode import SocketMode
from integrations.sandbox.tokens import Token
from integrations.sandbox.view import View
from integrations.sandbox.workspace import TRIGGER_LIFETIME, Trigger, Workspace

POSTED_TEXT = 40_000  # chat.postMessage cuts here and warns
UPDATED_TEXT = 4_000  # chat.update: "msg_too_long: the text field cannot exceed 4,000 characters"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: a token and the workspace that it belongs to."""

    token: Token
    workspace: Workspace

    def needs(self, *scopes: str) -> None:
        """Refuse unless the token has one of the scopes."""
        if not self.token.scopes & set(scopes):
            provided = ",".join(sorted(self.token.scopes))
            raise SlackRefusal("missing_scope", needed=",".join(scopes), provided=provided)


Handler = Callable[[Caller, Arguments], Awaitable[dict[str, Json]]]


@dataclass(frozen=True, slots=True)
class _Method:
    handler: Handler
    scopes: tuple[str, ...] = ()
    caller: Literal["bot", "app"] = "bot"


class SlackApi:
    """The Web API over some workspaces. ``origin`` is where permalinks and Socket Mode addresses point."""

    def __init__(
        self,
        *,
        workspaces: Mapping[str, Workspace],
        tokens: Mapping[str, Token],
        gate: Gate,
        clock: Clock,
        sockets: SocketMode,
        origin: Callable[[], str],
    ) -> None:
        self._workspaces = workspaces
        self._tokens = tokens
        self._gate = gate
        self._clock = clock
        self._sockets = sockets
        self._origin = origin
        self._methods = {
            "auth.test": _Method(self._auth_test),
            "apps.connections.open": _Method(self._connections_open, ("connections:write",), caller="app"),
            "chat.postMessage": _Method(self._post_message, ("chat:write",)),
            "chat.postEphemeral": _Method(self._post_ephemeral, ("chat:write",)),
            "chat.update": _Method(self._update, ("chat:write",)),
            "chat.delete": _Method(self._delete, ("chat:write",)),
            "chat.getPermalink": _Method(self._permalink),
            "conversations.open": _Method(self._open),
            "conversations.info": _Method(self._channel_info),
            "conversations.list": _Method(self._channel_list),
            "conversations.members": _Method(self._channel_members),
            "conversations.history": _Method(self._history),
            "conversations.replies": _Method(self._replies),
            "users.info": _Method(self._user_info, ("users:read",)),
            "users.list": _Method(self._user_list, ("users:read",)),
            "users.lookupByEmail": _Method(self._user_by_email, ("users:read.email",)),
            "usergroups.list": _Method(self._group_list, ("usergroups:read",)),
            "usergroups.users.list": _Method(self._group_users, ("usergroups:read",)),
            "views.open": _Method(self._view_open),
            "views.push": _Method(self._view_push),
            "views.update": _Method(self._view_update),
            "views.publish": _Method(self._view_publish),
        }

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one call of the API."""
        method = request.match_info["method"]
        try:
            given = await arguments_of(request)
        except (JSONDecodeError, UnicodeDecodeError):
            return web.json_response({"ok": False, "error": "invalid_json"})
        value = token_of(request, given)
        body = {name: argument for name, argument in given.items() if name != "token"}

        async def perform() -> Performed:
            return await self._perform(method, value, Arguments(body))

        return await self._gate.run(request, method, body, perform, limited={"ok": False, "error": "ratelimited"})

    async def _perform(self, method: str, value: str | None, arguments: Arguments) -> Performed:
        headers: dict[str, str] = {}
        try:
            answer = await self._answer(method, value, arguments, headers)
        except SlackRefusal as refusal:
            body = {"ok": False, "error": refusal.code, **refusal.extra}
            return web.json_response(body, headers=headers), refusal.code
        return web.json_response({"ok": True, **answer}, headers=headers), "ok"

    async def _answer(
        self, method: str, value: str | None, arguments: Arguments, headers: dict[str, str]
    ) -> dict[str, Json]:
        if method == "api.test":
            return _api_test(arguments)
        known = self._methods.get(method)
        if known is None:
            raise SlackRefusal("unknown_method", req_method=method)
        caller = self._caller(value, known.caller)
        headers["X-OAuth-Scopes"] = ",".join(sorted(caller.token.scopes))
        headers["X-Accepted-OAuth-Scopes"] = ",".join(known.scopes)
        if known.scopes:
            caller.needs(*known.scopes)
        return await known.handler(caller, arguments)

    def _caller(self, value: str | None, kind: str) -> Caller:
        if not value:
            raise SlackRefusal("not_authed")
        token = self._tokens.get(value)
        if token is None:
            raise SlackRefusal("invalid_auth")
        if token.revoked:
            raise SlackRefusal("token_revoked")
        if token.kind != kind:
            raise SlackRefusal("not_allowed_token_type")
        return Caller(token, self._workspaces[token.team_id])

    # -- the app itself

    async def _auth_test(self, caller: Caller, _arguments: Arguments) -> dict[str, Json]:
        workspace = caller.workspace
        return {
            "url": f"https://{workspace.domain}.slack.com/",
            "team": workspace.name,
            "user": workspace.bot.name,
            "team_id": workspace.id,
            "user_id": workspace.bot.id,
            "bot_id": workspace.bot_id,
            "is_enterprise_install": False,
        }

    async def _connections_open(self, caller: Caller, _arguments: Arguments) -> dict[str, Json]:
        ticket = self._sockets.new_ticket(caller.workspace.app_id)
        return {"url": f"{self._origin().replace('http', 'ws', 1)}/socket?ticket={ticket}"}

    # -- messages

    async def _post_message(self, caller: Caller, arguments: Arguments) -> dict[str, Json]:
        channel = self._addressed(caller, arguments.required("channel"))
        text, blocks, warning = self._content(caller, arguments)
        metadata = checked_metadata(arguments)
        thread_ts = arguments.text("thread_ts")
        message = caller.workspace.post(
            channel, caller.workspace.bot.id, text, blocks=blocks, metadata=metadata, thread_ts=thread_ts
        )
        answer: dict[str, Json] = {"channel": channel.id, "ts": message.ts}
        answer["message"] = message.as_json(with_metadata=True)
        return answer | warning

    async def _post_ephemeral(self, caller: Caller, arguments: Arguments) -> dict[str, Json]:
        channel = self._addressed(caller, arguments.required("channel"))
        user = arguments.required("user")
        text, blocks, warning = self._content(caller, arguments)
        if user not in channel.members:
            raise SlackRefusal("user_not_in_channel")
        message = caller.workspace.post(
            channel,
            caller.workspace.bot.id,
            text,
            blocks=blocks,
            thread_ts=arguments.text("thread_ts"),
            ephemeral_to=user,
        )
        return {"message_ts": message.ts} | warning

    async def _update(self, caller: Caller, arguments: Arguments) -> dict[str, Json]:
        message = self._message(caller, arguments)
        if message.user != caller.workspace.bot.id:
            raise SlackRefusal("cant_update_message")
        if len(arguments.text("text") or "") > UPDATED_TEXT:
            raise SlackRefusal("msg_too_long")
        text, blocks, _ = self._content(caller, arguments)
        # Without ``blocks`` the old ones go, where there is a text.
        caller.workspace.edit(message, text, blocks, metadata=checked_metadata(arguments))
        body = message.as_json(with_metadata=True)
        return {"channel": message.channel, "ts": message.ts, "text": text, "message": body}

    async def _delete(self, caller: Caller, arguments: Arguments) -> dict[str, Json]:
        message = self._message(caller, arguments)
        if message.user != caller.workspace.bot.id:
            raise SlackRefusal("cant_delete_message")
        caller.workspace.remove(message)
        return {"channel": message.channel, "ts": message.ts}

    async def _permalink(self, caller: Caller, arguments: Arguments) -> dict[str, Json]:
        channel = self._visible(caller, arguments.required("channel"))
        ts = arguments.required("message_ts")
        if caller.workspace.message(channel.id, ts) is None:
            raise SlackRefusal("message_not_found")
        return {"channel": channel.id, "permalink": f"{self._origin()}/archives/{channel.id}/p{ts.replace('.', '')}"}

    def _content(self, caller: Caller, arguments: Arguments) -> tuple[str, list[Block], dict[str, Json]]:
        """Text, checked blocks with ids, and the warning that goes with a text that was cut."""
        if arguments.has("attachments"):
            raise invalid_arguments("the sandbox has no attachments; use blocks [json-pointer:/attachments]")
        text = arguments.text("text") or ""
        if arguments.has("markdown_text"):
            if text or arguments.has("blocks"):
                raise SlackRefusal("markdown_text_conflict")
            text = arguments.required("markdown_text")
            if len(text) > MARKDOWN_TEXT:
                raise SlackRefusal("msg_too_long")
        blocks = checked_blocks(arguments.structure("blocks", "invalid_blocks_format"))
        if not text and not blocks:
            raise SlackRefusal("no_text")
        warning: dict[str, Json] = {}
        if len(text) > POSTED_TEXT:
            text = text[:POSTED_TEXT]
            warning = {"warning": "message_truncated", "response_metadata": {"warnings": ["message_truncated"]}}
        return text, with_ids(blocks, caller.workspace.new_short_id), warning

    def _message(self, caller: Caller, arguments: Arguments) -> Message:
        """The message that ``channel`` and ``ts`` name; only a channel's own id will do."""
        channel = self._visible(caller, arguments.required("channel"))
        message = caller.workspace.message(channel.id, arguments.required("ts"))
        if message is None:
            raise SlackRefusal("message_not_found")
        return message

    def _addressed(self, caller: Caller, name: str) -> Channel:
        """Where a message for ``name`` goes: a channel's id or name, or a person's id for a direct message."""
        workspace = caller.workspace
        if name in workspace.users:
            self._reachable(workspace.users[name], gone="channel_not_found")
            return workspace.direct_message(name)
        channel = workspace.channels.get(name) or workspace.channel_named(name)
        if channel is None:
            raise SlackRefusal("channel_not_found")
        if workspace.bot.id not in channel.members:
            if channel.is_private:
                raise SlackRefusal("channel_not_found")
            if "chat:write.public" not in caller.token.scopes:
                raise SlackRefusal("not_in_channel")
        if channel.is_archived:
            raise SlackRefusal("is_archived")
        return channel

    def _reachable(self, user: User, *, gone: str) -> None:
        if user.is_bot:
            raise SlackRefusal("cannot_dm_bot")
        if user.deleted:
            raise SlackRefusal(gone)
        if user.is_stranger:
            raise SlackRefusal("user_not_visible" if gone == "user_disabled" else gone)

    # -- conversations

    def _visible(self, caller: Caller, channel_id: str) -> Channel:
        """A channel by its id, if it is public or the bot is in it."""
        channel = caller.workspace.channels.get(channel_id)
        if channel is None or (channel.kind != "channels" and caller.workspace.bot.id not in channel.members):
            raise SlackRefusal("channel_not_found")
        return channel

    async def _open(self, caller: Caller, arguments: Arguments) -> dict[str, Json]:
        workspace = caller.workspace
        if arguments.has("channel"):
            channel = self._visible(caller, arguments.required("channel"))
        else:
            ids = [each.strip() for each in (arguments.text("users") or "").split(",") if each.strip()]
            if not ids:
                raise SlackRefusal("users_list_not_supplied")
            if len(ids) > 8:
                raise SlackRefusal("too_many_users")
            caller.needs("im:write" if len(ids) == 1 else "mpim:write")
            for user_id in ids:
                if user_id not in workspace.users:
                    raise SlackRefusal("user_not_found")
                self._reachable(workspace.users[user_id], gone="user_disabled")
            channel = workspace.direct_message(ids[0]) if len(ids) == 1 else workspace.group_message(ids)
        shown = channel.as_json(member=workspace.bot.id) if arguments.flag("return_im") else {"id": channel.id}
        return {"channel": shown}

    async def _channel_info(self, caller: Caller, arguments: Arguments) -> dict[str, Json]:
        channel = self._visible(caller, arguments.required("channel"))
        caller.needs(f"{channel.kind}:read")
        shown = channel.as_json(member=caller.workspace.bot.id)
        if not arguments.flag("include_num_members"):
            shown.pop("num_members", None)
        return {"channel": shown}

    async def _channel_list(self, caller: Caller, arguments: Arguments) -> dict[str, Json]:
        words = {"public_channel": "channels", "private_channel": "groups", "im": "im", "mpim": "mpim"}
        types = (arguments.text("types") or "public_channel").replace(" ", "").split(",")
        if unknown := [each for each in types if each not in words]:
            raise SlackRefusal("invalid_types", types=unknown)
        kinds = {words[each] for each in types}
        for kind in sorted(kinds):
            caller.needs(f"{kind}:read")
        bot = caller.workspace.bot.id
        found = [
            channel.as_json(member=bot)
            for channel in caller.workspace.channels.values()
            if channel.kind in kinds
            and (channel.kind == "channels" or bot in channel.members)
            and not (channel.is_archived and arguments.flag("exclude_archived"))
        ]
        page, metadata = _page(found, arguments, default=100)
        return {"channels": page, "response_metadata": metadata}

    async def _channel_members(self, caller: Caller, arguments: Arguments) -> dict[str, Json]:
        channel = self._visible(caller, arguments.required("channel"))
        caller.needs(f"{channel.kind}:read")
        page, metadata = _page(channel.members, arguments, default=100)
        return {"members": page, "response_metadata": metadata}

    def _readable(self, caller: Caller, arguments: Arguments) -> tuple[Channel, list[Message]]:
        channel = self._visible(caller, arguments.required("channel"))
        caller.needs(f"{channel.kind}:history")
        if caller.workspace.bot.id not in channel.members:
            raise SlackRefusal("not_in_channel")
        try:
            oldest = float(arguments.text("oldest") or 0)
            latest = float(arguments.text("latest") or "inf")
        except ValueError:
            raise invalid_arguments("must be a timestamp [json-pointer:/oldest]") from None
        inclusive = arguments.flag("inclusive")
        within = [
            message
            for message in caller.workspace.messages_in(channel.id)
            if oldest < float(message.ts) < latest or (inclusive and float(message.ts) in (oldest, latest))
        ]
        return channel, within

    async def _history(self, caller: Caller, arguments: Arguments) -> dict[str, Json]:
        _, within = self._readable(caller, arguments)
        with_metadata = arguments.flag("include_all_metadata")
        top = [message for message in reversed(within) if message.thread_ts in (None, message.ts)]
        page, metadata = _page([message.as_json(with_metadata=with_metadata) for message in top], arguments, 100)
        return {
            "messages": page,
            "has_more": bool(metadata["next_cursor"]),
            "pin_count": 0,
            "response_metadata": metadata,
        }

    async def _replies(self, caller: Caller, arguments: Arguments) -> dict[str, Json]:
        channel, within = self._readable(caller, arguments)
        ts = arguments.required("ts")
        if caller.workspace.message(channel.id, ts) is None:
            raise SlackRefusal("thread_not_found")
        with_metadata = arguments.flag("include_all_metadata")
        thread = [
            message.as_json(with_metadata=with_metadata) for message in within if ts in (message.ts, message.thread_ts)
        ]
        page, metadata = _page(thread, arguments, default=1000)
        return {"messages": page, "has_more": bool(metadata["next_cursor"]), "response_metadata": metadata}

    # -- people

    def _user_json(self, caller: Caller, user: User) -> dict[str, Json]:
        return user.as_json(with_email="users:read.email" in caller.token.scopes, now=self._clock.now())

    async def _user_info(self, caller: Caller, arguments: Arguments) -> dict[str, Json]:
        user = caller.workspace.users.get(arguments.required("user"))
        if user is None:
            raise SlackRefusal("user_not_found")
        return {"user": self._user_json(caller, user)}

    async def _user_list(self, caller: Caller, arguments: Arguments) -> dict[str, Json]:
        everyone = [self._user_json(caller, user) for user in caller.workspace.users.values()]
        page, metadata = _page(everyone, arguments, default=1000)
        return {"members": page, "cache_ts": int(self._clock.now().timestamp()), "response_metadata": metadata}

    async def _user_by_email(self, caller: Caller, arguments: Arguments) -> dict[str, Json]:
        email = arguments.required("email").lower()
        for user in caller.workspace.users.values():
            if (user.email or "").lower() == email and not user.deleted and user.team_id == caller.workspace.id:
                return {"user": self._user_json(caller, user)}
        raise SlackRefusal("users_not_found")

    async def _group_list(self, caller: Caller, arguments: Arguments) -> dict[str, Json]:
        groups = [
            _group_json(caller.workspace, group, with_users=arguments.flag("include_users"))
            for group in caller.workspace.groups.values()
            if not group.disabled or arguments.flag("include_disabled")
        ]
        return {"usergroups": groups}

    async def _group_users(self, caller: Caller, arguments: Arguments) -> dict[str, Json]:
        group = caller.workspace.groups.get(arguments.required("usergroup"))
        if group is None:
            raise SlackRefusal("no_such_subteam")
        if group.disabled and not arguments.flag("include_disabled"):
            raise SlackRefusal("subteam_disabled")
        return {"users": list(group.users)}

    # -- views

    async def _view_open(self, caller: Caller, arguments: Arguments) -> dict[str, Json]:
        content = self._view_content(caller.workspace, arguments, "modal")
        trigger = self._exchanged(caller.workspace, arguments)
        view = open_modal(caller.workspace, trigger.user, content)
        return {"view": view.as_json()}

    async def _view_push(self, caller: Caller, arguments: Arguments) -> dict[str, Json]:
        workspace = caller.workspace
        content = self._view_content(workspace, arguments, "modal")
        trigger = self._exchanged(workspace, arguments)
        stack = workspace.modals.get(trigger.user, [])
        if trigger.view_id is None or all(view.id != trigger.view_id for view in stack):
            raise SlackRefusal("not_found")
        if len(stack) >= MODALS:
            raise SlackRefusal("push_limit_reached")
        return {"view": push_modal(workspace, trigger.user, content).as_json()}

    async def _view_update(self, caller: Caller, arguments: Arguments) -> dict[str, Json]:
        workspace = caller.workspace
        view_id, external_id = arguments.text("view_id"), arguments.text("external_id")
        if not view_id and not external_id:
            raise invalid_arguments("missing required field: view_id")
        view = next(
            (
                each
                for each in workspace.all_views()
                if (view_id and each.id == view_id)
                or (not view_id and external_id and each.content.get("external_id") == external_id)
            ),
            None,
        )
        content = self._view_content(workspace, arguments, view.type if view else None, unless=view)
        if view is None:
            raise SlackRefusal("not_found")
        _same_hash(view, arguments)
        workspace.change_view(view, content)
        return {"view": view.as_json()}

    async def _view_publish(self, caller: Caller, arguments: Arguments) -> dict[str, Json]:
        workspace = caller.workspace
        user_id = arguments.required("user_id")
        home = workspace.homes.get(user_id)
        content = self._view_content(workspace, arguments, "home", unless=home)
        if user_id not in workspace.users:
            raise SlackRefusal("user_not_found")
        if home is None:
            home = workspace.homes[user_id] = workspace.new_view(user_id, content)
            workspace.changes.notify()
        else:
            _same_hash(home, arguments)
            workspace.change_view(home, content)
        return {"view": home.as_json()}

    def _view_content(
        self, workspace: Workspace, arguments: Arguments, sort: str | None, *, unless: View | None = None
    ) -> dict[str, Json]:
        view = arguments.structure("view", "invalid_arguments")
        if view is None:
            raise invalid_arguments("missing required field: view")
        content = checked_view(workspace, view)
        if sort is not None and content["type"] != sort:
            raise invalid_arguments(f"must be a {sort} view [json-pointer:/view/type]")
        external_id = content.get("external_id")
        if external_id and any(
            view.content.get("external_id") == external_id for view in workspace.all_views() if view is not unless
        ):
            raise SlackRefusal("duplicate_external_id")
        return content

    def _exchanged(self, workspace: Workspace, arguments: Arguments) -> Trigger:
        trigger = workspace.triggers.get(arguments.required("trigger_id"))
        if trigger is None:
            raise SlackRefusal("invalid_trigger_id")
        if trigger.used:
            raise SlackRefusal("exchanged_trigger_id")
        if self._clock.now() - trigger.issued_at > TRIGGER_LIFETIME:
            raise SlackRefusal("expired_trigger_id")
        trigger.used = True
        return trigger


def _api_test(arguments: Arguments) -> dict[str, Json]:
    """The one method that needs no token; says back the error it is asked for."""
    if error := arguments.text("error"):
        raise SlackRefusal(error)
    return {}


def _same_hash(view: View, arguments: Arguments) -> None:
    known = arguments.text("hash")
    if known and known != view.hash:
        raise SlackRefusal("hash_conflict")


def _group_json(workspace: Workspace, group: UserGroup, *, with_users: bool) -> dict[str, Json]:
    shown: dict[str, Json] = {
        "id": group.id,
        "team_id": workspace.id,
        "is_usergroup": True,
        "name": group.name,
        "handle": group.handle,
        "description": "",
        "is_external": False,
        "date_delete": 1 if group.disabled else 0,
        "user_count": len(group.users),
    }
    return shown | {"users": list(group.users)} if with_users else shown


def _page(items: Sequence[Json], arguments: Arguments, default: int) -> tuple[list[Json], dict[str, str]]:
    """One page of a list and the cursor to the next; the cursor is where that one begins."""
    cursor = arguments.text("cursor") or "0"
    if not cursor.isdecimal():
        raise SlackRefusal("invalid_cursor")
    start = int(cursor)
    end = start + arguments.number("limit", default, 1000)
    return list(items[start:end]), {"next_cursor": str(end) if end < len(items) else ""}
