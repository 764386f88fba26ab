"""A client of the JSON API, for the commands: each call is one request, as the person of the token.

A request that changes something is sent once. The exception is a start, which carries an Idempotency-Key and so
is sent again until the server has answered. Redirects are not followed: they would take the token along.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from http import HTTPStatus
from types import TracebackType
from typing import Any, Literal, Self, TypeVar
from urllib.parse import quote

import aiohttp
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from yarl import URL

from flows.clock import Clock
from flows.ports import Json

Verdict = Literal["approve", "reject", "resume"]

OUTCOMES = frozenset({"succeeded", "rejected", "expired", "cancelled", "failed"})
"""What a run's ``status`` is once nothing about it changes any more."""

_PAGE = 200  # items of a listing at a time: the most that the API gives
_TIMEOUT = aiohttp.ClientTimeout(total=30, sock_connect=10)
_STARTS = 3  # how often a start is sent before it is given up
_PAUSE = timedelta(milliseconds=300)  # before the second time; three times as long before each further one
_NOT_NOW = frozenset({502, 503, 504})
"""What a proxy answers, or a server that is starting or stopping."""


class ApiError(Exception):
    """The command could not be carried out; ``str()`` is a sentence for the person."""


class Unreachable(ApiError):
    """No answer came. Where something was to be changed, the text says whether that may have happened."""


class Rejected(ApiError):
    """The server answered that it will not. ``fields`` says what is wrong with which value."""

    def __init__(self, status: int, message: str, fields: Mapping[str, str] | None = None) -> None:
        self.status = status
        self.fields = dict(fields or {})
        super().__init__(message)


class Answer(BaseModel):
    """What the server says, as far as the commands read it; ``--json`` passes the rest on too.

    These are not the models that the server is made of (``bot.web.models``): a newer server may say more.
    """

    model_config = ConfigDict(frozen=True, extra="allow", hide_input_in_errors=True)

    def raw(self) -> Json:
        """The answer as it came."""
        return self.model_dump(mode="json", exclude_unset=True)


class Someone(Answer):
    name: str


class DecisionAnswer(Answer):
    person: Someone
    verdict: str
    comment: str | None = None


class FieldAnswer(Answer):
    name: str
    required: bool = True


class SuspensionAnswer(Answer):
    """One wait of a run, in short."""

    id: str
    step: str
    kind: str
    status: str
    ask: str = ""
    due: datetime | None = None
    needed: int = 0
    approvals: int = 0
    decisions: Sequence[DecisionAnswer] = ()


class ApprovalAnswer(SuspensionAnswer):
    """One approval or hold, with everything that people are shown."""

    run: str
    flow: str
    flow_title: str
    step_title: str
    digest: str
    requester: Someone
    inputs: Mapping[str, Json] = {}
    show: Mapping[str, Json] = {}
    form: Sequence[FieldAnswer] = ()


class DecidedAnswer(Answer):
    """``counted`` is false where the same had been said already; ``detail`` says what became of it."""

    counted: bool
    detail: str
    run_status: str


class StepAnswer(Answer):
    path: str
    state: str
    error: str | None = None


class EffectAnswer(Answer):
    """Something that could not be done; only a person can help it once ``parked_at`` is set."""

    id: str
    run: str
    what: str
    step: str | None = None
    error: str = ""
    parked_at: datetime | None = None
    due: datetime | None = None


class EndedAnswer(Answer):
    at: datetime
    reason: str | None = None


class StatusAnswer(Answer):
    """How a run stands: ``status`` is ``running``, ``waiting``, ``paused`` or the outcome.

    All that a token without the scope ``read`` is told of the run that it starts or cancels.
    """

    id: str
    status: str
    ended: EndedAnswer | None = None

    @property
    def over(self) -> bool:
        return self.status in OUTCOMES

    @property
    def reason(self) -> str | None:
        return self.ended.reason if self.ended else None


class RunAnswer(StatusAnswer):
    """One run. ``suspensions`` are the open ones."""

    flow: str
    requester: Someone
    started_at: datetime
    inputs: Mapping[str, Json] = {}
    steps: Sequence[StepAnswer] = ()
    suspensions: Sequence[SuspensionAnswer] = ()
    answered: Sequence[SuspensionAnswer] = ()
    effects: Sequence[EffectAnswer] = ()


class _Page(Answer):
    items: Sequence[Json]
    next_offset: int | None = None


A = TypeVar("A", bound=Answer)


class ApiClient:
    """Open it with ``async with``. ``url`` is the bot's public address. Every call raises ``ApiError``."""

    def __init__(self, url: str, token: str, clock: Clock) -> None:
        self._base = URL(url)
        self._token = token
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            timeout=_TIMEOUT,
            headers={"Authorization": f"Bearer {self._token}", "Accept": "application/json", "User-Agent": "signoff"},
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def start(self, flow: str, inputs: Mapping[str, Json], *, key: str) -> StatusAnswer:
        """Start a run. The same ``key`` starts it once, however often this is called within 24 hours."""
        pause = _PAUSE
        for again in range(_STARTS - 1, -1, -1):
            try:
                return await self._post(
                    StatusAnswer, "flows", flow, "runs", body={"inputs": dict(inputs)}, headers={"Idempotency-Key": key}
                )
            except Unreachable:
                if not again:
                    raise
            except Rejected as error:
                if not again or error.status not in _NOT_NOW:
                    raise
            await self._clock.sleep(pause)
            pause *= 3
        raise AssertionError("the last try returns or raises")

    async def run(self, run: str) -> RunAnswer:
        return await self._get(RunAnswer, "runs", run)

    async def pending(self, *, everyone: bool) -> list[ApprovalAnswer]:
        """What waits for the token's person; or for anybody, as far as they may read it."""
        query = {"status": "pending"} if everyone else {"status": "pending", "approver": "me"}
        return await self._all(ApprovalAnswer, "approvals", query=query)

    async def approval(self, approval: str) -> ApprovalAnswer:
        return await self._get(ApprovalAnswer, "approvals", approval)

    async def decide(
        self,
        shown: ApprovalAnswer,
        verdict: Verdict,
        *,
        comment: str | None = None,
        form: Mapping[str, Json] | None = None,
    ) -> DecidedAnswer:
        """Answer what was ``shown``. Refused where something else is asked by now."""
        body: dict[str, Json] = {"verdict": verdict, "digest": shown.digest, "form": dict(form or {})}
        if comment is not None:
            body["comment"] = comment
        return await self._post(DecidedAnswer, "approvals", shown.id, "decisions", body=body)

    async def cancel(self, run: str, *, reason: str | None = None) -> StatusAnswer:
        return await self._post(StatusAnswer, "runs", run, "cancel", body={"reason": reason} if reason else {})

    async def effects(self) -> list[EffectAnswer]:
        """The parked effects."""
        page = await self._get(_Page, "effects")
        return [_checked(EffectAnswer, item) for item in page.items]

    async def retry(self, effect: str) -> None:
        """Let a parked effect be performed again."""
        await self._send("POST", ("effects", effect, "retry"), body={})

    async def skip(self, effect: str) -> None:
        """Give up on a parked effect."""
        await self._send("POST", ("effects", effect, "skip"), body={})

    # -- one request --------------------------------------------------------------------------------------------

    async def _all(self, model: type[A], *path: str, query: Mapping[str, str]) -> list[A]:
        items: list[A] = []
        offset: int | None = 0
        while offset is not None:
            page = await self._get(_Page, *path, query={**query, "limit": str(_PAGE), "offset": str(offset)})
            items.extend(_checked(model, item) for item in page.items)
            # A server that counts backwards would keep us here for ever.
            offset = page.next_offset if page.next_offset is not None and page.next_offset > offset else None
        return items

    async def _get(self, model: type[A], *path: str, query: Mapping[str, str] | None = None) -> A:
        return _checked(model, await self._send("GET", path, query=query))

    async def _post(
        self, model: type[A], *path: str, body: Mapping[str, Json], headers: Mapping[str, str] | None = None
    ) -> A:
        return _checked(model, await self._send("POST", path, body=body, headers=headers))

    async def _send(
        self,
        method: str,
        path: Sequence[str],
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Json] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Json:
        if self._session is None:
            raise RuntimeError("the client is not open: use `async with`")
        url = self._base.joinpath("/".join(map(_segment, ("api", "v1", *path))), encoded=True).with_query(query)
        try:
            async with self._session.request(
                method, url, json=body, headers=headers, allow_redirects=False
            ) as response:
                status, reason, location = response.status, response.reason, response.headers.get("Location")
                content = await response.read()
        except aiohttp.ClientConnectorCertificateError:
            raise Unreachable(f"{self._base} has no certificate that this machine trusts.") from None
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
            raise Unreachable(
                f"Signoff cannot be reached at {self._base}; is `signoff serve` running, and SIGNOFF_PUBLIC_URL right?"
            ) from None
        except (aiohttp.ClientError, TimeoutError, OSError):
            # A connection was there, so a request may have been carried out before it broke.
            maybe = " It is not known whether that was done; look before you repeat it." if method == "POST" else ""
            raise Unreachable(f"{self._base} did not answer.{maybe}") from None
        if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
            raise Rejected(status, f"{self._base} leads to {location}; set SIGNOFF_PUBLIC_URL to the address itself.")
        try:
            answer = _JSON.validate_json(content or b"null")
        except ValidationError:
            answer = None
            if status < HTTPStatus.BAD_REQUEST:
                raise Rejected(status, f"What answers at {self._base} is not Signoff's API.") from None
        if status >= HTTPStatus.BAD_REQUEST:
            raise _rejected(status, reason, answer if isinstance(answer, dict) else {})
        return answer


_JSON: TypeAdapter[Any] = TypeAdapter(Any)


def _segment(part: str) -> str:
    """One segment of a path, whatever a person has pasted as an id."""
    if not part.strip("."):
        raise ApiError(f"{part!r} is no id.")
    return quote(part, safe="")


def _checked(model: type[A], value: Json) -> A:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"])) or "the answer"
        raise ApiError(
            f"The server's answer cannot be understood ({where}); are it and this command of one version?"
        ) from None


def _rejected(status: int, reason: str | None, problem: Mapping[str, Json]) -> Rejected:
    """What an answer in problem+json (RFC 9457) says, as a sentence."""
    if status == HTTPStatus.UNAUTHORIZED:
        return Rejected(
            status,
            "The token in SIGNOFF_TOKEN is not good: mistyped, expired or revoked. `signoff token create` makes a new one.",
        )
    fields = problem.get("fields")
    if isinstance(fields, Mapping) and fields:
        # The detail of these is the fields once more, in one line.
        title = str(problem.get("title") or "Some values cannot be taken")
        return Rejected(status, f"{title}:", {str(name): str(each) for name, each in fields.items()})
    said = problem.get("detail") or problem.get("title")
    return Rejected(status, str(said) if said else f"The server answered {status} {reason or ''}".rstrip() + ".")
