"""Performs the actions of steps: renders ``with``, opens the secrets, calls the action, masks what comes back."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from pydantic import BaseModel, ValidationError
from pydantic_core import to_json

from flows.context import Brief, context
from flows.definition import Step
from flows.errors import ActionError, UnknownAction
from flows.expressions import Escape, ExpressionError
from flows.functions import Functions
from flows.ids import Ids
from flows.people import Person
from flows.ports import Action, ActionCall, Json
from flows.secrets import in_clear, masked, masked_error, unseal
from flows.strict_json import not_json
from flows.vault import Vault
from integrations.gmail.action import GmailSendParams
from integrations.http.log import LogParams
from integrations.http.request import HttpRequestParams
from integrations.slack.actions import PostMessageParams, SendDirectMessageParams
from integrations.slack.text import escape as escape_slack

_TOLD = ("log", "slack.", "gmail.")
"""Actions whose parameters somebody reads."""

MAX_OUTPUT = 1 << 20
"""Bytes of JSON that one step may hand on; it is read again by each step that names it."""


def builtin_actions() -> Mapping[str, type[BaseModel]]:
    """The actions that a flow may use, with the model of their ``with``: what ``signoff check`` knows."""
    return {
        "http.request": HttpRequestParams,
        "log": LogParams,
        "gmail.send": GmailSendParams,
        "slack.post_message": PostMessageParams,
        "slack.send_direct_message": SendDirectMessageParams,
    }


class Performers:
    """``flows.runner.Performer`` over the actions that this installation has set up."""

    def __init__(self, actions: Iterable[Action], functions: Functions, vault: Vault, ids: Ids) -> None:
        self._actions = {action.name: action for action in actions}
        self._functions = functions
        self._vault = vault
        self._ids = ids
        self.folders: Mapping[str, Path] = {}
        """Where the flow file of each flow stands; set when flows are loaded."""

    async def perform(self, brief: Brief, call: ActionCall) -> Json:
        step = brief.step.step
        hidden = unseal(brief, self._vault)
        try:
            async with asyncio.timeout(step.timeout.total_seconds() if step.timeout and step.uses else None):
                output = await self._perform(brief, step, hidden, call)
        except TimeoutError as error:
            raise ActionError(f"no answer within {step.timeout}", retryable=True, uncertain=True) from error
        except ActionError as error:
            raise masked_error(error, hidden.values()) from None
        # Before anything walks through it, and before it is stored: what no parser takes could never be read again.
        if (problem := not_json(output, "the output")) is not None:
            told = ActionError(f"{step.uses or step.run} gave what is not JSON: {problem}")
            raise masked_error(told, hidden.values())
        output = masked(output, hidden.values())
        if len(to_json(output)) > MAX_OUTPUT:
            raise ActionError(f"the output is larger than {MAX_OUTPUT // 1024} KiB of JSON")
        return output

    async def _perform(self, brief: Brief, step: Step, hidden: Mapping[str, str], call: ActionCall) -> Json:
        says, escape = _mrkdwn() if (step.uses or "").startswith("slack.") else (None, None)
        known = in_clear(brief, hidden)
        values = context(brief.step, known, self._ids, says=says) if says else context(brief.step, known, self._ids)
        try:
            params = brief.step.params.render(values, escape=escape)
        except ExpressionError as error:
            where = ".".join(map(str, error.where))
            raise ActionError(f"with.{where}: {error}" if where else f"with: {error}") from None
        if (step.uses or "").startswith(_TOLD):
            # What people or logs will read never holds a secret, whatever the flow says.
            params = masked(params, hidden.values())
        if step.uses is None:
            assert isinstance(step.run, str)  # a step with an action has one of the two
            folder = self.folders.get(brief.plan.flow.flow, Path())
            told = {**values, "key": call.key, "attempt": call.attempt}
            return await self._functions.call(step.run, folder, params, told, timeout=step.timeout)
        action = self._actions.get(step.uses)
        if action is None:
            raise UnknownAction(_missing(step.uses))
        try:
            checked = action.params.model_validate(params)
        except ValidationError as error:
            raise ActionError(f"with: {_problems(error)}") from None
        return await action.perform(call, checked)


def _mrkdwn() -> tuple[Callable[[Person], str], Escape]:
    """How persons and texts go into Slack: persons as mentions, everything else inert.

    A person prints as a mark that only this rendering knows, so that it survives ``join`` and the escaping; no
    text that somebody typed can contain it.
    """
    mark = f"\ue000{secrets.token_hex(8)}:"

    def says(person: Person) -> str:
        return f"{mark}{person.slack.rpartition('/')[2]}\ue001" if person.slack else person.name

    def escape(text: str) -> str:
        head, *rest = text.split(mark)
        parts = [escape_slack(head)]
        for part in rest:
            user, _, after = part.partition("\ue001")
            parts.append(f"<@{user}>{escape_slack(after)}")
        return "".join(parts)

    return says, escape


def _missing(name: str) -> str:
    if name not in builtin_actions():
        return f"there is no action {name!r} in this version of Signoff"
    owner = name.partition(".")[0].capitalize()
    return f"{name} needs {owner}, which is not set up; set it up and retry"


def _problems(error: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(map(str, problem['loc'])) or 'it'}: {problem['msg']}"
        for problem in error.errors(include_input=False)
    )
