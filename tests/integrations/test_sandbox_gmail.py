"""The stand-in for Gmail, spoken to by google-api-python-client and google-auth over HTTP."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from email.message import EmailMessage
from typing import Any

import google.auth.aio.transport.sessions
import google.oauth2.credentials
import google.oauth2.service_account
import httplib2
import pytest
from google.api_core.client_options import ClientOptions
from google.auth import exceptions as google_exceptions
from google.auth.transport.requests import Request
from googleapiclient.discovery import build
from googleapiclient.errors import HttpError

from integrations.sandbox import SENDER, Sandbox
from integrations.sandbox.google_accounts import COMPOSE, SEND

Json = Any
# Untyped libraries, named once as what they are to a type checker.
UserCredentials: Any = google.oauth2.credentials.Credentials
ServiceCredentials: Any = google.oauth2.service_account.Credentials
Http: Any = httplib2.Http


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox.with_people() as running:
        yield running


def gmail(sandbox: Sandbox, token: str | None = None) -> Any:
    creds = UserCredentials(token or sandbox.gmail_token)
    options = ClientOptions(api_endpoint=sandbox.gmail_url)
    return build("gmail", "v1", credentials=creds, client_options=options, static_discovery=True)


def mail(**changes: str) -> EmailMessage:
    message = EmailMessage()
    headers = {"To": "Bob <bob@example.com>", "From": f"Signoff <{SENDER}>", "Subject": "Three days off", **changes}
    for name, value in headers.items():
        if value:
            message[name] = value
    message.set_content("Decide at https://signoff.example.com/a/plain.\n")
    message.add_alternative(
        '<p>Décide <a href="https://signoff.example.com/a/tok?x=1&amp;y=2">here</a></p>', subtype="html"
    )
    return message


def body(message: EmailMessage) -> Json:
    return {"raw": base64.urlsafe_b64encode(message.as_bytes()).decode()}


async def run(request: Any) -> Json:
    """Execute in a thread, over a connection that is closed afterwards."""
    http = Http(timeout=10)
    token = request.http.credentials

    def execute() -> Json:
        request.headers["authorization"] = f"Bearer {token.token}"
        try:
            return request.execute(http=http)
        finally:
            http.close()
            request.http.close()

    return await asyncio.to_thread(execute)


async def refusal(request: Any) -> tuple[int, str]:
    with pytest.raises(HttpError) as caught:
        await run(request)
    return caught.value.status_code, caught.value.reason


async def test_a_mail_is_delivered_with_both_parts_and_its_links(sandbox: Sandbox) -> None:
    message = mail(**{"Message-ID": "<mine@example.com>", "Cc": "cat@example.com", "Bcc": "dan@example.com"})

    sent = await run(gmail(sandbox).users().messages().send(userId="me", body=body(message)))

    bob = sandbox.person("bob")
    received = await bob.gets_mail("Three days off")
    assert (received.id, received.thread_id) == (sent["id"], sent["threadId"])
    assert sent["labelIds"] == ["SENT"]
    assert received.links == ("https://signoff.example.com/a/tok?x=1&y=2", "https://signoff.example.com/a/plain")
    assert "Décide" in received.html
    assert received.plain.startswith("Decide at")
    assert received.header("subject") == "Three days off"
    assert received.message_id.endswith("@mail.gmail.com>")
    assert received.header("Bcc") is None
    assert [len(sandbox.person(name).inbox()) for name in ("bob", "cat", "dan", "ann")] == [1, 1, 1, 0]


async def test_gmail_sends_as_the_account_whatever_from_says(sandbox: Sandbox) -> None:
    message = mail(From="Boss <boss@example.com>")

    await run(gmail(sandbox).users().messages().send(userId=SENDER, body=body(message)))

    assert (await sandbox.person("bob").gets_mail()).sender == f"Boss <{SENDER}>"


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (body(mail(To="")), "Recipient address required"),
        (body(mail(To="nobody")), "Invalid To header"),
        ({"raw": "not base64!"}, "Invalid value at 'raw' (TYPE_BYTES), Base64 decoding failed"),
        ({"raw": base64.b64encode(b"\xff\xfe\xfb" * 5).decode()}, "Invalid value at 'raw' (TYPE_BYTES), Base64"),
        ({}, "'raw' RFC822 payload message string"),
    ],
)
async def test_a_mail_that_gmail_refuses_is_refused(sandbox: Sandbox, given: Json, reason: str) -> None:
    status, said = await refusal(gmail(sandbox).users().messages().send(userId="me", body=given))

    assert status == 400
    assert said.startswith(reason)
    assert sandbox.office.sent == {}


async def test_a_missing_scope_and_a_bad_token_are_told_apart(sandbox: Sandbox) -> None:
    drafts = gmail(sandbox).users().drafts().create(userId="me", body={"message": body(mail())})

    with pytest.raises(HttpError) as caught:
        await run(drafts)

    error = caught.value
    assert (error.status_code, error.reason) == (403, "Request had insufficient authentication scopes.")
    assert b"ACCESS_TOKEN_SCOPE_INSUFFICIENT" in error.content
    assert b"insufficientPermissions" in error.content
    profile = gmail(sandbox).users().getProfile(userId="me")
    assert (await refusal(profile))[0] == 403
    unknown = gmail(sandbox, "ya29.unknown").users().messages().send(userId="me", body=body(mail()))
    assert (await refusal(unknown))[0] == 401
    another = gmail(sandbox).users().messages().send(userId="ann@example.com", body=body(mail()))
    assert await refusal(another) == (403, f"Delegation denied for {SENDER}")


async def test_R10_a_draft_is_sent_once(sandbox: Sandbox) -> None:
    service = gmail(sandbox, sandbox.google.new_token(SENDER, [COMPOSE]).value)
    draft = await run(service.users().drafts().create(userId="me", body={"message": body(mail())}))
    listed = await run(service.users().drafts().list(userId="me"))
    shown = await run(service.users().drafts().get(userId="me", id=draft["id"], format="raw"))

    sent = await run(service.users().drafts().send(userId="me", body={"id": draft["id"]}))
    again = await refusal(service.users().drafts().send(userId="me", body={"id": draft["id"]}))

    assert [each["id"] for each in listed["drafts"]] == [draft["id"]]
    assert b"Subject: Three days off" in base64.urlsafe_b64decode(shown["message"]["raw"])
    assert sent["threadId"] == draft["message"]["threadId"]
    assert again == (404, "Requested entity was not found.")
    assert len(sandbox.person("bob").inbox()) == 1
    assert (await run(service.users().getProfile(userId="me")))["emailAddress"] == SENDER


async def test_R10_the_async_session_sends_once_when_the_answer_is_lost(sandbox: Sandbox) -> None:
    sandbox.faults.drop_after("gmail.messages.send", times=1)
    request = gmail(sandbox).users().messages().send(userId="me", body=body(mail()))
    session = google.auth.aio.transport.sessions.AsyncAuthorizedSession(UserCredentials(sandbox.gmail_token))

    try:
        with pytest.raises(google_exceptions.TransportError):
            await session.request(
                request.method, request.uri, data=request.body.encode(), headers=request.headers, total_attempts=1
            )
    finally:
        await session.close()
        request.http.close()

    assert len(sandbox.person("bob").inbox()) == 1
    assert sandbox.calls.count("gmail.messages.send") == 1


async def test_httplib2_sends_again_by_itself_when_the_answer_is_lost(sandbox: Sandbox) -> None:
    sandbox.faults.drop_after("gmail.messages.send", times=1)

    await run(gmail(sandbox).users().messages().send(userId="me", body=body(mail())))

    assert len(sandbox.person("bob").inbox()) == 2


async def test_a_limited_account_is_told_when_to_come_back(sandbox: Sandbox) -> None:
    sandbox.faults.rate_limited("gmail.messages.send", retry_after=7, times=1)

    with pytest.raises(HttpError) as caught:
        await run(gmail(sandbox).users().messages().send(userId="me", body=body(mail())))

    assert (caught.value.status_code, caught.value.resp["retry-after"]) == (429, "7")
    assert b"rateLimitExceeded" in caught.value.content


async def test_an_authorized_user_gets_fresh_tokens_until_consent_is_withdrawn(sandbox: Sandbox) -> None:
    info = sandbox.google.authorized_user(SENDER, [SEND])
    # The library puts Google's own address in place of the file's.
    creds = UserCredentials.from_authorized_user_info(info).with_token_uri(info["token_uri"])

    await asyncio.to_thread(refresh, creds)
    await run(gmail(sandbox, creds.token).users().messages().send(userId="me", body=body(mail())))
    sandbox.google.refresh[info["refresh_token"]].revoked = True

    assert len(sandbox.person("bob").inbox()) == 1
    with pytest.raises(google_exceptions.RefreshError, match="invalid_grant"):
        await asyncio.to_thread(refresh, creds)


async def test_a_service_account_acts_for_its_domain_and_scopes_only(sandbox: Sandbox) -> None:
    info = sandbox.google.service_account("example.com", [SEND])

    def acting(subject: str, scope: str = SEND) -> Any:
        return ServiceCredentials.from_service_account_info(info, scopes=[scope], subject=subject)

    creds = acting(SENDER)
    await asyncio.to_thread(refresh, creds)
    await run(gmail(sandbox, creds.token).users().messages().send(userId="me", body=body(mail())))

    assert len(sandbox.person("bob").inbox()) == 1
    with pytest.raises(google_exceptions.RefreshError, match="unauthorized_client"):
        await asyncio.to_thread(refresh, acting(SENDER, COMPOSE))
    with pytest.raises(google_exceptions.RefreshError, match="invalid_grant"):
        await asyncio.to_thread(refresh, acting("boss@elsewhere.example"))
    forged = {**info, "private_key": sandbox.google.service_account()["private_key"]}
    with pytest.raises(google_exceptions.RefreshError, match="Invalid JWT Signature"):
        await asyncio.to_thread(
            refresh, ServiceCredentials.from_service_account_info(forged, scopes=[SEND], subject=SENDER)
        )


async def test_secrets_do_not_print(sandbox: Sandbox) -> None:
    sandbox.google.authorized_user(SENDER)

    printed = repr([*sandbox.tokens.values(), *sandbox.google.access.values(), *sandbox.google.refresh.values()])

    assert not any(value in printed for value in [*sandbox.tokens, *sandbox.google.access, *sandbox.google.refresh])


def refresh(creds: Any) -> None:
    request = Request()
    try:
        creds.refresh(request)
    finally:
        request.session.close()
