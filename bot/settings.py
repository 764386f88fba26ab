"""The settings: one frozen value, read once, from the environment and a ``.env`` file. Nobody else reads either.

Whatever is wrong is told at once (``ConfigError``), each with the setting's name and never with the value of
a secret. An empty value counts as not set, so that ``docker run -e SLACK_APP_TOKEN=`` means what it says.
"""

from __future__ import annotations

import io
import json
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from dotenv.parser import parse_stream
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from bot.connections import Connection, Name, http_url, readable, sender, starts, told
from flows.durations import parse_duration
from flows.errors import ConfigError
from flows.findings import did_you_mean
from flows.handles import InvalidHandle, is_email, normalise
from integrations.http.addresses import AddressRules
from integrations.smtp.server import Tls

MIN_SECRET = 32
"""Characters of a secret key: what ``signoff init`` writes has 43, which are 256 random bits."""

_PREFIX = "SIGNOFF_"
_CONNECTIONS = "SIGNOFF_CONNECTIONS"
_FILE = "SIGNOFF_CONNECTIONS_FILE"
_SQLITE = "sqlite:///"
_SAMPLE = re.compile(
    r"(replace|change|your|example|sample|secret|insert)[-_ .]?(me|this|key|it|here)?\b", re.IGNORECASE
)
_CHANNEL = re.compile(r"#[^\s#@,<>&]{1,80}|[CG][A-Z0-9]{6,}")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")


def _split(value: object) -> object:
    return tuple(part for each in value.split(",") if (part := each.strip())) if isinstance(value, str) else value


def _reply_to(value: str) -> str:
    return value if value == "requester" else sender(value)


def _database(value: str) -> str:
    if not value.startswith(_SQLITE) or value in (_SQLITE, f"{_SQLITE}:memory:") or set(value) & {"?", "#"}:
        # Not repeated: the address of another database may hold a password.
        raise ValueError("must be sqlite:/// and a file, like sqlite:///signoff.db (sqlite:////srv/... from the root)")
    return value


def _port(value: object) -> object:
    text = str(value)
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 1 <= int(text) <= 65535:
        raise ValueError("must be a number from 1 to 65535")
    return int(text)


def _host(value: str) -> str:
    if not _is_address(value) and not _HOST.fullmatch(value):
        raise ValueError("must be a host name or an address, like 127.0.0.1 or 0.0.0.0")
    return value


def _keys(value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
    problems = []
    for index, key in enumerate(value, 1):
        which = "" if len(value) == 1 else f"key {index} "
        text = key.get_secret_value()
        if _SAMPLE.match(text) or len(set(text)) < 8:
            problems.append(f"{which}is a sample and no secret; `signoff init` writes a fresh one")
        elif len(text) < MIN_SECRET:
            problems.append(
                f"{which}has {len(text)} characters and needs {MIN_SECRET}; `signoff init` writes a fresh one"
            )
    if problems:
        raise ValueError("; ".join(problems))
    return value


def _admins(value: tuple[str, ...]) -> tuple[str, ...]:
    admins, wrong = [], []
    for one in value:
        try:
            handle = normalise(one)
        except InvalidHandle:
            handle = ""
        if is_email(handle):
            admins.append(handle)
        else:
            wrong.append(repr(one))
    if wrong:
        raise ValueError(f"takes mail addresses; {' and '.join(wrong)} {'is' if len(wrong) == 1 else 'are'} none")
    return tuple(admins)


def _channel(value: str) -> str:
    if not _CHANNEL.fullmatch(value):
        raise ValueError("takes a channel, like #signoff-admins or its id, like C024BE91L")
    return value


def _pause(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        pause = parse_duration(value)
    except ValueError:
        raise ValueError("takes a duration, like 10m") from None
    if not timedelta(minutes=1) <= pause <= timedelta(days=1):
        raise ValueError("takes a duration from 1m to 1d")
    return pause


def _json(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        found = json.loads(value)
    except ValueError as error:
        # Without the text: there are tokens in it.
        where = f" (at character {error.pos + 1})" if isinstance(error, json.JSONDecodeError) else ""
        raise ValueError(f"is not JSON{where}") from None
    if not isinstance(found, dict):
        raise ValueError('must be a mapping like {"ops": {"type": "slack", "bot_token": "xoxb-..."}}')  # noqa: TRY004 - pydantic turns ValueErrors into problems
    return found


def _reachable(value: tuple[str, ...]) -> tuple[str, ...]:
    try:
        AddressRules.parse(allowed_hosts=value)
    except ConfigError as error:
        raise ValueError(f"is not right: {' '.join(error.problems)}") from None
    return value


def _here(data: dict[str, Any]) -> str:
    """Where the bot is found if nobody says otherwise; an address that means "all of them" is none to link to."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(data.get("host", ""), data.get("host", "127.0.0.1"))  # noqa: S104 - compared, not bound
    return f"http://{f'[{host}]' if ':' in host else host}:{data.get('port', 3000)}"


HttpUrl = Annotated[str, AfterValidator(http_url)]


class Settings(BaseSettings):
    """Everything that an installation can choose. Made by ``load``; tests may build one by its fields' names.

    What a field is called outside is its ``validation_alias``; ``description`` is what the documentation says of it.
    """

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", populate_by_name=True, hide_input_in_errors=True, validate_default=False
    )

    database: Annotated[str, AfterValidator(_database)] = Field(
        default="sqlite:///signoff.db",
        validation_alias="SIGNOFF_DATABASE",
        description="Where everything is kept: sqlite:/// and a file, from the working directory.",
    )
    flows: Path = Field(
        default=Path(),
        validation_alias="SIGNOFF_FLOWS",
        description="The folder with the flows, read with everything below it. Default: the working directory.",
    )
    host: Annotated[str, AfterValidator(_host)] = Field(
        default="127.0.0.1",
        validation_alias="SIGNOFF_HOST",
        description="The address to listen on; 0.0.0.0 for all of the machine's.",
    )
    port: Annotated[int, BeforeValidator(_port)] = Field(
        default=3000, validation_alias="SIGNOFF_PORT", description="The port to listen on, 1 to 65535."
    )
    public_url: HttpUrl = Field(
        default_factory=_here,
        validation_alias="SIGNOFF_PUBLIC_URL",
        description="Where people reach the bot, for links in mails and Slack, and where the commands find its API. "
        "Default: http://SIGNOFF_HOST:SIGNOFF_PORT.",
    )
    secret_key: Annotated[tuple[SecretStr, ...], BeforeValidator(_split), AfterValidator(_keys)] = Field(
        default=(),
        validation_alias="SIGNOFF_SECRET_KEY",
        description=f"Keys of at least {MIN_SECRET} characters for links and secret values, separated by commas: the "
        "first signs, all verify. Needed to serve.",
    )
    admins: Annotated[tuple[str, ...], BeforeValidator(_split), AfterValidator(_admins)] = Field(
        default=(),
        validation_alias="SIGNOFF_ADMINS",
        description="Mail addresses, separated by commas, of those who may see and cancel every run and free parked effects.",
    )
    token: Annotated[SecretStr, AfterValidator(starts("sgn_", "API token"))] | None = Field(
        default=None,
        validation_alias="SIGNOFF_TOKEN",
        description="The API token that the commands act with; `signoff token create` makes one.",
    )
    http_allow: Annotated[tuple[str, ...], BeforeValidator(_split), AfterValidator(_reachable)] = Field(
        default=(),
        validation_alias="SIGNOFF_HTTP_ALLOW",
        description="Hosts, addresses and blocks (10.0.0.0/8), separated by commas, that http.request may reach although "
        "they are private.",
    )
    slack_bot_token: Annotated[SecretStr, AfterValidator(starts("xoxb-", "bot token"))] | None = Field(
        default=None, validation_alias="SLACK_BOT_TOKEN", description="The Slack app's bot token, xoxb-..."
    )
    slack_signing_secret: SecretStr | None = Field(
        default=None,
        validation_alias="SLACK_SIGNING_SECRET",
        description="The Slack app's signing secret, where Slack calls the bot at /slack/events.",
    )
    slack_app_token: Annotated[SecretStr, AfterValidator(starts("xapp-", "app-level token"))] | None = Field(
        default=None,
        validation_alias="SLACK_APP_TOKEN",
        description="The Slack app's app-level token, xapp-..., for Socket Mode: the bot calls Slack, and needs no public address.",
    )
    admin_channel: Annotated[str, AfterValidator(_channel)] | None = Field(
        default=None,
        validation_alias="SIGNOFF_ADMIN_CHANNEL",
        description="The Slack channel, #name or its id, in which admins are told what they have to mend. Default: a direct "
        "message or a mail to each admin.",
    )
    reconcile: Annotated[timedelta, BeforeValidator(_pause)] = Field(
        default=timedelta(minutes=10),
        validation_alias="SIGNOFF_RECONCILE",
        description="How often cards are compared with what Slack shows, 1m to 1d; missing and wrong ones are drawn again. "
        "Default: 10m.",
    )
    slack_client_id: str | None = Field(
        default=None,
        validation_alias="SLACK_CLIENT_ID",
        description="The Slack app's client id, by which admins install it in workspaces at /slack/install.",
    )
    slack_client_secret: SecretStr | None = Field(
        default=None, validation_alias="SLACK_CLIENT_SECRET", description="The Slack app's client secret."
    )
    slack_api_url: HttpUrl | None = Field(
        default=None, validation_alias="SLACK_API_URL", description="Slack's Web API, where it is a stand-in."
    )
    gmail_api_url: HttpUrl | None = Field(
        default=None, validation_alias="GMAIL_API_URL", description="Gmail's API, where it is a stand-in."
    )
    gmail_credentials: Annotated[Path, AfterValidator(readable)] | None = Field(
        default=None,
        validation_alias="GMAIL_CREDENTIALS",
        description="The file of a service account with domain-wide delegation, or of an authorized user.",
    )
    gmail_sender: Annotated[str, AfterValidator(sender)] | None = Field(
        default=None, validation_alias="GMAIL_SENDER", description="The mail address that mails are sent from."
    )
    gmail_token: SecretStr | None = Field(
        default=None,
        validation_alias="GMAIL_TOKEN",
        description="A fixed access token in place of credentials, for stand-ins.",
    )
    google_client_id: str | None = Field(
        default=None,
        validation_alias="GOOGLE_CLIENT_ID",
        description="The OAuth client of a Google Cloud project, of type web, by which admins connect Gmail accounts at "
        "/connect/gmail.",
    )
    google_client_secret: SecretStr | None = Field(
        default=None, validation_alias="GOOGLE_CLIENT_SECRET", description="The secret of that client."
    )
    google_oauth_url: HttpUrl | None = Field(
        default=None,
        validation_alias="GOOGLE_OAUTH_URL",
        description="Google's pages and endpoints for consent, where they are a stand-in.",
    )
    smtp_host: Annotated[str, AfterValidator(_host)] | None = Field(
        default=None,
        validation_alias="SMTP_HOST",
        description="A mail server to send through. Where a Gmail account is connected, that sends.",
    )
    smtp_port: Annotated[int, BeforeValidator(_port)] | None = Field(
        default=None,
        validation_alias="SMTP_PORT",
        description="Its port. Default: 587 with starttls, 465 with tls, 25 without either.",
    )
    smtp_tls: Tls = Field(
        default="starttls",
        validation_alias="SMTP_TLS",
        description="How it is encrypted: starttls, tls (from the first byte), or none.",
    )
    smtp_user: str | None = Field(
        default=None, validation_alias="SMTP_USER", description="Whom the bot logs in as there, if it takes a login."
    )
    smtp_password: SecretStr | None = Field(
        default=None, validation_alias="SMTP_PASSWORD", description="The password of that login."
    )
    smtp_sender: Annotated[str, AfterValidator(sender)] | None = Field(
        default=None,
        validation_alias="SMTP_SENDER",
        description="The mail address that mails are sent from by SMTP, with a name if one is wanted.",
    )
    mail_reply_to: Annotated[str, AfterValidator(_reply_to)] | None = Field(
        default=None,
        validation_alias="MAIL_REPLY_TO",
        description="Where replies to mails about approvals go: an address, or `requester`. They are comments, and decide "
        "nothing. Default: the mailbox that the mails are sent from.",
    )

    connections: Annotated[Mapping[Name, Connection], BeforeValidator(_json)] = Field(
        default_factory=dict,
        validation_alias="SIGNOFF_CONNECTIONS",
        description="Further accounts, which steps name with `connection`, as JSON: a name, and what stands below.",
    )
    connections_file: Annotated[Path, AfterValidator(readable)] | None = Field(
        default=None,
        validation_alias="SIGNOFF_CONNECTIONS_FILE",
        description="A file with the same, in YAML, JSON or (where its name ends in .toml) TOML.",
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - pydantic-settings calls it so
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        # Only what ``load`` hands over: its own sources stop at the first fault of a file, know nothing of unknown
        # names, and would let a ``Settings(...)`` in a test depend on the machine.
        return (init_settings,)

    @classmethod
    def from_environment(cls, *, serving: bool = False) -> Self:
        """The settings of this process: its environment over the ``.env`` of the working directory. As ``load``."""
        return cls.load(os.environ, Path(".env"), serving=serving)

    @classmethod
    def load(cls, env: Mapping[str, str], dotenv_path: Path | None = None, *, serving: bool = False) -> Self:
        """Settings from ``env`` over those in the file, if there is one; ``serving`` asks for what `serve` needs.

        Raises ``ConfigError`` with every problem, one sentence each, in the order of the fields.
        """
        filed, problems = _read_dotenv(dotenv_path) if dotenv_path else ({}, [])
        merged = filed | dict(env)
        known = {str(field.validation_alias): name for name, field in cls.model_fields.items()}
        values = {name: merged[name].strip() for name in known if merged.get(name, "").strip()}
        given: dict[str, Any] = dict(values)
        if _FILE in given:
            problems.extend(_take_connections(given))
        settings = None
        try:
            settings = cls(**given)
        except ValidationError as error:
            for each in error.errors():
                if each["type"] == "default_factory_not_called":
                    continue  # follows from another setting, which is told
                if each["loc"][0] == _CONNECTIONS and len(each["loc"]) > 1:
                    problems.append(f"{_FILE if _FILE in given else _CONNECTIONS}: {told(each)}.")
                    continue
                said = each["msg"].removeprefix("Value error, ")
                problems.append(f"{each['loc'][0]} {said.removesuffix('.')}.")
        problems.extend(_combinations(values))
        if serving:
            problems.extend(_serving(values))
        for name in sorted(name for name in merged if name.startswith(_PREFIX) and name not in known):
            hint = did_you_mean(name, [each for each in known if each.startswith(_PREFIX)])
            problems.append(f"{name} is no setting of Signoff" + (f"; {hint}" if hint else "."))
        if problems or settings is None:
            raise ConfigError(problems)
        return settings

    @property
    def database_path(self) -> Path:
        return Path(self.database.removeprefix(_SQLITE))

    @property
    def secret_keys(self) -> tuple[str, ...]:
        """The keys in the clear, for the keyring and the vault."""
        return tuple(key.get_secret_value() for key in self.secret_key)

    @property
    def connection_names(self) -> Mapping[str, tuple[str, ...]]:
        """The names of the connections of each integration, for what checks flows."""
        types = {connection.type for connection in self.connections.values()}
        named = {of: tuple(name for name, one in self.connections.items() if one.type == of) for of in sorted(types)}
        mail = (*named.get("gmail", ()), *named.get("smtp", ()))
        return named | ({"mail": mail} if mail else {})

    @property
    def slack(self) -> bool:
        """Whether Slack is connected, or can be while the bot serves."""
        return self.slack_bot_token is not None or self.slack_installs

    @property
    def slack_installs(self) -> bool:
        """Whether the Slack app can be installed in workspaces by OAuth."""
        return self.slack_client_id is not None and self.slack_client_secret is not None

    @property
    def gmail(self) -> bool:
        """Whether mails can be sent."""
        return self.gmail_sender is not None and bool(self.gmail_credentials or self.gmail_token)

    @property
    def smtp(self) -> bool:
        """Whether mails can be sent by SMTP."""
        return self.smtp_host is not None and self.smtp_sender is not None

    def warnings(self) -> tuple[str, ...]:
        """What is allowed, and probably not meant; said when the bot starts."""
        return tuple(self._warnings())

    def _warnings(self) -> Iterator[str]:
        local = _is_local(urlsplit(self.public_url).hostname or "")
        if (self.gmail or self.smtp) and local:
            yield (
                f"Mail links lead to {self.public_url}, which opens on this machine only; set SIGNOFF_PUBLIC_URL to the "
                "address that people reach the bot at."
            )
        if self.public_url.startswith("http://") and not local:
            yield f"{self.public_url} is not encrypted: who listens on the way can use links and tokens; put TLS in front."
        if self.slack and self.slack_app_token is None and local and self.slack_api_url is None:
            yield (
                f"Slack cannot call {self.public_url}; set SLACK_APP_TOKEN (Socket Mode), or SIGNOFF_PUBLIC_URL to an "
                "address that Slack reaches."
            )
        if self.gmail_sender is not None and not self.gmail:
            yield "GMAIL_SENDER is set, and nothing to send with: no mail is sent without GMAIL_CREDENTIALS."
        if self.smtp and self.smtp_tls == "none" and not _is_local(self.smtp_host or ""):
            yield "SMTP_TLS is none: mails, and the links in them, are not encrypted on their way to the mail server."
        if not self.slack and not self.gmail and not self.smtp:
            yield "Neither Slack nor Gmail is set up: people are asked through the API only."
        if not self.admins:
            yield "SIGNOFF_ADMINS is not set: nobody can free parked effects or cancel what somebody else has started."


def _combinations(values: Mapping[str, str]) -> Iterator[str]:
    """What is wrong with settings together. Told beside what is wrong with each, so it looks at the bare texts."""
    slack = [name for name in ("SLACK_SIGNING_SECRET", "SLACK_APP_TOKEN") if name in values]
    given = [name for name in ("SLACK_BOT_TOKEN", "SLACK_CLIENT_ID") if name in values]
    if given and not slack:
        yield f"{given[0]} needs SLACK_APP_TOKEN (Socket Mode) or SLACK_SIGNING_SECRET beside it."
    if ("SLACK_CLIENT_ID" in values) != ("SLACK_CLIENT_SECRET" in values):
        yield "SLACK_CLIENT_ID and SLACK_CLIENT_SECRET belong together; set both."
    if not given and slack:
        yield f"SLACK_BOT_TOKEN is missing; {' and '.join(slack)} alone {'do' if len(slack) > 1 else 'does'} nothing."
    if "SMTP_HOST" in values and "SMTP_SENDER" not in values:
        yield "SMTP_HOST needs SMTP_SENDER beside it: the address that mails are sent from."
    for name in ("SMTP_SENDER", "SMTP_USER", "SMTP_PASSWORD"):
        if name in values and "SMTP_HOST" not in values:
            yield f"{name} needs SMTP_HOST beside it: the server that mails are sent through."
    if "SMTP_USER" in values and "SMTP_PASSWORD" not in values:
        yield "SMTP_USER needs SMTP_PASSWORD beside it."
    if ("GOOGLE_CLIENT_ID" in values) != ("GOOGLE_CLIENT_SECRET" in values):
        yield "GOOGLE_CLIENT_ID and GOOGLE_CLIENT_SECRET belong together; set both."
    for name in ("GMAIL_CREDENTIALS", "GMAIL_TOKEN"):
        if name in values and "GMAIL_SENDER" not in values:
            yield f"{name} needs GMAIL_SENDER beside it: the address that mails are sent from."


def _serving(values: Mapping[str, str]) -> Iterator[str]:
    if not values.get("SIGNOFF_SECRET_KEY", "").strip(", "):
        yield "SIGNOFF_SECRET_KEY is missing; `signoff init` writes a fresh one."
    flows = Path(values.get("SIGNOFF_FLOWS", "."))
    if not flows.exists():
        yield f"SIGNOFF_FLOWS: there is no folder {flows}."
    folder = Path(values.get("SIGNOFF_DATABASE", "").removeprefix(_SQLITE)).parent
    if not folder.is_dir():
        yield f"SIGNOFF_DATABASE: there is no folder {folder}."


def _take_connections(given: dict[str, Any]) -> Iterator[str]:
    """Put what the connections' file says in place of its setting's text; what is wrong with that."""
    path = Path(given[_FILE])
    if _CONNECTIONS in given:
        yield f"{_CONNECTIONS} and {_FILE} are both set; set one of them."
        return
    try:
        text = path.read_text("utf-8")
        found = tomllib.loads(text) if path.suffix == ".toml" else YAML(typ="safe", pure=True).load(text)
    except OSError:
        return  # told by the setting itself
    except (ValueError, YAMLError) as error:
        # Without what they quote of it: there are tokens in it.
        line = getattr(getattr(error, "problem_mark", None), "line", None)
        where = f" (line {line + 1})" if line is not None else ""
        yield f"{_FILE}: {path} is not {'TOML' if path.suffix == '.toml' else 'YAML'}{where}."
        return
    if not isinstance(found, dict):
        yield f"{_FILE}: {path} must be a mapping of names to connections."
        return
    given[_CONNECTIONS] = found


def _read_dotenv(path: Path) -> tuple[dict[str, str], list[str]]:
    """The file's values, and its faults. Nothing is interpolated: a secret may hold ``${``."""
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return {}, []
    except OSError as error:
        return {}, [f"{path} cannot be read: {error.strerror}."]
    except UnicodeDecodeError:
        return {}, [f"{path} is not text in UTF-8."]
    values: dict[str, str] = {}
    problems: list[str] = []
    for binding in parse_stream(io.StringIO(text)):
        if binding.error or (binding.key is not None and binding.value is None):
            problems.append(f"{path}:{binding.original.line}: is not NAME=value.")
        elif binding.key is not None and binding.value is not None:
            values[binding.key] = binding.value
    return values, problems


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _is_local(host: str) -> bool:
    return host == "localhost" or host.endswith(".localhost") or (_is_address(host) and ip_address(host).is_loopback)
