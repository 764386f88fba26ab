"""The action ``signoff.start``: a flow starts a run of another flow, and goes on without waiting for it."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from flows.engine import Engine, Once
from flows.errors import ActionError, Refused, TryAgain, UnknownFlow
from flows.findings import did_you_mean
from flows.ports import ActionCall, Json
from flows.store.triggers import TooDeep, of_action

OURSELVES = 0
"""In the place of an API token's number, where Signoff itself asks for something once."""

_STARTED = "started"


class StartParams(BaseModel):
    """``with`` of ``signoff.start``: the flow's name, and the inputs of the run."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    flow: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    inputs: dict[str, Json] = Field(default_factory=dict, repr=False)


class StartFlow:
    """Performs ``signoff.start``."""

    name: ClassVar[str] = "signoff.start"
    params: ClassVar[type[BaseModel]] = StartParams

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def perform(self, call: ActionCall, params: StartParams) -> Json:
        """``{run, url}``. Who requested this run requests that one. A repeat finds the run that was started.

        Raises ``ActionError``, not retryable, where that run is refused.
        """
        assert call.requester is not None  # set for every action of a run
        assert call.run is not None  # likewise
        run = call.memo.get(_STARTED)
        if run is None:
            try:
                started, _ = await self._engine.start(
                    params.flow,
                    call.requester,
                    params.inputs,
                    once=Once(OURSELVES, call.key),
                    claim=of_action(call.run, "signoff.start"),
                    as_admin=False,
                )
            except TooDeep as error:
                raise ActionError(str(error)) from None
            except UnknownFlow:
                hint = did_you_mean(params.flow, self._engine.flows)
                raise ActionError(f"There is no flow {params.flow!r}" + (f"; {hint}" if hint else ".")) from None
            except TryAgain:
                raise
            except Refused as refusal:
                raise ActionError(f"A run of {params.flow} is refused: {refusal}") from refusal
            run = started.id
            # The key is forgotten after a day, and a repeat may come later than that.
            await call.remember({_STARTED: run})
        ids = self._engine.ids
        return {"run": ids.run(run), "url": ids.run_url(run)}
