"""People: each handle names somebody, and those who are named can meet what is asked of them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from flows import seating
from flows.checks.written import Part, Written, items
from flows.definition import Approval, Hold, SlackPlace, Wait
from flows.expressions import ExpressionError, Template
from flows.findings import Finding, Loc
from flows.handles import InvalidHandle, identity, is_group, normalise
from flows.ports import Json
from flows.rules import All, AnyOf, Rule, Seat, tree

_CHANNEL_IDS = "CDGUW"
_CROWD = 50
"""How many people may stand behind what is not known yet: as many as a rule can have seats in one place."""


def check_people(definition: Written) -> Iterator[Finding]:
    """Whom the flow and its steps name."""
    document = definition.document
    for key in ("owner", "starters", "viewers"):
        listed = document.get(key)
        yield from _plain_handles([listed] if isinstance(listed, str) else items(listed), (key,), key)
    for part in definition.parts:
        yield from _asked(part)


def _asked(part: Part) -> Iterator[Finding]:
    step = part.model
    if step is None or step.wait is None:
        return
    wait, loc = step.wait, (*part.loc, str(part.waits))
    if isinstance(wait, Approval):
        yield from _handles(wait.approvers, (*loc, "approvers"))
        yield from _handles(wait.veto, (*loc, "veto"))
        for index, later in enumerate(wait.escalate):
            yield from _handles(later.to, (*loc, "escalate", index, "to"))
        if isinstance(wait.quorum, int | str):
            yield from _quorum(wait, loc)
        else:
            yield from _rule_handles(wait.quorum, (*loc, "quorum"))
            yield from _rule(wait, wait.quorum, (*loc, "quorum"))
    if isinstance(wait, Hold):
        yield from _handles(wait.by, (*loc, "by"))
    yield from _via(wait, (*loc, "via"))
    if wait.verify == "code" and not _mails(wait, part):
        yield Finding(
            (*loc, "verify"),
            "nobody would see the code: it stands in mails, and 'via' names no mail",
            "add mail to 'via', or write 'verify: slack'",
            "warning",
        )


# --- Handles ----------------------------------------------------------------------------------------------------------


def _plain_handles(handles: Sequence[Json], loc: Loc, key: str) -> Iterator[Finding]:
    """Those of the flow itself, which are read before there is a run."""
    for index, handle in enumerate(handles):
        at = loc if key == "owner" else (*loc, index)
        if not isinstance(handle, str) or not handle:
            continue
        if "{{" in handle:
            yield Finding(at, "is asked before there is a run, so there is nothing to read", "name a person or a group")
            continue
        try:
            normalise(handle)
        except InvalidHandle as error:
            yield Finding(at, str(error), _handle_hint(handle))


def _handles(handles: Sequence[str], loc: Loc) -> Iterator[Finding]:
    seen: dict[str, int] = {}
    for index, handle in enumerate(handles):
        if "{{" in handle:
            continue
        try:
            one = normalise(handle)
        except InvalidHandle as error:
            yield Finding((*loc, index), str(error), _handle_hint(handle))
            continue
        if one in seen:
            yield Finding((*loc, index), f"{handle!r} is there twice, and people are counted once", "leave one out")
        seen[one] = index


def _rule_handles(rule: Rule, loc: Loc) -> Iterator[Finding]:
    key = "all" if isinstance(rule, All) else "any" if isinstance(rule, AnyOf) else "of"
    for index, item in enumerate(rule.items):
        at = (*loc, key, index)
        if not isinstance(item, str):
            yield from _rule_handles(item, at)
        elif "{{" not in item:
            try:
                normalise(item)
            except InvalidHandle as error:
                yield Finding(at, str(error), _handle_hint(item))


def _handle_hint(handle: str) -> str | None:
    text = handle.strip()
    if text.startswith("#"):
        return "a channel cannot decide; name a user group, and ask in the channel with 'via'"
    if text.startswith(("inputs.", "steps.", "run.", "item", "loops.")):
        return f'did you mean "{{{{ {text} }}}}"?'
    if any(mark in text for mark in ",; "):
        return "write a list: one name in each entry"
    for meant in (f"@{text}", text.upper()):
        try:
            normalise(meant)
        except InvalidHandle:
            continue
        # A word is more likely a group's name; a Slack id has digits in it.
        if meant.startswith("@") == (not any(letter.isdigit() for letter in text)):
            return f'did you mean "{meant}"?'
    return None


def _mails(wait: Wait, part: Part) -> bool:
    """Whether anybody may be asked by mail; where the flow sends the links itself, it may send the code with them."""
    sends = str(part.raw.get("uses")).partition(".")[0]
    return not isinstance(wait.via, tuple) or any(place in ("mail", "gmail") for place in (*wait.via, sends))


def _via(wait: Wait, loc: Loc) -> Iterator[Finding]:
    for index, place in enumerate(wait.via if isinstance(wait.via, tuple) else ()):
        if not isinstance(place, SlackPlace) or "{{" in place.slack:
            continue
        channel = place.slack
        is_name = channel.startswith("#") and len(channel) > 1 and not any(letter.isspace() for letter in channel)
        is_id = channel[:1] in _CHANNEL_IDS and channel.isalnum() and channel.isupper() and len(channel) > 2
        if not is_name and not is_id:
            name = channel.strip().lstrip("#@").replace(" ", "-").lower()
            yield Finding(
                (*loc, index, "slack"),
                f"{channel[:60]!r} is no channel: a name like '#vacation' or an id like 'C024BE91L'",
                f'did you mean "#{name}"?' if name else None,
            )


# --- Quorums ----------------------------------------------------------------------------------------------------------


def _quorum(approval: Approval, loc: Loc) -> Iterator[Finding]:
    """A quorum that cannot be met whoever starts the run: everybody is named, and they are too few."""
    people: dict[str, str] = {}
    requester = False
    for handle in approval.approvers:
        one = _person(handle)
        if one is not None:
            people.setdefault(identity(one), one)
        elif _is_requester(handle):
            requester = True
        else:
            return
    needed = approval.quorum if isinstance(approval.quorum, int) else 1
    able = len(people) + (1 if requester and approval.self_approval else 0)
    named = ", ".join(people.values()) or "nobody"
    who = "1 person" if able == 1 else f"{able} people"
    if able < needed and requester and not approval.self_approval:
        yield Finding(
            (*loc, "approvers"),
            f"the requester may not decide their own request, which leaves {named} for a quorum of {needed}",
            "add another approver, or set 'self_approval: true'",
        )
    elif able < needed:
        yield Finding(
            (*loc, "quorum"),
            f"needs {needed} people, and only {who} may decide: {named}",
            "add approvers or lower 'quorum'",
        )
    if 1 < approval.reject_after > able and not approval.veto:
        yield Finding(
            (*loc, "reject_after"),
            f"takes {approval.reject_after} people to reject, and only {who} may decide: {named}",
            "lower it, add approvers, or name a 'veto'",
        )


def _rule(approval: Approval, rule: Rule, loc: Loc) -> Iterator[Finding]:
    """A nested quorum that cannot be met, however many people stand behind its groups and templates."""
    people: dict[str, int] = {}
    names: dict[Seat, str] = {}
    crowds: dict[str, None] = {}

    def seats(handle: str) -> tuple[Seat, ...]:
        one = _person(handle)
        if one is None and _is_requester(handle):
            if not approval.self_approval:
                return ()
            one = "the requester"
        if one is None:
            crowds[handle] = None
            return (handle,)
        number = people.setdefault(identity(one), len(people) + 1)
        names.setdefault(number, one)
        return (number,)

    whole = tree(rule, seats)
    present: dict[int, tuple[str, ...]] = dict.fromkeys(people.values(), ())
    for crowd in crowds:
        present |= {len(present) + 1 + each: (crowd,) for each in range(_CROWD)}
    short = seating.shortage(whole, present)
    if short is None:
        return
    behind = ", ".join(names.get(seat, str(seat)) for seat in short.pool)
    who = "1 person" if len(short.people) == 1 else f"{len(short.people)} people"
    excluded = not approval.self_approval and any(map(_is_requester, rule.handles))
    if excluded and not behind:
        yield Finding(
            loc,
            "takes the requester, who may not decide their own request",
            "name somebody else, or set 'self_approval: true'",
        )
        return
    yield Finding(
        loc,
        f"takes {short.seats} different people, and only {who} may be counted for it: {behind}"
        + (" (the requester may not decide their own request)" if excluded else ""),
        "name more people, or ask for fewer",
    )


def _person(handle: str) -> str | None:
    """The one person whom it names; None where nobody knows yet who that is: a group, a template, a slip."""
    try:
        one = normalise(handle)
    except InvalidHandle:
        return None
    return None if is_group(one) else one


def _is_requester(handle: str) -> bool:
    if "{{" not in handle:
        return False
    try:
        names = Template.compile(handle).names
    except ExpressionError:
        return False
    return bool(names) and all(name[:2] == ("run", "requester") for name in names)
