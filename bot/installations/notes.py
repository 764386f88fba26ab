"""What admins are told of an installation that needs them."""

from __future__ import annotations

from bot.installations.keeper import Broken, OnBroken
from bot.trouble_notes import Trouble, TroubleNotes


def telling(notes: TroubleNotes) -> OnBroken:
    """Tells the admins, in their channel or each."""

    async def tell(broken: Broken) -> None:
        until = f" It goes on working until {broken.until:%Y-%m-%d %H:%M} UTC." if broken.until is not None else ""
        why = broken.why.rstrip(".")
        what = f"Signoff cannot stay connected to the Slack workspace {broken.name} ({broken.team}): {why}.{until}"
        mend = "Install the app there again (`signoff connect slack`); whatever waits is sent then."
        await notes.note(Trouble(f"installation:{broken.team}", what, mend))

    return tell
