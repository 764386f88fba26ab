"""``signoff doctor``: each check where it finds a fault, and where there is none, over real sockets and a real database."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import SecretStr
from typer.testing import CliRunner

from bot.cli import app
from bot.doctor import database as database_checks
from bot.doctor.address import BotAnswers, LinksOpen, RedirectsFit, SlackCallsUs
from bot.doctor.channels import ChannelsOpen
from bot.doctor.checks import every
from bot.doctor.clock_skew import ClockRight
from bot.doctor.configured import SecretKey, SettingsComplete
from bot.doctor.database import DatabaseWritable, DiskSpace, ParkedEffects
from bot.doctor.examination import examine
from bot.doctor.finding import Check, Finding, State
from bot.doctor.loaded_flows import FlowsCanAsk, FlowsLoad
from bot.doctor.mail import GmailSends, GoogleAccounts, SenderPlausible, SmtpTakes
from bot.doctor.other_accounts import ConnectionsAnswer
from bot.doctor.patient import Patient
from bot.doctor.slack_tokens import ScopesGranted, SocketModeOpens, TokensValid
from bot.doctor.workspaces import WorkspacesConnected
from bot.installations.keeper import PURPOSE, _about
from bot.scopes import SCOPES
from bot.settings import Settings
from flows.instants import to_ms
from flows.store.migrations import available
from flows.store.sqlite import SqliteStore
from flows.testing.clock import FakeClock
from flows.vault import Vault
from integrations.sandbox import SENDER, Sandbox

KEY = "a key that is long enough for a test"
ASKS_IN_RELEASES = """
flow: release
steps:
  - id: gate
    approval:
      ask: Ship it?
      approvers: [bob@example.com]
      via: [{slack: "#%s"}, gmail]
"""


@pytest.fixture
def clock() -> FakeClock:
    # Near the machine's own: servers answer with a Date header that no test sets.
    return FakeClock(datetime.now(UTC))


@pytest.fixture
async def sandbox(clock) -> AsyncIterator[Sandbox]:
    async with Sandbox.with_people(clock=clock) as sandbox:
        yield sandbox


Look = Callable[..., Awaitable[list[Finding]]]


@pytest.fixture
def look(tmp_path, clock, monkeypatch) -> Look:
    """What a check finds with these settings, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    async def look(check: Check[Patient], **given: Any) -> list[Finding]:
        defaults = {"database": f"sqlite:///{tmp_path / 'signoff.db'}", "secret_key": (SecretStr(KEY),)}
        settings = Settings(**{**defaults, "admins": ("eve@example.com",), **given})
        async with Patient(settings, clock) as patient:
            return list(await check.look(patient))

    return look


@pytest.fixture
async def store(tmp_path, clock) -> AsyncIterator[SqliteStore]:
    """The database, as a server has it open."""
    store = await SqliteStore.open(tmp_path / "signoff.db", clock=clock)
    yield store
    await store.close()


@pytest.fixture
async def serve() -> AsyncIterator[Callable[..., Awaitable[str]]]:
    """Serves answers by path; returns the address. What is no path is 404."""
    servers: list[TestServer] = []

    async def start(**answers: Callable[[], web.Response]) -> str:
        async def handle(request: web.Request) -> web.Response:
            answer = answers.get(request.path.strip("/").replace("/", "_"))
            return web.Response(status=404) if answer is None else answer()

        application = web.Application()
        application.router.add_route("*", "/{path:.*}", handle)
        server = TestServer(application)
        await server.start_server()
        servers.append(server)
        return str(server.make_url("")).rstrip("/")

    yield start
    for server in servers:
        await server.close()


def said(findings: list[Finding], state: State) -> str:
    """What is said in one state, together with what to do."""
    return "\n".join(f"{one.said} {one.todo or ''}" for one in findings if one.state is state)


def failures(findings: list[Finding]) -> str:
    return said(findings, State.FAIL)


def fine(findings: list[Finding]) -> bool:
    """Whether something was found, and nothing but good."""
    return bool(findings) and all(one.state is State.OK for one in findings)


def slack_of(sandbox: Sandbox, **more: Any) -> dict[str, Any]:
    token = more.pop("token", sandbox.bot_token)
    given = {"slack_bot_token": SecretStr(token), "slack_signing_secret": SecretStr(sandbox.signing_secret)}
    return {**given, "slack_api_url": sandbox.slack_url.rstrip("/"), **more}


# -- settings ---------------------------------------------------------------------------------------------------


async def test_settings(look):
    good = await look(SettingsComplete(), gmail_sender="a@acme.com", gmail_token=SecretStr("x"))
    bad = await look(SettingsComplete(["SIGNOFF_PORT must be a number from 1 to 65535."]), admins=())

    assert fine(good)
    assert "SIGNOFF_PORT must be" in failures(bad)
    assert "SIGNOFF_ADMINS is not set" in said(bad, State.WARN)


async def test_the_secret_key_is_there_and_nobody_else_reads_it(look, tmp_path):
    assert fine(await look(SecretKey()))
    assert "SIGNOFF_SECRET_KEY is missing" in failures(await look(SecretKey(), secret_key=()))
    env = tmp_path / ".env"
    env.write_text("SIGNOFF_SECRET_KEY=x")
    env.chmod(0o644)

    found = await look(SecretKey(), secret_key=(SecretStr(KEY), SecretStr(KEY)))

    assert "chmod 600 .env" in said(found, State.WARN)
    assert "the same key twice" in said(found, State.WARN)
    assert KEY not in str(found)


# -- database ---------------------------------------------------------------------------------------------------


async def test_the_database_is_looked_at_while_a_server_has_it_open_and_is_not_changed(look, store, tmp_path):
    before = (tmp_path / "signoff.db").read_bytes()

    found = await look(DatabaseWritable())

    assert fine(found)
    assert f"schema {len(available())}" in found[0].said
    assert (tmp_path / "signoff.db").read_bytes() == before


async def test_a_database_that_is_not_there_is_made_by_the_server_unless_its_folder_is_missing(look, tmp_path):
    assert fine(await look(DatabaseWritable()))
    assert not (tmp_path / "signoff.db").exists()

    assert "There is no folder" in failures(await look(DatabaseWritable(), database=f"sqlite:///{tmp_path}/no/x.db"))


@pytest.mark.parametrize(
    ("harm", "state", "told"),
    [
        ("PRAGMA user_version = 1", State.WARN, "is of an older Signoff (schema 1 of"),
        ("PRAGMA user_version = 99", State.FAIL, "was written by a newer Signoff (schema 99"),
        ("PRAGMA journal_mode = DELETE", State.WARN, "is in journal mode delete, not WAL"),
    ],
)
async def test_a_database_of_another_version_or_without_wal_is_told(look, tmp_path, clock, harm, state, told):
    await (await SqliteStore.open(tmp_path / "signoff.db", clock=clock)).close()
    with closing(sqlite3.connect(tmp_path / "signoff.db", isolation_level=None)) as connection:
        connection.execute(harm)

    assert told in said(await look(DatabaseWritable()), state)


async def test_R17_a_database_that_cannot_be_written_to_is_told_with_what_to_do(look, tmp_path):
    (tmp_path / "signoff.db").write_bytes(b"this is no database" * 100)

    assert "It is no SQLite database" in failures(await look(DatabaseWritable()))


async def test_R17_a_disk_that_fills_up_and_a_journal_that_grows_are_told(look):
    assert fine(list(await look(DiskSpace()))) or said(await look(DiskSpace()), State.WARN)
    found = DiskSpace.found

    assert fine(list(found(Path("/srv"), 80 << 30, 4 << 20)))
    assert "500 MB left" in said(list(found(Path("/srv"), 500 << 20, 0)), State.WARN)
    assert "the next write may fail" in failures(list(found(Path("/srv"), database_checks.FULL - 1, 0)))
    assert "journal has grown to 1.0 GB" in said(list(found(Path("/srv"), 80 << 30, 1 << 30)), State.WARN)


async def test_parked_effects_are_counted_and_the_last_are_told(look, store, clock):
    assert fine(await look(ParkedEffects()))
    at = to_ms(clock.now())
    await store.write(
        lambda c: c.execute(
            "INSERT INTO effects (run, lane, kind, due, deliveries, error, parked_at) VALUES (1, 0, 0, ?, 9, 'Gmail: no', ?)",
            (at, at),
        )
    )

    assert "1 effect is parked" in said(await look(ParkedEffects()), State.WARN)
    assert "Gmail: no" in said(await look(ParkedEffects()), State.WARN)


# -- clock and address ------------------------------------------------------------------------------------------


async def test_the_clock_is_compared_with_slacks(look, sandbox, clock):
    assert fine(await look(ClockRight(), **slack_of(sandbox)))
    clock.advance("3m")

    found = await look(ClockRight(), **slack_of(sandbox))

    assert "seconds ahead of Slack's" in failures(found)
    assert "NTP" in failures(found)
    sandbox.faults.drop_before("api.test")
    assert "could not be compared" in said(await look(ClockRight(), **slack_of(sandbox)), State.WARN)


async def test_the_bot_answers_at_its_own_address(look, serve):
    def alive() -> web.Response:
        return web.json_response({"status": "alive"})

    url = await serve(healthz=alive, docs_healthz=alive)

    assert fine(await look(BotAnswers(), public_url=url))
    assert fine(await look(BotAnswers(), public_url=f"{url}/docs"))
    assert "its path /signoff is not taken off" in failures(await look(BotAnswers(), public_url=f"{url}/signoff"))
    closed = "http://127.0.0.1:9"
    assert "Start `signoff serve`" in failures(await look(BotAnswers(), public_url=closed))


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({"status": 301, "headers": {"Location": "https://bot.acme.com"}}, "sends one on to https://bot.acme.com"),
        ({"status": 502}, "the proxy does not reach the bot"),
        ({"text": "<h1>It works!</h1>"}, "Something else than the bot answers"),
    ],
)
async def test_whoever_answers_in_the_bots_place_is_told(look, serve, answer, told):
    url = await serve(healthz=lambda: web.Response(**answer))

    assert told in failures(await look(BotAnswers(), public_url=url))


async def test_links_that_open_only_here_are_told(look):
    here = "http://localhost:3000"
    assert "opens on this machine only" in said(await look(LinksOpen(), public_url=here), State.WARN)
    mails = {"smtp_host": "mail.acme.com", "smtp_sender": "bot@acme.com"}
    assert "SIGNOFF_PUBLIC_URL" in failures(await look(LinksOpen(), public_url=here, **mails))
    assert "not encrypted" in said(await look(LinksOpen(), public_url="http://signoff.acme.com"), State.WARN)
    assert fine(await look(LinksOpen(), public_url="https://signoff.acme.com"))
    assert "within your network" in said(await look(LinksOpen(), public_url="https://signoff.acme.internal"), State.OK)


async def test_S2_slacks_requests_come_in_where_unsigned_ones_are_refused(look, serve, sandbox):
    url = await serve(slack_events=lambda: web.Response(status=401))
    other = await serve()

    assert fine(await look(SlackCallsUs(), **slack_of(sandbox, public_url=url)))
    assert "answers 404" in failures(await look(SlackCallsUs(), **slack_of(sandbox, public_url=other)))
    real = slack_of(sandbox, public_url="http://localhost:3000") | {"slack_api_url": None}
    assert "Slack cannot call the bot: http://localhost:3000 opens on this machine only" in failures(await look(SlackCallsUs(), **real))  # fmt: skip
    socket = slack_of(sandbox, public_url=other, slack_app_token=SecretStr(sandbox.app_token))
    assert await look(SlackCallsUs(), **socket) == []


async def test_W13_redirects_have_to_be_what_slack_and_google_take(look):
    google = {"google_client_id": "x", "google_client_secret": SecretStr("y")}
    slack = {"slack_client_id": "1.2", "slack_client_secret": SecretStr("y")}

    assert await look(RedirectsFit(), public_url="https://signoff.acme.com") == []
    fit = await look(RedirectsFit(), public_url="https://signoff.acme.com", **slack)
    assert "https://signoff.acme.com/slack/oauth_redirect and https://signoff.acme.com/verify/slack" in said(
        fit, State.OK
    )
    assert "Slack will not send people back" in failures(await look(RedirectsFit(), public_url="http://signoff.acme.com", **slack))  # fmt: skip
    good = await look(RedirectsFit(), public_url="https://signoff.acme.com", **google)
    assert "https://signoff.acme.com/connect/gmail" in said(good, State.OK)
    assert fine(good)
    assert "Google will not send people back" in failures(await look(RedirectsFit(), public_url="http://signoff.acme.com", **google))  # fmt: skip


# -- Slack ------------------------------------------------------------------------------------------------------


async def test_the_slack_token_is_good_or_it_is_said_why_not(look, sandbox):
    assert "in the workspace Acme" in said(await look(TokensValid(), **slack_of(sandbox)), State.OK)
    assert await look(TokensValid()) == []
    revoked = await look(TokensValid(), **slack_of(sandbox, token="xoxb-nobody"))
    assert "SLACK_BOT_TOKEN: " in failures(revoked)
    assert "Install App" in failures(revoked)
    assert "xoxb-nobody" not in str(revoked)
    sandbox.faults.status("auth.test", 503)
    assert "Slack does not answer" in failures(await look(TokensValid(), **slack_of(sandbox)))


async def test_each_missing_scope_is_told_with_what_it_costs(look, sandbox):
    assert fine(await look(ScopesGranted(), **slack_of(sandbox)))
    granted = [scope for scope in SCOPES if scope not in ("users:read.email", "usergroups:read")]

    found = await look(ScopesGranted(), **slack_of(sandbox, token=sandbox.new_token(granted)))

    assert f"Acme: without users:read.email the bot cannot {SCOPES['users:read.email']}." in failures(found)
    assert "without usergroups:read" in said(found, State.WARN)
    assert "signoff manifest" in failures(found)


async def test_socket_mode_opens_or_it_is_said_why_not(look, sandbox):
    good = slack_of(sandbox, slack_app_token=SecretStr(sandbox.app_token))
    assert fine(await look(SocketModeOpens(), **good))
    assert await look(SocketModeOpens(), **slack_of(sandbox)) == []

    assert "connections:write" in failures(
        await look(SocketModeOpens(), **good | {"slack_app_token": SecretStr("xapp-0")})
    )


async def test_the_bot_can_post_in_the_channels_that_flows_name(look, sandbox, tmp_path):
    def asks_in(channel: str) -> None:
        (tmp_path / "release.yml").write_text(ASKS_IN_RELEASES % channel)

    asks_in("releases")
    assert fine(await look(ChannelsOpen(), **slack_of(sandbox)))
    asks_in("nowhere")
    assert "There is no channel #nowhere that the bot sees (named by release)" in failures(await look(ChannelsOpen(), **slack_of(sandbox)))  # fmt: skip
    sandbox.workspace.add_channel("open", [], with_bot=False)
    asks_in("open")
    assert fine(await look(ChannelsOpen(), **slack_of(sandbox)))
    without = sandbox.new_token([scope for scope in SCOPES if scope != "chat:write.public"])
    assert "type /invite @signoff" in failures(await look(ChannelsOpen(), **slack_of(sandbox, token=without)))
    blind = sandbox.new_token([scope for scope in SCOPES if scope not in ("channels:read", "groups:read")])
    assert "could not be looked up" in failures(await look(ChannelsOpen(), **slack_of(sandbox, token=blind)))


async def test_W13_installed_workspaces_that_lost_their_token_are_told(look, store, clock, sandbox):
    now, slack = clock.now(), {"slack_api_url": sandbox.slack_url.rstrip("/")}
    assert await look(WorkspacesConnected()) == []
    app = {"slack_client_id": "1.2", "slack_client_secret": SecretStr("y")}
    assert "not installed in any workspace yet" in said(await look(WorkspacesConnected(), **app), State.WARN)

    def install(connection: sqlite3.Connection, team: str, place: int, token: str, **more: Any) -> None:
        sealed = Vault([more.pop("key", KEY)], PURPOSE).seal(token, _about(team))
        row = {
            "team": team, "name": f"Team {team}", "place": place, "app": "A1", "bot_user": "U1", "scopes": ",".join(SCOPES),
            "token": sealed, "generation": 1, "installed_at": to_ms(now), **more,
        }  # fmt: skip
        connection.execute(f"INSERT INTO installations ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", tuple(row.values()))  # fmt: skip

    good, few = sandbox.bot_token, sandbox.new_token(["commands"])
    await store.write(lambda c: install(c, "T1", 1, good, expires_at=to_ms(now + timedelta(hours=6))))
    assert fine(await look(WorkspacesConnected()))
    assert said(await look(TokensValid(), **slack), State.OK).startswith("The token of Team T1 is good")
    await store.write(lambda c: install(c, "T2", 2, "xoxb-0", broken="the token was revoked"))
    await store.write(lambda c: install(c, "T3", 3, good, expires_at=to_ms(now - timedelta(hours=1))))
    await store.write(lambda c: install(c, "T4", 4, good, expires_at=to_ms(now + timedelta(minutes=5))))
    await store.write(lambda c: install(c, "T5", 5, few))
    await store.write(lambda c: install(c, "T6", 6, good, removed_at=to_ms(now)))
    await store.write(lambda c: install(c, "T7", 7, good, key="another key that is long enough for a test"))

    found = await look(WorkspacesConnected())

    told = failures(found)
    assert "Team T2 (T2) is not connected any more: the token was revoked. `signoff connect slack`" in told
    assert "The token of Team T3 (T3) has expired" in told
    assert "The token of Team T7 (T7) cannot be read" in told
    assert "Team T4 (T4) expires within 30 minutes" in said(found, State.WARN)
    assert "T6" not in str(found)
    assert "The token of Team T2: " in failures(await look(TokensValid(), **slack))
    assert "Acme: without chat:write the bot cannot" in failures(await look(ScopesGranted(), **slack))


# -- mail -------------------------------------------------------------------------------------------------------


async def test_gmail_gives_a_token_or_it_is_said_why_not(look, sandbox, tmp_path):
    consent = {"type": "authorized_user", "client_id": "x", "client_secret": "y"}
    file = tmp_path / "gmail.json"
    file.write_text(json.dumps(consent))
    gmail = {"gmail_sender": SENDER, "gmail_api_url": sandbox.gmail_url.rstrip("/")}

    assert await look(GmailSends()) == []
    assert "lacks refresh_token" in failures(await look(GmailSends(), gmail_credentials=file, **gmail))
    fixed = await look(GmailSends(), gmail_token=SecretStr(sandbox.gmail_token), **gmail)
    assert failures(fixed) == ""
    assert "GMAIL_TOKEN is for stand-ins" in said(fixed, State.WARN)


async def test_W13_a_google_account_that_was_disconnected_is_told(look, store, clock):
    def connect(connection: sqlite3.Connection, name: str, broken: str | None) -> None:
        connection.execute("INSERT OR IGNORE INTO people (id, name) VALUES (1, 'Eve')")
        connection.execute(
            "INSERT INTO google_accounts (name, email, tokens, connected_by, connected_at, broken) VALUES (?, ?, x'00', 1, 0, ?)",
            (name, f"{name}@acme.com", broken),
        )

    assert await look(GoogleAccounts()) == []
    await store.write(lambda c: connect(c, "sales", None))
    assert fine(await look(GoogleAccounts()))
    await store.write(lambda c: connect(c, "hr", "the consent was revoked"))

    assert "hr@acme.com is not connected any more: the consent was revoked." in failures(await look(GoogleAccounts()))


async def test_the_mail_server_answers_and_takes_the_login(look):
    talks: list[bytes] = []

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.acme.com\r\n")
        while line := await reader.readline():
            talks.append(line.strip())
            if line.startswith(b"AUTH"):
                writer.write(b"535 5.7.8 no\r\n")
            else:
                writer.write(b"250-mail.acme.com\r\n250 AUTH PLAIN\r\n" if line.startswith(b"EHLO") else b"221 bye\r\n")
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    smtp = {"smtp_host": "127.0.0.1", "smtp_port": port, "smtp_tls": "none", "smtp_sender": "bot@acme.com"}
    async with server:
        good = await look(SmtpTakes(), **smtp)
        refused = await look(SmtpTakes(), **smtp, smtp_user="bot", smtp_password=SecretStr("hunter2hunter2"))
    gone = await look(SmtpTakes(), **smtp)

    assert fine(good)
    assert "SMTP_USER or SMTP_PASSWORD is wrong" in failures(refused)
    assert "hunter2" not in str(refused)
    assert "cannot be reached" in failures(gone)
    assert not any(line.startswith((b"MAIL", b"DATA")) for line in talks)
    assert await look(SmtpTakes()) == []


async def test_a_sender_that_nobody_believes_is_told(look):
    def smtp(sender: str, user: str | None = None, host: str = "smtp.acme.com") -> dict[str, Any]:
        return {"smtp_host": host, "smtp_sender": sender, "smtp_user": user}

    assert await look(SenderPlausible(), **smtp("Signoff <bot@acme.com>", "bot@mail.acme.com")) == []
    assert "nobody has mail at example.com" in failures(await look(SenderPlausible(), **smtp("bot@example.com")))
    assert "taken for forged" in failures(await look(SenderPlausible(), **smtp("acme@gmail.com")))
    assert await look(SenderPlausible(), **smtp("acme@gmail.com", "acme@gmail.com", "smtp.gmail.com")) == []
    assert "SPF" in said(await look(SenderPlausible(), **smtp("bot@acme.com", "bot@other.com")), State.WARN)


async def test_connections_take_their_credentials_or_it_is_said_which_do_not(look, sandbox):
    url = sandbox.slack_url.rstrip("/")
    good = {"type": "slack", "bot_token": sandbox.bot_token, "api_url": url}
    service = {"type": "http", "base_url": "https://billing.acme.com"}

    found = await look(ConnectionsAnswer(), connections={"ops": good, "dead": {**good, "bot_token": "xoxb-0"}, "billing": service})  # fmt: skip

    assert said(found, State.OK).startswith("ops (slack) takes its credentials.")
    assert failures(found).startswith("dead: Slack auth.test: ")
    assert len(found) == 2


# -- flows ------------------------------------------------------------------------------------------------------


async def test_flows_that_do_not_load_are_told_with_file_and_line(look, tmp_path):
    assert "There is no flow at" in said(await look(FlowsLoad()), State.WARN)
    (tmp_path / "release.yml").write_text(ASKS_IN_RELEASES % "releases")
    assert fine(await look(FlowsLoad()))
    (tmp_path / "broken.yml").write_text("flow: broken\nsteps:\n  - id: gate\n    aproval: {}\n")

    assert "broken.yml:" in failures(await look(FlowsLoad()))


async def test_flows_that_ask_by_what_is_not_set_up_are_told(look, tmp_path, sandbox):
    (tmp_path / "release.yml").write_text(ASKS_IN_RELEASES % "releases" + "      verify: slack\n")

    told = failures(await look(FlowsCanAsk()))

    assert "release asks in Slack, which is not connected." in told
    assert "release asks by mail, and there is nothing to send it with." in told
    assert "release asks people to sign in with Slack" in told
    mails = {"gmail_sender": SENDER, "gmail_token": SecretStr("x")}
    both = failures(await look(FlowsCanAsk(), **slack_of(sandbox), **mails))
    assert "which is not connected" not in both
    assert "nothing to send it with" not in both


# -- all of it --------------------------------------------------------------------------------------------------


class _Falls:
    name = "falls"

    async def look(self, patient: Patient) -> list[Finding]:
        raise RuntimeError("xoxb-secret")


class _Waits:
    name = "waits"

    async def look(self, patient: Patient) -> list[Finding]:
        await asyncio.Event().wait()
        raise AssertionError


async def test_a_check_that_falls_over_or_hangs_is_a_finding_and_stops_no_other(look, clock, tmp_path):
    settings = Settings(database=f"sqlite:///{tmp_path / 'signoff.db'}", secret_key=(SecretStr(KEY),))
    async with Patient(settings, clock) as patient:
        report = await examine(patient, [_Falls(), _Waits(), SecretKey()], patience=timedelta(milliseconds=20))

    assert [(name, one.state) for name, one in report.findings] == [
        ("falls", State.FAIL),
        ("waits", State.FAIL),
        ("secret key", State.OK),
    ]
    assert "xoxb-secret" not in str(report)
    assert not report.healthy


def test_every_check_has_a_name_of_its_own():
    names = [check.name for check in every()]

    assert len(set(names)) == len(names)


def test_the_command_tells_people_a_table_and_programs_json_and_exits_1_where_something_fails(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("SIGNOFF_PUBLIC_URL", "SIGNOFF_DATABASE", "SLACK_BOT_TOKEN", "SIGNOFF_FLOWS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SIGNOFF_SECRET_KEY", "fVbt3lWGqzu8Yl1SJTn0R6mKXa9wPeDcHoB2Ui5sNkQ")
    monkeypatch.setenv("SIGNOFF_PORT", "9")

    people = CliRunner().invoke(app, ["doctor"])
    programs = CliRunner().invoke(app, ["doctor", "--json"])
    monkeypatch.setenv("SIGNOFF_PORT", "none")
    unreadable = CliRunner().invoke(app, ["doctor", "--json"])

    assert (people.exit_code, programs.exit_code, unreadable.exit_code) == (1, 1, 1)
    rows = [line.split("\t") for line in people.stdout.splitlines()]
    rows = [row for row in rows if row[1] != "disk"]  # it fills while this is asked
    assert {"ok", "warn", "fail"} == {row[0] for row in rows}
    assert ["fail", "public address"] in [row[:2] for row in rows]
    assert "1 thing fails" in people.stderr
    told = json.loads(programs.stdout)
    assert told["healthy"] is False
    told_of = [one for one in told["findings"] if one["check"] != "disk"]
    assert [[one["state"], one["check"], one["said"], one["todo"] or ""] for one in told_of] == rows
    assert json.loads(unreadable.stdout)["findings"][0]["said"] == "SIGNOFF_PORT must be a number from 1 to 65535."
