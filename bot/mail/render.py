"""State -> mail: what each letter says, in its reader's words. Pure.

All mails about one request to one person are one thread; the later ones begin with what has happened.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.web import standing
from bot.web.moments import in_words, zone_named
from bot.web.standing import Moments
from flows.definition import Approval
from flows.effects import Note
from flows.forms import readable
from flows.people import Person
from flows.run import Kind, Outcome, Question
from flows.views import RunView, SuspensionView
from integrations.mail.layout import Button, Content, Item, Letter, cut, letter

_OUTCOMES = {
    Outcome.SUCCEEDED: "done",
    Outcome.REJECTED: "rejected",
    Outcome.EXPIRED: "expired",
    Outcome.CANCELLED: "cancelled",
    Outcome.FAILED: "failed",
}

_CHOICES = 400  # characters of all options together


@dataclass(frozen=True, slots=True)
class Envelope:
    """What a mail says of itself besides. ``url`` is its reader's page, ``code`` what that page asks for, ``replies`` the
    address that a reply goes to."""

    url: str
    code: str | None = None
    replies: str | None = None


# -- to who is asked ------------------------------------------------------------------------------------------


def ask(view: SuspensionView, person: Person, envelope: Envelope, *, news: str | None = None) -> Letter:
    """What waits for ``person``, with their personal link. ``news`` is why they get it once more."""
    request = view.request
    fields = view.plan.scope_of(view.suspension.path).flow.inputs
    inputs = [
        (field.title, readable(field, request.inputs[field.name])) for field in fields if field.name in request.inputs
    ]
    show = [(label, value if isinstance(value, str) else str(value)) for label, value in request.show.items()]
    takes, risk = _takes(view, person), standing.risk(view)
    return letter(
        Content(
            subject=_subject(view),
            preview=news or " ".join([f"{view.requester.name} asks.", *takes[-1:]]),
            name=person.name,
            place=f"{request.flow} · {request.step}",
            headline=request.ask,
            lead=f"{view.requester.name} asks:",
            by=f"Asked by {view.requester.name}",
            news=news,
            facts=(*([("Risk", risk)] if risk else []), *inputs, *show),
            sentences=takes,
            code=envelope.code,
            button=_button(view, envelope.url),
            notes=_personal(person, envelope),
        )
    )


def again(view: SuspensionView, note: Note, person: Person, times: int, envelope: Envelope) -> Letter:
    """The same once more, for a reason: a reminder, the requester's nudge, or because they wanted to be asked later."""
    match note:
        case Note.NUDGE:
            news = f"{view.requester.name} asks you to have a look: this still waits for you."
        case Note.WOKEN:
            news = "You wanted to be asked again now: this still waits for you."
        case _:
            news = (
                "A reminder: this still waits for you." if times < 2 else f"Reminder {times}: this still waits for you."
            )
    return ask(view, person, envelope, news=news)


def closed(view: SuspensionView, person: Person, envelope: Envelope, *, now: datetime) -> Letter:
    """That it is over, for somebody who was asked and has not answered."""
    request = view.request
    became = standing.state(view, Moments(person, now))
    reason = view.suspension.closing.reason if view.suspension.closing else None
    said = (f"Reason: {reason}",) if reason and reason not in became and not _is_run(reason) else ()
    return letter(
        Content(
            subject=_subject(view),
            preview=became,
            name=person.name,
            place=f"{request.flow} · {request.step}",
            headline=request.ask,
            lead=f"{view.requester.name} had asked:",
            by=f"Asked by {view.requester.name}",
            news=became,
            sentences=(*said, "There is nothing left for you to do."),
            button=Button("Look at it", envelope.url, "What became of it:"),
            notes=_personal(person, envelope),
        )
    )


def answered(view: SuspensionView, question: Question, person: Person, envelope: Envelope) -> Letter:
    """To who had asked something: the requester's answer."""
    by = view.person(question.answered_by).name if question.answered_by is not None else view.requester.name
    news = f"{by} has answered your question."
    request = view.request
    return letter(
        Content(
            subject=_subject(view),
            preview=f"{by}: {question.answer}",
            name=person.name,
            place=f"{request.flow} · {request.step}",
            headline=question.answer or "",
            lead=f"You asked: {question.text}",
            by=f"You asked: {question.text}",
            news=news,
            sentences=_takes(view, person),
            code=envelope.code,
            button=_button(view, envelope.url),
            notes=_personal(person, envelope),
        )
    )


# -- to the requester -----------------------------------------------------------------------------------------


def asked_first(view: SuspensionView, question: Question, envelope: Envelope) -> Letter:
    """To the requester: what somebody wants to know before they answer, and the page that takes the answer."""
    by = view.person(question.person).name
    stopped = " The deadline does not run until you have answered." if view.suspension.clocks.stopped_at else ""
    return _to_requester(
        view,
        envelope,
        news=f"{by} wants to know something before they decide.",
        headline=question.text,
        sentences=(f"It is about: {_first_line(view.request.ask)}", f"Please answer {by}.{stopped}"),
        button=Button("Answer", envelope.url, "Answer on this page:"),
        notes=_personal(view.requester, envelope),
    )


def told(view: SuspensionView, note: Note, envelope: Envelope, *, now: datetime) -> Letter:
    """To the requester: what has become of those who are asked."""
    names = standing.listed(_asked(view)) if _asked(view) else "nobody"
    match note:
        case Note.ESCALATED:
            news = f"Nobody has decided in time, so others are asked too. Asked now: {names}."
        case Note.REASSIGNED:
            news = f"Somebody else is asked now. Asked now: {names}."
        case _:
            news = standing.state(view, Moments(view.requester, now))
    return _to_requester(view, envelope, news=news, headline=view.request.ask, sentences=())


def ending(view: RunView, envelope: Envelope) -> Letter:
    """How the requester's run ended, and why."""
    end = view.run.ending
    assert end is not None  # only ended runs are told of
    by = ", ".join(view.person(person).name for person in end.by)
    became = f"{_OUTCOMES[end.outcome]}{f' by {by}' if by else ''}"
    return letter(
        Content(
            subject=f"{view.plan.flow.name}: {_OUTCOMES[end.outcome]}",
            preview=end.reason or f"Your request has ended: {became}.",
            name=view.person(view.run.requester).name,
            place=view.plan.flow.name,
            headline=f"Your request has ended: {became}.",
            sentences=(f"Reason: {end.reason}",) if end.reason else (),
            button=Button("Look at the run", envelope.url, "The run:"),
        )
    )


# -- several at once, and none --------------------------------------------------------------------------------


def digest(waiting: Sequence[tuple[SuspensionView, Envelope]], person: Person, every: timedelta) -> Letter:
    """All that waits for ``person`` in one mail, each with its personal link."""
    count = len(waiting)
    what = "One request waits" if count == 1 else f"{count} requests wait"
    first = _first_line(waiting[0][0].request.ask)
    return letter(
        Content(
            subject=f"{what} for you",
            preview=first if count == 1 else f"{first}, and {count - 1} more",
            name=person.name,
            place="",
            headline=f"{what} for you.",
            items=tuple(
                Item(
                    f"{view.request.flow} · {view.request.step} · asked by {view.requester.name}",
                    view.request.ask,
                    _takes(view, person),
                    _button(view, envelope.url),
                    envelope.code,
                )
                for view, envelope in waiting
            ),
            notes=(
                *_personal(person, waiting[0][1]),
                f"You get one mail {_how_often(every)} because you wanted that; /approvals digest in Slack changes it.",
            ),
        )
    )


def proof(name: str, sender: str) -> Letter:
    """What ends the connecting of an account: proof that mail goes out."""
    return letter(
        Content(
            subject="Signoff can send mail",
            preview=f"It is sent from {sender}.",
            name=name,
            place="",
            headline="It works: this mail was sent by Signoff.",
            sentences=(f"Requests for approval go out from {sender}. There is nothing for you to do.",),
        )
    )


# -- sentences ------------------------------------------------------------------------------------------------


def _to_requester(
    view: SuspensionView,
    envelope: Envelope,
    *,
    news: str,
    headline: str,
    sentences: tuple[str, ...],
    button: Button | None = None,
    notes: tuple[str, ...] = (),
) -> Letter:
    return letter(
        Content(
            subject=f"{view.plan.flow.name}: {_first_line(view.request.ask)}",
            preview=news,
            name=view.requester.name,
            place=f"{view.request.flow} · {view.request.step}",
            headline=headline,
            news=news,
            sentences=sentences,
            button=button or Button("Look at the run", envelope.url, "The run:"),
            notes=notes,
        )
    )


def _subject(view: SuspensionView) -> str:
    verb = "Waiting for you" if view.suspension.kind is Kind.HOLD else "Please decide"
    return f"{verb}: {_first_line(view.request.ask)}"


def _takes(view: SuspensionView, person: Person) -> tuple[str, ...]:
    wait, terms = view.wait, view.suspension.terms
    said = []
    if view.suspension.kind is not Kind.HOLD:
        needed = view.suspension.needed
        least = "at least " if terms is not None and terms.quorum is not None else ""
        same = " for the same choice" if view.options and needed > 1 else ""
        said.append(f"It takes {least}{needed} {'approval' if needed == 1 else 'approvals'}{same}.")
    if view.options:
        said.append(cut(f"The choices: {', '.join(option.title for option in view.options)}.", _CHOICES))
    reason = wait.reason if isinstance(wait, Approval) else "never"
    if reason != "never":
        said.append("Whoever rejects has to say why." if reason == "reject" else "Whoever decides has to say why.")
    if view.suspension.due is not None:
        said.append(f"Open until {_local(view.suspension.due, person)}.")
    return tuple(said)


def _button(view: SuspensionView, url: str) -> Button:
    hold = view.suspension.kind is Kind.HOLD
    does = "resume" if hold else "choose or reject" if view.options else "approve or reject"
    nothing = "Opening it decides nothing yet"
    return Button(f"Open to {does}", url, f"Open this page to {does}. {nothing}:", f"{nothing}.")


def _personal(person: Person, envelope: Envelope) -> tuple[str, ...]:
    said = [
        f"This link was made for {person.name}. Please do not forward this mail: whoever has it can answer in your name.",
    ]
    if envelope.code is not None:
        said.append("Signoff asks for the code on that page only; nobody else needs it.")
    if envelope.replies is not None:
        said.append(f"A reply to this mail decides nothing: it is a comment, and goes to {envelope.replies}.")
    return tuple(said)


def _asked(view: SuspensionView) -> list[str]:
    return standing.named(view, (*view.suspension.approvers.people, *view.suspension.approvers.groups))


def _how_often(every: timedelta) -> str:
    hours, days = every / timedelta(hours=1), every / timedelta(days=1)
    if days >= 1:
        return "a day" if days == 1 else f"every {days:g} days"
    return "an hour" if hours == 1 else f"every {hours:g} hours"


def _first_line(text: str) -> str:
    # A header has one line; what is behind it stands in the mail itself.
    return " ".join(text.splitlines()[0].split()) if text.strip() else "a request"


def _is_run(reason: str) -> bool:
    # What took a run's place is named by its id, which the page links to.
    return reason.startswith("run_")


def _local(due: datetime, person: Person) -> str:
    """The deadline in the reader's own zone, which is named; in UTC where nobody knows theirs."""
    return in_words(due, zone_named(person.tz))
