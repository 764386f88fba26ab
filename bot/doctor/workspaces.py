"""The workspaces that the app was installed in by OAuth, as far as the database tells."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from bot.doctor.finding import Finding, fail, ok, warn
from bot.doctor.patient import Patient
from bot.installations import rows
from bot.installations.keeper import PURPOSE, token_of
from bot.installations.rows import Row
from flows.vault import Vault

SOON = timedelta(minutes=30)
"""Tokens are renewed four hours before they expire; one that is this close was not."""


class WorkspacesConnected:
    """Whether each has a token that is good and is renewed in time."""

    name = "workspaces"

    async def look(self, patient: Patient) -> Sequence[Finding]:
        settings = patient.settings
        found = [row for row in await patient.read(rows.every) or [] if row.removed_at is None]
        if settings.slack_installs and settings.slack_bot_token is None and not found:
            todo = "`signoff connect slack` leads there; or open /slack/install as an admin."
            return [warn("The Slack app is not installed in any workspace yet.", todo)]
        vault = Vault(settings.secret_keys, PURPOSE) if settings.secret_keys else None
        now = patient.clock.now()
        return [finding for row in found for finding in self._found(row, vault, now)]

    def _found(self, row: Row, vault: Vault | None, now: datetime) -> Iterator[Finding]:
        named = f"{row.name} ({row.team})"
        again = "`signoff connect slack` installs the app there again."
        if row.broken is not None:
            yield fail(f"{named} is not connected any more: {row.broken.rstrip('.')}.", again)
        elif row.token is None:
            yield fail(f"{named} has no token.", again)
        elif row.expires_at is not None and row.expires_at <= now:
            yield fail(
                f"The token of {named} has expired.", f"Start `signoff serve`, which renews it. Otherwise: {again}"
            )
        elif row.expires_at is not None and row.expires_at - now <= SOON:
            yield warn(
                f"The token of {named} expires within {SOON.seconds // 60} minutes.",
                "Start `signoff serve`, which renews it.",
            )
        else:
            yield ok(f"{named} is connected.")
        if vault is not None and row.token is not None:
            try:
                token_of(row, vault)
            except ValueError as error:
                yield fail(
                    f"The token of {named} cannot be read: {error}.",
                    f"Put the old key back behind the new one. Otherwise: {again}",
                )
