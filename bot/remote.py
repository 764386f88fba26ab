"""The commands that act through the API, as the person of ``SIGNOFF_TOKEN``: nobody acts as somebody else."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Annotated, TypeVar

import typer

from bot.client import (
    ApiClient,
    ApiError,
    ApprovalAnswer,
    DecidedAnswer,
    DecisionAnswer,
    EffectAnswer,
    StatusAnswer,
    SuspensionAnswer,
    Unreachable,
    Verdict,
)
from bot.settings import Settings
from bot.terminal import brief, err, inert, out, out_json, out_pairs, out_table
from flows.clock import Clock, SystemClock
from flows.errors import ConfigError
from flows.ports import Json

T = TypeVar("T")

_FIRST_LOOK, _SLOWEST_LOOK = timedelta(milliseconds=200), timedelta(seconds=5)
_PATIENCE = 20  # looks in a row that may go unanswered: a good minute, in which a server is restarted

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, as the API says it.")]
Values = Annotated[
    list[str] | None, typer.Option("-f", "--form", metavar="NAME=VALUE", help="A field of the form; repeat for more.")
]


class NotSucceeded(ApiError):
    """The run that was waited for has ended otherwise."""


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
    as_json: AsJson = False,
) -> None:
    """Start a run of a flow."""
    given = _pairs(inputs, "-i")
    clock = SystemClock()

    async def act(api: ApiClient) -> StatusAnswer:
        started = await api.start(flow, given, key=key or secrets.token_urlsafe(16))
        if not wait:
            return started
        if not as_json:
            err(f"{started.id} is {started.status}; waiting for its outcome.")
        return await _outcome(api, clock, started)

    answer = _ask(act, clock)
    if as_json:
        out_json(answer.raw())
    else:
        out_pairs([("run", answer.id), ("status", answer.status), ("reason", answer.reason)])
    if wait and answer.status != "succeeded":
        raise NotSucceeded(f"{answer.id} ended as {answer.status}." + (f" {answer.reason}" if answer.reason else ""))


def pending(
    everyone: Annotated[bool, typer.Option("--all", help="What waits for anybody, as far as you may see it.")] = False,
    as_json: AsJson = False,
) -> None:
    """List what waits for you."""
    waiting = _ask(lambda api: api.pending(everyone=everyone))
    if as_json:
        out_json([one.raw() for one in waiting])
        return
    out_table(
        ("id", "flow", "step", "asked", "by", "due"),
        [(one.id, one.flow, one.step, one.ask, one.requester.name, _time(one.due)) for one in waiting],
        empty="Nothing waits for anybody." if everyone else "Nothing waits for you.",
    )


def show(run: Annotated[str, typer.Argument(metavar="RUN", help="The run's id.")], as_json: AsJson = False) -> None:
    """Show a run: its steps, what it waits for, and how it ended."""
    answer = _ask(lambda api: api.run(run))
    if as_json:
        out_json(answer.raw())
        return
    out_pairs(
        [
            ("run", answer.id),
            ("flow", answer.flow),
            ("status", answer.status),
            ("reason", answer.reason),
            ("requester", answer.requester.name),
            ("started", _time(answer.started_at)),
            ("ended", _time(answer.ended.at if answer.ended else None)),
            *((f"inputs.{name}", brief(value)) for name, value in answer.inputs.items()),
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


def approve(
    approval: Annotated[str, typer.Argument(metavar="ID", help="The approval's id.")],
    comment: Annotated[str | None, typer.Option("--comment", help="What you say with it.")] = None,
    form: Values = None,
) -> None:
    """Approve what is asked."""
    _decide(approval, "approve", comment, form)


def reject(
    approval: Annotated[str, typer.Argument(metavar="ID", help="The approval's id.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; the requester reads it.")],
) -> None:
    """Reject what is asked."""
    _decide(approval, "reject", reason, None)


def resume(
    approval: Annotated[str, typer.Argument(metavar="ID", help="The hold's id.")],
    form: Values = None,
) -> None:
    """Resume a run that is held."""
    _decide(approval, "resume", None, form)


def cancel(
    run: Annotated[str, typer.Argument(metavar="RUN", help="The run's id.")],
    reason: Annotated[str | None, typer.Option("--reason", help="Why; who was asked reads it.")] = None,
) -> None:
    """Cancel a run."""
    answer = _ask(lambda api: api.cancel(run, reason=reason))
    out(f"{answer.id} is {answer.status}.")


def effects(as_json: AsJson = False) -> None:
    """List parked effects: what only a person can help."""
    parked = _ask(lambda api: api.effects())
    if as_json:
        out_json([one.raw() for one in parked])
    else:
        _print_effects(parked)


def retry(effect: Annotated[str, typer.Argument(metavar="EFFECT", help="The effect's id.")]) -> None:
    """Let a parked effect be performed again."""
    _ask(lambda api: api.retry(effect))
    out(f"{effect} is tried again.")


def skip(effect: Annotated[str, typer.Argument(metavar="EFFECT", help="The effect's id.")]) -> None:
    """Give up on a parked effect; the run goes on without its output."""
    _ask(lambda api: api.skip(effect))
    out(f"{effect} is skipped.")


COMMANDS: Sequence[Callable[..., None]] = (run, pending, show, approve, reject, resume, cancel, effects, retry, skip)


def _ask(act: Callable[[ApiClient], Awaitable[T]], clock: Clock | None = None) -> T:
    settings = Settings.from_environment()
    token = settings.token
    if token is None:
        raise ConfigError(["SIGNOFF_TOKEN is not set; `signoff token create --person you@example.com` makes a token."])

    async def connected() -> T:
        async with ApiClient(settings.public_url, token.get_secret_value(), clock or SystemClock()) as api:
            return await act(api)

    return asyncio.run(connected())


async def _outcome(api: ApiClient, clock: Clock, run: StatusAnswer) -> StatusAnswer:
    pause, missed = _FIRST_LOOK, 0
    while not run.over:
        await clock.sleep(pause)
        pause = min(pause * 2, _SLOWEST_LOOK)
        try:
            run, missed = await api.run(run.id), 0
        except Unreachable:
            missed += 1
            if missed == _PATIENCE:
                raise
    return run


def _decide(approval: str, verdict: Verdict, comment: str | None, form: Sequence[str] | None) -> None:
    values = _pairs(form, "-f")

    async def act(api: ApiClient) -> DecidedAnswer:
        shown = await api.approval(approval)
        _print_approval(shown)
        # Its digest goes along, so what stands on the screen is what is decided.
        return await api.decide(shown, verdict, comment=comment, form=values)

    decided = _ask(act)
    out()
    out(decided.detail, style="green" if decided.counted else "")


def _pairs(texts: Sequence[str] | None, option: str) -> dict[str, Json]:
    """``name=value`` as a mapping; a name that comes again makes a list. The server knows the types."""
    values: dict[str, list[str]] = {}
    for text in texts or ():
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise typer.BadParameter(f"{text!r} is not name=value", param_hint=option)
        values.setdefault(name.strip(), []).append(value)
    return {name: several[0] if len(several) == 1 else several for name, several in values.items()}


def _print_approval(one: ApprovalAnswer) -> None:
    """Everything that people are shown when they are asked."""
    out_pairs(
        [
            ("asked", one.ask),
            ("flow", f"{one.flow_title}: {one.step_title}"),
            ("by", one.requester.name),
            *((name, brief(value)) for name, value in one.inputs.items()),
            *((name, brief(value)) for name, value in one.show.items()),
            ("form", ", ".join(field.name + ("" if field.required else " (optional)") for field in one.form)),
            *_state(one),
        ]
    )


def _print_suspension(one: SuspensionAnswer) -> None:
    """One wait of a run, in short; a delay asks nothing."""
    out_pairs([("step", one.step), ("kind", one.kind), ("asked", one.ask), *_state(one)])


def _state(one: SuspensionAnswer) -> list[tuple[str, object]]:
    return [
        ("id", one.id),
        ("status", one.status),
        ("approvals", f"{one.approvals} of {one.needed}" if one.needed else None),
        ("decided", "\n".join(map(_said, one.decisions))),
        ("due", _time(one.due)),
    ]


def _said(one: DecisionAnswer) -> str:
    comment = f' "{inert(one.comment)}"' if one.comment else ""
    return f"{one.verdict} by {inert(one.person.name)}{comment}"


def _print_effects(parked: Sequence[EffectAnswer]) -> None:
    out_table(
        ("id", "run", "step", "what", "since", "error"),
        [(one.id, one.run, one.step, one.what, _time(one.parked_at) or "is tried again", one.error) for one in parked],
        empty="No effect is parked.",
    )


def _time(instant: datetime | None) -> str | None:
    """An instant as it is where the terminal stands."""
    return None if instant is None else instant.astimezone().strftime("%Y-%m-%d %H:%M %Z")
