"""This machine's clock against the one of whoever it talks to."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from bot.doctor.finding import Finding, fail, ok, warn
from bot.doctor.patient import Patient, Unanswered

GOOGLE = "https://www.googleapis.com/generate_204"

SKEW = timedelta(seconds=60)
"""What is not noise any more. Slack's signatures are refused from five minutes on, and deadlines are late by as much."""


class ClockRight:
    """Compared with the ``Date`` that Slack (or Google) answers with, which is within a second or two of right."""

    name = "clock"

    async def look(self, patient: Patient) -> Sequence[Finding]:
        settings = patient.settings
        slack = settings.slack or settings.slack_api_url is not None
        whose, address = ("Slack's", f"{patient.slack_url}api.test") if slack else ("Google's", GOOGLE)
        try:
            told = _instant((await patient.get(address)).date)
        except Unanswered as error:
            return [
                warn(f"The clock could not be compared with {whose}: {error}.", "Look whether this machine reaches it.")
            ]
        if told is None:
            return [warn(f"The clock could not be compared with {whose}: no time was told.", "Try again later.")]
        return [self.found(patient.clock.now() - told, whose)]

    @staticmethod
    def found(ahead: timedelta, whose: str) -> Finding:
        """What is to be said of a clock that is so far ahead."""
        if abs(ahead) <= SKEW:
            return ok(f"The clock agrees with {whose}.")
        way = "ahead of" if ahead > timedelta(0) else "behind"
        said = f"This machine's clock is {round(abs(ahead).total_seconds()):,} seconds {way} {whose}."
        return fail(said, "Let it be set by NTP (for example: timedatectl set-ntp true).")


def _instant(date: str | None) -> datetime | None:
    try:
        return parsedate_to_datetime(date).astimezone(UTC) if date else None
    except ValueError:
        return None
