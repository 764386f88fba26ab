"""Settings: read once, frozen, every problem at once, and no secret in any text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from pydantic import ValidationError

from bot.connections import GmailConnection, HttpConnection, SlackConnection
from bot.settings import Settings
from bot.tokens import PREFIX
from flows.errors import ConfigError

KEY = "3q2-7w_Zk0yXc5Vb8NmL1pOiUuYtRrEeWwQqAaSsDdF"
OTHER = "Zx9-Cv8_Bn7Mm6Ll5Kk4Jj3Hh2Gg1Ff0DdSsAaQqWwE"

# Every setting of the public contract, and those that commands, http.request and further accounts take.
CONTRACT = {
    "SIGNOFF_DATABASE",
    "SIGNOFF_FLOWS",
    "SIGNOFF_PUBLIC_URL",
    "SIGNOFF_SECRET_KEY",
    "SIGNOFF_ADMINS",
    "SIGNOFF_HOST",
    "SIGNOFF_PORT",
    "SLACK_BOT_TOKEN",
    "SLACK_SIGNING_SECRET",
    "SLACK_APP_TOKEN",
    "SLACK_CLIENT_ID",
    "SLACK_CLIENT_SECRET",
    "SLACK_API_URL",
    "GMAIL_API_URL",
    "GMAIL_CREDENTIALS",
    "GMAIL_SENDER",
    "GMAIL_TOKEN",
    "SIGNOFF_TOKEN",
    "SIGNOFF_HTTP_ALLOW",
    "SIGNOFF_ADMIN_CHANNEL",
    "SIGNOFF_RECONCILE",
    "SIGNOFF_CONNECTIONS",
    "SIGNOFF_CONNECTIONS_FILE",
    "GOOGLE_CLIENT_ID",
    "GOOGLE_CLIENT_SECRET",
    "GOOGLE_OAUTH_URL",
    "SMTP_HOST",
    "SMTP_PORT",
    "SMTP_TLS",
    "SMTP_USER",
    "SMTP_PASSWORD",
    "SMTP_SENDER",
    "MAIL_REPLY_TO",
}


def problems(env: Mapping[str, str], dotenv: Path | None = None, *, serving: bool = False) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        Settings.load(env, dotenv, serving=serving)
    return caught.value.problems


def test_the_settings_are_exactly_those_of_the_contract_and_each_is_described() -> None:
    assert {field.validation_alias for field in Settings.model_fields.values()} == CONTRACT
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_without_any_setting_the_defaults_stand() -> None:
    settings = Settings.load({})

    assert settings.database_path == Path("signoff.db")
    assert settings.flows == Path()
    assert (settings.host, settings.port, settings.public_url) == ("127.0.0.1", 3000, "http://127.0.0.1:3000")
    assert (settings.secret_keys, settings.admins, settings.http_allow) == ((), (), ())
    assert not settings.slack
    assert not settings.gmail


def test_everything_that_is_set_arrives() -> None:
    settings = Settings.load(
        {
            "SIGNOFF_DATABASE": "sqlite:////srv/signoff.db",
            "SIGNOFF_FLOWS": "/srv/flows",
            "SIGNOFF_PUBLIC_URL": "https://signoff.example.com/",
            "SIGNOFF_SECRET_KEY": f"{KEY}, {OTHER}",
            "SIGNOFF_ADMINS": "Ann@Example.com, bob@example.com",
            "SIGNOFF_HTTP_ALLOW": "intra.example.com, 10.0.0.0/8",
            "SLACK_BOT_TOKEN": "xoxb-1",
            "SLACK_APP_TOKEN": "xapp-1",
            "GMAIL_SENDER": "Signoff <signoff@example.com>",
            "GMAIL_TOKEN": "ya29.x",
        }
    )

    assert settings.database_path == Path("/srv/signoff.db")
    assert settings.public_url == "https://signoff.example.com"
    assert settings.secret_keys == (KEY, OTHER)
    assert settings.admins == ("ann@example.com", "bob@example.com")
    assert settings.http_allow == ("intra.example.com", "10.0.0.0/8")
    assert settings.slack
    assert settings.gmail
    assert settings.warnings() == ()


def test_settings_cannot_be_changed() -> None:
    settings = Settings.load({})

    with pytest.raises(ValidationError, match="frozen"):
        settings.port = 1  # type: ignore[misc]  # that it is refused is the point


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text("SIGNOFF_PORT=4000\nSIGNOFF_HOST='0.0.0.0' # all of them\n")

    settings = Settings.load({"SIGNOFF_PORT": "5000"}, dotenv)

    assert (settings.port, settings.host) == (5000, "0.0.0.0")  # noqa: S104 - a setting; nothing is bound


def test_an_empty_value_in_the_environment_unsets_what_the_file_says(tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text("SIGNOFF_PORT=4000\n")

    assert Settings.load({"SIGNOFF_PORT": ""}, dotenv).port == 3000


def test_a_secret_may_hold_what_shells_expand(tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text(f"SIGNOFF_SECRET_KEY={KEY}${{HOME}}\n")

    assert Settings.load({"HOME": "/root"}, dotenv).secret_keys == (f"{KEY}${{HOME}}",)


def test_the_fields_can_be_given_by_name_and_then_no_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNOFF_HOST", "::1")

    assert Settings(port=4000).public_url == "http://127.0.0.1:4000"


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("0.0.0.0", "http://127.0.0.1:3000"),  # noqa: S104 - a setting; nothing is bound
        ("::", "http://[::1]:3000"),
        ("bot.internal", "http://bot.internal:3000"),
    ],
)
def test_the_public_url_follows_from_host_and_port_where_it_is_not_set(host: str, url: str) -> None:
    assert Settings.load({"SIGNOFF_HOST": host}).public_url == url


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    told = problems(
        {
            "SIGNOFF_DATABASE": "postgres://u:hunter2@db/x",
            "SIGNOFF_PORT": "99999",
            "SIGNOFF_PUBLIC_URL": "signoff.example.com",
            "SIGNOFF_SECRET_KEY": f"short-1234,{KEY},replace-me-with-32-random-characters-or-more",
            "SIGNOFF_ADMINS": "ann@example.com,@hr,nobody",
            "SIGNOFF_HTTP_ALLOW": "https://intra/",
            "SIGNOFF_PUBLC_URL": "x",
            "SLACK_BOT_TOKEN": "xapp-oops",
            "GMAIL_CREDENTIALS": str(tmp_path / "gone.json"),
        }
    )

    assert told == (
        "SIGNOFF_DATABASE must be sqlite:/// and a file, like sqlite:///signoff.db (sqlite:////srv/... from the root).",
        "SIGNOFF_PORT must be a number from 1 to 65535.",
        "SIGNOFF_PUBLIC_URL must be an address like https://signoff.example.com, without user, query and fragment.",
        (
            "SIGNOFF_SECRET_KEY key 1 has 10 characters and needs 32; `signoff init` writes a fresh one; "
            "key 3 is a sample and no secret; `signoff init` writes a fresh one."
        ),
        "SIGNOFF_ADMINS takes mail addresses; '@hr' and 'nobody' are none.",
        (
            "SIGNOFF_HTTP_ALLOW is not right: The allowed host 'https://intra/' is neither a host name nor an address "
            "nor a block like 10.0.0.0/8; write it without scheme, port and path."
        ),
        "SLACK_BOT_TOKEN is no bot token: those start with xoxb-.",
        f"GMAIL_CREDENTIALS {tmp_path / 'gone.json'} cannot be read: No such file or directory.",
        "SLACK_BOT_TOKEN needs SLACK_APP_TOKEN (Socket Mode) or SLACK_SIGNING_SECRET beside it.",
        "GMAIL_CREDENTIALS needs GMAIL_SENDER beside it: the address that mails are sent from.",
        "SIGNOFF_PUBLC_URL is no setting of Signoff; did you mean 'SIGNOFF_PUBLIC_URL'?",
    )


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({"SIGNOFF_DATABASE": "sqlite:///"}, "SIGNOFF_DATABASE must be"),
        ({"SIGNOFF_DATABASE": "sqlite:///:memory:"}, "SIGNOFF_DATABASE must be"),
        ({"SIGNOFF_PORT": "0"}, "SIGNOFF_PORT must be"),
        ({"SIGNOFF_PORT": "http"}, "SIGNOFF_PORT must be"),
        ({"SIGNOFF_HOST": "http://x"}, "SIGNOFF_HOST must be"),
        ({"SIGNOFF_PUBLIC_URL": "ftp://signoff.example.com"}, "SIGNOFF_PUBLIC_URL must be"),
        ({"SIGNOFF_PUBLIC_URL": "https://u:p@signoff.example.com"}, "SIGNOFF_PUBLIC_URL must be"),
        ({"SIGNOFF_PUBLIC_URL": "https://[::1"}, "SIGNOFF_PUBLIC_URL must be"),
        ({"SIGNOFF_PUBLIC_URL": "https://signoff.example.com:99999"}, "SIGNOFF_PUBLIC_URL must be"),
        ({"SIGNOFF_SECRET_KEY": "a" * 40}, "SIGNOFF_SECRET_KEY is a sample"),
        ({"SIGNOFF_SECRET_KEY": KEY[:31]}, "SIGNOFF_SECRET_KEY has 31 characters"),
        ({"SIGNOFF_TOKEN": "xoxb-1"}, "SIGNOFF_TOKEN is no API token"),
        ({"SIGNOFF_TOKEN": f"{PREFIX}a\nb"}, "SIGNOFF_TOKEN is no API token"),
        ({"SLACK_APP_TOKEN": "xapp-1"}, "SLACK_BOT_TOKEN is missing"),
        ({"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_APP_TOKEN": "xoxb-1"}, "SLACK_APP_TOKEN is no app-level token"),
        ({"GMAIL_TOKEN": "x"}, "GMAIL_TOKEN needs GMAIL_SENDER"),
        ({"GMAIL_SENDER": "nobody"}, "GMAIL_SENDER 'nobody' is no mail address"),
        ({"GMAIL_API_URL": "localhost:1"}, "GMAIL_API_URL must be"),
    ],
)
def test_each_wrong_setting_is_one_sentence(env: Mapping[str, str], said: str) -> None:
    (told,) = problems(env)

    assert told.startswith(said)


def test_serving_takes_a_secret_key_and_folders_that_are_there(tmp_path: Path) -> None:
    env = {"SIGNOFF_FLOWS": str(tmp_path / "none"), "SIGNOFF_DATABASE": f"sqlite:///{tmp_path}/deep/signoff.db"}

    assert Settings.load(env).secret_keys == ()
    assert problems(env, serving=True) == (
        "SIGNOFF_SECRET_KEY is missing; `signoff init` writes a fresh one.",
        f"SIGNOFF_FLOWS: there is no folder {tmp_path}/none.",
        f"SIGNOFF_DATABASE: there is no folder {tmp_path}/deep.",
    )
    assert Settings.load({"SIGNOFF_SECRET_KEY": KEY}, serving=True).secret_keys == (KEY,)


def test_the_faults_of_the_file_are_told_with_their_lines(tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text("SIGNOFF_PORT=4000\nSIGNOFF_HOST\n'=\nSIGNOFF_TOKN=x\n")

    assert problems({}, dotenv) == (
        f"{dotenv}:2: is not NAME=value.",
        f"{dotenv}:3: is not NAME=value.",
        "SIGNOFF_TOKN is no setting of Signoff; did you mean 'SIGNOFF_TOKEN'?",
    )


def test_a_file_that_is_not_text_is_a_problem(tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_bytes(b"SIGNOFF_PORT=\xff\n")

    assert problems({}, dotenv) == (f"{dotenv} is not text in UTF-8.",)


def test_no_secret_is_printed() -> None:
    secrets = {
        "SIGNOFF_SECRET_KEY": KEY,
        "SIGNOFF_TOKEN": f"{PREFIX}hidden-token",
        "SLACK_BOT_TOKEN": "xoxb-hidden",
        "SLACK_SIGNING_SECRET": "hidden-signing",
        "SLACK_APP_TOKEN": "xapp-hidden",
        "GMAIL_TOKEN": "hidden-gmail",
    }
    settings = Settings.load({**secrets, "GMAIL_SENDER": "a@example.com"})
    wrong = {name: f"wrong {value}" for name, value in secrets.items()} | {
        "SIGNOFF_DATABASE": "postgres://hidden@db",
        "SIGNOFF_SECRET_KEY": "hidden-1234",
    }

    texts = f"{settings!r} {settings} {settings.model_dump_json()} {problems(wrong)}"

    assert "hidden" not in texts
    assert KEY not in texts


def test_no_secret_is_printed_where_settings_are_built_by_hand() -> None:
    with pytest.raises(ValidationError, match="those start with xoxb-") as caught:
        Settings(slack_bot_token="hidden")  # type: ignore[arg-type]  # as a text, which pydantic takes

    assert "hidden" not in str(caught.value)


def test_mail_links_that_lead_to_this_machine_are_warned_about() -> None:
    gmail = {"GMAIL_SENDER": "a@example.com", "GMAIL_TOKEN": "x", "SIGNOFF_ADMINS": "ann@example.com"}

    (warning,) = Settings.load(gmail).warnings()

    assert warning.startswith("Mail links lead to http://127.0.0.1:3000, which opens on this machine only")
    assert Settings.load({**gmail, "SIGNOFF_PUBLIC_URL": "https://signoff.example.com"}).warnings() == ()


@pytest.mark.parametrize(
    ("env", "start"),
    [
        ({"SIGNOFF_PUBLIC_URL": "http://signoff.example.com"}, "http://signoff.example.com is not encrypted"),
        ({"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_SIGNING_SECRET": "x"}, "Slack cannot call http://127.0.0.1:3000"),
        ({"GMAIL_SENDER": "a@example.com"}, "GMAIL_SENDER is set, and nothing to send with"),
        ({}, "Neither Slack nor Gmail is set up"),
        ({}, "SIGNOFF_ADMINS is not set"),
    ],
)
def test_what_is_probably_not_meant_is_warned_about(env: Mapping[str, str], start: str) -> None:
    assert [one for one in Settings.load(env).warnings() if one.startswith(start)] != []


# -- connections


CONNECTIONS = {
    "ops": {"type": "slack", "bot_token": "xoxb-ops"},
    "billing": {"type": "gmail", "sender": "Billing <billing@example.com>", "token": "ya29.b"},
    "orders": {"type": "http", "base_url": "https://orders.example.com/v1/", "headers": {"X-Key": "s3cret"}},
}

AS_YAML = """
ops: {type: slack, bot_token: xoxb-ops}
billing: {type: gmail, sender: Billing <billing@example.com>, token: ya29.b}
orders:
  type: http
  base_url: https://orders.example.com/v1/
  headers: {X-Key: s3cret}
"""

AS_TOML = """
[ops]
type = "slack"
bot_token = "xoxb-ops"
[billing]
type = "gmail"
sender = "Billing <billing@example.com>"
token = "ya29.b"
[orders]
type = "http"
base_url = "https://orders.example.com/v1/"
headers = { X-Key = "s3cret" }
"""


@pytest.mark.parametrize(
    ("name", "text"),
    [("c.yml", AS_YAML), ("c.toml", AS_TOML), ("c.json", json.dumps(CONNECTIONS)), (None, json.dumps(CONNECTIONS))],
)
def test_further_accounts_come_from_a_setting_or_a_file(tmp_path: Path, name: str | None, text: str) -> None:
    file = tmp_path / (name or "unused")
    file.write_text(text)
    env = {"SIGNOFF_CONNECTIONS_FILE": str(file)} if name else {"SIGNOFF_CONNECTIONS": text}

    settings = Settings.load(env)

    assert settings.connection_names == {
        "gmail": ("billing",),
        "http": ("orders",),
        "mail": ("billing",),
        "slack": ("ops",),
    }
    ops, billing, orders = settings.connections.values()
    assert isinstance(ops, SlackConnection)
    assert isinstance(billing, GmailConnection)
    assert isinstance(orders, HttpConnection)
    assert (ops.secrets, billing.secrets, orders.secrets) == (("xoxb-ops",), ("ya29.b",), ("s3cret",))
    assert orders.base_url == "https://orders.example.com/v1"
    assert not any(secret in repr(settings) for secret in ("xoxb-ops", "ya29.b", "s3cret"))


def test_everything_that_is_wrong_with_connections_is_told_at_once_and_without_its_secrets(tmp_path: Path) -> None:
    no_address = "must be an address like https://signoff.example.com, without user, query and fragment."

    told = problems(
        {
            "SIGNOFF_PORT": "99999",
            "SIGNOFF_CONNECTIONS": json.dumps(
                {
                    "Ops": {"type": "slack", "bot_token": "xoxb-1"},
                    "a": {"type": "slack", "bot_token": "hunter2"},
                    "b": {"type": "gmail", "sender": "nobody", "token": "hunter2"},
                    "c": {"type": "gmail", "sender": "bot@example.com"},
                    "d": {"type": "http", "base_url": "orders", "headers": {"Host": "hunter2"}},
                    "e": {"type": "http", "url": "https://hunter2.example.com"},
                    "f": {"type": "jira"},
                    "g": {"type": "http", "base_url": "https://a.example", "headers": {"X": "hunter2\r\nY: 1"}},
                    "h": {"bot_token": "hunter2"},
                    "i": "hunter2",
                    "j": {"type": "gmail", "sender": "b@example.com", "credentials": str(tmp_path / "gone.json")},
                }
            ),
        }
    )

    assert told == (
        "SIGNOFF_PORT must be a number from 1 to 65535.",
        "SIGNOFF_CONNECTIONS: Ops is no name: those are small letters, digits and _, like billing_eu.",
        "SIGNOFF_CONNECTIONS: a.bot_token is no bot token: those start with xoxb-.",
        "SIGNOFF_CONNECTIONS: b.sender 'nobody' is no mail address.",
        "SIGNOFF_CONNECTIONS: c has nothing to send with: it needs credentials.",
        f"SIGNOFF_CONNECTIONS: d.base_url {no_address}",
        "SIGNOFF_CONNECTIONS: d.headers Host is set by Signoff itself.",
        "SIGNOFF_CONNECTIONS: e.base_url is missing.",
        "SIGNOFF_CONNECTIONS: e.url is no key of a http connection, which takes type, base_url, headers.",
        "SIGNOFF_CONNECTIONS: f needs a type: slack, gmail, smtp, http.",
        "SIGNOFF_CONNECTIONS: g.headers the value of X has a line break or another control character.",
        "SIGNOFF_CONNECTIONS: h needs a type: slack, gmail, smtp, http.",
        "SIGNOFF_CONNECTIONS: i is no mapping with a type: slack, gmail, smtp, http.",
        f"SIGNOFF_CONNECTIONS: j.credentials {tmp_path / 'gone.json'} cannot be read: No such file or directory.",
    )
    assert "hunter2" not in "".join(told)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"ops": {"type": "slack", "bot_token": "hunter2"', "is not JSON"),
        ('["hunter2"]', "must be a mapping like"),
        ("hunter2", "is not JSON (at character 1)"),
    ],
)
def test_connections_that_are_no_json_are_refused_without_repeating_them(text: str, said: str) -> None:
    (told,) = problems({"SIGNOFF_CONNECTIONS": text})

    assert told.startswith(f"SIGNOFF_CONNECTIONS {said}")
    assert "hunter2" not in told


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("c.yml", "ops: {type: slack, bot_token: hunter2", "is not YAML (line"),
        ("c.yml", "ops: 1\nops: hunter2", "is not YAML (line"),
        ("c.yml", "- hunter2", "must be a mapping of names to connections."),
        ("c.toml", "ops = hunter2", "is not TOML."),
        ("c.yml", "ops: {type: slack}", "ops.bot_token is missing."),
    ],
)
def test_a_connections_file_with_a_fault_is_named_without_its_secrets(
    tmp_path: Path, name: str, text: str, said: str
) -> None:
    file = tmp_path / name
    file.write_text(text)

    (told,) = problems({"SIGNOFF_CONNECTIONS_FILE": str(file)})

    assert told.startswith("SIGNOFF_CONNECTIONS_FILE: ")
    assert said in told
    assert "hunter2" not in told


def test_a_connections_file_that_is_not_there_is_told_once(tmp_path: Path) -> None:
    (told,) = problems({"SIGNOFF_CONNECTIONS_FILE": str(tmp_path / "gone.yml")})

    assert told == f"SIGNOFF_CONNECTIONS_FILE {tmp_path / 'gone.yml'} cannot be read: No such file or directory."


def test_connections_are_set_in_one_place(tmp_path: Path) -> None:
    file = tmp_path / "c.yml"
    file.write_text(AS_YAML)

    (told,) = problems({"SIGNOFF_CONNECTIONS_FILE": str(file), "SIGNOFF_CONNECTIONS": "{}"})

    assert told == "SIGNOFF_CONNECTIONS and SIGNOFF_CONNECTIONS_FILE are both set; set one of them."
