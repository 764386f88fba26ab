"""State -> mail: subject, plain text and HTML. Pure but for reading its templates once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import jinja2

from flows.definition import Approval
from flows.forms import readable
from flows.people import Person
from flows.run import Kind, Outcome
from flows.views import RunView, SuspensionView

SUBJECT = 150
"""Longer subjects are cut; mail clients show some 70 characters."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail without its envelope."""

    subject: str
    text: str
    html: str


def ask(view: SuspensionView, person: Person, url: str) -> Letter:
    """What waits for ``person``, with their personal link."""
    request, wait, terms = view.request, view.wait, view.suspension.terms
    fields = view.plan.scope_of(view.suspension.path).flow.inputs
    values = {
        "name": person.name,
        "requester": view.requester.name,
        "flow": request.flow,
        "step": request.step,
        "ask": request.ask,
        "inputs": [
            (field.title, readable(field, request.inputs[field.name]))
            for field in fields
            if field.name in request.inputs
        ],
        "show": [(label, value if isinstance(value, str) else str(value)) for label, value in request.show.items()],
        "needed": view.suspension.needed,
        "at_least": terms is not None and terms.quorum is not None,
        "options": [option.title for option in view.options],
        "reason": wait.reason if isinstance(wait, Approval) else "never",
        "due": _local(view.suspension.due, person),
        "hold": view.suspension.kind is Kind.HOLD,
        "url": url,
    }
    verb = "Waiting for you" if view.suspension.kind is Kind.HOLD else "Please decide"
    return _letter("ask", f"{verb}: {_first_line(request.ask)}", values)


def ending(view: RunView, url: str) -> Letter:
    """How the requester's run ended, and why."""
    end = view.run.ending
    assert end is not None  # only ended runs are told of
    by = ", ".join(view.person(person).name for person in end.by)
    values = {
        "name": view.person(view.run.requester).name,
        "flow": view.plan.flow.name,
        "outcome": _OUTCOMES[end.outcome],
        "by": by,
        "reason": end.reason,
        "url": url,
    }
    return _letter("ending", f"{view.plan.flow.name}: {_OUTCOMES[end.outcome]}", values)


_OUTCOMES = {
    Outcome.SUCCEEDED: "done",
    Outcome.REJECTED: "rejected",
    Outcome.EXPIRED: "expired",
    Outcome.CANCELLED: "cancelled",
    Outcome.FAILED: "failed",
}


def _letter(name: str, subject: str, values: Mapping[str, object]) -> Letter:
    text, html = _templates().get_template(f"{name}.txt"), _templates().get_template(f"{name}.html")
    return Letter(subject[:SUBJECT], text.render(values), html.render(values))


@cache
def _templates() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("bot.mail", "templates"),
        autoescape=jinja2.select_autoescape(["html"]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _first_line(text: str) -> str:
    # A header has one line; what is behind it stands in the mail itself.
    return " ".join(text.splitlines()[0].split()) if text.strip() else "a request"


def _local(due: datetime | None, person: Person) -> str | None:
    """The deadline in the reader's own zone, which is named; in UTC where nobody knows theirs."""
    if due is None:
        return None
    try:
        zone = ZoneInfo(person.tz) if person.tz else UTC
    except (ZoneInfoNotFoundError, ValueError):
        zone = UTC
    return f"{due.astimezone(zone):%A, %d %B %Y, %H:%M} ({person.tz if zone is not UTC else 'UTC'})"
