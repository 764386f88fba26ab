"""What people are shown when they are asked, and its digest: what was shown is what was decided."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic_core import to_json

from flows.definition import Flow, Step
from flows.forms import Field, mask
from flows.ports import Json
from flows.run import Run, Suspension


@dataclass(frozen=True, slots=True)
class Request:
    """A suspension as it is put before people, the same at every door. ``inputs`` has secrets masked."""

    flow: str
    step: str
    ask: str
    inputs: Mapping[str, Json]
    show: Mapping[str, Json]
    form: tuple[Field, ...]
    defaults: Mapping[str, Json]


def request(flow: Flow, step: Step, run: Run, suspension: Suspension) -> Request:
    """What was shown for this suspension; made from the stored rows alone, so it is the same at any time."""
    return Request(
        flow=flow.name,
        step=step.name,
        ask=suspension.ask,
        inputs=mask(flow.inputs, run.inputs),
        show=suspension.show,
        form=step.wait.form if step.wait else (),
        defaults=suspension.defaults,
    )


def digest(flow: Flow, step: Step, run: Run, suspension: Suspension) -> bytes:
    """SHA-256 over everything that was shown, and over which suspension it was shown for; 32 bytes."""
    shown = [
        flow.name,
        step.name,
        run.id,
        suspension.n,
        suspension.ask,
        mask(flow.inputs, run.inputs),
        dict(suspension.show),
        _form_body(step),
        dict(suspension.defaults),
    ]
    # Mappings stand in the order of the definition, so equal views have equal bytes.
    return hashlib.sha256(to_json(shown)).digest()


def _form_body(step: Step) -> Json:
    if step.wait is None or not step.wait.form:
        return []
    return [field.model_dump(mode="json", exclude_none=True) for field in step.wait.form]
