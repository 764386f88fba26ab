"""The arguments of one call of the Web API, however they came, and the refusal of what does not fit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from json import JSONDecodeError

from aiohttp import web

from flows.ports import Json
from integrations.sandbox.copies import copied


class SlackRefusal(Exception):
    """Slack says no: ``code`` and whatever goes with it in the answer."""

    def __init__(self, code: str, **extra: Json) -> None:
        self.code = code
        self.extra = extra
        super().__init__(code)


def invalid_arguments(*messages: str) -> SlackRefusal:
    """The refusal of arguments that are missing or of the wrong sort."""
    return SlackRefusal("invalid_arguments", response_metadata={"messages": [f"[ERROR] {each}" for each in messages]})


class Arguments:
    """What a call was given. Forms carry everything as text, and arrays and objects as JSON text; so does JSON at times."""

    def __init__(self, given: Mapping[str, Json]) -> None:
        self._given = given

    @property
    def given(self) -> Mapping[str, Json]:
        """All of them, as they came."""
        return self._given

    def has(self, name: str) -> bool:
        """Whether it was given at all."""
        return self._given.get(name) is not None

    def text(self, name: str) -> str | None:
        """A text; numbers are taken as they print."""
        value = self._given.get(name)
        if value is None or isinstance(value, str):
            return value
        if isinstance(value, int | float) and not isinstance(value, bool):
            return str(value)
        raise invalid_arguments(f"must be a string [json-pointer:/{name}]")

    def required(self, name: str) -> str:
        """A text that has to be there."""
        value = self.text(name)
        if not value:
            raise invalid_arguments(f"missing required field: {name}")
        return value

    def flag(self, name: str, default: bool = False) -> bool:
        """A yes or no in any of Slack's spellings."""
        value = self._given.get(name)
        return default if value is None else value in (True, 1, "1", "true", "True")

    def number(self, name: str, default: int, maximum: int) -> int:
        """A whole number from 1 on; more than ``maximum`` counts as ``maximum``."""
        value = self.text(name)
        if value is None:
            return default
        if not value.isdecimal() or int(value) < 1:
            raise SlackRefusal("invalid_limit")
        return min(int(value), maximum)

    def structure(self, name: str, refusal: str) -> Json:
        """An array or an object, as it is or as JSON text; None if it was not given."""
        value = self._given.get(name)
        if isinstance(value, str):
            if not value:
                return None
            try:
                return json.loads(value)
            except JSONDecodeError:
                raise SlackRefusal(refusal) from None
        return copied(value)


async def arguments_of(request: web.Request) -> dict[str, Json]:
    """Everything that a request gives: query, and form or JSON body. Raises ``JSONDecodeError``."""
    given: dict[str, Json] = dict(request.query)
    if request.content_type == "application/json":
        raw = await request.read()
        body = json.loads(raw) if raw else {}
        if not isinstance(body, dict):
            raise JSONDecodeError("not an object", raw.decode(), 0)
        given |= body
    elif request.method == "POST":
        given |= dict(await request.post())
    return given


def token_of(request: web.Request, given: Mapping[str, Json]) -> str | None:
    """The token: a bearer header, or an argument."""
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and value:
        return value.strip()
    token = given.get("token")
    return token if isinstance(token, str) else None
