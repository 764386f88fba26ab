"""``signoff delegate``, ``reassign`` and ``nudge``: who else answers, and asking once more. Through the API."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Annotated

import typer

from bot.days import days_of
from bot.remote import AsJson, connected
from bot.terminal import inert, out, out_json, out_table
from signoff.client import Delegation

_WHO = "A mail address, a Slack user or a person's id (per_...)."
_DATES = ["%Y-%m-%d"]

Approval = Annotated[str, typer.Argument(metavar="ID", help="The approval's id, sus_...")]


def delegate(
    to: Annotated[str | None, typer.Argument(metavar="PERSON", help=f"Who is to answer. {_WHO}")] = None,
    starts: Annotated[
        datetime | None, typer.Option("--from", formats=_DATES, metavar="DATE", help="The first day, like 2026-12-21.")
    ] = None,
    until: Annotated[
        datetime | None, typer.Option("--until", formats=_DATES, metavar="DATE", help="The last day; it is included.")
    ] = None,
    flows: Annotated[
        list[str] | None, typer.Option("--flow", metavar="FLOW", help="For this flow only; repeat for more.")
    ] = None,
    person: Annotated[
        str | None, typer.Option("--for", metavar="PERSON", help="Whose approvals, where an admin arranges it.")
    ] = None,
    end: Annotated[str | None, typer.Option("--end", metavar="ID", help="End this one now, del_...")] = None,
    as_json: AsJson = False,
) -> None:
    """Let somebody answer for you while you are away. Without PERSON, list who answers for whom."""
    if end is not None:
        if to is not None:
            raise typer.BadParameter("ends one; name nobody with it", param_hint="--end")
        with connected() as api:
            _tell(api.end_delegation(end), "It is over", as_json=as_json)
    elif to is None:
        with connected() as api:
            found = api.delegations(person or "me")
        if as_json:
            out_json([one.raw() for one in found])
        else:
            _print(found)
    else:
        first, last = _days(starts, until)
        with connected() as api:
            made = api.delegate(to, first, last, flows=flows or (), person=person)
        _tell(made, "Done", as_json=as_json)


def reassign(
    approval: Approval,
    to: Annotated[str, typer.Argument(metavar="PERSON", help=f"Who is to be asked. {_WHO}")],
    person: Annotated[
        str | None, typer.Option("--from", metavar="PERSON", help="Instead of whom, where an admin arranges it.")
    ] = None,
    reason: Annotated[str | None, typer.Option("--reason", help="Why; it is recorded.")] = None,
) -> None:
    """Let somebody else be asked instead of you."""
    with connected() as api:
        out(api.reassign(approval, to, person=person, reason=reason).detail)


def nudge(approval: Approval) -> None:
    """Ask those who have not answered your request once more; at most once an hour."""
    with connected() as api:
        out(api.nudge(approval).detail)


COMMANDS: Sequence[Callable[..., None]] = (nudge, reassign, delegate)


def _days(starts: datetime | None, until: datetime | None) -> tuple[date, date]:
    for option, day in (("--from", starts), ("--until", until)):
        if day is None:
            raise typer.BadParameter("is missing: say the day, like 2026-12-21", param_hint=option)
    assert starts is not None
    assert until is not None
    return starts.date(), until.date()


def _tell(one: Delegation, done: str, *, as_json: bool) -> None:
    if as_json:
        out_json(one.raw())
    else:
        out(f"{done}: {inert(one.delegate.name)} for {inert(one.person.name)}, {_when(one)}, {_flows(one)}. {one.id}")


def _print(found: Sequence[Delegation]) -> None:
    out_table(
        ("id", "answers", "for", "when", "flows"),
        [(one.id, one.delegate.name, one.person.name, _when(one), _flows(one)) for one in found],
        empty="Nobody answers for anybody else.",
    )


def _when(one: Delegation) -> str:
    """In days where they are whole ones here; the server counts in those of the person who is away."""
    here = one.starts.astimezone().tzinfo
    assert here is not None  # it was made of an aware instant
    days = days_of(one.starts, one.ends, here)
    if days is not None:
        return f"{days[0]} to {days[1]}"
    return f"{one.starts.astimezone():%Y-%m-%d %H:%M} to {one.ends.astimezone():%Y-%m-%d %H:%M %Z}"


def _flows(one: Delegation) -> str:
    return ", ".join(map(inert, one.flows)) or "all flows"
