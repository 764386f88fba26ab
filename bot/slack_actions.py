"""What flows do in Slack, in whichever workspace the run belongs to: that of its requester, else the default one. People
who are written to by their address may be in another one.

Workspaces come and go while the bot runs, so each call looks for its own.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Any, ClassVar

from pydantic import BaseModel

from bot.accounts import slack_actions
from bot.workspaces import Workspaces
from flows.clock import Clock
from flows.people import PersonId
from flows.ports import Action, ActionCall, Json
from integrations.slack.actions import PostMessage, SendDirectMessage, UpdateMessage
from integrations.slack.approvals import SlackRequestApproval
from integrations.slack.client import SlackClient
from integrations.slack.directory import SlackDirectory

Home = Callable[[PersonId], Awaitable[str | None]]
"""The connected workspace that somebody belongs to; None where there is none."""

_KINDS: tuple[type[Action], ...] = (PostMessage, SendDirectMessage, UpdateMessage, SlackRequestApproval)


class InWorkspace:
    """One of these actions. Raises ``NotInstalled`` where no workspace is connected."""

    name: ClassVar[str]
    params: ClassVar[type[BaseModel]]

    def __init__(self, workspaces: Workspaces, home: Home, clock: Clock) -> None:
        self._workspaces = workspaces
        self._home = home
        self._clock = clock
        self._made: dict[str, tuple[object, Action]] = {}

    async def perform(self, call: ActionCall, params: Any) -> Json:
        home = await self._home(call.requester) if call.requester is not None else None
        return await self._action(home).perform(call, params)

    def _action(self, team: str | None) -> Action:
        workspace = self._workspaces.workspace(team)
        made = self._made.get(workspace.team)
        if made is None or made[0] is not workspace:
            others = partial(self._others, workspace.team)
            found = slack_actions(workspace.client, workspace.directory, self._clock, others=others)
            made = self._made[workspace.team] = workspace, next(one for one in found if one.name == self.name)
        return made[1]

    def _others(self, team: str) -> Iterator[tuple[SlackClient, SlackDirectory]]:
        for one in map(self._workspaces.workspace, self._workspaces.teams):
            if one.team != team:
                yield one.client, one.directory


def actions(workspaces: Workspaces, home: Home, clock: Clock) -> list[InWorkspace]:
    """All of them."""
    return [_in_workspace(kind)(workspaces, home, clock) for kind in _KINDS]


def _in_workspace(kind: type[Action]) -> type[InWorkspace]:
    # An action's name and parameters are its class's.
    return type(kind.__name__, (InWorkspace,), {"name": kind.name, "params": kind.params})
