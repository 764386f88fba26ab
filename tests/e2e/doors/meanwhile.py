"""What happens between somebody's looking and their answering, or before anything is asked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any

from flows.testing.clock import span

Happens = Callable[[Any, Mapping[str, int]], Awaitable[None]]
"""Is given the bot, and the run of each door by the door's name."""


def everywhere(who: str, verdict: str, **more: Any) -> Happens:
    """Somebody answers all of them first."""

    async def decides(bot, runs):
        for run in runs.values():
            reply = await bot.by_api(who, run, verdict, **more)
            assert reply.status in (200, 201), reply

    return decides


def all_of(*happens: Happens) -> Happens:
    """One after the other."""

    async def happen(bot, runs):
        for each in happens:
            await each(bot, runs)

    return happen


def time_passes(duration: str) -> Happens:
    """So much time passes, and what falls due is done."""

    async def passes(bot, _runs):
        await bot.time_passes(duration)

    return passes


def unnoticed(duration: str) -> Happens:
    """So much time passes, and no timer fires: nobody wakes by that."""

    async def passes(bot, _runs):
        bot.clock.set(bot.clock.now() + span(duration))

    return passes


def hands_over(who: str, to: str, *, days: tuple[int, int] = (0, 7), flows: tuple[str, ...] = ()) -> Happens:
    """Somebody lets another answer for them, from and to so many days from now."""

    async def hands(bot, _runs):
        first, last = ((bot.clock.now() + timedelta(days=number)).date().isoformat() for number in days)
        body = {"delegate": f"{to}@example.com", "starts": first, "until": last, "flows": list(flows)}
        assert (await bot.api(who, "POST", "delegations", body)).status == 201

    return hands


def ends_it(who: str) -> Happens:
    """Somebody is back, and ends what they have handed over."""

    async def ends(bot, _runs):
        for one in (await bot.api(who, "GET", "delegations")).body["items"]:
            assert (await bot.api(who, "DELETE", f"delegations/{one['id']}")).status == 200

    return ends


def is_reassigned(who: str, to: str) -> Happens:
    """Somebody lets another be asked in their place."""

    async def reassigns(bot, runs):
        for run in runs.values():
            path = f"approvals/{bot.approval_id(run)}/reassign"
            assert (await bot.api(who, "POST", path, {"to": f"{to}@example.com"})).status == 200
        await bot.settled()

    return reassigns


def wants_to_know(who: str) -> Happens:
    """Somebody who is asked has a question first."""

    async def asks(bot, runs):
        for run in runs.values():
            path = f"approvals/{bot.approval_id(run)}/questions"
            assert (await bot.api(who, "POST", path, {"text": "What does it cost?"})).status == 200
        await bot.settled()

    return asks


def are_one(who: str, address: str) -> Happens:
    """An admin says that an address is somebody's whom they know."""

    async def merges(bot, _runs):
        scopes, bot.scopes = bot.scopes, bot.scopes | {"eve": ("read", "admin")}
        reply = await bot.api("eve", "POST", "people/merge", {"keep": f"{who}@example.com", "gone": address})
        assert reply.status == 200, reply
        bot.scopes = scopes
        await bot.settled()

    return merges


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
