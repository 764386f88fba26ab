"""What callers of the API send, read into models; what is wrong with it is said in sentences, every bad value at once."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, TypeVar

from aiohttp import web
from pydantic import ValidationError
from pydantic_core import from_json

from bot.web import models
from bot.web.errors import BadRequest
from flows.errors import InvalidForm
from flows.findings import Finding, did_you_mean
from flows.mistakes import mistakes

Sent = TypeVar("Sent", bound=models.Request)

MAX_PROBLEMS = 20
"""Unknown keys of a body of which one answer says what is wrong; nobody mends more at a time, and a body may have 70,000."""

_SHOWN_NAME = 100  # characters of a key, which is the caller's to choose
_HINTS = ("did you mean", "one of")
"""How hints begin that are not about writing YAML."""


async def read(request: web.Request, model: type[Sent]) -> Sent:
    """The body as what it has to be; nothing stands for an empty object. Raises ``BadRequest``, ``InvalidForm``."""
    body = await request.read()
    try:
        document = from_json(body, allow_inf_nan=False) if body.strip() else {}
    except ValueError as error:
        raise BadRequest(f"The body is not JSON: {error}.") from None
    return checked(model, document)


def queried(request: web.Request, model: type[Sent]) -> Sent:
    """The query as what it has to be; what it has besides is not ours to judge. Raises ``InvalidForm``."""
    return checked(model, {key: value for key, value in request.query.items() if key in model.model_fields})


def checked(model: type[Sent], document: object) -> Sent:
    """The document as a model. Raises ``InvalidForm`` with every key that is bad."""
    if isinstance(document, Mapping):
        document = _bounded(model, document)
    try:
        return model.model_validate(document)
    except ValidationError as error:
        problems: dict[str, str] = {}
        for finding in mistakes(error, document, _schema(model)):
            problems.setdefault(_where(finding), _sentence(finding, model, document))
        raise InvalidForm(problems) from None


def _bounded(model: type[Sent], document: Mapping[str, Any]) -> dict[str, Any]:
    """The document with so many unknown keys, and so much of each, as an answer speaks of."""
    known = {key: value for key, value in document.items() if key in model.model_fields}
    unknown = [key for key in document if key not in known][:MAX_PROBLEMS]
    return known | {key[:_SHOWN_NAME]: None for key in unknown}


def _where(finding: Finding) -> str:
    return ".".join(str(part) for part in finding.loc) or "body"


def _sentence(finding: Finding, model: type[Sent], document: object) -> str:
    if finding.about == "key":
        key = str(finding.loc[-1])
        if not isinstance(document, Mapping) or key not in document:
            return "is missing."
        meant = did_you_mean(key, model.model_fields, within="what is known:") or "leave it out"
        return f"is not known here; {meant}" + ("" if meant.endswith("?") else ".")
    hint = f" ({finding.hint})" if finding.hint and finding.hint.startswith(_HINTS) else ""
    return f"{finding.message}{hint}."


@cache
def _schema(model: type[models.Request]) -> dict[str, Any]:
    return model.model_json_schema()
