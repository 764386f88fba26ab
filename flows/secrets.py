"""Secret values on their way to an action: opened for ``with``, and masked in whatever comes back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from flows.context import Brief, Known
from flows.engine import SECRET
from flows.errors import ActionError, UnknownAction
from flows.forms import MASK
from flows.ports import Json
from flows.vault import Vault


def unseal(brief: Brief, vault: Vault) -> dict[str, str]:
    """The secret inputs of the brief's run, by name, in clear. Raises ``UnknownAction`` where no key opens one."""
    references = [name for name, value in brief.known.run.inputs.items() if value == {SECRET: name}]
    try:
        return {name: vault.unseal(brief.secrets[name], about=name) for name in references}
    except (KeyError, ValueError) as error:
        # Time does not help, and the step has not failed: an operator has to bring the key back.
        raise UnknownAction(str(error)) from error


def in_clear(known: Known, hidden: Mapping[str, str]) -> Known:
    """``known`` with the secrets in place of their references: for rendering ``with``, and for nothing else."""
    inputs = {name: hidden.get(name, value) for name, value in known.run.inputs.items()}
    return replace(known, run=replace(known.run, inputs=inputs)) if hidden else known


def masked(value: Any, hidden: Iterable[str]) -> Json:
    """The value without the secrets that it may quote."""
    # The longest first: one secret may be a part of another.
    return _masked(value, sorted(filter(None, hidden), key=len, reverse=True))


def masked_error(error: ActionError, hidden: Iterable[str]) -> ActionError:
    """The same failure, told without secrets."""
    return ActionError(
        masked(str(error), hidden),
        retryable=error.retryable,
        retry_after=error.retry_after,
        uncertain=error.uncertain,
    )


def _masked(value: Any, hidden: list[str]) -> Json:
    if not hidden:
        return value
    if isinstance(value, str):
        for secret in hidden:
            value = value.replace(secret, MASK)
        return value
    if isinstance(value, dict):
        return {_masked(key, hidden): _masked(each, hidden) for key, each in value.items()}
    return [_masked(each, hidden) for each in value] if isinstance(value, list | tuple) else value
