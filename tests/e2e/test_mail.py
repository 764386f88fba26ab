"""Mail as the place where people decide: threads that say what happened, digests, codes, Gmail and SMTP behind one action."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from email import message_from_bytes, policy
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session

from flows.run import Door
from integrations.sandbox import SENDER
from integrations.sandbox.mailbox import Mail

PAY = """
flow: pay
inputs:
  - {name: what, type: string, default: the invoice}
steps:
  - id: ask
    title: Pay
    approval:
      ask: "Pay {{ inputs.what }}?"
      approvers: [bob@example.com, cat@example.com]
      via: mail
      remind: 4h
      timeout: 2d
"""
CODED = """
flow: coded
steps:
  - id: ask
    uses: mail.request_approval
    approval:
      ask: Pay it?
      approvers: [bob@example.com, cat@example.com]
      quorum: 2
      verify: code
"""


def first_line(mail: Mail) -> str:
    """What a mail says before anything else."""
    return mail.plain.replace("\r\n", "\n").split("\n\n")[1]


def code_in(mail: Mail) -> str:
    found = re.search(r"asks for this code: (\S+)", mail.plain)
    assert found is not None, mail.plain
    return found[1]


async def test_how_much_is_at_stake_stands_in_the_mail_and_on_the_page(serve):
    bot = await serve(
        pay=PAY.replace("via: mail", "via: mail\n      risk: high"), small=PAY.replace("flow: pay", "flow: small")
    )
    risky, plain = await bot.start("pay"), await bot.start("small")
    mails = bot.human("bob").inbox()

    assert ["Risk: High" in mail.plain for mail in mails] == [True, False]
    assert [">Risk<" in mail.html for mail in mails] == [True, False]
    pages = [await bot.opens("bob", await bot.link(run, "bob")) for run in (risky, plain)]
    assert ["Risk High" in page.text for page in pages] == [True, False]


async def test_all_mails_about_a_request_to_a_person_are_one_thread_and_say_what_happened(serve, sandbox):
    bot = await serve(pay=PAY)
    run = await bot.start("pay")
    await bot.time_passes("4h")
    await bot.app.engine.nudge(run, 1, (await bot.person("ann")).id, door=Door.API)
    await bot.settled()
    await bot.by_page("cat", run)
    await bot.app.mail.rounds.go()
    await bot.app.mail.rounds.go()

    mails = bot.human("bob").inbox()
    assert [first_line(mail) for mail in mails] == [
        "Ann Archer asks:",
        "A reminder: this still waits for you.",
        "Ann Archer asks you to have a look: this still waits for you.",
        "Approved by Cat Carter on Monday, 5 January 2026, 14:00 CET (Europe/Berlin).",
    ]
    assert {mail.subject for mail in mails} == {"Please decide: Pay the invoice?"}
    assert len({mail.thread_id for mail in mails}) == 1
    (root,) = {mail.header("References") for mail in mails}
    assert re.fullmatch(r"<[0-9a-f]{32}@example\.com>", str(root))
    assert len({link for mail in mails for link in mail.links if "/a/" in link}) == 1
    # Cat has answered: nobody tells her what she did.
    assert len(bot.human("cat").inbox()) == 3
    assert {mail.thread_id for mail in bot.human("cat").inbox()}.isdisjoint({mails[0].thread_id})
    assert mails[0].header("Auto-Submitted") == "auto-generated"


async def test_a_thread_that_somebody_has_deleted_is_begun_anew(serve, sandbox):
    bot = await serve(pay=PAY)
    await bot.start("pay")
    (first,) = bot.human("bob").inbox()
    sandbox.office.sent.clear()
    sandbox.office.inboxes.clear()

    await bot.time_passes("4h")

    (again,) = bot.human("bob").inbox()
    assert again.thread_id != first.thread_id
    assert (again.subject, again.header("References")) == (first.subject, first.header("References"))


@pytest.mark.parametrize("fault", ["down", "unknown"])
async def test_a_closing_mail_that_does_not_go_through_keeps_nobody_from_anything(serve, sandbox, fault):
    bot = await serve(pay=PAY)
    run = await bot.start("pay")
    await bot.by_page("cat", run)
    if fault == "down":
        sandbox.faults.rate_limited("gmail.messages.send", retry_after=60, times=1)
    else:
        sandbox.faults.drop_after("gmail.messages.send", times=1)

    await bot.app.mail.rounds.go()
    tried = len(bot.human("bob").inbox())
    await bot.restart()
    for _ in range(3):
        bot.clock.advance("2m")
        await bot.app.mail.rounds.go()

    # Told later in the one case; in the other it may have arrived, and is worth no second one.
    assert (tried, len(bot.human("bob").inbox())) == ((1, 2) if fault == "down" else (2, 2))
    assert await bot.status(run) == "succeeded"
    assert not (await bot.run(run)).troubled


async def test_a_requester_outside_slack_is_asked_and_told_in_one_thread(serve, sandbox):
    bot = await serve(pay=PAY.replace("timeout: 2d", "timeout: 2d\n      questions: stop_clock"))
    run = await bot.start("pay", by="zoe@example.net")
    bob = (await bot.person("bob")).id

    await bot.app.engine.ask(run, 1, bob, "Which <invoice>?", door=Door.SLACK)
    await bot.settled()
    (page,) = {link for link in sandbox.office.inbox("zoe@example.net")[-1].links if "/a/" in link}
    browser = await bot.browser("zoe")
    await browser.send(await browser.open(page), {"questions.answer": "The one of May."})
    await bot.settled()
    await bot.by_page("bob", run, "reject", "Not that one.")
    await bot.settled()

    question, ending = sandbox.office.inbox("zoe@example.net")
    assert first_line(question) == "Bob Baker wants to know something before they decide."
    assert "Which <invoice>?" in question.plain
    assert "Which &lt;invoice&gt;?" in question.html
    assert "The deadline does not run until you have answered." in question.plain
    assert "Reason: Not that one." in ending.plain
    # Bob is in Slack, and was asked by mail: there the answer is.
    (answer,) = [mail for mail in bot.human("bob").inbox() if "The one of May." in mail.plain]
    assert first_line(answer) == "zoe@example.net has answered your question."
    assert answer.thread_id == bot.human("bob").inbox()[0].thread_id
    assert bot.human("bob").message("The one of May.") is None
    assert (question.thread_id, question.subject) == (ending.thread_id, ending.subject)


@pytest.mark.parametrize(
    ("reply_to", "goes_to"),
    [("requester", "ann@example.com"), ("Desk <desk@example.com>", "desk@example.com"), (None, SENDER)],
)
async def test_a_reply_is_a_comment_and_the_mail_says_to_whom(serve, reply_to, goes_to):
    bot = await serve({"mail_reply_to": reply_to}, pay=PAY)
    await bot.start("pay")

    (mail,) = bot.human("bob").inbox()

    assert mail.header("Reply-To") == (goes_to if reply_to else None)
    assert f"A reply to this mail decides nothing: it is a comment, and goes to {goes_to}." in mail.plain


# -- digests --------------------------------------------------------------------------------------------------


async def test_a_digest_takes_the_place_of_single_mails_except_where_it_would_come_too_late(serve):
    bot = await serve(pay=PAY, soon=PAY.replace("flow: pay", "flow: soon").replace("timeout: 2d", "timeout: 50m"))
    bob = await bot.person("bob")
    await bot.app.mail.digests.prefer(bob.id, timedelta(hours=1))
    first = await bot.start("pay", what="rent")
    await bot.start("pay", what="wages")
    decided = await bot.start("pay", what="tax")
    await bot.start("soon", what="the fine")

    at_once = [mail.subject for mail in bot.human("bob").inbox()]
    await bot.by_page("cat", decided)
    await bot.restart()
    await bot.time_passes("59m59s")
    await bot.app.mail.rounds.go()
    before = [mail.subject for mail in bot.human("bob").inbox()]
    bot.clock.advance("1s")
    await bot.app.mail.rounds.go()
    digest = await bot.human("bob").gets_mail("2 requests wait for you")
    links = [link for link in digest.links if "/a/" in link]
    await bot.sends("bob", await bot.opens("bob", links[0]), "approve")
    bot.clock.advance("1h")
    await bot.app.mail.rounds.go()

    assert at_once == ["Please decide: Pay the fine?"]
    assert before == ["Please decide: Pay the fine?"] * 2  # it has expired meanwhile, which he is told
    assert links == [await bot.link(first, "bob"), await bot.link(first + 1, "bob")]
    assert "Pay tax?" not in digest.plain
    assert await bot.status(first) == "succeeded"
    # Nothing new, no mail; and Cat gets hers as ever.
    assert len(bot.human("bob").inbox()) == 3
    assert len(bot.human("cat").inbox()) >= 4


async def test_what_was_collected_comes_at_once_where_digests_are_not_wanted_any_more(serve, sandbox):
    bot = await serve(pay=PAY)
    bob = (await bot.person("bob")).id
    digests = bot.app.mail.digests
    await digests.prefer(bob, timedelta(days=1))
    await bot.start("pay")
    sandbox.faults.drop_after("gmail.messages.send", times=1)

    await digests.prefer(bob, None)
    await bot.app.mail.rounds.go()
    unknown = len(bot.human("bob").inbox())
    await bot.app.mail.rounds.go()
    at_once = len(bot.human("bob").inbox())
    bot.clock.advance("1h")
    await bot.app.mail.rounds.go()
    await bot.start("pay", what="rent")

    # Of the first one nobody knows; the same is sent again after an hour, and not before.
    assert (unknown, at_once, len(bot.human("bob").inbox())) == (1, 1, 3)
    assert bot.human("bob").inbox()[-1].subject == "Please decide: Pay rent?"
    assert await digests.preference(bob) is None


# -- codes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["the flow's own mail", "ours"])
async def test_the_mail_shows_the_code_that_its_page_asks_for(serve, how):
    bot = await serve(
        coded=CODED
        if how != "ours"
        else CODED.replace("    uses: mail.request_approval\n", "").replace("quorum: 2", "quorum: 2\n      via: mail")
    )
    run = await bot.start("coded")
    codes = {name: code_in(bot.human(name).inbox()[-1]) for name in ("bob", "cat")}
    link = await bot.mailed_link("bob")

    page = await bot.opens("bob", link)
    refused = await (await bot.browser("bob")).send(page, {"verdict": "approve", "code": codes["cat"]})
    counted = await (await bot.browser("bob")).send(refused, {"verdict": "approve", "code": codes["bob"]})

    assert codes["bob"] != codes["cat"]
    assert all(code not in link + page.text + refused.text for code in codes.values())
    assert refused.shows("is not the one in the mail")
    assert counted.shows("You approved this")
    assert await bot.standing(run) == {"bob": "approve"}
    assert codes["bob"] not in str(await bot.all_rows(run))


# -- SMTP -----------------------------------------------------------------------------------------------------


class Post:
    """A mail server on loopback. ``drops`` counts the mails after which it breaks the connection without an answer."""

    def __init__(self) -> None:
        self.taken: list[Any] = []
        self.drops = 0
        self.lines: list[SMTP] = []

    def line(self) -> SMTP:
        self.lines.append(SMTP(self, hostname="mail.example.com", loop=asyncio.get_running_loop()))
        return self.lines[-1]

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:
        self.taken.append((envelope.rcpt_tos, message_from_bytes(envelope.content or b"", policy=policy.default)))
        if self.drops:
            self.drops -= 1
            server.transport.abort()
        return "250 taken"

    def to(self, name: str) -> list[Any]:
        return [message for recipients, message in self.taken if recipients == [f"{name}@example.com"]]


@pytest.fixture
async def post() -> AsyncIterator[tuple[Post, dict[str, Any]]]:
    post = Post()
    server = await asyncio.get_running_loop().create_server(post.line, "127.0.0.1", 0)
    yield (
        post,
        {
            "gmail_sender": None,
            "gmail_token": None,
            "smtp_host": "127.0.0.1",
            "smtp_port": server.sockets[0].getsockname()[1],
            "smtp_tls": "none",
            "smtp_sender": "Signoff <desk@example.com>",
        },
    )
    server.close()
    for line in post.lines:
        if line.transport is not None:
            line.transport.abort()
    await asyncio.sleep(0)


async def test_W1_people_decide_by_mail_over_smtp_in_a_thread_that_every_program_knows(serve, post):
    server, settings = post
    more = "  - id: tell\n    uses: mail.send\n    with: {to: ann@example.com, subject: Done, text: Paid}\n"
    bot = await serve(settings, pay=PAY + more)
    run = await bot.start("pay")
    await bot.time_passes("4h")
    (link,) = set(re.findall(r"http\S+/a/\S+", server.to("cat")[0].get_body(("plain",)).get_content()))
    await bot.sends("cat", await bot.opens("cat", link), "approve")
    await bot.settled()
    await bot.app.mail.rounds.go()

    asked, reminded, closed = server.to("bob")
    assert await bot.status(run) == "succeeded"
    assert [message["Subject"] for message in (asked, reminded, closed)] == ["Please decide: Pay the invoice?"] * 3
    assert (asked["In-Reply-To"], asked["References"], asked["From"]) == (None, None, "Signoff <desk@example.com>")
    assert reminded["In-Reply-To"] == reminded["References"] == asked["Message-ID"]
    assert closed["In-Reply-To"] == reminded["Message-ID"]
    assert closed["References"] == f"{asked['Message-ID']} {reminded['Message-ID']}"
    assert server.to("ann")[0]["Subject"] == "Done"


async def test_R10_a_connection_that_broke_after_the_text_is_repeated_by_the_outbox_alone_an_hour_later(serve, post):
    server, settings = post
    bot = await serve(settings, pay=PAY.replace("[bob@example.com, cat@example.com]", "[bob@example.com]"))
    server.drops = 1
    run = await bot.start("pay")
    (troubled,) = (await bot.run(run)).troubled
    once = len(server.taken)

    await bot.time_passes("59m")
    still = len(server.taken)
    await bot.time_passes("1m")
    first, second = server.to("bob")

    assert (once, still) == (1, 1)
    assert "unknown whether it was sent" in troubled.error
    # The same mail: whoever has both is shown one.
    assert first["Message-ID"] == second["Message-ID"]
    assert not (await bot.run(run)).troubled


async def test_mail_that_cannot_be_sent_waits_and_says_what_is_missing(serve, post):
    _, settings = post
    nothing = {
        **settings,
        "smtp_host": None,
        "smtp_sender": None,
        "google_client_id": "id",
        "google_client_secret": "s",
    }
    bot = await serve(nothing, pay=PAY)
    run = await bot.start("pay")

    parked = (await bot.run(run)).troubled

    assert {one.parked_at is not None for one in parked} == {True}
    assert all("signoff connect gmail" in one.error and "SMTP_HOST" in one.error for one in parked)
    assert await bot.status(run) == "waiting"
