"""What the API answers with: bodies as JSON, errors as problem+json (RFC 9457)."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web
from pydantic import BaseModel

from bot.web import models
from bot.web.errors import FAULT, Answer, answer_to, sentence
from flows.errors import InvalidForm
from flows.run import Close


def reply(body: BaseModel, *, status: int = 200) -> web.Response:
    """A body as JSON."""
    return web.Response(text=body.model_dump_json(), status=status, content_type="application/json")


def page(items: Sequence[str], offset: int | None) -> web.Response:
    """``models.Approvals``, of items that are written out already: their size has been looked at. ``offset`` is that of
    the page, None for the last one."""
    following = "null" if offset is None else str(offset + len(items))
    return web.Response(
        text=f'{{"items":[{",".join(items)}],"next_offset":{following}}}', content_type="application/json"
    )


def problem(error: Exception, *, closed: Close | None = None, approval: models.Approval | None = None) -> web.Response:
    """An error as problem+json; one that the table does not know is a fault of ours."""
    return _problem(problem_body(error, closed=closed, approval=approval), answer_to(error, closed=closed) or FAULT)


def problem_of(answer: Answer, detail: str, *, fields: dict[str, str] | None = None) -> web.Response:
    """An answer of the table as problem+json."""
    return _problem(_body(answer, detail, fields), answer)


def problem_body(
    error: Exception, *, closed: Close | None = None, approval: models.Approval | None = None
) -> models.Problem:
    """What an error is as a problem."""
    answer = answer_to(error, closed=closed)
    if answer is None:
        return _body(FAULT, FAULT.detail or FAULT.title)
    return _body(answer, sentence(answer, error), error.fields if isinstance(error, InvalidForm) else None, approval)


def _body(
    answer: Answer, detail: str, fields: dict[str, str] | None = None, approval: models.Approval | None = None
) -> models.Problem:
    return models.Problem(
        type=answer.type, title=answer.title, status=answer.status, detail=detail, fields=fields, approval=approval
    )


def _problem(body: models.Problem, answer: Answer) -> web.Response:
    unset = {name for name in ("fields", "approval") if getattr(body, name) is None}
    response = web.Response(
        text=body.model_dump_json(exclude=unset), status=answer.status, content_type="application/problem+json"
    )
    if answer.retry_after is not None:
        response.headers["Retry-After"] = str(int(answer.retry_after.total_seconds()))
    if answer.status == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="signoff"'
    return response
