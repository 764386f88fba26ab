"""The channels that flows name: whether the bot can post there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from bot.doctor.finding import Finding, fail, ok
from bot.doctor.patient import Connected, Patient
from bot.settings import Settings
from flows.definition import Approval, Flow, Hold, SlackPlace
from flows.errors import ActionError
from flows.plan import Plan
from integrations.slack.answers import ChannelState

_ACTIONS = ("slack.post_message", "slack.request_approval")
_ELSEWHERE = 3  # flows that are named beside a channel
_INPUT = re.compile(r"\{\{\s*inputs\.([a-z][a-z0-9_]*)\s*\}\}")
_CHANNEL = re.compile(r"#[^\s#@,<>&{]{1,80}|[CG][A-Z0-9]{6,}")


class ChannelsOpen:
    """Each channel that a flow names, itself or by an input's default, in the workspace that it is in."""

    name = "channels"

    async def look(self, patient: Patient) -> Sequence[Finding]:
        connected = {
            one.auth.team_id: one for one in await patient.workspaces() if not isinstance(one.auth, ActionError)
        }
        if not connected:
            return []
        wanted = named(patient.settings, (await patient.library()).flows)
        found: list[Finding] = []
        for team, channels in _by_team(wanted, next(iter(connected))).items():
            if team not in connected:
                names = ", ".join(channels)
                said = f"Flows name {names} in the workspace {team}, which is not connected."
                found.append(fail(said, "`signoff connect slack` installs the app there."))
                continue
            found += await self._in(connected[team], channels)
        return found

    async def _in(self, one: Connected, channels: Mapping[str, Sequence[str]]) -> list[Finding]:
        try:
            states = await one.client.channels_named(list(channels))
        except ActionError as error:
            return [fail(f"The channels could not be looked up: {error}", "Mend what the checks of Slack say first.")]
        assert not isinstance(one.auth, ActionError)  # only those that Slack has answered for are looked at
        anywhere = "chat:write.public" in one.auth.scopes
        found = [
            finding
            for name, flows in channels.items()
            if (finding := self._said(name, flows, states.get(name), anywhere=anywhere))
        ]
        good = len(channels) - len(found)
        if good:
            found.append(
                ok(f"The bot can post in {'the channel' if good == 1 else f'{good} channels'} that flows name.")
            )
        return found

    @staticmethod
    def _said(name: str, flows: Sequence[str], state: ChannelState | None, *, anywhere: bool) -> Finding | None:
        by = f"{', '.join(flows[:_ELSEWHERE])}{' and others' if len(flows) > _ELSEWHERE else ''}"
        if state is None:
            return fail(f"There is no channel {name} that the bot sees (named by {by}).", "Correct the name; into a private channel, invite the bot: /invite @signoff.")  # fmt: skip
        if state.archived:
            return fail(f"{name} is archived (named by {by}).", "Unarchive it, or name another channel.")
        if not state.member and not anywhere:
            return fail(f"The bot is not in {name} (named by {by}).", f"In {name}, type /invite @signoff.")
        return None


def named(settings: Settings, flows: Mapping[str, Flow]) -> dict[tuple[str | None, str], list[str]]:
    """Each channel that is named, with its workspace (None: the first one), and by which flows."""
    found: dict[tuple[str | None, str], list[str]] = {}
    for name, flow in flows.items():
        for place in _places(flow):
            by = found.setdefault(place, [])
            if name not in by:
                by.append(name)
    if settings.admin_channel is not None:
        found.setdefault((None, settings.admin_channel), []).append("the setting SIGNOFF_ADMIN_CHANNEL")
    return found


def _places(flow: Flow) -> Iterator[tuple[str | None, str]]:
    for plan in Plan.of(flow).steps:
        step = plan.step
        for wait in (step.approval, step.hold):
            for each in (wait.via or ()) if isinstance(wait, Approval | Hold) else ():
                if isinstance(each, SlackPlace) and (channel := _known(flow, each.slack)):
                    yield each.team, channel
        # An action with a connection of its own acts in a workspace that only its token knows.
        if step.uses in _ACTIONS and step.connection is None and (channel := _known(flow, step.with_.get("channel"))):
            yield None, channel


def _known(flow: Flow, text: object) -> str | None:
    """The channel, where it is written down: there, or as the default of the input that is taken for it."""
    if not isinstance(text, str):
        return None
    if taken := _INPUT.fullmatch(text.strip()):
        text = next((field.default for field in flow.inputs if field.name == taken[1]), None)
    return text if isinstance(text, str) and _CHANNEL.fullmatch(text) else None


def _by_team(wanted: Mapping[tuple[str | None, str], list[str]], default: str) -> dict[str, dict[str, list[str]]]:
    found: dict[str, dict[str, list[str]]] = {}
    for (team, channel), flows in wanted.items():
        found.setdefault(team or default, {}).setdefault(channel, []).extend(flows)
    return found
