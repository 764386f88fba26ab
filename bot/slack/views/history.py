"""The ledger in words: who decided what, when and through which door; of one run, or of a flow's newest runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.slack.views import kit, words
from bot.slack.views.card import Shown
from bot.slack.views.request import title
from bot.slack.views.requester import run_link
from flows.definition import Flow
from flows.ids import Ids
from flows.instants import from_ms
from flows.people import Person, PersonId
from flows.ports import Json
from flows.views import RunView
from integrations.slack.text import clip, escape

RUNS = 10
"""Runs of a flow that are told; at one block of at most 700 characters each this stays within one message."""

_LINES = 8_000  # characters, in sections
_RUN = 700
_COMMENT = 200
_TITLE = 80
_ERROR = 200

_DOORS = {"slack": "in Slack", "page": "on their page", "api": "through the API"}
_VERDICTS = {"approve": "approved", "reject": "rejected", "resume": "resumed"}
_CLOSED = {
    "approved": "is approved",
    "rejected": "is rejected",
    "resumed": "is resumed",
    "expired": "has expired",
    "cancelled": "was cancelled",
    "superseded": "was given up for a newer run",
    "dropped": "goes on undecided",
    "answered": "was answered by another system",
    "refused": "was ended by another system",
}


@dataclass(frozen=True, slots=True)
class Written:
    """An entry of the ledger: when, the event that came in, and what it made true. ``erased``: that is not known any
    more, only that there was something."""

    at: datetime
    event: Mapping[str, Json]
    facts: Sequence[Mapping[str, Json]]
    erased: bool = False


def people_in(entries: Sequence[Written]) -> set[PersonId]:
    """Everybody whom these entries name."""
    found: set[PersonId] = set()
    for entry in entries:
        for record in (entry.event, *entry.facts):
            for name in ("person", "by", "to", "requester", "people"):
                value = record.get(name)
                found.update(one for one in (value if isinstance(value, list) else [value]) if isinstance(one, int))
    return found


def history(view: RunView, entries: Sequence[Written], people: Mapping[PersonId, Person], ids: Ids) -> Shown:
    """What has happened in a run, the oldest first; of a long story its end."""
    teller = _Teller(view, people, ids)
    lines = [line for entry in entries for line in teller.lines(entry)]
    kept: list[str] = []
    room = _LINES
    for line in reversed(lines):
        room -= len(line) + 1
        if room < 0:
            break
        kept.insert(0, line)
    name = view.plan.flow.name
    blocks = [kit.header(name), kit.context(f"{run_link(view.run.id, ids)}  ·  *{escape(view.status)}*")]
    if len(kept) < len(lines):
        blocks.append(kit.context(f"{len(lines) - len(kept)} earlier entries are on the run's page."))
    blocks += [kit.section(part) for part in _parts(kept)]
    return Shown(clip(escape(f"{name}: what has happened"), kit.NOTIFICATION), blocks)


def flow_history(flow: Flow, runs: Sequence[RunView], ids: Ids) -> Shown:
    """A flow's newest runs, with what was decided in each."""
    name = clip(words.line(flow.name), kit.HEADER)
    if not runs:
        nothing = f"There is no run of *{name}* that you may see."
        return Shown(nothing, [kit.section(nothing)])
    blocks = [kit.header(flow.name)]
    for view in runs[:RUNS]:
        by = words.who(view.person(view.run.requester))
        status = escape(view.status).capitalize()
        lines = [f"*{status}*  ·  {run_link(view.run.id, ids)}  ·  asked by {by}, {words.moment(view.run.started_at)}"]
        for one in view.suspensions:
            for decision in one.decisions:
                door = _DOORS[decision.door.value]
                said = f"{words.ICONS[decision.verdict]} {words.gave(one, decision)} {words.said(one, decision)} {door}"
                comment = f": {words.comment(decision.comment, _COMMENT)}" if decision.comment else ""
                lines.append(f"{said}, {words.moment(decision.at)}{comment}")
        blocks.append(kit.section(kit.fit(lines, _RUN)[0]))
    blocks.append(kit.context(f"`/approvals history {ids.run(runs[0].run.id)}` tells all of one run."))
    return Shown(clip(f"{name}: the newest runs", kit.NOTIFICATION), blocks)


def _parts(lines: Sequence[str]) -> Iterator[str]:
    """The lines in as few sections as hold them."""
    part: list[str] = []
    for line in lines:
        if part and sum(map(len, part)) + len(part) + len(line) > kit.SECTION:
            yield "\n".join(part)
            part = []
        part.append(line)
    if part:
        yield "\n".join(part)


class _Teller:
    """Puts entries into words. What says nothing to people (a step that has begun, a timer that fired) has none."""

    def __init__(self, view: RunView, people: Mapping[PersonId, Person], ids: Ids) -> None:
        self._people = people
        self._ids = ids
        self._titles = {one.suspension.n: clip(words.line(title(one)), _TITLE) for one in view.suspensions}

    def lines(self, entry: Written) -> Iterator[str]:
        """One line for each fact that says something; each begins with its instant."""
        if entry.erased:
            yield f"{words.moment(entry.at)}  _erased_"
        for fact in entry.facts:
            said = self._of_people(entry.event, fact) or self._of_time(fact)
            if said:
                yield f"{words.moment(entry.at)}  {said}"

    def _of_people(self, event: Mapping[str, Json], fact: Mapping[str, Json]) -> str:
        """What somebody did."""
        who, by, door, at = self._who(fact), self._who(fact, "by"), _door(event), self._at(fact)
        match fact.get("is"):
            case "RunStarted":
                return f":rocket: {self._who(fact, 'requester')} asked for this{self._how(fact)}"
            case "DecisionCounted":
                return f"{self._decided(fact)}{door}{at}{_text(event, 'comment')}"
            case "DecisionWithdrawn":
                return f":leftwards_arrow_with_hook: {who} took their answer back{door}{at}"
            case "DecisionKept":
                return f":fast_forward: {who} {_VERDICTS[fact['verdict']]} in advance{door}"
            case "LinkGiven":
                return f":link: {by} made the personal link of {who}{door}"
            case "RunPaused":
                return f":double_vertical_bar: {by} paused the run{door}"
            case "RunResumed":
                return f":arrow_forward: {by} let the run go on{door}"
            case "Nudged":
                return f":bell: {by} nudged{door}{at}"
            case "Reassigned":
                relieved = "" if fact.get("by") == fact.get("person") else f" by {by}"
                whom = f"{self._who(fact, 'to')} asked instead of {who}{relieved}"
                return f":arrow_right: {whom}{door}{at}{_text(event, 'reason')}"
            case "Snoozed":
                return f":zzz: {who} put it off{door}{at}"
            case "QuestionOpened":
                return f":question: {who} asked{door}{at}{_text(event, 'text')}"
            case "QuestionsClosed":
                return f":speech_balloon: {by} answered{door}{at}{_text(event, 'text')}"
            case "SuspensionClosed":
                said_already = fact["how"] == "superseded" or event.get("comment") == fact.get("reason")
                return (
                    f"{self._closed(fact)}{'' if said_already else _text(fact, 'reason')}" if self._closed(fact) else ""
                )
            case _:
                return ""

    def _of_time(self, fact: Mapping[str, Json]) -> str:
        """What came about by itself."""
        match fact.get("is"):
            case "SuspensionOpened" if fact["n"] in self._titles:
                due = fact.get("due")
                until = f", until {words.moment(from_ms(due))}" if due is not None else ""
                return f":envelope: Asked: {self._titles[fact['n']]}{until}"
            case "Reminded":
                return f":bell: Reminder {fact['count']}{self._at(fact)}"
            case "Escalated":
                named = [self._who({"person": one}) for one in fact.get("people", ())]
                named += [words.line(str(one)) for one in fact.get("groups", ())]
                instead = "instead" if fact.get("replaced") else "too"
                return f":arrow_up: {clip(words.listed(named, 'and'), 300) or 'Others'} asked {instead}{self._at(fact)}"
            case "StepEnded" if fact.get("error"):
                error = clip(words.line(str(fact["error"])), _ERROR)
                return f":warning: `{words.line(str(fact['path']))}` has failed: {error}"
            case "RunEnded":
                return f":checkered_flag: *{str(fact['outcome']).capitalize()}*{_text(fact, 'reason')}"
            case _:
                return ""

    def _who(self, record: Mapping[str, Json], name: str = "person") -> str:
        person = record.get(name)
        found = self._people.get(person) if isinstance(person, int) else None
        return words.who(found) if found is not None else "somebody"

    def _at(self, fact: Mapping[str, Json]) -> str:
        known = self._titles.get(fact.get("n", 0))
        return f" ({known})" if known else ""

    def _how(self, fact: Mapping[str, Json]) -> str:
        before = fact.get("resubmits")
        anew = f", a new version of {run_link(before, self._ids)}" if isinstance(before, int) else ""
        token = f" with the token {words.line(str(fact['via_token']))}" if fact.get("via_token") else ""
        return f"{token}{anew}"

    def _decided(self, fact: Mapping[str, Json]) -> str:
        who, verdict = self._who(fact), str(fact["verdict"])
        if fact.get("by") is not None:
            who = f"{self._who(fact, 'by')} for {who}"
        icon = {"approve": ":white_check_mark:", "reject": ":x:"}.get(verdict, ":arrow_forward:")
        option = f" ({words.line(str(fact['option']))})" if fact.get("option") else ""
        early = " in advance" if fact.get("unseen") else ""
        before = " instead of what they had said before" if fact.get("replaced") else ""
        return f"{icon} {who} *{_VERDICTS[verdict]}*{option}{early}{before}"

    def _closed(self, fact: Mapping[str, Json]) -> str:
        known, how = self._titles.get(fact["n"]), _CLOSED.get(str(fact["how"]))
        return f":lock: {known} {how}" if known is not None and how is not None else ""


def _door(event: Mapping[str, Json]) -> str:
    door = _DOORS.get(str(event.get("door")))
    if door is None:
        return ""
    return f" {door}"


def _text(record: Mapping[str, Json], name: str) -> str:
    """What somebody wrote, quoted."""
    written = record.get(name)
    return f": {words.comment(written, _COMMENT)}" if isinstance(written, str) and written.strip() else ""
