"""The flows: whether they load, and whether what they ask by is set up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from bot.doctor.finding import Finding, fail, ok, warn
from bot.doctor.patient import Patient
from bot.google import rows as google_rows
from bot.installations import rows
from bot.settings import Settings
from flows.definition import Approval, Flow, Hold, SlackPlace
from flows.plan import Plan

_MOST = 10  # problems that are told one by one; `signoff check` tells all


class FlowsLoad:
    """Whether every flow in the folder can be run."""

    name = "flows"

    async def look(self, patient: Patient) -> Sequence[Finding]:
        library, folder = await patient.library(), patient.settings.flows
        found = [
            fail(str(problem), "Correct the file; `signoff check` tells the same.")
            for problem in library.problems[:_MOST]
        ]
        if (more := len(library.problems) - _MOST) > 0:
            found.append(fail(f"There are {more} more problems.", f"Run: signoff check {folder}"))
        found += [warn(str(each), "Look whether it is meant.") for each in library.warnings[:_MOST]]
        if library.flows:
            names = ", ".join(list(library.flows)[:_MOST])
            found.append(
                ok(f"{len(library.flows)} flows can be started: {names}{' …' if len(library.flows) > _MOST else ''}.")
            )
        elif not library.problems:
            found.append(
                warn(f"There is no flow at {folder.absolute()}.", "Set SIGNOFF_FLOWS to the folder with the flows.")
            )
        return found


class FlowsCanAsk:
    """Whether there is a way to ask by what flows name: Slack, mail, and signing in."""

    name = "ways to ask"

    async def look(self, patient: Patient) -> Sequence[Finding]:
        installed = await patient.read(rows.every) or []
        accounts = await patient.read(google_rows.accounts) or []
        slack = patient.settings.slack_bot_token is not None or any(row.removed_at is None for row in installed)
        mail = patient.settings.gmail or patient.settings.smtp or any(row.broken is None for row in accounts)
        return list(self.found(patient.settings, (await patient.library()).flows, slack=slack, mail=mail))

    @staticmethod
    def found(settings: Settings, flows: Mapping[str, Flow], *, slack: bool, mail: bool) -> Iterator[Finding]:
        """What is to be said of flows, where there is Slack and mail or not."""
        wants: dict[str, list[str]] = {}
        for name, flow in flows.items():
            for way in dict.fromkeys(_ways(flow)):
                wants.setdefault(way, []).append(name)
        there = {"slack": slack, "mail": mail, "sign-in": settings.slack_installs}
        for way, by in wants.items():
            if not there[way]:
                yield fail(f"{', '.join(by[:_MOST])} {_SAID[way]}", _TODO[way])


_SAID = {
    "slack": "asks in Slack, which is not connected.",
    "mail": "asks by mail, and there is nothing to send it with.",
    "sign-in": "asks people to sign in with Slack, and SLACK_CLIENT_ID and SLACK_CLIENT_SECRET are not set.",
}
_TODO = {
    "slack": "`signoff manifest` prints the app for Slack; then `signoff connect slack`, or set SLACK_BOT_TOKEN.",
    "mail": "`signoff connect gmail`, or set SMTP_HOST and SMTP_SENDER.",
    "sign-in": "Take SLACK_CLIENT_ID and SLACK_CLIENT_SECRET from the app's Basic Information.",
}


def _ways(flow: Flow) -> Iterator[str]:
    for plan in Plan.of(flow).steps:
        for wait in (plan.step.approval, plan.step.hold):
            if not isinstance(wait, Approval | Hold):
                continue
            for each in wait.via or ():
                if isinstance(each, SlackPlace) or each == "slack":
                    yield "slack"
                elif each in ("mail", "gmail"):
                    yield "mail"
            if wait.verify == "slack":
                yield "sign-in"
