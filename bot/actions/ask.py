"""The function of the ready-made flow ``ask``: an approval whose approvers, quorum and deadline its requester chose."""

from __future__ import annotations

from signoff import StepContext, action

_SUMMARY = 300
"""Characters of what is asked that lists and notifications show; the card has all of it."""


@action
async def ask(ctx: StepContext, request: str, approvers: str, quorum: str, deadline: str) -> None:
    """Waits for those who are named in ``approvers``, with commas between them."""
    line = " ".join(request.split())
    summary = line if len(line) <= _SUMMARY else f"{line[: _SUMMARY - 1]}…"
    await ctx.suspend(
        approval={
            "ask": f"{ctx.run['requester'].name} asks for your approval: {summary}",
            "approvers": [name.strip() for name in approvers.split(",") if name.strip()],
            "quorum": "all" if quorum == "all" else int(quorum),
            "timeout": deadline,
        }
    )
