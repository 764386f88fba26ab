"""All checks over one installation, at the same time, each with its own patience."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from datetime import timedelta

from bot.doctor.finding import Check, Finding, Report, fail
from bot.doctor.patient import Patient

log = logging.getLogger(__name__)

PATIENCE = timedelta(seconds=30)
"""How long a check may take: several requests, each with its own timeout."""


async def examine(patient: Patient, checks: Iterable[Check[Patient]], *, patience: timedelta = PATIENCE) -> Report:
    """Look at everything. A check that fails itself, or takes too long, is a finding and keeps no other from looking."""
    checks = list(checks)
    found = await asyncio.gather(*(_look(check, patient, patience) for check in checks))
    return Report(tuple((check.name, each) for check, said in zip(checks, found, strict=True) for each in said))


async def _look(check: Check[Patient], patient: Patient, patience: timedelta) -> Sequence[Finding]:
    try:
        async with asyncio.timeout(patience.total_seconds()):
            return await check.look(patient)
    except TimeoutError:
        return [
            fail(
                f"There was no answer within {patience.total_seconds():g} seconds.",
                "Look whether this machine reaches the network, and try again.",
            )
        ]
    except Exception as error:
        log.debug("the check %s failed", check.name, exc_info=True)
        return [
            fail(
                f"The check itself failed ({type(error).__name__}).",
                "Please report this with what `signoff doctor --debug` says.",
            )
        ]
