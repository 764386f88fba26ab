"""What people are shown when they are asked, and its digest: what was shown is what was decided."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic_core import to_json

from flows.definition import Approval, Choice, Flow, Step, Suspending, Wait
from flows.forms import Field, mask, with_texts
from flows.ports import Json
from flows.run import Run, Suspension


@dataclass(frozen=True, slots=True)
class Request:
    """A suspension as it is put before people, the same at every door.

    ``inputs`` has secrets masked. ``form`` has its labels and descriptions as they came out; ``defaults`` are the
    rendered ones of its fields whose default is a template. ``options`` are what an approver chooses from.
    """

    flow: str
    step: str
    ask: str
    inputs: Mapping[str, Json]
    show: Mapping[str, Json]
    form: tuple[Field, ...]
    defaults: Mapping[str, Json]
    options: tuple[Choice, ...] = ()


def request(
    flow: Flow,
    step: Step,
    wait: Suspending | None,
    run: Run,
    suspension: Suspension,
    *,
    inputs: Mapping[str, Json] | None = None,
) -> Request:
    """What was shown for this suspension; made from the stored rows alone, so it is the same at any time.

    ``wait`` is what the step waits for: its own, or what its function has asked for. None for a delay. ``inputs`` are
    those of ``flow``, where that is a child flow; None: the run's.
    """
    return Request(
        flow=flow.name,
        step=step.name,
        ask=suspension.ask,
        inputs=mask(flow.inputs, run.inputs if inputs is None else inputs),
        show=suspension.show,
        form=with_texts(wait.form, suspension.texts) if isinstance(wait, Wait) else (),
        defaults=suspension.defaults,
        options=wait.options if isinstance(wait, Approval) else (),
    )


def digest(
    flow: Flow,
    step: Step,
    wait: Suspending | None,
    run: Run,
    suspension: Suspension,
    *,
    inputs: Mapping[str, Json] | None = None,
) -> bytes:
    """SHA-256 over everything that was shown, and over which suspension it was shown for; 32 bytes."""
    asked = request(flow, step, wait, run, suspension, inputs=inputs)
    shown = [
        asked.flow,
        asked.step,
        run.id,
        suspension.n,
        asked.ask,
        asked.inputs,
        dict(asked.show),
        [field.model_dump(mode="json", exclude_none=True) for field in asked.form],
        dict(asked.defaults),
        [(option.name, option.title) for option in asked.options],
    ]
    # Mappings stand in the order of the definition, so equal views have equal bytes.
    return hashlib.sha256(to_json(shown)).digest()
