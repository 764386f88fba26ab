"""Looks after a job on another server."""

from typing import Any

import aiohttp

from signoff import StepContext, action


@action
async def poll(ctx: StepContext, job: str, most: int = 30) -> dict[str, Any]:
    """The job as it ended. Ten seconds lie between two rounds; ``most`` may follow the first, then the step fails."""
    async with aiohttp.ClientSession(raise_for_status=True) as session, session.get(job) as answer:
        state: dict[str, Any] = await answer.json()
    if not state["done"]:
        ctx.rerun(delay="10s", max_retries=most)
    return state
