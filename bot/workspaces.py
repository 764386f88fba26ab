"""The Slack workspaces that the bot is in, and the client and the directory of each. They come and go while it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Self

from flows.people import Person
from integrations.slack.client import SlackClient
from integrations.slack.directory import SlackDirectory
from integrations.slack.failures import Disconnected, SlackError


@dataclass(frozen=True, slots=True)
class Workspace:
    """One of them. ``team`` is Slack's id of it (``T...``); its client stays its owner's to close."""

    team: str
    client: SlackClient
    directory: SlackDirectory
    name: str = ""


class NotInstalled(Disconnected):
    """The bot is not in that workspace (any more). Nothing helps but installing it there."""


class Workspaces:
    """By id. ``None`` is the default: the first of those that are connected.

    What happens in a workspace is answered by its own client, and what goes to a person by the client of theirs: a
    token is worth nothing in another workspace.

    ``home`` is the first that ever was connected. What names no workspace in the store is of that one, for ever: were
    it of the default one, an approval by ``@hr`` could be given by another company's, once the app is taken out of the
    first.
    """

    def __init__(self, connected: Iterable[Workspace] = (), *, home: str | None = None) -> None:
        self._connected = {one.team: one for one in connected}
        self._home = home or self.default
        self._former: set[str] = set()
        self._on_connected: Callable[[], None] | None = None
        self._on_back: Callable[[], None] | None = None

    @classmethod
    def of(cls, client: SlackClient, directory: SlackDirectory) -> Self:
        """One workspace alone."""
        return cls([Workspace(directory.team_id, client, directory)])

    @property
    def teams(self) -> tuple[str, ...]:
        """The ids of all of them, the default first."""
        return tuple(self._connected)

    @property
    def default(self) -> str | None:
        """The id of the first that is connected; None where there is none."""
        return next(iter(self._connected), None)

    @property
    def home(self) -> str | None:
        """The id of the first that ever was connected."""
        return self._home

    def __contains__(self, team: object) -> bool:
        return team in self._connected

    def client(self, team: str | None = None) -> SlackClient:
        """Raises ``NotInstalled`` where the bot is not in that workspace."""
        return self.workspace(team).client

    def directory(self, team: str | None = None) -> SlackDirectory:
        """Likewise."""
        return self.workspace(team).directory

    def workspace(self, team: str | None = None) -> Workspace:
        """Likewise."""
        found = self._connected.get(team or self.default or "")
        if found is None:
            raise NotInstalled(_sentence(team), code="not_connected")
        return found

    def first_of(self, *teams: str | None) -> str | None:
        """The first of these that the bot is in, or was: whoever belongs there is unknown elsewhere. Else the default."""
        return next((team for team in teams if team in self._connected or team in self._former), self.default)

    def of_person(self, person: Person) -> str | None:
        """The workspace in which somebody is met: that in which they were known first, where the bot is in it."""
        return self.first_of((person.slack or "").rpartition("/")[0] or None)

    async def direct(self, person: Person, team: str | None = None) -> str:
        """The channel of the direct messages to somebody, by default where they are met. Raises ``SlackError``."""
        if person.slack is None:
            raise SlackError(f"{person.name} is not in Slack; the flow can ask by mail instead.")
        return await self.client(team or self.of_person(person)).open_direct(person.slack.rpartition("/")[2])

    def handle(self, group: str, team: str | None = None) -> str:
        """What a workspace's user group (``@group``) is called everywhere: ``T.../@group``, of ``home`` ``@group``."""
        return group if (team or self.default) == self._home else f"{team or self.default}/{group}"

    def groups_of(self, team: str | None, ids: Mapping[str, str]) -> dict[str, str]:
        """Ids of a workspace's user groups, by what these are called everywhere."""
        return {self.handle(group, team): id_ for group, id_ in ids.items()}

    def watch(self, *, connected: Callable[[], None], back: Callable[[], None]) -> None:
        """Whom to tell when a workspace is connected (again), and when Slack answers again after it was down."""
        self._on_connected, self._on_back = connected, back
        for one in self._connected.values():
            one.client.on_back = back

    # -- while it runs

    def put(self, workspace: Workspace) -> Workspace | None:
        """Connect it, in the place of what was connected as that team before; returns that, to be closed."""
        before = self._connected.get(workspace.team)
        self._connected[workspace.team] = workspace
        self._former.discard(workspace.team)
        self._home = self._home or workspace.team
        workspace.client.on_back = self._on_back
        if self._on_connected is not None:
            self._on_connected()
        return before

    def remove(self, team: str) -> Workspace | None:
        """The bot is not in there any more. Returns what was connected."""
        self._former.add(team)
        return self._connected.pop(team, None)


def _sentence(team: str | None) -> str:
    if team is None:
        return "Signoff is in no Slack workspace; `signoff connect slack` installs it."
    return (
        f"Signoff is not installed in the Slack workspace {team}; an admin can install it with `signoff connect slack`."
    )
