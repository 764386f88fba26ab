"""S: what must not work, and what people write, through the whole bot."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta

import aiohttp
import pytest
from aiohttp import web
from pydantic import SecretStr

from bot.cli import app as commands
from flows.clock import SystemClock
from integrations.sandbox import Sandbox, Visitor

GATE = """
flow: gate
title: Gate
inputs: [{name: what, type: string, default: it, multiline: true}]
steps:
  - id: ask
    approval:
      ask: "Ship {{ inputs.what }}?"
      approvers: [bob@example.com, cat@example.com]
      via: [gmail, {slack: "#general"}]
  - id: tell
    uses: slack.post_message
    with: {channel: "#general", text: "Shipped {{ inputs.what }}: {{ steps.ask.comment }}"}
"""
OTHER_KEY = "e2e-another-5Hs2WqYt8PzLbXv9KdRm3Gc"


@pytest.fixture
async def sandbox(clock):
    made = Sandbox.with_people(clock=clock)
    made.routes.append(web.get("/leads-inside", _leads_inside))
    made.routes.append(web.get("/public", _public))
    async with made:
        yield made


async def _leads_inside(_request: web.Request) -> web.Response:
    raise web.HTTPFound("http://169.254.169.254/latest/meta-data/")


async def _public(_request: web.Request) -> web.Response:
    return web.json_response({"found": True})


# -- links ----------------------------------------------------------------------------------------------------


async def test_S1_whatever_is_wrong_with_a_link_the_answer_is_the_same_and_says_nothing(serve):
    bot = await serve(gate=GATE)
    run, other = await bot.start("gate"), await bot.start("gate")
    good, another = await bot.mailed_link("bob"), await bot.link(run, "bob")
    before = await bot.all_rows(run)
    base, token = another.rsplit("/", 1)
    tokens = {
        "truncated": token[:-1],
        "longer": token + "A",
        "changed": token[:-2] + ("AA" if token[-2:] != "AA" else "BB"),
        "other run's": token[: len(token) // 2] + (await bot.link(other, "bob")).rsplit("/", 1)[1][len(token) // 2 :],
        "other person's": token[: len(token) // 2] + (await bot.link(run, "cat")).rsplit("/", 1)[1][len(token) // 2 :],
        "none": "x",
        "an api token": await bot.token("bob"),
    }

    answers = {}
    async with aiohttp.ClientSession() as session:
        for name, each in tokens.items():
            for method in ("GET", "POST"):
                async with session.request(method, f"{base}/{each}", data={"verdict": "approve"}) as response:
                    answers[name, method] = response.status, await response.text()
        bot.clock.advance(timedelta(days=7 + 31))
        async with session.get(another) as response:
            answers["expired", "GET"] = response.status, await response.text()

    assert len(set(answers.values())) == 1, {key: value[0] for key, value in answers.items()}
    ((status, text),) = set(answers.values())
    assert status == 404
    assert bot.run_id(run) not in text
    assert (await bot.opens("bob", good)).status == 404
    assert before[3] == (await bot.all_rows(run))[3]  # no decision


async def test_S1_after_a_change_of_the_key_old_links_open_only_while_the_old_key_is_listed(serve):
    bot = await serve(gate=GATE)
    await bot.start("gate")
    link = await bot.mailed_link("bob")
    settings = bot.settings
    statuses = []
    for keys in ((OTHER_KEY, settings.secret_keys[0]), (OTHER_KEY,)):
        bot.settings = settings.model_copy(update={"secret_key": tuple(map(SecretStr, keys))})
        await bot.restart()
        statuses.append((await bot.opens("bob", link)).status)

    assert statuses == [200, 404]


# -- requests that are not Slack's ----------------------------------------------------------------------------


@pytest.mark.parametrize("forger", ["wrong", "missing", "old", "from the future"])
async def test_S2_a_click_with_a_signature_that_is_not_slacks_is_401_and_records_nothing(serve, sandbox, forger):
    bot = await serve(gate=GATE)
    run = await bot.start("gate")
    before = await bot.all_rows(run)
    match forger:
        case "wrong":
            sandbox.line.signing_secret = "0" * 32
        case "missing":
            sandbox.line.signed = False
        case "old":
            sandbox.line.signature_age = timedelta(minutes=6)
        case "from the future":
            sandbox.line.signature_age = -timedelta(minutes=6)

    answer = await bot.human("bob").click(bot.card("bob", "Ship it?"), "Approve")
    typed = await bot.human("bob").command("/approvals")
    await bot.settled()

    assert (answer.status, typed.status) == (401, 401)
    assert bot.human("bob").ephemerals() == []
    assert await bot.all_rows(run) == before


# -- scanners -------------------------------------------------------------------------------------------------


async def test_S5_fifty_scanners_that_fetch_everything_and_press_every_button_decide_nothing(serve):
    bot = await serve(gate=GATE)
    run = await bot.start("gate")
    mail = await bot.human("bob").gets_mail()
    before = await bot.all_rows(run)

    async def scan(n: int) -> None:
        async with Visitor() as scanner:
            for link in mail.links:
                async with scanner._session.head(link) as head:
                    assert head.status == 200
                page = await scanner.open(link)
                for _form in page.forms:
                    pressed = await scanner.send(page, {})  # the form as it stands
                    assert not pressed.shows("You approved")
                    if n % 2:
                        await scanner.send(pressed, {})

    await asyncio.gather(*(scan(n) for n in range(50)))
    await bot.settled()
    after = await bot.all_rows(run)
    human = await bot.by_page("bob", run)

    assert after == before
    assert human.shows("You approved this on")
    assert await bot.status(run) == "succeeded"


# -- what people write ----------------------------------------------------------------------------------------

EVIL = "<!channel> <@U123> <http://evil.example|safe> <script>alert(1)</script> {{ 7 * 7 }} {% raw %} *bold* & ok"


async def test_S6_what_people_write_is_inert_in_cards_mails_pages_lists_posts_and_the_terminal(serve):
    bot = await serve(gate=GATE)
    run = await bot.start("gate", what=EVIL)
    await bot.human("bob").command("/approvals")
    await bot.app._door.drain()
    listed = bot.human("bob").ephemerals()[-1]
    mail = await bot.human("bob").gets_mail()
    link = await bot.link(run, "bob")
    typed = await bot.cli("ann", "show", bot.run_id(run))
    await bot.by_page("bob", run, "approve", EVIL)
    await bot.settled()
    async with aiohttp.ClientSession() as session, session.get(link) as response:
        html = await response.text()

    seen = [*bot.human("eve").messages("#general"), listed]
    assert len(seen) == 4  # the card, what its thread says of the approval, what the flow posts, the list
    for message in seen:
        said = message.text + message.shown_text()
        assert "&lt;!channel&gt;" in said
        for ping in ("<!channel>", "<@U123>", "<http://evil"):
            assert ping not in said, message
        assert "{{ 7 * 7 }}" in said
        assert "49 " not in said
    assert "<script" not in html
    assert "&lt;script&gt;alert(1)" in html
    assert "{{ 7 * 7 }}" in html
    assert "<script" not in mail.html
    assert "&lt;script&gt;" in mail.html
    assert [link for link in mail.links if "/a/" not in link and not link.startswith("http://evil.example|safe")] == []
    assert "\n" not in mail.subject
    assert "{{ 7 * 7 }}" in typed.output


async def test_S6_line_breaks_and_headers_in_a_value_make_no_header_of_a_mail(serve, sandbox):
    bot = await serve(gate=GATE)
    await bot.start("gate", what="x\r\nBcc: eve@example.com\r\n\r\nBody")

    mail = await bot.human("bob").gets_mail()

    assert mail.to == ("bob@example.com",)
    assert mail.header("Bcc") is None
    assert bot.human("eve").inbox() == []


ESCAPES = (
    "{{ ''.__class__.__mro__ }}",
    "{{ inputs.__init__.__globals__ }}",
    "{{ run | attr('__class__') }}",
    "{{ cycler.__init__.__globals__.os.environ }}",
    "{{ self._TemplateReference__context }}",
    "{{ 'x' * 1000000000 }}",
    "{{ 9 ** 999 }}",
    "{{ '%1000000000d' % 1 }}",
    "{{ '{0:>1000000000}'.format(1) }}",
    "{{ range(1000000000) | list }}",
    "{{ lipsum(n=100000) }}",
    "{{ inputs.what.join(range(100000000)) }}",
)
STATEMENT = "{% include '/etc/passwd' %}"


def evil(name: str, text: str) -> str:
    inputs = "[{name: what, type: string, default: x}]"
    return f'flow: {name}\ninputs: {inputs}\nsteps: [{{id: a, uses: log, with: {{message: "{text}"}}}}]'


async def test_S7_expressions_of_a_flow_reach_nothing_and_build_nothing_huge_and_the_bot_goes_on(serve):
    bot = await serve(gate=GATE, **{f"evil{n}": evil(f"evil{n}", text) for n, text in enumerate((*ESCAPES, STATEMENT))})
    ended = {}
    for n, text in enumerate(ESCAPES):
        reply = await bot.api("ann", "POST", f"flows/evil{n}/runs", {"inputs": {}})
        if reply.status == 404:
            ended[text] = "refused when it was loaded"
            continue
        await bot.settled()
        run = await bot.run(bot.app.engine.ids.parse_run(reply.body["id"]))
        ended[text] = run.status if run.steps["a"].output is None else run.steps["a"].output

    plain = await bot.run(await bot.start(f"evil{len(ESCAPES)}"))

    assert plain.steps["a"].output == {"message": STATEMENT}  # statements are no part of the language: it is text
    assert all(how in ("refused when it was loaded", "failed") for how in ended.values()), ended
    run = await bot.start("gate")
    await bot.by_page("bob", run)
    assert await bot.status(run) == "succeeded"


# -- addresses ------------------------------------------------------------------------------------------------


def fetch(url: str) -> str:
    return f"flow: fetch\nsteps: [{{id: get, uses: http.request, with: {{url: '{url}'}}, retry: {{max: 0}}}}]"


async def test_S8_a_flow_reaches_no_private_address_unless_the_settings_allow_it_also_after_a_redirect(serve, sandbox):
    bot = await serve({"http_allow": ()}, fetch=fetch(f"{sandbox.origin}/public"))
    refused = await bot.run(await bot.start("fetch"))
    bot.settings = bot.settings.model_copy(update={"http_allow": ("127.0.0.1",)})
    await bot.restart()
    allowed = await bot.run(await bot.start("fetch"))
    bot.write("fetch", fetch(f"{sandbox.origin}/leads-inside"))
    await bot.restart()
    redirected = await bot.run(await bot.start("fetch"))

    assert refused.status == "failed"
    assert "127.0.0.1" in refused.run.ending.reason
    assert allowed.steps["get"].output["body"] == {"found": True}
    assert redirected.status == "failed"
    assert "169.254.169.254" in redirected.run.ending.reason


# -- pages and tokens -----------------------------------------------------------------------------------------


async def test_S9_every_answer_is_locked_down_and_a_form_counts_only_in_the_browser_that_was_shown_it(serve):
    bot = await serve(gate=GATE)
    run = await bot.start("gate")
    link = await bot.mailed_link("bob")
    before = await bot.all_rows(run)
    headers = []
    async with aiohttp.ClientSession() as session:
        for address in (
            link,
            f"{link}x",
            bot.url,
            f"{bot.url}/runs/{bot.run_id(run)}",
            f"{bot.url}/api/v1/flows",
            f"{bot.url}/no",
        ):
            async with session.get(address) as response:
                headers.append(response.headers)
                text = await response.text()
                assert "<script" not in text
                assert not re.search(r"\son[a-z]+=|style=", text)

    page = await bot.opens("bob", link)
    async with Visitor() as somebody:
        stolen = await somebody.send(page, {"verdict": "approve"})
    other_run = await bot.start("gate")
    elsewhere = await bot.opens("bob", await bot.link(other_run, "bob"))
    page.forms[0].action = elsewhere.forms[0].action
    moved = await bot.sends("bob", page, "approve")

    for each in headers:
        policy = each["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert each["Cache-Control"] == "no-store"
        assert each["Referrer-Policy"] == "no-referrer"
        assert each["X-Content-Type-Options"] == "nosniff"
    assert (stolen.status, moved.status) == (403, 403)
    assert await bot.all_rows(run) == before
    assert await bot.standing(other_run) == {}


async def test_S10_a_token_from_the_command_line_acts_as_its_person_until_it_is_revoked_or_expires(serve, tmp_path):
    bot = await serve(gate=GATE.replace("bob@example.com, cat", "bob@example.com, dan@example.com, cat"))
    run, more = await bot.start("gate"), await bot.start("gate")
    database = {"SIGNOFF_DATABASE": f"sqlite:///{tmp_path / 'signoff.db'}"}

    def command(*arguments: str):
        return asyncio.to_thread(bot._cli.invoke, commands, ["token", *arguments], env=database)

    made = await command("create", "--person", "bob@example.com", "--scopes", "read,decide", "--expires", "1d")
    secret = made.stdout.strip()
    bot._tokens["bob", ("start", "read", "decide")] = secret
    counted = await bot.by_api("bob", run)
    started = await bot.api("bob", "POST", "flows/gate/runs", {"inputs": {}})
    listed = await command("list")
    (number,) = re.findall(r"tok_[0-9a-z]+(?=\s+bob@)", listed.output)
    revoked = await command("revoke", number)
    after = await bot.by_api("bob", more)
    expiring = (
        await command("create", "--person", "cat@example.com", "--scopes", "decide,read", "--expires", "1d")
    ).stdout
    bot._tokens["cat", ("start", "read", "decide")] = expiring.strip()
    bot.clock.set(SystemClock().now() + timedelta(days=2))  # the command goes by the machine's own clock
    expired = await bot.by_api("cat", more)

    assert (counted.status, started.status, revoked.exit_code) == (201, 403, 0)
    event = next(e["event"] for e in await bot.ledger(run) if (e.get("event") or {}).get("is") == "DecisionMade")
    assert event["door"] == "api"
    assert re.fullmatch(rf"{number} issued by \S+", event["via_token"])
    assert after.status == 401
    assert expired.status == 401
    assert secret.encode() not in b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())


# -- one human ------------------------------------------------------------------------------------------------


async def test_S12_one_human_with_a_slack_id_an_address_and_a_group_fills_one_seat_through_all_doors(serve):
    bot = await serve()
    bob = bot.human("bob").id
    text = GATE.replace("[bob@example.com, cat@example.com]", f'[{bob}, bob@example.com, "@hr-leads"]\n      quorum: 2')
    bot.write("gate", text)
    await bot.restart()
    run = await bot.start("gate")
    mails = len(bot.human("bob").inbox())

    await bot.human("bob").click(bot.card("bob", "Ship it?"), "Approve")
    await bot.settled()
    page = await bot.by_page("bob", run)
    reply = await bot.by_api("bob", run)

    assert mails == 1
    assert page.shows("You have said so already")
    assert reply.status == 200
    assert (await bot.view(run)).approvals == 1
    assert await bot.status(run) == "waiting"
    await bot.by_page("cat", run)
    assert await bot.status(run) == "succeeded"


async def test_S12_two_addresses_that_turn_out_to_be_one_human_are_recounted_to_one_seat(serve):
    people = "[bob@example.com, robert@example.com, cat@example.com, dan@example.com]\n      quorum: 3"
    bot = await serve(gate=GATE.replace("[bob@example.com, cat@example.com]", people))
    run = await bot.start("gate")
    await bot.human("bob").click(bot.card("bob", "Ship it?"), "Approve")
    await bot.settled()
    mail = bot.sandbox.office.inbox("robert@example.com")[-1]
    link = next(link for link in mail.links if "/a/" in link)
    async with Visitor() as robert:
        await robert.send(await robert.open(link), {"verdict": "approve"})
    two = (await bot.view(run)).approvals

    bot.human("bob").user.email = "robert@example.com"  # Slack says: that is the same person
    bot.clock.advance("2m")
    await bot.human("bob").click(bot.card("bob", "Ship it?"), "Approve")
    await bot.settled()
    one = (await bot.view(run)).approvals
    await bot.by_page("cat", run)
    still = await bot.status(run)
    await bot.by_page("dan", run)

    assert (two, one) == (2, 1)
    assert still == "waiting"
    assert await bot.status(run) == "succeeded"
    assert len((await bot.view(run)).decisions) == 3


async def test_S12_while_slack_cannot_say_who_somebody_is_nobody_is_made_up(serve, sandbox):
    bot = await serve(gate=GATE)
    run = await bot.start("gate")
    people = "SELECT count(*) FROM people"
    before, known = await bot.all_rows(run), await bot.app.store.read(lambda c, _: c.execute(people).fetchone())
    sandbox.faults.status("users.*", 503)
    bot.clock.advance("2m")

    await bot.human("dan").click(bot.card("dan", "Ship it?"), "Approve")
    told = await bot.human("dan").is_told("please try again")
    started = await bot.api("ann", "POST", "flows/gate/runs", {"inputs": {}})

    assert "Nothing was recorded" in told.shown_text()
    assert await bot.all_rows(run) == before
    assert await bot.app.store.read(lambda c, _: c.execute(people).fetchone()) == known
    assert started.status == 503
    assert "Nothing was recorded; please try again" in started.said
    assert await bot.app.store.read(lambda c, _: c.execute("SELECT count(*) FROM runs").fetchone()) == (1,)
