"""The action ``signoff.resume``: a flow lets another run go on, in the name of who requested its own."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from flows.engine import Engine
from flows.errors import ActionError, DecidedByYou, FlowError, TryAgain, UnknownRun, UnknownSuspension
from flows.people import PersonId
from flows.ports import ActionCall, Json
from flows.run import Door, Kind, Run, Verdict
from flows.views import RunView, SuspensionView

_BEGUN = "begun"
_MACHINES = (Kind.CALLBACK, Kind.RERUN)
_RESUMED = (Kind.HOLD, *_MACHINES)

Id = Annotated[str, StringConstraints(min_length=1, max_length=40)]


class ResumeParams(BaseModel):
    """``with`` of ``signoff.resume``: ``suspension``, or ``run`` and perhaps a ``step`` of it by its path.

    ``form`` and ``comment`` go with a hold, ``body`` with a callback.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    run: Id | None = None
    step: Annotated[str, StringConstraints(min_length=1, max_length=1000)] | None = None
    suspension: Id | None = None
    form: dict[str, Json] = Field(default_factory=dict, repr=False)
    comment: str | None = Field(default=None, repr=False)
    body: Json = Field(default=None, repr=False)

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if (self.run is None) == (self.suspension is None):
            raise ValueError("needs 'run' or 'suspension', and only one of them")
        if self.step is not None and self.run is None:
            raise ValueError("has a 'step' without its 'run'")
        return self


class ResumeRun:
    """Performs ``signoff.resume``."""

    name: ClassVar[str] = "signoff.resume"
    params: ClassVar[type[BaseModel]] = ResumeParams

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def perform(self, call: ActionCall, params: ResumeParams) -> Json:
        """``{run, url, resumed}``; what was resumed is ``run`` (it was paused), ``hold`` or ``callback``.

        Who requested this run does it, with their own rights and not with an admin's. An approval is never given by
        this. A repeat of what was done already changes nothing. Raises ``ActionError`` where it is refused.
        """
        assert call.requester is not None  # set for every action of a run
        try:
            run, resumed = await self._resume(call, params, call.requester)
        except TryAgain:
            raise
        except (UnknownRun, UnknownSuspension):
            raise ActionError("There is no such run or wait, or none that who started this run may see.") from None
        except FlowError as refusal:
            raise ActionError(str(refusal)) from refusal
        return {"run": self._engine.ids.run(run), "url": self._engine.ids.run_url(run), "resumed": resumed}

    async def _resume(self, call: ActionCall, params: ResumeParams, person: PersonId) -> tuple[int, str]:
        if params.suspension is not None:
            found = self._engine.ids.parse_suspension(params.suspension)
            if found is None:
                raise UnknownSuspension(params.suspension)
            wait = await self._engine.suspension(*found, person, as_admin=False)
            return await self._answer(call, params, person, wait)
        run = self._engine.ids.parse_run(params.run or "")
        if run is None:
            raise UnknownRun(params.run)
        view = await self._engine.run(run, person, as_admin=False)
        if params.step is None and (view.run.paused is not None or call.memo.get(_BEGUN) == [run, 0]):
            await self._unpause(call, person, view.run)
            return run, "run"
        return await self._answer(call, params, person, await self._wait(call, params, view))

    async def _unpause(self, call: ActionCall, person: PersonId, run: Run) -> None:
        if run.paused is None:
            return  # an earlier try got as far as this
        await call.remember({_BEGUN: [run.id, 0]})
        await self._engine.resume(run.id, person, door=Door.API, as_admin=False)

    async def _wait(self, call: ActionCall, params: ResumeParams, view: RunView) -> SuspensionView:
        """The wait that is meant: of the step that is named, else the only one that can be resumed."""
        begun = call.memo.get(_BEGUN)
        if begun is not None and begun[0] == view.run.id:
            return next(one for one in view.suspensions if one.suspension.n == begun[1])
        waits = [one for one in view.suspensions if params.step in (None, one.suspension.path)]
        still = [one for one in waits if one.open and (params.step or one.suspension.kind in _RESUMED)]
        if len(still) == 1:
            return still[0]
        if params.step is not None and waits:
            # Over, or not to be resumed: whoever answers it is told so.
            return waits[-1]
        raise ActionError(_unclear(params.step, still))

    async def _answer(
        self, call: ActionCall, params: ResumeParams, person: PersonId, wait: SuspensionView
    ) -> tuple[int, str]:
        run, n, kind = wait.run.id, wait.suspension.n, wait.suspension.kind
        if kind not in _RESUMED:
            what = "an approval, which only people give" if kind is Kind.APPROVAL else f"a {kind.value}"
            raise ActionError(f"Step {wait.suspension.path} waits for {what}; signoff.resume cannot end that.")
        machine = kind in _MACHINES
        if machine and person != wait.run.requester and not await self._engine.is_owner(wait.plan.flow, person):
            # Whoever may read a run is not for that whom its callback is awaited from.
            raise ActionError("Only who started that run, or its flow's owner, can answer for a machine.")
        if call.memo.get(_BEGUN) == [run, n] and not wait.open:
            return run, "callback" if machine else "hold"  # an earlier try got as far as this
        await call.remember({_BEGUN: [run, n]})
        if machine:
            sender = {"user-agent": f"Signoff ({call.key})"}
            request = {"method": "POST", "headers": sender, "query": {}, "body": params.body}
            await self._engine.callback(run, n, request, cancels=False)
            return run, "callback"
        with suppress(DecidedByYou):
            await self._engine.decide(
                run,
                n,
                person,
                Verdict.RESUME,
                door=Door.API,
                comment=params.comment,
                values=params.form,
                as_admin=False,
            )
        return run, "hold"


def _unclear(step: str | None, still: Sequence[SuspensionView]) -> str:
    if still:
        paths = ", ".join(one.suspension.path for one in still)
        return f"That run waits at several steps ({paths}); name the one that is meant as 'step'."
    return f"That run has no wait at {step}." if step else "That run is not paused, and waits for nothing to resume."
