"""How a workspace and Slack itself stand, as the page's "Bad days" shows it."""

from __future__ import annotations

from flows.ports import Json
from integrations.sandbox.members import User
from integrations.sandbox.server import Sandbox
from integrations.sandbox.workspace import Workspace


def overview(sandbox: Sandbox, workspace: Workspace) -> dict[str, Json]:
    """Channels, people and groups with what an administrator can change about them, and what is arranged to go wrong."""
    everybody = [user for user in workspace.users.values() if not user.is_bot]
    names = {person.id: key for key, person in sandbox.people.items() if person.workspace is workspace}
    return {
        "channels": [
            {
                "id": place.id,
                "name": place.name,
                "archived": place.is_archived,
                "bot": workspace.bot.id in place.members,
            }
            for place in workspace.channels.values()
            if not place.is_im and not place.is_mpim
        ],
        "people": [
            {
                "id": user.id,
                "key": names.get(user.id),
                "name": user.real_name,
                "zone": user.tz,
                "sort": sort_of(user, workspace),
                "deleted": user.deleted,
            }
            for user in everybody
        ],
        "groups": [
            {"handle": group.handle, "users": list(group.users), "disabled": group.disabled}
            for group in workspace.groups.values()
        ],
        "faults": sandbox.faults.described(),
        "limits": sandbox.limits.enforced,
    }


def sort_of(user: User, workspace: Workspace) -> str:
    """What sort of member somebody is, in a word for people."""
    if user.deleted:
        return "deactivated"
    if user.is_stranger or user.team_id != workspace.id:
        return "external"
    if user.is_ultra_restricted:
        return "single-channel guest"
    return "guest" if user.is_restricted else "admin" if user.is_admin else "member"
