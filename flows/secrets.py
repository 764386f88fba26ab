"""Secret values on their way to an action: opened for ``with``, and masked in whatever comes back."""

from __future__ import annotations

import html
import json
import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from flows.context import Brief, Known
from flows.definition import Flow
from flows.errors import ActionError, NotConnected, NotYet, UnknownAction
from flows.fields import MASK
from flows.plan import bare
from flows.ports import Json
from flows.run import SECRET, Path
from flows.vault import Vault


def unseal(brief: Brief, vault: Vault) -> dict[str, str]:
    """The secrets that the brief's rows refer to, by name, in clear. Raises ``UnknownAction`` where no key opens one."""
    names = [value[SECRET] for row, hidden in _rows(brief) for name, value in row.items() if name in hidden and value]
    try:
        return {name: vault.unseal(brief.secrets[name], about=name) for name in names}
    except (KeyError, ValueError) as error:
        # Time does not help, and the step has not failed: an operator has to bring the key back.
        raise UnknownAction(str(error)) from error


def in_clear(brief: Brief, secrets: Mapping[str, str]) -> Known:
    """What the brief knows, with the secrets in place of their references: for rendering ``with``, and nothing else."""
    known = brief.known
    if not secrets:
        return known
    answers = {
        path: answer.but(
            decisions=tuple(
                decision.but(values=_opened(decision.values, _form_secrets(brief, path), secrets))
                for decision in answer.decisions
            )
        )
        for path, answer in known.answers.items()
    }
    inputs = _opened(known.run.inputs, _input_secrets(brief.plan.flow), secrets)
    steps = {
        path: row.but(context=_opened(row.context, hidden, secrets)) if (hidden := _child_secrets(brief, path)) else row
        for path, row in known.steps.items()
    }
    return replace(known, run=known.run.but(inputs=inputs), answers=answers, steps=steps)


def _rows(brief: Brief) -> Iterator[tuple[Mapping[str, Json], frozenset[str]]]:
    yield brief.known.run.inputs, _input_secrets(brief.plan.flow)
    for path, row in brief.known.steps.items():
        if hidden := _child_secrets(brief, path):
            yield row.context, hidden
    for path, answer in brief.known.answers.items():
        for decision in answer.decisions:
            yield decision.values, _form_secrets(brief, path)


# Only a field that is declared secret holds a reference: whatever looks like one elsewhere was typed by somebody.


def _input_secrets(flow: Flow) -> frozenset[str]:
    return frozenset(field.name for field in flow.inputs if field.masked)


def _child_secrets(brief: Brief, path: Path) -> frozenset[str]:
    """The inputs of the child flow at ``path`` that are secret; none where no child flow has begun there."""
    scope = brief.plan.scopes.get(bare(path)) if path else None
    begun = brief.known.steps[path].context is not None
    return _input_secrets(scope.flow) if scope is not None and begun else frozenset()


def _form_secrets(brief: Brief, path: Path) -> frozenset[str]:
    wait = brief.plan.at(path).step.wait
    return frozenset(field.name for field in wait.form if field.masked) if wait else frozenset()


def _opened(values: Mapping[str, Json], hidden: frozenset[str], secrets: Mapping[str, str]) -> dict[str, Json]:
    return {name: secrets[value[SECRET]] if name in hidden and value else value for name, value in values.items()}


def masked(value: Any, hidden: Iterable[str]) -> Json:
    """The value without the secrets that it may quote.

    A secret is known in the spellings that it gets on its way: as it is, percent-encoded, in base64 (also where
    that begins before the secret, as in ``Authorization: Basic`` with ``user:secret``), and escaped for JSON or HTML;
    and a number is masked whose digits are the secret.
    """
    spellings = {spelling for secret in hidden for spelling in _spellings(secret)}
    # The longest first: one may be a part of another.
    return _masked(value, sorted(filter(None, spellings), key=len, reverse=True))


def masked_error(error: ActionError, hidden: Iterable[str]) -> ActionError:
    """The same failure, told without secrets. What is no failure of the step stays that."""
    sort = next((one for one in (NotYet, NotConnected) if isinstance(error, one)), ActionError)
    told = sort(
        masked(str(error), hidden),
        retryable=error.retryable,
        retry_after=error.retry_after,
        uncertain=error.uncertain,
    )
    if isinstance(error, NotConnected) and isinstance(told, NotConnected):
        told.account = error.account
    return told


_IN_PATHS = "/!$&'()*+,;=:@~"
"""What a path of an address may hold as it is (RFC 3986, 3.3), besides letters and digits."""

_IN_QUERIES = "/!$'()*,:@~?"
"""What the value of a query may hold as it is, of those with a meaning there: not ``&``, ``=``, ``+`` and ``;``."""

_MIN_BASE64 = 6
"""Letters of base64 that are masked where they are a part of more; fewer would be found in words."""


def _spellings(secret: str) -> Iterator[str]:
    yield secret
    encoded = [quote(secret, safe=safe, errors="replace") for safe in ("", "/", _IN_PATHS, _IN_QUERIES)]
    for text in (*encoded, *(text.replace("%20", "+") for text in encoded)):
        yield text
        yield re.sub("%[0-9A-F]{2}", lambda code: code[0].lower(), text)
    for ascii_only in (True, False):
        escaped = json.dumps(secret, ensure_ascii=ascii_only)[1:-1]
        yield escaped
        yield escaped.replace("/", "\\/")
    yield repr(secret)[1:-1]
    for quotes in (True, False):
        escaped = html.escape(secret, quote=quotes)
        yield escaped
        yield escaped.replace("&#x27;", "&#39;").replace("&quot;", "&#34;")
    yield from _in_base64(secret.encode(errors="replace"))


def _in_base64(secret: bytes) -> Iterator[str]:
    """The letters that stand for the secret alone, after so many other bytes: base64 writes three bytes in four letters."""
    for encode in (b64encode, urlsafe_b64encode):
        yield encode(secret).decode()
        for before in range(3):
            letters = encode(bytes(before) + secret).decode()
            whole = (before + len(secret)) * 8 // 6
            alone = letters[-(-before * 8 // 6) : whole]
            if len(alone) >= _MIN_BASE64:
                yield alone


def _masked(value: Any, hidden: list[str]) -> Json:
    if not hidden:
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return MASK if str(value) in hidden else value
    if isinstance(value, str):
        for secret in hidden:
            value = value.replace(secret, MASK)
        return value
    if isinstance(value, dict):
        return {_masked(key, hidden): _masked(each, hidden) for key, each in value.items()}
    return [_masked(each, hidden) for each in value] if isinstance(value, list | tuple) else value
