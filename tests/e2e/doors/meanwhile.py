"""What happens between somebody's looking and their answering, or before anything is asked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any

Happens = Callable[[Any, Mapping[str, int]], Awaitable[None]]
"""Is given the bot, and the run of each door by the door's name."""


def everywhere(who: str, verdict: str, **more: Any) -> Happens:
    """Somebody answers all of them first."""

    async def decides(bot, runs):
        for run in runs.values():
            reply = await bot.by_api(who, run, verdict, **more)
            assert reply.status in (200, 201), reply

    return decides


async def ann_cancels(bot, runs):
    for run in runs.values():
        assert (await bot.api("ann", "POST", f"runs/{bot.run_id(run)}/cancel", {})).status == 200


async def ann_pauses(bot, runs):
    for run in runs.values():
        assert (await bot.api("ann", "POST", f"runs/{bot.run_id(run)}/pause")).status == 200


async def eve_drops(bot, runs):
    bot.scopes["eve"] = ("read", "decide", "admin")
    for run in runs.values():
        path = f"approvals/{bot.approval_id(run)}/drop"
        assert (await bot.api("eve", "POST", path, {"reason": "Nobody is there"})).status == 200


async def a_newer_run_starts(bot, runs):
    for name, run in runs.items():
        await bot.start(name)
        assert await bot.status(run) == "cancelled"


async def the_deadline_passes(bot, runs):
    await bot.time_passes("2d")
    for run in runs.values():
        assert await bot.status(run) == "expired"


async def the_deadline_passes_unnoticed(bot, runs):
    bot.clock.set(bot.clock.now() + timedelta(days=2))  # nobody wakes by that, so no timer has fired
    for run in runs.values():
        assert await bot.status(run) == "waiting"


async def something_else_is_asked(bot, runs):
    for name, run in runs.items():
        row = f"Something else, {name}?", b"\x07" * 32, run
        await bot.app.store.write(
            lambda c, r=row: c.execute("UPDATE suspensions SET ask = ?, digest = ? WHERE run = ?", r)
        )


async def slack_goes_down(bot, _runs):
    bot.clock.advance("2m")  # beyond what the directory remembers
    for pattern in ("users.*", "usergroups.*"):
        bot.sandbox.faults.status(pattern, 503)


def leaves_the_group(who: str) -> Happens:
    async def leaves(bot, _runs):
        hr_leads(bot).remove(bot.human(who).id)
        bot.clock.advance("2m")

    return leaves


def joins_the_group(who: str) -> Happens:
    async def joins(bot, _runs):
        hr_leads(bot).append(bot.human(who).id)
        bot.clock.advance("2m")

    return joins


async def bob_and_ann_are_leads_too(bot, _runs):
    """A second group: whoever is in both may fill a seat of either."""
    bot.sandbox.workspace.add_group("team-leads", [bot.human(name).user for name in ("bob", "ann")], "Team leads")


def zoe_is(sort: str) -> Happens:
    """Somebody of that sort is in the channel, and in the group."""

    async def arrives(bot, _runs):
        zoe = bot.sandbox.add_person("zoe", "Zoe Zimmer", sort=sort, channels=["general"])
        hr_leads(bot).append(zoe.id)

    return arrives


def token_of(who: str, *scopes: str) -> Happens:
    async def is_made(bot, _runs):
        bot.scopes[who] = scopes

    return is_made


def hr_leads(bot) -> list[str]:
    return next(group for group in bot.sandbox.workspace.groups.values() if group.handle == "hr-leads").users
