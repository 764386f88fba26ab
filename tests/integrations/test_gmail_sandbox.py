"""The mailer against the sandbox that demo and tests run on."""

import json
from pathlib import Path
from typing import Any

import pytest

from integrations.gmail.credentials import COMPOSE, SEND, load
from integrations.gmail.send import GmailMailer
from integrations.gmail.transport import GmailTransport
from integrations.mail.messages import Mail
from integrations.sandbox.server import SENDER, Sandbox


@pytest.mark.parametrize("scopes", [[SEND], [SEND, COMPOSE]])
@pytest.mark.parametrize("kind", ["token", "authorized_user"])
async def test_a_mail_arrives(kind: str, scopes: list[str], tmp_path: Path) -> None:
    file = tmp_path / "credentials.json"
    remembered: list[Any] = []

    async def remember(memo: Any) -> None:
        remembered.append(memo)

    async with Sandbox.with_people() as sandbox:
        if kind == "authorized_user":
            file.write_text(json.dumps(sandbox.google.authorized_user(SENDER, scopes)))
        token = sandbox.google.new_token(SENDER, scopes).value if kind == "token" else None
        credentials = load(file=file, token=token, sender=SENDER, token_uri=sandbox.google.token_uri)
        mailer = GmailMailer(GmailTransport(credentials, api_url=sandbox.gmail_url), sender=f"Signoff <{SENDER}>")
        mail = Mail(to=("bob@example.com",), subject="Please decide", text="See http://x.example/a/1", html="<b>Hi</b>")

        problems = await mailer.check()
        sent = await mailer.send(mail, memo={}, remember=remember)
        await mailer.close()

    (arrived,) = sandbox.office.inbox("bob@example.com")
    assert problems == []
    assert [list(memo) for memo in remembered] == [["draft"] if COMPOSE in scopes else ["sending"]]
    assert sent.id is not None
    assert (arrived.subject, arrived.links) == ("Please decide", ("http://x.example/a/1",))
    assert "<b>Hi</b>" in arrived.html
