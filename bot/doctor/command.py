"""``signoff doctor`` at the terminal: a table for people, JSON for programs, exit code 1 where something fails."""

from __future__ import annotations

import asyncio
import logging
from typing import Annotated

import typer

from bot.doctor.finding import Report, State, fail
from bot.settings import Settings
from bot.terminal import err, out_json, out_table
from flows.clock import SystemClock
from flows.errors import ConfigError

_SICK = 1


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show what a check fell over.")] = False,
) -> None:
    """Look whether everything is set up right, and say what to do. It changes nothing, and posts nothing."""
    if debug:
        logging.basicConfig(level=logging.DEBUG)
    report = asyncio.run(_examined())
    if as_json:
        out_json(_for_programs(report))
    else:
        rows = [(one.state.value, name, one.said, one.todo or "") for name, one in report.findings]
        out_table(("state", "check", "finding", "what to do"), rows, empty="There was nothing to look at.")
        err(_summary(report), style="green" if report.healthy else "red")
    if not report.healthy:
        raise typer.Exit(_SICK)


async def _examined() -> Report:
    try:
        settings = Settings.from_environment()
    except ConfigError as error:
        todo = "Correct it in the environment or in .env; docs/settings.md has every setting."
        return Report(tuple(("settings", fail(problem, todo)) for problem in error.problems))
    # Late: these bring the clients of Slack and Google, which other commands can do without.
    from bot.doctor.checks import every
    from bot.doctor.examination import examine
    from bot.doctor.patient import Patient

    async with Patient(settings, SystemClock()) as patient:
        return await examine(patient, every(_unfit_to_serve()))


def _unfit_to_serve() -> list[str]:
    try:
        Settings.from_environment(serving=True)
    except ConfigError as error:
        return list(error.problems)
    return []


def _for_programs(report: Report) -> dict[str, object]:
    return {
        "healthy": report.healthy,
        "findings": [
            {"check": name, "state": one.state.value, "said": one.said, "todo": one.todo}
            for name, one in report.findings
        ],
    }


def _summary(report: Report) -> str:
    failed, warned = report.count(State.FAIL), report.count(State.WARN)
    warnings = f"{warned} warning{'' if warned == 1 else 's'}"
    if report.healthy:
        return f"Nothing fails; {warnings}." if warned else "All is well."
    return f"{failed} {'thing fails' if failed == 1 else 'things fail'}; {warnings}."
