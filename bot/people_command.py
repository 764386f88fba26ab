"""``signoff people``: who is known by what, and two who are one human. Through the API, for admins."""

from __future__ import annotations

from typing import Annotated

import typer

from bot.remote import AsJson, connected
from bot.terminal import err, out_json, out_pairs
from signoff.client import KnownPerson

people_app = typer.Typer(help="People and what they are known by. Takes an admin's token.", no_args_is_help=True)

_HANDLE = "A mail address, a Slack id (U... or T.../U...) or a person's id (per_...)."


@people_app.command("show")
def show_person(
    person: Annotated[str, typer.Argument(metavar="PERSON", help=_HANDLE)], as_json: AsJson = False
) -> None:
    """Show what somebody is known by."""
    with connected() as client:
        _print(client.person(person), as_json=as_json)


@people_app.command("merge")
def merge_people(
    keep: Annotated[str, typer.Argument(metavar="KEEP", help=f"Who stays. {_HANDLE}")],
    gone: Annotated[str, typer.Argument(metavar="GONE", help="Who turns out to be the same human.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask first.")] = False,
    as_json: AsJson = False,
) -> None:
    """Let two people be one human: one seat, one decision. What is open is recounted. It cannot be undone."""
    with connected() as client:
        stays, goes = client.person(keep), client.person(gone)
        if not yes:
            err(f"{_named(goes)} becomes {_named(stays)}, for ever.")
            typer.confirm("Are they the same human?", abort=True, err=True)
        _print(client.merge_people(stays.id, goes.id), as_json=as_json)


def _named(person: KnownPerson) -> str:
    return f"{person.name} ({', '.join(person.handles) or person.id})"


def _print(person: KnownPerson, *, as_json: bool) -> None:
    if as_json:
        out_json(person.raw())
        return
    out_pairs(
        [
            ("person", person.id),
            ("name", person.name),
            ("mail", person.email),
            ("Slack", person.slack),
            ("known by", ", ".join(person.handles)),
            ("time zone", person.tz),
            ("admin", "yes" if person.admin else None),
        ]
    )
