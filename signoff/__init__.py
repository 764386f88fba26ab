"""Signoff for those who write flows and actions in Python. What stands in ``__all__`` stays; the rest may move.

::

    from signoff import Approval, Flow, Step, StepContext, action

    @action
    async def ship(ctx: StepContext, version: str) -> dict: ...

    release = Flow(
        flow="release",
        steps=[Step(id="gate", approval=Approval(approvers=["@leads"])), Step(id="ship", run=ship, with_={"version": "2"})],
    )
"""

from __future__ import annotations

from flows.definition import (
    Approval,
    Callback,
    Choice,
    Concurrency,
    ErrorHandler,
    Flow,
    FlowTrigger,
    Hold,
    Range,
    RejectHandler,
    Repeat,
    Retry,
    ScheduleTrigger,
    SlackPlace,
    Step,
    TimeoutHandler,
    WebhookTrigger,
)
from flows.errors import ActionError, DefinitionError, FlowError, Refused, TryAgain
from flows.functions import action
from flows.rules import All, AnyOf, AtLeast
from flows.step_context import (
    BlockingLinks,
    BlockingStepContext,
    ContextError,
    Links,
    RetriesExhausted,
    StepContext,
)

__version__ = "0.1.0"

__all__ = [
    "ActionError",
    "All",
    "AnyOf",
    "Approval",
    "AtLeast",
    "BlockingLinks",
    "BlockingStepContext",
    "Callback",
    "Choice",
    "Concurrency",
    "ContextError",
    "DefinitionError",
    "ErrorHandler",
    "Flow",
    "FlowError",
    "FlowTrigger",
    "Hold",
    "Links",
    "Range",
    "Refused",
    "RejectHandler",
    "Repeat",
    "RetriesExhausted",
    "Retry",
    "ScheduleTrigger",
    "SlackPlace",
    "Step",
    "StepContext",
    "TimeoutHandler",
    "TryAgain",
    "WebhookTrigger",
    "action",
]
