"""Sending over real sockets, to a stand-in on loopback that can fail in every way that matters."""

import asyncio
import base64
import json
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import ValidationError

from flows.errors import ActionError, ConfigError
from flows.ports import ActionCall
from integrations.gmail.action import GmailSend, GmailSendParams
from integrations.gmail.credentials import COMPOSE, SEND, load
from integrations.gmail.send import GmailMailer
from integrations.gmail.transport import GmailTransport
from integrations.mail.mailer import Sent
from integrations.mail.messages import Mail

SENDER = "Signoff <bot@example.com>"
MAIL = Mail(to=("ann@example.com",), subject="Please decide", text="Hello")
INSUFFICIENT = {
    "error": {
        "code": 403,
        "message": "Request had insufficient authentication scopes.",
        "errors": [{"domain": "global", "reason": "insufficientPermissions", "message": "Insufficient Permission"}],
        "status": "PERMISSION_DENIED",
    }
}


class Gmail:
    """Gmail's sending calls and Google's token endpoint. ``faults`` holds what each next call of a path does instead.

    A fault is (status, body, headers), or one of: "drop before", "drop after", "cut" (the body), "stall".
    """

    def __init__(self) -> None:
        self.url = ""
        self.posts: list[str] = []
        self.sent: list[str] = []
        self.drafts: dict[str, str] = {}
        self.tokens: dict[str, frozenset[str]] = {"fixed": frozenset({SEND, COMPOSE})}
        self.allowed = frozenset({SEND, COMPOSE})
        self.grants: list[Mapping[str, str]] = []
        self.token_answers: list[tuple[int, Any]] = []
        self.faults: dict[str, list[Any]] = {}

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/token":
            return await self._token(request)
        path = request.path.removeprefix("/gmail/v1/users/me/")
        self.posts.append(path)
        body = await request.json()
        fault = self.faults[path].pop(0) if self.faults.get(path) else None
        if isinstance(fault, tuple):
            status, payload, headers = fault
            return web.json_response(payload, status=status, headers=headers)
        if fault == "drop before":
            return self._drop(request)
        answer = self._answer(request, path, body)
        if fault == "drop after":
            return self._drop(request)
        if fault == "stall":
            await asyncio.Event().wait()  # only the client's patience, and the server's shutdown, end this
        if fault == "cut":
            cut = web.StreamResponse(headers={"Content-Length": "1000", "Content-Type": "application/json"})
            await cut.prepare(request)
            await cut.write(b'{"id": "')
            return self._drop(request)
        return answer

    def _drop(self, request: web.BaseRequest) -> web.Response:
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    def _answer(self, request: web.BaseRequest, path: str, body: dict[str, Any]) -> web.Response:
        scopes = self.tokens.get(request.headers["Authorization"].removeprefix("Bearer "))
        if scopes is None:
            return web.json_response({"error": {"code": 401, "status": "UNAUTHENTICATED"}}, status=401)
        if path.startswith("drafts") and COMPOSE not in scopes:
            return web.json_response(INSUFFICIENT, status=403)
        if path == "messages/send":
            return self._send(body["raw"])
        if path == "drafts":
            draft = f"r{len(self.drafts) + 1}"
            self.drafts[draft] = body["message"]["raw"]
            return web.json_response({"id": draft, "message": {"id": "d", "threadId": "d"}})
        assert path == "drafts/send"
        raw = self.drafts.pop(body["id"], None)
        if raw is None:
            error = {"code": 404, "errors": [{"reason": "notFound"}], "status": "NOT_FOUND"}
            return web.json_response({"error": error}, status=404)
        return self._send(raw)

    def _send(self, raw: str) -> web.Response:
        self.sent.append(raw)
        number = len(self.sent)
        return web.json_response({"id": f"m{number}", "threadId": f"t{number}", "labelIds": ["SENT"]})

    async def _token(self, request: web.BaseRequest) -> web.Response:
        form = {name: values[0] for name, values in parse_qs(await request.text()).items()}
        self.grants.append(form)
        if self.token_answers:
            status, payload = self.token_answers.pop(0)
            return web.json_response(payload, status=status)
        scopes = self.allowed
        if "assertion" in form:
            scopes = frozenset(claims(form["assertion"])["scope"].split())
            if not scopes <= self.allowed:
                return web.json_response({"error": "unauthorized_client"}, status=401)
        token = f"token-{len(self.grants)}"
        self.tokens[token] = scopes
        return web.json_response({"access_token": token, "expires_in": 3600, "token_type": "Bearer"})


def claims(assertion: str) -> dict[str, Any]:
    part = assertion.split(".")[1]
    decoded: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return decoded


@pytest.fixture
async def gmail() -> AsyncIterator[Gmail]:
    stand_in = Gmail()
    runner = web.ServerRunner(web.Server(stand_in.handle), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    stand_in.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield stand_in
    await runner.cleanup()


class Memo:
    """What an outbox keeps for one effect."""

    def __init__(self) -> None:
        self.history: list[Mapping[str, Any]] = [{}]

    @property
    def now(self) -> Mapping[str, Any]:
        return self.history[-1]

    async def remember(self, memo: Mapping[str, Any]) -> None:
        self.history.append(dict(memo))


@asynccontextmanager
async def mailing(gmail: Gmail, *, patience: float = 5, **access: Any) -> AsyncIterator[GmailMailer]:
    credentials = load(sender="bot@example.com", token_uri=f"{gmail.url}/token", **(access or {"token": "fixed"}))
    mailer = GmailMailer(GmailTransport(credentials, api_url=gmail.url, timeout=patience), sender=SENDER)
    try:
        yield mailer
    finally:
        await mailer.close()


async def failing(mailer: GmailMailer, memo: Memo) -> ActionError:
    with pytest.raises(ActionError) as caught:
        await mailer.send(MAIL, memo=memo.now, remember=memo.remember)
    return caught.value


async def sending(mailer: GmailMailer, memo: Memo) -> Sent:
    return await mailer.send(MAIL, memo=memo.now, remember=memo.remember)


@pytest.fixture
def memo() -> Memo:
    return Memo()


@pytest.fixture
def send_only(gmail: Gmail) -> Gmail:
    gmail.tokens["fixed"] = gmail.allowed = frozenset({SEND})
    return gmail


@pytest.fixture(scope="module")
def private_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


@pytest.fixture
def service_account(tmp_path: Path, private_key: str) -> Path:
    file = tmp_path / "service.json"
    info = {
        "type": "service_account",
        "client_email": "signoff@project.iam.example",
        "client_id": "1234",
        "private_key_id": "k1",
        "private_key": private_key,
        "token_uri": "https://oauth2.googleapis.com/token",
    }
    file.write_text(json.dumps(info))
    return file


def authorized_user(folder: Path, **changes: Any) -> Path:
    file = folder / "user.json"
    info = {
        "type": "authorized_user",
        "client_id": "c1",
        "client_secret": "hunter2",
        "refresh_token": "r3fresh",
        "token": "stale",
        "expiry": "2020-01-01T00:00:00Z",
    }
    file.write_text(json.dumps({name: value for name, value in (info | changes).items() if value is not None}))
    return file


async def test_a_mail_goes_out_as_a_draft_whose_id_is_stored_before_it_is_sent(gmail: Gmail, memo: Memo) -> None:
    async with mailing(gmail) as mailer:
        sent = await sending(mailer, memo)

    assert sent == Sent(id="m1", thread_id="t1")
    assert gmail.posts == ["drafts", "drafts/send"]
    assert memo.history == [{}, {"draft": "r1"}]
    message = message_from_bytes(base64.urlsafe_b64decode(gmail.sent[0]), policy=policy.default)
    assert (message["To"], message["Subject"]) == ("ann@example.com", "Please decide")


async def test_R10_with_drafts_a_dropped_answer_ends_in_exactly_one_mail(gmail: Gmail, memo: Memo) -> None:
    gmail.faults = {"drafts/send": ["drop after"]}
    async with mailing(gmail) as mailer:
        error = await failing(mailer, memo)
        sent = await sending(mailer, memo)

    assert (error.retryable, error.uncertain) == (True, True)
    assert sent == Sent(id=None, thread_id=None)
    assert gmail.posts == ["drafts", "drafts/send", "drafts/send"]
    assert len(gmail.sent) == 1


async def test_R10_with_drafts_a_connection_dropped_before_sending_ends_in_exactly_one_mail(
    gmail: Gmail, memo: Memo
) -> None:
    gmail.faults = {"drafts/send": ["drop before"]}
    async with mailing(gmail) as mailer:
        await failing(mailer, memo)
        sent = await sending(mailer, memo)

    assert sent == Sent(id="m1", thread_id="t1")
    assert len(gmail.sent) == 1


@pytest.mark.parametrize("fault", ["drop before", "drop after", "cut", (503, {}, {})])
async def test_a_draft_that_nobody_answered_for_is_made_again_and_no_mail_is_sent(
    gmail: Gmail, memo: Memo, fault: Any
) -> None:
    gmail.faults = {"drafts": [fault]}
    async with mailing(gmail) as mailer:
        error = await failing(mailer, memo)
        await sending(mailer, memo)

    assert (error.retryable, error.uncertain) == (True, False)
    assert gmail.posts == ["drafts", "drafts", "drafts/send"]
    assert len(gmail.sent) == 1


async def test_a_draft_that_vanishes_before_it_was_ever_sent_does_not_count_as_sent(gmail: Gmail, memo: Memo) -> None:
    gmail.faults = {"drafts/send": [(404, {}, {})]}
    async with mailing(gmail) as mailer:
        error = await failing(mailer, memo)
        sent = await sending(mailer, memo)

    assert (error.retryable, error.uncertain) == (True, False)
    assert sent.id == "m1"


@pytest.mark.parametrize("fault", ["drop before", "drop after", "stall"])
async def test_R10_with_send_alone_a_lost_answer_is_unknown_and_never_repeated(
    send_only: Gmail, memo: Memo, fault: str
) -> None:
    send_only.faults = {"messages/send": [fault]}
    async with mailing(send_only, patience=0.3) as mailer:
        error = await failing(mailer, memo)

    assert (error.retryable, error.uncertain) == (False, True)
    assert send_only.posts == ["drafts", "messages/send"]


async def test_R10_with_send_alone_a_process_that_died_while_sending_leaves_it_unknown_until_someone_resends(
    send_only: Gmail, memo: Memo
) -> None:
    await memo.remember({"sending": True})
    async with mailing(send_only) as mailer:
        error = await failing(mailer, memo)
        posts = list(send_only.posts)
        resent = await sending(mailer, memo)

    assert (error.retryable, error.uncertain, posts) == (False, True, [])
    assert resent == Sent(id="m1", thread_id="t1")


async def test_with_send_alone_the_attempt_is_stored_before_and_forgotten_after_a_clear_answer(
    send_only: Gmail, memo: Memo
) -> None:
    send_only.faults = {"messages/send": [(429, {}, {"Retry-After": "7"})]}
    async with mailing(send_only) as mailer:
        error = await failing(mailer, memo)
        await sending(mailer, memo)

    assert (error.retryable, error.uncertain, error.retry_after) == (True, False, timedelta(seconds=7))
    assert memo.history == [{}, {"sending": True}, {}, {"sending": True}]


async def test_drafts_are_tried_once_per_process_where_the_scope_is_missing(send_only: Gmail, memo: Memo) -> None:
    async with mailing(send_only) as mailer:
        before = mailer.can_draft
        await sending(mailer, memo)
        await sending(mailer, Memo())
        after = mailer.can_draft

    assert (before, after) == (None, False)
    assert send_only.posts == ["drafts", "messages/send", "messages/send"]


async def test_a_success_whose_body_breaks_off_is_a_success(send_only: Gmail, memo: Memo) -> None:
    send_only.faults = {"messages/send": ["cut"]}
    async with mailing(send_only) as mailer:
        sent = await sending(mailer, memo)

    assert sent == Sent(id=None, thread_id=None)
    assert len(send_only.sent) == 1


@pytest.mark.parametrize(
    ("status", "reason", "retryable", "uncertain"),
    [
        (400, "badRequest", False, False),
        (400, "failedPrecondition", False, False),
        (403, "rateLimitExceeded", True, False),
        (403, "userRateLimitExceeded", True, False),
        (403, "dailyLimitExceeded", True, False),
        (403, "domainPolicy", False, False),
        (429, "rateLimitExceeded", True, False),
        (500, "backendError", False, True),
        (502, "", False, True),
        (503, "backendError", False, True),
        (504, "", False, True),
        (302, "", False, False),
    ],
)
async def test_the_code_says_whether_a_mail_may_be_sent_again(
    send_only: Gmail, memo: Memo, status: int, reason: str, retryable: bool, uncertain: bool
) -> None:
    payload = {"error": {"errors": [{"reason": reason}]}} if reason else {}
    send_only.faults = {"messages/send": [(status, payload, {"Location": "/elsewhere"})]}
    async with mailing(send_only) as mailer:
        error = await failing(mailer, memo)

    assert (error.retryable, error.uncertain) == (retryable, uncertain)
    assert send_only.posts == ["drafts", "messages/send"]


async def test_the_newer_form_of_rate_errors_is_understood(send_only: Gmail, memo: Memo) -> None:
    details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "RATE_LIMIT_EXCEEDED"}]
    send_only.faults = {"messages/send": [(403, {"error": {"status": "X", "details": details}}, {})]}
    async with mailing(send_only) as mailer:
        error = await failing(mailer, memo)

    assert error.retryable


async def test_a_server_that_cannot_be_reached_is_worth_another_try(gmail: Gmail, memo: Memo) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        gmail.url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        async with mailing(gmail) as mailer:
            error = await failing(mailer, memo)

    assert (error.retryable, error.uncertain) == (True, False)


async def test_a_fixed_token_that_gmail_refuses_fails_for_good_after_one_post(gmail: Gmail, memo: Memo) -> None:
    async with mailing(gmail, token="s3cret") as mailer:
        error = await failing(mailer, memo)

    assert (error.retryable, gmail.posts) == (False, ["drafts"])
    assert "s3cret" not in str(error)


async def test_a_token_that_was_revoked_early_is_replaced_at_once(gmail: Gmail, memo: Memo, tmp_path: Path) -> None:
    async with mailing(gmail, file=authorized_user(tmp_path, scopes=[SEND])) as mailer:
        await sending(mailer, Memo())
        gmail.tokens.clear()
        sent, other = await asyncio.gather(sending(mailer, memo), sending(mailer, Memo()))

    assert {sent.id, other.id} == {"m2", "m3"}
    assert len(gmail.grants) == 2
    assert gmail.posts.count("messages/send") == 5


@pytest.mark.parametrize("fault", ["drop after", "unauthorised"])
async def test_with_the_new_token_a_mail_is_tried_once(gmail: Gmail, memo: Memo, tmp_path: Path, fault: str) -> None:
    async with mailing(gmail, file=authorized_user(tmp_path, scopes=[SEND])) as mailer:
        await sending(mailer, Memo())
        gmail.tokens.clear()
        again = (401, {}, {}) if fault == "unauthorised" else fault
        gmail.faults["messages/send"] = [(401, {}, {}), again]
        error = await failing(mailer, memo)

    assert error.uncertain == (fault == "drop after")
    assert not error.retryable or error.uncertain
    assert gmail.posts.count("messages/send") == 3


async def test_a_token_that_never_worked_fails_for_good(gmail: Gmail, memo: Memo, tmp_path: Path) -> None:
    gmail.token_answers = [(200, {"access_token": "unknown", "expires_in": 3600})]
    async with mailing(gmail, file=authorized_user(tmp_path)) as mailer:
        error = await failing(mailer, memo)
        sent = await sending(mailer, memo)

    assert (error.retryable, error.uncertain) == (False, False)
    assert (sent.id, len(gmail.grants)) == ("m1", 2)


async def test_a_service_account_acts_as_the_sender_and_drafts_where_it_may(
    gmail: Gmail, memo: Memo, service_account: Path
) -> None:
    async with mailing(gmail, file=service_account) as mailer:
        problems = await mailer.check()
        await sending(mailer, memo)

    claimed = claims(gmail.grants[0]["assertion"])
    assert problems == []
    assert (claimed["sub"], claimed["scope"]) == ("bot@example.com", f"{SEND} {COMPOSE}")
    assert gmail.posts == ["drafts", "drafts/send"]


async def test_a_service_account_that_may_only_send_asks_for_that_alone(
    send_only: Gmail, memo: Memo, service_account: Path
) -> None:
    async with mailing(send_only, file=service_account) as mailer:
        problems = await mailer.check()
        await sending(mailer, memo)
        can_draft = mailer.can_draft

    assert (problems, can_draft) == ([], False)
    assert send_only.posts == ["messages/send"]


async def test_a_service_account_without_delegation_is_told_what_to_ask_for(
    gmail: Gmail, service_account: Path
) -> None:
    gmail.allowed = frozenset()
    async with mailing(gmail, file=service_account) as mailer:
        problems = await mailer.check()

    (problem,) = problems
    assert problem.startswith("Gmail: Google refused the credentials (unauthorized_client): an administrator")
    assert problem.endswith(f"has to allow the client 1234 the scope {SEND}.")


async def test_an_authorized_user_renews_the_token_once_for_all_who_wait(gmail: Gmail, tmp_path: Path) -> None:
    async with mailing(gmail, file=authorized_user(tmp_path)) as mailer:
        await asyncio.gather(*(sending(mailer, Memo()) for _ in range(5)))

    assert len(gmail.sent) == 5
    assert [grant["refresh_token"] for grant in gmail.grants] == ["r3fresh"]


async def test_an_authorized_user_whose_file_lists_only_send_never_tries_drafts(
    gmail: Gmail, memo: Memo, tmp_path: Path
) -> None:
    async with mailing(gmail, file=authorized_user(tmp_path, scopes=[SEND])) as mailer:
        await sending(mailer, memo)

    assert gmail.posts == ["messages/send"]


async def test_an_expired_consent_fails_for_good_with_a_hint(gmail: Gmail, memo: Memo, tmp_path: Path) -> None:
    refused = (400, {"error": "invalid_grant", "error_description": "Token has been expired or revoked. s3cret"})
    gmail.token_answers = [refused, refused]
    async with mailing(gmail, file=authorized_user(tmp_path)) as mailer:
        problems = await mailer.check()
        error = await failing(mailer, memo)

    assert not error.retryable
    assert "go through Google's consent again" in problems[0]
    assert "s3cret" not in problems[0] + str(error)
    assert gmail.posts == []


async def test_a_token_endpoint_that_is_down_is_worth_another_try(gmail: Gmail, memo: Memo, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        down = f"http://127.0.0.1:{taken.getsockname()[1]}/token"
        credentials = load(sender="bot@example.com", token_uri=down, file=authorized_user(tmp_path))
        mailer = GmailMailer(GmailTransport(credentials, api_url=gmail.url), sender=SENDER)
        error = await failing(mailer, memo)
        await mailer.close()

    assert (error.retryable, error.uncertain, memo.history) == (True, False, [{}])


async def test_the_action_returns_gmails_ids(gmail: Gmail, memo: Memo) -> None:
    params = GmailSendParams(
        to="Ann <ann@example.com>, bob@example.com",
        cc=["cat@example.com"],
        subject="Hi",
        text="Hello",
        html="<p>Hello</p>",
        reply_to="dan@example.com",
    )
    async with mailing(gmail) as mailer:
        output = await GmailSend(mailer).perform(ActionCall(key="k", remember=memo.remember), params)

    assert output == {"id": "m1", "thread_id": "t1"}
    assert memo.now == {"draft": "r1"}
    message = message_from_bytes(base64.urlsafe_b64decode(gmail.sent[0]), policy=policy.default)
    assert message["To"] == "ann@example.com, bob@example.com"
    assert (message["Cc"], message["Reply-To"]) == ("cat@example.com", "dan@example.com")


@pytest.mark.parametrize(
    "changes",
    [
        {"to": "s3cret"},
        {"to": []},
        {"to": "ann@example.com\nBcc: s3cret@example.com"},
        {"reply_to": "a@example.com, s3cret@example.com"},
        {"bcc": "s3cret@example.com"},
    ],
)
def test_bad_parameters_are_refused_without_repeating_them(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        GmailSendParams.model_validate({"to": "ann@example.com", "subject": "Hi", "text": "Hello"} | changes)

    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("{", "is not JSON"),
        ("[]", "is neither of type"),
        ('{"installed": {"client_secret": "hunter2"}}', "is an OAuth client, not a permission"),
        ('{"type": "authorized_user", "client_id": "c"}', "lacks client_secret, refresh_token"),
        ('{"type": "service_account", "client_email": "a"}', "lacks private_key, token_uri"),
        (
            '{"type": "service_account", "client_email": "a", "private_key": "hunter2", "token_uri": "u"}',
            "private_key in",
        ),
        (
            '{"type": "authorized_user", "client_id": "c", "client_secret": "hunter2", "refresh_token": "r", "scopes": ["x"]}',
            "without the scope",
        ),
    ],
)
def test_a_file_of_the_wrong_kind_is_an_error_of_the_settings(tmp_path: Path, content: str, sentence: str) -> None:
    file = tmp_path / "credentials.json"
    file.write_text(content)

    with pytest.raises(ConfigError, match=sentence) as caught:
        load(file=file, sender="bot@example.com")

    assert "hunter2" not in str(caught.value)


def test_missing_settings_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="GMAIL_CREDENTIALS is missing"):
        load(sender="bot@example.com")
    with pytest.raises(ConfigError, match="cannot be read"):
        load(file=tmp_path / "nowhere.json", sender="bot@example.com")


async def test_a_sender_that_is_no_address_is_an_error_of_the_settings(gmail: Gmail) -> None:
    transport = GmailTransport(load(token="fixed", sender="nobody"), api_url=gmail.url)

    with pytest.raises(ConfigError, match="GMAIL_SENDER is no mail address"):
        GmailMailer(transport, sender="nobody")

    await transport.close()


async def test_S9_no_repr_shows_a_secret(tmp_path: Path, service_account: Path, private_key: str) -> None:
    private = private_key.splitlines()[1]
    shown = ""
    for access in ({"token": "hunter2"}, {"file": authorized_user(tmp_path)}, {"file": service_account}):
        credentials = load(sender="bot@example.com", **access)
        shown += repr([credentials, credentials._grants, vars(credentials)])
        await credentials.close()

    assert not any(secret in shown for secret in ("hunter2", "r3fresh", private))
