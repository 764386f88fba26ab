"""The commands that act through the API, as the person of ``SIGNOFF_TOKEN``: nobody acts as somebody else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, TypeVar

import typer

from bot.settings import Settings
from bot.terminal import brief, err, inert, out, out_json, out_pairs, out_table
from flows.errors import ConfigError
from flows.ports import Json
from signoff.client import (
    Approval,
    Client,
    Decision,
    Effect,
    Item,
    NotUnderstood,
    Problem,
    Refused,
    SignoffError,
    Suspension,
    Unauthorized,
    Unreachable,
    Verdict,
)

T = TypeVar("T")

_A_RUN = "run_"
"""What the ids of runs begin with."""

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, as the API says it.")]
Values = Annotated[
    list[str] | None, typer.Option("-f", "--form", metavar="NAME=VALUE", help="A field of the form; repeat for more.")
]
Ids = Annotated[list[str], typer.Argument(metavar="ID", help="The approval's id; or several.")]
Chosen = Annotated[str | None, typer.Option("--option", help="What you choose, where the approval has options.")]
RunId = Annotated[str, typer.Argument(metavar="RUN", help="The run's id.")]


class NotSucceeded(SignoffError):
    """The run that was waited for has ended otherwise."""


class SomeRefused(SignoffError):
    """Some of several were refused; which and why is said already."""


def hint(error: SignoffError) -> str | None:
    """What somebody at a terminal may look at, besides what the error says."""
    match error:
        case Unreachable(sent=False):
            return "Is `signoff serve` running, and SIGNOFF_PUBLIC_URL right?"
        case NotUnderstood():
            return "SIGNOFF_PUBLIC_URL says where the server is."
        case Unauthorized():
            return "SIGNOFF_TOKEN holds the token."
        case _:
            return None


# -- runs -----------------------------------------------------------------------------------------------------


def run(
    flow: Annotated[str, typer.Argument(help="The flow's name.")],
    inputs: Annotated[
        list[str] | None, typer.Option("-i", "--input", metavar="NAME=VALUE", help="An input; repeat for more.")
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait for the outcome; exit with 1 unless it succeeded.")
    ] = False,
    key: Annotated[
        str | None, typer.Option("--key", help="Idempotency key: the same one starts the run once in 24 hours.")
    ] = None,
    resubmits: Annotated[
        str | None,
        typer.Option("--resubmits", metavar="RUN", help="A run of yours that did not succeed: its new version."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Start a run of a flow."""
    given = _pairs(inputs, "-i")
    with connected() as api:
        answer = api.start(flow, given, key=key, resubmits=resubmits)
        if wait and not answer.over:
            if not as_json:
                err(f"{answer.id} is {answer.status}; waiting for its outcome.")
            answer = api.wait(answer.id)
    if as_json:
        out_json(answer.raw())
    else:
        out_pairs([("run", answer.id), ("status", answer.status), ("reason", answer.reason)])
    if wait and answer.status != "succeeded":
        raise NotSucceeded(f"{answer.id} ended as {answer.status}." + (f" {answer.reason}" if answer.reason else ""))


def show(run: RunId, as_json: AsJson = False) -> None:
    """Show a run: its steps, what it waits for, and how it ended."""
    with connected() as api:
        answer = api.get(run)
    if as_json:
        out_json(answer.raw())
        return
    paused = answer.paused
    out_pairs(
        [
            ("run", answer.id),
            ("flow", answer.flow),
            ("status", answer.status),
            ("reason", answer.reason),
            ("requester", answer.requester.name),
            ("started", _time(answer.started_at)),
            ("paused", f"by {inert(paused.by.name)}, {_time(paused.at)}" if paused else None),
            ("ended", _time(answer.ended.at if answer.ended else None)),
            *((f"inputs.{name}", brief(value)) for name, value in answer.inputs.items()),
            *((f"outputs.{name}", brief(value)) for name, value in answer.outputs.items()),
        ]
    )
    if answer.steps:
        out()
        out_table(("step", "state", "error"), [(one.path, one.state, one.error) for one in answer.steps], empty="")
    for suspension in (*answer.answered, *answer.suspensions):
        out()
        _print_suspension(suspension)
    if answer.effects:
        out()
        _print_effects(answer.effects)


def pause(run: RunId) -> None:
    """Halt a run: what is under way goes on, nothing new starts."""
    with connected() as api:
        answer = api.pause(run)
    out(f"{answer.id} is {answer.status}. `signoff resume {answer.id}` lets it go on.")


def cancel(
    run: RunId,
    reason: Annotated[str | None, typer.Option("--reason", help="Why; who was asked reads it.")] = None,
) -> None:
    """Cancel a run."""
    with connected() as api:
        answer = api.cancel(run, reason=reason)
    out(f"{answer.id} is {answer.status}.")


def links(
    run: RunId,
    person: Annotated[str, typer.Argument(metavar="PERSON", help="Whom it is for: a mail address or a Slack user.")],
    step: Annotated[str | None, typer.Option("--step", metavar="STEP", help="For the approval of this step.")] = None,
    whole_run: Annotated[
        bool, typer.Option("--whole-run", help="For whatever comes first that the person may decide.")
    ] = False,
) -> None:
    """Make somebody's personal link: whoever opens it acts as that person. Admins only, with the scope links."""
    if whole_run == (step is not None):
        raise typer.BadParameter("say --whole-run, or the step with --step", param_hint="--step / --whole-run")
    with connected() as api:
        made = api.links(run, person, step=step, whole_run=whole_run)
    out(made.page)
    until = f", until {_time(made.due)}" if made.due else ""
    err(f"Whoever opens it acts as {made.person.name}{until}. Send it to nobody else.")


# -- approvals ------------------------------------------------------------------------------------------------


def pending(
    everyone: Annotated[bool, typer.Option("--all", help="What waits for anybody, as far as you may see it.")] = False,
    as_json: AsJson = False,
) -> None:
    """List what waits for you."""
    with connected() as api:
        waiting = api.approvals(None if everyone else "me")
    if as_json:
        out_json([one.raw() for one in waiting])
        return
    out_table(
        ("id", "flow", "step", "asked", "by", "due"),
        [(one.id, one.flow, one.step, one.ask, one.requester.name, _time(one.due)) for one in waiting],
        empty="Nothing waits for anybody." if everyone else "Nothing waits for you.",
    )


def approve(
    approvals: Ids,
    comment: Annotated[str | None, typer.Option("--comment", help="What you say with it.")] = None,
    option: Chosen = None,
    form: Values = None,
) -> None:
    """Approve what is asked. One is shown and then decided; several are decided and told one by one."""
    _decide(approvals, "approve", comment=comment, option=option, form=form)


def reject(
    approvals: Ids,
    reason: Annotated[str, typer.Option("--reason", help="Why; the requester reads it.")],
    form: Values = None,
) -> None:
    """Reject what is asked. One is shown and then decided; several are decided and told one by one."""
    _decide(approvals, "reject", comment=reason, form=form)


def withdraw(approvals: Ids) -> None:
    """Take back your own answer, while it is open."""
    _decide(approvals, "withdraw")


def resume(
    ids: Annotated[
        list[str], typer.Argument(metavar="ID", help="The id of a hold, or of a run that is paused; or several.")
    ],
    form: Values = None,
) -> None:
    """Resume a run that is held, with values; or one that somebody has paused."""
    runs = [one for one in ids if one.startswith(_A_RUN)]
    if not runs:
        _decide(ids, "resume", form=form)
    elif len(runs) < len(ids):
        raise typer.BadParameter("are holds and runs; resume the one, then the other", param_hint="ID")
    elif form:
        raise typer.BadParameter("is for a hold; a paused run takes no values", param_hint="-f")
    else:
        with connected() as api:
            _print_items([_resumed(api, one) for one in ids])


def drop(
    approval: Annotated[str, typer.Argument(metavar="ID", help="The id of the wait: an approval, a hold, a callback.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; it is recorded.")],
) -> None:
    """End a wait without a decision, and let the run go on. For admins and the flow's owner."""
    if approval.startswith(_A_RUN):
        raise typer.BadParameter(
            f"is a run; `signoff show {approval}` has the ids of what it waits for", param_hint="ID"
        )
    with connected() as api:
        answer = api.drop(approval, reason)
    out(f"{approval} is dropped; {answer.id} is {answer.status}.")


# -- effects --------------------------------------------------------------------------------------------------


def effects(as_json: AsJson = False) -> None:
    """List parked effects: what only a person can help."""
    with connected() as api:
        parked = api.effects()
    if as_json:
        out_json([one.raw() for one in parked])
    else:
        _print_effects(parked)


def retry(effect: Annotated[str, typer.Argument(metavar="EFFECT", help="The effect's id.")]) -> None:
    """Let a parked effect be performed again."""
    with connected() as api:
        api.retry(effect)
    out(f"{effect} is tried again.")


def skip(effect: Annotated[str, typer.Argument(metavar="EFFECT", help="The effect's id.")]) -> None:
    """Give up on a parked effect; the run goes on without its output."""
    with connected() as api:
        api.skip(effect)
    out(f"{effect} is skipped.")


COMMANDS: Sequence[Callable[..., None]] = (
    run,
    pending,
    show,
    approve,
    reject,
    withdraw,
    resume,
    pause,
    cancel,
    drop,
    links,
    effects,
    retry,
    skip,
)


def connected() -> Client:
    """The API, as the person of ``SIGNOFF_TOKEN``. Raises ``ConfigError`` without one."""
    settings = Settings.from_environment()
    if settings.token is None:
        raise ConfigError(["SIGNOFF_TOKEN is not set; `signoff token create --person you@example.com` makes a token."])
    return Client(settings.public_url, settings.token.get_secret_value())


def _decide(
    ids: Sequence[str],
    verdict: Verdict,
    *,
    comment: str | None = None,
    option: str | None = None,
    form: Sequence[str] | None = None,
) -> None:
    values = _pairs(form, "-f")
    with connected() as api:
        if len(ids) > 1:
            _print_items(api.decide_many(ids, verdict, comment=comment, form=values, option=option))
            return
        shown = api.approval(ids[0])
        _print_approval(shown)
        # Its digest goes along, so what stands on the screen is what is decided.
        decided = api.decide(shown, verdict, comment=comment, form=values, option=option)
    out()
    out(decided.detail, style="green" if decided.counted else "")


def _resumed(api: Client, run: str) -> Item:
    try:
        status = api.resume(run).status
    except Refused as refused:
        return _item(run, ok=False, detail=str(refused), problem=refused.problem)
    return _item(run, ok=True, detail=f"It is {status}.")


def _item(id_: str, *, ok: bool, detail: str, problem: Problem | None = None) -> Item:
    return Item(id=id_, ok=ok, counted=ok, detail=detail, problem=problem)


def _print_items(items: Sequence[Item]) -> None:
    """What became of each. Raises ``SomeRefused`` where one was."""
    out_table(
        ("id", "result", "what is said"),
        [(one.id, "done" if one.counted else "no change" if one.ok else "refused", one.detail) for one in items],
        empty="",
    )
    refused = sum(not one.ok for one in items)
    if refused:
        raise SomeRefused(f"{refused} of {len(items)} {'was' if refused == 1 else 'were'} refused.")


def _pairs(texts: Sequence[str] | None, option: str) -> dict[str, Json]:
    """``name=value`` as a mapping; a name that comes again makes a list. The server knows the types."""
    values: dict[str, list[str]] = {}
    for text in texts or ():
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise typer.BadParameter(f"{text!r} is not name=value", param_hint=option)
        values.setdefault(name.strip(), []).append(value)
    return {name: several[0] if len(several) == 1 else several for name, several in values.items()}


def _print_approval(one: Approval) -> None:
    """Everything that people are shown when they are asked."""
    out_pairs(
        [
            ("asked", one.ask),
            ("flow", f"{one.flow_title}: {one.step_title}"),
            ("by", one.requester.name),
            *((name, brief(value)) for name, value in one.inputs.items()),
            *((name, brief(value)) for name, value in one.show.items()),
            ("options", ", ".join(option.name for option in one.options)),
            ("form", ", ".join(field.name + ("" if field.required else " (optional)") for field in one.form)),
            *_state(one),
        ]
    )


def _print_suspension(one: Suspension) -> None:
    """One wait of a run, in short; a delay asks nothing."""
    out_pairs([("step", one.step), ("kind", one.kind), ("asked", one.ask), *_state(one)])


def _state(one: Suspension) -> list[tuple[str, object]]:
    return [
        ("id", one.id),
        ("status", one.status),
        ("approvals", f"{one.approvals} of {one.needed}" if one.needed else None),
        ("decided", "\n".join(map(_said, one.decisions))),
        ("due", _time(one.due)),
    ]


def _said(one: Decision) -> str:
    option = f" ({inert(one.option)})" if one.option else ""
    comment = f' "{inert(one.comment)}"' if one.comment else ""
    return f"{one.verdict}{option} by {inert(one.person.name)}{comment}"


def _print_effects(parked: Sequence[Effect]) -> None:
    out_table(
        ("id", "run", "step", "what", "since", "error"),
        [(one.id, one.run, one.step, one.what, _time(one.parked_at) or "is tried again", one.error) for one in parked],
        empty="No effect is parked.",
    )


def _time(instant: datetime | None) -> str | None:
    """An instant as it is where the terminal stands."""
    return None if instant is None else instant.astimezone().strftime("%Y-%m-%d %H:%M %Z")
