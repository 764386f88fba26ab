"""Names in expressions: whether there is what they name, at the place where they stand. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flows.checks.readings import Name, Place
from flows.checks.scope import Reason, Scope
from flows.checks.written import Part
from flows.findings import did_you_mean, nearest

ROOTS = ("inputs", "run", "steps", "approvers", "resume", "resumes")
"""What can be read everywhere in a flow."""

CONTEXTUAL = ("item", "index", "loops", "error", "links")
"""What can be read in some places only."""

RUN = ("id", "url", "requester", "flow")
ENDING = ("outcome", "reason")
"""What ``run`` has besides where it is about to end."""

REQUESTER = ("name", "email", "slack_id")
ANSWER = (
    "approved",
    "approvers",
    "decisions",
    "form",
    "comment",
    "timed_out",
    "resumed",
    "dropped",
    "option",
)
"""What a step has besides its output, where people answer its wait."""

CALLED = ("callback", "timed_out", "dropped")
"""What it has where a machine answers."""

REQUEST = ("method", "headers", "query", "body")
LOOP = ("item", "index")
ERROR = ("step", "message")
LINKS = ("resume", "cancel", "for")
SHORTHANDS = frozenset({"approvers", "resume", "resumes"})

_VALUES = frozenset({"form", "decisions"})
"""The parts of an answer that hold what people have filled in."""

_TRIGGERS = {"schedule": "'schedule'", "request": "'webhook'", "event": "'on'"}


def wrong_name(scope: Scope, name: Name, place: Place) -> Reason | None:
    """What is wrong with reading ``name`` at that place."""
    secret = None if place.given else secret_in(scope, name, place)
    if secret is not None:
        if secret == ".".join(name[: secret.count(".") + 1]):
            return f"{secret!r} is a secret, and would be shown or stored here", "secrets can be read only in 'with'"
        return (
            f"{'.'.join(name)!r} holds the secret {secret.rpartition('.')[2]!r}, which would be shown or stored here",
            "read the fields that are needed one by one",
        )
    match name:
        case ("inputs", field, *_):
            return _field(scope.written.inputs, field, "inputs")
        case ("run", *rest):
            return _run(rest, place)
        case ("steps",):
            return "which step is read has to be known beforehand", "write its id, like 'steps.build.output'"
        case ("steps", step, *rest):
            return _step(scope, step, rest, place)
        case (root, *rest) if root in SHORTHANDS:
            return _shorthand(scope, root, rest, place)
        case (root, *rest) if root in CONTEXTUAL:
            return _contextual(scope, root, rest, place)
        case (root, *_) if root not in ROOTS:
            return f"nothing is called {root!r} here", _root_hint(scope, root, place)
        case _:
            return None


def secret_in(scope: Scope, name: Name, place: Place) -> str | None:
    """The secret that is read with ``name`` there, itself or as a part of more; as an expression names it."""
    match name:
        case ("inputs", *rest):
            return _secret(scope.written.inputs, "inputs", rest)
        case ("steps", step, key, *rest) if key in _VALUES:
            part = scope.written.ids.get(step)
            fields = part.form if part is not None else {}
            return _secret(fields, f"steps.{step}.{key}", rest if key == "form" else ())
        case ("resume" | "resumes" as root, *rest):
            for part in scope.answers(place).parts:
                found = _secret(part.form, root, rest if root == "resume" else ())
                if found is not None:
                    return found
    return None


def _secret(fields: Mapping[str, bool], owner: str, rest: Sequence[str]) -> str | None:
    if rest:
        return f"{owner}.{rest[0]}" if fields.get(rest[0]) else None
    return next((f"{owner}.{name}" for name, secret in fields.items() if secret), None)


def _field(fields: Mapping[str, bool], name: str, owner: str) -> Reason | None:
    if name in fields:
        return None
    none = "the flow has no inputs" if owner == "inputs" else "its form has no fields"
    return f"{owner!r} has no {name!r}", did_you_mean(name, fields, within="it has") if fields else none


# --- The run ----------------------------------------------------------------------------------------------------------


def _run(rest: Sequence[str], place: Place) -> Reason | None:
    if not rest:
        return None
    ends = place.within("on_error", "on_reject", "on_timeout", "finally")
    if rest[0] in ENDING and not ends:
        return f"'run.{rest[0]}' is not known before the run is about to end", "only 'finally' and handlers can read it"
    known = (*RUN, *ENDING) if ends else RUN
    if rest[0] not in known:
        return f"'run' has no {rest[0]!r}", did_you_mean(rest[0], known, within="it has")
    if rest[0] == "requester" and len(rest) > 1 and rest[1] not in REQUESTER:
        return f"'run.requester' has no {rest[1]!r}", did_you_mean(rest[1], REQUESTER, within="it has")
    return None


# --- Steps ------------------------------------------------------------------------------------------------------------


def keys_of(part: Part) -> tuple[str, ...]:
    """What ``steps.<id>`` has, for that step."""
    if part.holding == "flow":
        return ("output", "outcome")
    keys = ["output"]
    if part.asks or part.python:
        keys.extend(ANSWER)
    if part.waits == "callback" or part.python:
        keys.extend(CALLED)
    if part.waits == "approval" and not part.python:
        keys.remove("resumed")
    if not part.python and "option" not in part.form and "option" in keys:
        keys.remove("option")
    return tuple(dict.fromkeys(keys))


def _step(scope: Scope, name: str, rest: Sequence[str], place: Place) -> Reason | None:
    part = scope.written.ids.get(name)
    if part is None:
        return f"there is no step {name!r}", did_you_mean(name, scope.readable(place), within="earlier steps are")
    own = part is place.part and place.when == "after" and part.acts
    if own and rest and rest[0] == "output":
        if not scope.opens_first(part):
            return None
        return (
            f"step {name!r} has no output yet: its wait opens first, because its action sends the links",
            "put what has to be shown into a step before it",
        )
    if part is place.part and part.acts and place.when == "before" and rest and rest[0] == "output":
        return f"step {name!r} reads its own output before there is one", "only its wait, which follows its action, can"
    obstacle = scope.obstacle(part, place)
    if obstacle is not None:
        return obstacle
    keys = keys_of(part)
    if not rest:
        others = [key for key in keys if key != "output"]
        more = f", or one of {', '.join(others)}" if others else ""
        return f"'steps.{name}' alone says nothing", f"write 'steps.{name}.output'{more}"
    key, *deeper = rest
    if key not in keys:
        return _lacks(part, key, keys)
    if key == "callback" and deeper and deeper[0] not in REQUEST:
        return f"'steps.{name}.callback' has no {deeper[0]!r}", did_you_mean(deeper[0], REQUEST, within="it has")
    if key == "form" and deeper and not part.python:
        return _field(part.form, deeper[0], f"steps.{name}.form")
    return None


def _lacks(part: Part, key: str, keys: Sequence[str]) -> Reason:
    name = part.id
    if key not in (*ANSWER, *CALLED, "outcome"):
        return f"'steps.{name}' has no {key!r}", did_you_mean(key, keys, within="it has")
    if key == "outcome":
        return f"step {name!r} runs no child flow, so it has no 'outcome'", "only steps with 'flow' have"
    if part.holding is not None:
        what = "runs a child flow" if part.holding == "flow" else "holds other steps"
        return f"step {name!r} {what}, so it has no {key!r}", "only steps with 'approval', 'hold' or 'callback' have"
    if key == "callback":
        return f"step {name!r} waits for no machine, so it has no 'callback'", "only steps with 'callback' have"
    if part.waits == "approval" and key == "resumed":
        return f"step {name!r} is an approval, which nobody resumes", f"did you mean 'steps.{name}.approved'?"
    if part.asks and key == "option":
        return f"step {name!r} has no options, so nobody chooses one", "only approvals with 'options' have one"
    if part.waits == "callback":
        return f"step {name!r} waits for a machine, so it has no {key!r}", f"it has {', '.join(keys)}"
    return f"step {name!r} asks nobody, so it has no {key!r}", "only steps with 'approval' or 'hold' have"


# --- Answers ----------------------------------------------------------------------------------------------------------


def _shorthand(scope: Scope, root: str, rest: Sequence[str], place: Place) -> Reason | None:
    answers = scope.answers(place)
    if answers.several is not None:
        return (
            f"{root!r} stands for the nearest wait, and {answers.several.called} holds several",
            f"say which one is meant: 'steps.<id>.{_LONG[root]}'",
        )
    if not answers.parts and not answers.python:
        phase = place.around[-1].key if place.around else "steps"
        if phase != "steps":
            return (
                f"{root!r} stands for the nearest wait, and in {phase!r} it is not known which one that was",
                f"say which one is meant: 'steps.<id>.{_LONG[root]}'",
            )
        return (
            f"{root!r} stands for the answer of an earlier step, and none before this one asks anybody",
            "put a step with 'approval', 'hold' or 'callback' before it",
        )
    if answers.python:
        return None  # what a function waits for is not in the definition
    machines = [part for part in answers.parts if part.waits == "callback"]
    if root == "approvers" and len(machines) == len(answers.parts):
        return (
            f"'approvers' stands for the nearest wait, and {machines[0].called} waits for a machine",
            "say which one is meant: 'steps.<id>.approvers'",
        )
    if root != "resume" or not rest:
        return None
    known = dict.fromkeys(REQUEST, False) if machines else {}
    for part in answers.parts:
        known |= part.form
    return _field(known, rest[0], "resume")


_LONG = {"approvers": "approvers", "resume": "form", "resumes": "decisions"}


# --- What is there in some places only --------------------------------------------------------------------------------


def _contextual(scope: Scope, root: str, rest: Sequence[str], place: Place) -> Reason | None:
    if root in ("item", "index"):
        reason = _item(root, place.loops)
    elif root == "loops":
        reason = _loops(scope, rest, place)
    elif root == "error":
        reason = _error(rest, place)
    else:
        reason = _links(rest, place)
    if reason is not None and root in scope.written.inputs:
        return reason[0], f"did you mean 'inputs.{root}'?"
    return reason


def _item(root: str, loops: Sequence[Part]) -> Reason | None:
    fitting = [part for part in loops if part.holding == "for_each" or root == "index"]
    if fitting:
        return None
    if loops:
        return "'item' is there only inside 'for_each', and this is a 'repeat'", "'index' counts its rounds, from 0"
    where = "'for_each'" if root == "item" else "'for_each' or 'repeat'"
    return f"{root!r} is there only inside {where}", None


def _loops(scope: Scope, rest: Sequence[str], place: Place) -> Reason | None:
    loops = {part.id: part for part in place.loops if part.id is not None}
    if not rest:
        return "which loop is meant has to be known beforehand", "write its id, like 'loops.each.item'"
    name, *keys = rest
    if name not in loops:
        hint = did_you_mean(name, loops, within="around this are") if loops else "there is no loop around this"
        if name in scope.written.ids:
            return f"this is not inside a loop {name!r}", hint
        return f"there is no loop {name!r}", hint
    known = LOOP if loops[name].holding == "for_each" else ("index",)
    if not keys or keys[0] not in known:
        said = f"'loops.{name}' alone says nothing" if not keys else f"'loops.{name}' has no {keys[0]!r}"
        return said, f"it has {', '.join(known)}"
    return None


def _error(rest: Sequence[str], place: Place) -> Reason | None:
    if not place.within("on_error"):
        return "'error' is there only in steps of 'on_error'", None
    if rest and rest[0] not in ERROR:
        return f"'error' has no {rest[0]!r}", did_you_mean(rest[0], ERROR, within="it has")
    return None


def _links(rest: Sequence[str], place: Place) -> Reason | None:
    part = place.part
    if part is None or not place.given or part.waits is None:
        return "'links' is there only in the 'with' of a step that waits for people or a machine", None
    if not rest:
        return "'links' alone is no address", "write 'links.for(person)', or 'links.resume' of a callback"
    known = ("resume", "cancel") if part.waits == "callback" else ("for",)
    if rest[0] in known:
        return None
    if rest[0] not in LINKS:
        return f"'links' has no {rest[0]!r}", did_you_mean(rest[0], known, within="it has")
    if part.waits == "callback":
        return "'links.for' is the link of a person, and this step waits for a machine", "write 'links.resume'"
    return f"'links.{rest[0]}' is for machines, and this step waits for people", "write 'links.for(person)'"


# --- Names that nothing has -------------------------------------------------------------------------------------------


def _root_hint(scope: Scope, root: str, place: Place) -> str | None:
    fields, steps = scope.written.inputs, scope.written.ids
    if root in fields:
        return f"did you mean 'inputs.{root}'?"
    if root in steps:
        return f"did you mean 'steps.{root}.output'?"
    if root in _TRIGGERS:
        return f"only a trigger with {_TRIGGERS[root]} has it; hand it on as an input"
    here = [*ROOTS, *_around(place)]
    close = nearest(root, [*here, *fields, *steps])
    if close in here:
        return f"did you mean {close!r}?"
    if close in fields:
        return f"did you mean 'inputs.{close}'?"
    if close in steps:
        return f"did you mean 'steps.{close}.output'?"
    return did_you_mean(root, here)


def _around(place: Place) -> list[str]:
    """What can be read there and not everywhere."""
    found = ["index", "loops"] if place.loops else []
    if any(part.holding == "for_each" for part in place.loops):
        found.append("item")
    if place.within("on_error"):
        found.append("error")
    if place.given and place.part is not None and place.part.waits is not None:
        found.append("links")
    return found
