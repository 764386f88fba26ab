"""Flows made of a few steps, and what is said of them: for the tests of ``flows.checks``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from flows.checks import check
from flows.definition import Flow
from flows.findings import Finding

Step = dict[str, Any]

INPUTS = [{"name": "who", "type": "email"}, {"name": "token", "type": "secret"}]


class LogParams(BaseModel):
    model_config = ConfigDict(extra="forbid")

    text: str
    level: Literal["info", "warning"] = "info"
    times: int = Field(default=1, le=3)


class SendParams(BaseModel):
    to: str = "@x"


class StartParams(BaseModel):
    flow: str
    inputs: dict[str, Any] = {}


ACTIONS: dict[str, type[BaseModel]] = {
    "log": LogParams,
    "slack.request_approval": SendParams,
    "slack.post": SendParams,
    "signoff.start": StartParams,
}


def flow(*steps: Step, name: str = "a", **rest: Any) -> Flow:
    return Flow.model_validate({"flow": name, "inputs": INPUTS, "steps": list(steps), **rest})


def found(*steps: Step, others: Iterable[Flow] | None = None, connections: Any = None, **rest: Any) -> list[Finding]:
    return check(flow(*steps, **rest), actions=ACTIONS, others=others, connections=connections)


def told(*steps: Step, **rest: Any) -> list[str]:
    """Errors as ``place: sentence (hint)``."""
    return [line(finding) for finding in found(*steps, **rest) if finding.severity == "error"]


def warned(*steps: Step, **rest: Any) -> list[str]:
    return [line(finding) for finding in found(*steps, **rest) if finding.severity == "warning"]


def line(finding: Finding) -> str:
    place = ".".join(map(str, finding.loc))
    return f"{place}: {finding.message}" + (f" ({finding.hint})" if finding.hint else "")


def log(text: str = "x", name: str = "log") -> Step:
    return {"id": name, "uses": "log", "with": {"text": text}}


def ask(name: str = "ask", *form: str, **rest: Any) -> Step:
    """An approval, with a form of texts."""
    fields = [{"name": each, "type": "string"} for each in form]
    return {"id": name, "approval": {"approvers": ["@leads"], "form": fields, **rest}}
