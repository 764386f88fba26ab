"""The Web API's people: ``users.*``, ``usergroups.*`` and ``team.info``.

``users.info``, ``users.list``, ``users.lookupByEmail``, ``usergroups.list``, ``usergroups.users.list``, ``team.info``.
"""

from __future__ import annotations

from flows.ports import Json
from integrations.sandbox.arguments import Arguments, SlackRefusal
from integrations.sandbox.members import User, UserGroup
from integrations.sandbox.web_method import Caller, Method, page_of
from integrations.sandbox.workspace import Workspace


class PeopleMethods:
    """Who is in a workspace."""

    def methods(self) -> dict[str, Method]:
        """Each method by its name."""
        return {
            "users.info": Method(self._info, ("users:read",)),
            "users.list": Method(self._list, ("users:read",)),
            "users.lookupByEmail": Method(self._by_email, ("users:read.email",)),
            "usergroups.list": Method(self._groups, ("usergroups:read",)),
            "usergroups.users.list": Method(self._group_users, ("usergroups:read",)),
            "team.info": Method(self._team, ("team:read",)),
        }

    async def _info(self, caller: Caller, arguments: Arguments) -> dict[str, Json]:
        user = caller.workspace.users.get(arguments.required("user"))
        if user is None:
            raise SlackRefusal("user_not_found")
        return {"user": _shown(caller, user)}

    async def _list(self, caller: Caller, arguments: Arguments) -> dict[str, Json]:
        everyone = [_shown(caller, user) for user in caller.workspace.users.values()]
        page, metadata = page_of(everyone, arguments, default=1000)
        at = int(caller.workspace.clock.now().timestamp())
        return {"members": page, "cache_ts": at, "response_metadata": metadata}

    async def _by_email(self, caller: Caller, arguments: Arguments) -> dict[str, Json]:
        email = arguments.required("email").lower()
        for user in caller.workspace.users.values():
            if (user.email or "").lower() == email and not user.deleted and user.team_id == caller.workspace.id:
                return {"user": _shown(caller, user)}
        raise SlackRefusal("users_not_found")

    async def _groups(self, caller: Caller, arguments: Arguments) -> dict[str, Json]:
        groups = [
            _group(caller.workspace, group, with_users=arguments.flag("include_users"))
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

    async def _team(self, caller: Caller, arguments: Arguments) -> dict[str, Json]:
        workspace = caller.workspace
        if arguments.text("team") not in (None, workspace.id):
            raise SlackRefusal("team_not_found")
        return {
            "team": {
                "id": workspace.id,
                "name": workspace.name,
                "domain": workspace.domain,
                "url": f"https://{workspace.domain}.slack.com/",
                "email_domain": "",
                "icon": {"image_default": True},
                "is_verified": False,
            }
        }


def _shown(caller: Caller, user: User) -> dict[str, Json]:
    return user.as_json(with_email="users:read.email" in caller.token.scopes, now=caller.workspace.clock.now())


def _group(workspace: Workspace, group: UserGroup, *, with_users: bool) -> dict[str, Json]:
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
