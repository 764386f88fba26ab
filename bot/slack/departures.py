"""What Slack tells of by itself: somebody's account has changed, or a user group has.

What was read of them is forgotten. Where somebody has left, every wait that asked them is looked at anew: one that the
rest cannot decide any more says so at once, by name, and not at its deadline.

Slack delivers an event again that was not acknowledged: at once, after a minute, after five more. So it is
acknowledged when all is done, and not where Slack itself cannot be asked who is there.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, Mapping

from slack_bolt.request.internals import extract_team_id
from slack_bolt.response import BoltResponse

from bot.people import People
from bot.workspaces import Workspaces
from flows.engine import Engine
from flows.errors import ActionError, FlowError, TryAgain
from flows.links import NOBODY
from flows.ports import Json
from integrations.slack.directory import SlackDirectory

log = logging.getLogger(__name__)

USER_CHANGE = "user_change"
GROUP_UPDATED = "subteam_updated"
MEMBERS_CHANGED = "subteam_members_changed"

_KEPT = 1_000  # events that have been done; Slack repeats one within six minutes


class Departures:
    """The listeners of these events."""

    def __init__(self, engine: Engine, people: People, workspaces: Workspaces) -> None:
        self._engine = engine
        self._people = people
        self._workspaces = workspaces
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._done: set[str] = set()

    async def user_changed(self, event: Mapping[str, Json], body: Mapping[str, Json]) -> BoltResponse | None:
        """Somebody's name, address or status has changed, or they were deactivated."""
        user = event.get("user")
        if not isinstance(user, dict) or not user.get("id"):
            return None
        email = (user.get("profile") or {}).get("email")
        directory = self._directory(body)
        if directory is None:
            return None
        directory.forget_user(str(user["id"]), email if isinstance(email, str) else None)
        if not user.get("deleted"):
            return None
        handle = f"{user.get('team_id') or body.get('team_id')}/{user['id']}"
        return await self._once(body, lambda: self._look_for_person(handle))

    async def group_changed(self, event: Mapping[str, Json], body: Mapping[str, Json]) -> BoltResponse | None:
        """A user group has other members, another handle, or was disabled."""
        told = event.get("subteam")
        subteam: Mapping[str, Json] = told if isinstance(told, dict) else {"id": event.get("subteam_id")}
        group_id = subteam.get("id")
        if not group_id:
            return None
        directory = self._directory(body)
        if directory is None:
            return None
        found = {directory.forget_group(str(group_id))}
        if subteam.get("handle"):
            found.add(f"@{subteam['handle']}".lower())
        handles = {self._workspaces.handle(handle, directory.team_id) for handle in found if handle}
        return await self._once(body, lambda: self._look_for_group(directory, str(group_id), handles))

    def _directory(self, body: Mapping[str, Json]) -> SlackDirectory | None:
        """That of the workspace which tells; None where the bot is not in it any more."""
        team = extract_team_id(dict(body))
        return self._workspaces.directory(team) if team is None or team in self._workspaces else None

    # -- looking anew -------------------------------------------------------------------------------------------

    async def _once(
        self, body: Mapping[str, Json], look: Callable[[], Coroutine[None, None, None]]
    ) -> BoltResponse | None:
        """Look once for each event, however often it is delivered while that takes."""
        event_id = str(body.get("event_id"))
        if event_id in self._done:
            return None
        task = self._under_way.get(event_id)
        if task is None:
            task = self._under_way[event_id] = asyncio.create_task(look())
            task.add_done_callback(lambda done: self._finished(event_id, done))
        try:
            # Shielded: whoever asked may hang up, and the next delivery joins in.
            await asyncio.shield(task)
        except TryAgain as refusal:
            log.warning(
                "who has left cannot be found out now; Slack will tell of it again", extra={"error": str(refusal)}
            )
            return BoltResponse(status=503)
        if len(self._done) >= _KEPT:
            self._done.clear()
        self._done.add(event_id)
        return None

    def _finished(self, event_id: str, task: asyncio.Task[None]) -> None:
        self._under_way.pop(event_id, None)
        if not task.cancelled():
            task.exception()  # looked at, also where nobody waits for it any more

    async def _look_for_person(self, handle: str) -> None:
        person = await self._people.known(handle)
        if person is not None:  # else nobody ever asked them
            await self._look(await self._engine.waiting_on(person.id))

    async def _look_for_group(self, directory: SlackDirectory, group_id: str, handles: set[str]) -> None:
        try:
            ids = self._workspaces.groups_of(directory.team_id, await directory.group_ids())
        except ActionError as error:
            raise TryAgain(str(error)) from error
        asked = handles | {handle for handle, one in ids.items() if one == group_id}
        found = []
        for run, n in await self._engine.waiting_on(NOBODY):
            view = await self._engine.peek(run, n)
            if view is not None and not asked.isdisjoint(view.suspension.approvers.groups):
                found.append((run, n))
        await self._look(found)

    async def _look(self, suspensions: Iterable[tuple[int, int]]) -> None:
        """Look at each, also where one cannot be looked at now. Raises ``TryAgain`` for that one in the end."""
        failed: TryAgain | None = None
        for run, n in suspensions:
            try:
                await self._engine.people_left(run, n)
            except TryAgain as refusal:
                failed = refusal
            except FlowError as refusal:
                log.info("a wait was over before it was looked at", extra={"error": str(refusal)})
        if failed is not None:
            raise failed
