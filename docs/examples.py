"""The examples of ``docs/api.md``: what is sent to a running bot, and what it answers.

Played over a real socket to the bot as ``signoff serve`` builds it, beside the sandbox's Slack. Its clock stands still
and its ids are made from a fixed seed, so that the same examples come out each time.
"""

from __future__ import annotations

import json
import socket
import sqlite3
import tempfile
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

import aiohttp
from pydantic import SecretStr

from bot import tokens
from bot.app import App
from bot.settings import Settings
from flows.store.sqlite import SqliteStore
from flows.testing import FakeClock
from integrations.sandbox import Sandbox

_PHRASES = {413: "Content Too Large", 422: "Unprocessable Content"}  # RFC 9110; Python names them so from 3.13 on

RELEASE = """\
flow: release
title: Release to production
inputs:
  - {name: version, type: string, pattern: '[0-9]+[.][0-9]+[.][0-9]+'}
steps:
  - id: gate
    title: May this go to production?
    approval:
      ask: "Release {{ inputs.version }} to production?"
      approvers: "@release-managers"
      quorum: 2
      via: {slack: "#releases"}
      form:
        - {name: window, type: select, options: [now, tonight], default: now}
      timeout: 8h
"""
LETTER = """\
flow: letter
steps:
  - {id: gate, approval: {ask: Send it?, approvers: bob@example.com, via: gmail}}
"""
_KEY = "docs-Nb7Q2mVx0ZcK9rTfLw4hJ6sDy3pGu8Ea"
_SEED = bytes(range(16))
_SHOWN_HEADERS = ("Location", "Idempotent-Replayed", "Retry-After")


@dataclass(frozen=True)
class Example:
    """One request, with the token of ``who``; of nobody where that is empty. ``{run}``, ``{approval}``, ``{second}``, ``{effect}``, ``{delegation}`` and ``{digest}`` stand for what earlier answers said.

    ``cut`` names keys of the answer that are shown as an ellipsis, because another example shows them.
    """

    name: str
    who: str
    method: str
    path: str
    body: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: tuple[str, ...] = ()
    keep: bool = True
    learns: str | None = None
    """Under which name the first wait that the answer tells of is known from here on."""


_INPUTS = {"inputs": {"version": "1.4.0"}}
_DECIDE = "approvals/{approval}/decisions"

EXAMPLES = (
    Example("openapi", "", "GET", "openapi.json", cut=("info", "servers", "paths", "components")),
    Example("flows", "ann", "GET", "flows"),
    Example("start", "ann", "POST", "flows/release/runs", _INPUTS, {"Idempotency-Key": "build-4711"}),
    Example("start again", "ann", "POST", "flows/release/runs", _INPUTS, {"Idempotency-Key": "build-4711"}, ("*",)),
    Example("bad inputs", "ann", "POST", "flows/release/runs", {"inputs": {"version": "one", "colour": "red"}}),
    Example("approvals", "bob", "GET", "approvals?approver=me&limit=50", cut=("items",)),
    Example("approval", "bob", "GET", "approvals/{approval}"),
    Example("own request", "ann", "POST", _DECIDE, {"verdict": "approve"}),
    Example(
        "decide",
        "bob",
        "POST",
        _DECIDE,
        {"verdict": "approve", "comment": "Tests are green.", "form": {"window": "tonight"}, "digest": "{digest}"},
        cut=("approval",),
    ),
    Example(
        "decide again",
        "bob",
        "POST",
        _DECIDE,
        {"verdict": "approve", "comment": "Tests are green.", "form": {"window": "tonight"}},
        cut=("approval",),
    ),
    Example("changed", "cat", "POST", _DECIDE, {"verdict": "approve", "digest": "0" * 64}, cut=("approval",)),
    Example("run", "ann", "GET", "runs/{run}"),
    Example("withdraw", "bob", "POST", _DECIDE, {"verdict": "withdraw"}, cut=("approval",)),
    Example("question", "cat", "POST", "approvals/{approval}/questions", {"text": "Since when?"}, cut=("approval",)),
    Example("answer", "ann", "POST", "approvals/{approval}/answer", {"text": "Since Friday."}, cut=("approval",)),
    Example(
        "snooze", "cat", "POST", "approvals/{approval}/snooze", {"until": "2026-01-05T13:00:00Z"}, cut=("approval",)
    ),
    Example("nudge", "ann", "POST", "approvals/{approval}/nudge", cut=("approval",)),
    Example("too soon", "ann", "POST", "approvals/{approval}/nudge"),
    Example(
        "reassign",
        "bob",
        "POST",
        "approvals/{approval}/reassign",
        {"to": "eve@example.com", "reason": "On leave."},
        cut=("approval",),
    ),
    Example(
        "delegate",
        "bob",
        "POST",
        "delegations",
        {"delegate": "eve@example.com", "starts": "2026-01-12", "until": "2026-01-16", "flows": ["release"]},
    ),
    Example("delegations", "eve", "GET", "delegations", cut=("items",)),
    Example("end delegation", "eve", "DELETE", "delegations/{delegation}", cut=("person", "delegate", "made_by")),
    Example("find person", "eve", "GET", "people?handle=bob@example.com"),
    Example("pause", "ann", "POST", "runs/{run}/pause", cut=("*",)),
    Example("resume", "ann", "POST", "runs/{run}/resume", cut=("*",)),
    Example("link", "eve", "POST", "runs/{run}/links", {"person": "cat@example.com", "step": "gate"}, cut=("person",)),
    Example("cancel", "ann", "POST", "runs/{run}/cancel", {"reason": "Found a fault."}, cut=("*",)),
    Example("closed", "cat", "POST", _DECIDE, {"verdict": "approve"}, cut=("approval",)),
    Example("second", "ann", "POST", "flows/release/runs", _INPUTS, keep=False, learns="second"),
    Example(
        "several",
        "cat",
        "POST",
        "approvals/decisions",
        {"ids": ["{second}", "{approval}"], "verdict": "approve", "form": {"window": "tonight"}},
    ),
    Example(
        "drop", "eve", "POST", "approvals/{second}/drop", {"reason": "Bob is away, and it cannot wait."}, cut=("*",)
    ),
    Example("letter", "ann", "POST", "flows/letter/runs", {}, keep=False),
    Example("effects", "eve", "GET", "effects"),
    Example("skip", "eve", "POST", "effects/{effect}/skip"),
)


async def play() -> dict[str, str]:
    """Each example's request and answer, in Markdown, by its name."""
    clock = FakeClock()
    with tempfile.TemporaryDirectory(prefix="signoff-docs-") as folder:
        root = Path(folder)
        (root / "flows").mkdir()
        (root / "flows" / "release.yml").write_text(RELEASE)
        (root / "flows" / "letter.yml").write_text(LETTER)
        async with Sandbox.with_people(clock=clock) as sandbox:
            settings = await _settings(root, sandbox, clock)
            app = await App.open(settings, clock=clock)
            try:
                await app.start()
                return await _play(app, settings, clock)
            finally:
                await app.stop()


async def _settings(root: Path, sandbox: Sandbox, clock: FakeClock) -> Settings:
    database = root / "signoff.db"
    await (await SqliteStore.open(database, clock=clock)).close()
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE meta SET value = ? WHERE key = 'seed'", (_SEED,))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return Settings(
        database=f"sqlite:///{database}",
        flows=root / "flows",
        port=port,
        public_url="https://signoff.example.com",
        secret_key=(SecretStr(_KEY),),
        admins=("eve@example.com",),
        slack_bot_token=SecretStr(sandbox.bot_token),
        slack_signing_secret=SecretStr(sandbox.signing_secret),
        slack_api_url=sandbox.slack_url,
    )


async def _play(app: App, settings: Settings, clock: FakeClock) -> dict[str, str]:
    shown: dict[str, str] = {}
    known: dict[str, str] = {}
    secrets: dict[str, str] = {}
    for name in ("ann", "bob", "cat", "eve"):
        issued = await tokens.create(
            settings.database_path,
            clock,
            person=f"{name}@example.com",
            scopes=("start", "read", "decide", "links", "admin") if name == "eve" else ("start", "read", "decide"),
            lifetime=None,
            issued_by="root",
        )
        secrets[name] = issued.secret
    async with aiohttp.ClientSession(f"http://127.0.0.1:{settings.port}") as http:
        for example in EXAMPLES:
            path = f"/api/v1/{example.path.format(**known)}"
            body = json.loads(_filled(json.dumps(example.body), known)) if example.body is not None else None
            token = {"Authorization": f"Bearer {secrets[example.who]}"} if example.who else {}
            headers = {**token, **example.headers}
            async with http.request(example.method, path, json=body, headers=headers) as response:
                answer = await response.json(content_type=None)
                answered = response.status, response.headers
            await app.runner.idle()
            _learn(known, answer)
            if example.learns is not None:
                known[example.learns] = answer["suspensions"][0]["id"]
            if example.keep:
                shown[example.name] = _markdown(example, path, body, answer, *answered)
    return shown


def _filled(text: str, known: Mapping[str, str]) -> str:
    for name, value in known.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def _learn(known: dict[str, str], answer: Mapping[str, Any]) -> None:
    if "run" not in known and "suspensions" in answer:
        known["run"] = answer["id"]
        known["approval"] = answer["suspensions"][0]["id"] if answer["suspensions"] else ""
    for item in answer.get("items", ()):
        if str(item.get("id", "")).startswith("sus_"):
            known["approval"] = item["id"]
        if str(item.get("id", "")).startswith("eff_"):
            known["effect"] = item["id"]
    if str(answer.get("id", "")).startswith("del_"):
        known["delegation"] = answer["id"]
    if "digest" in answer:
        known["digest"] = answer["digest"]


def _markdown(example: Example, path: str, body: Any, answer: Any, status: int, headers: Mapping[str, str]) -> str:
    request = [f"{example.method} {path}"]
    request += [f"Authorization: Bearer $TOKEN_OF_{example.who.upper()}"] if example.who else []
    request += [f"{name}: {value}" for name, value in example.headers.items()]
    if body is not None:
        request += ["Content-Type: application/json", "", json.dumps(body, ensure_ascii=False)]
    reply = [f"{status} {_PHRASES.get(status) or HTTPStatus(status).phrase}"]
    reply += [f"{name}: {headers[name]}" for name in _SHOWN_HEADERS if name in headers]
    return "\n".join(["```http", *request, "```", "", "```http", *reply, "", _json(_cut(answer, example.cut)), "```"])


def _cut(answer: Any, cut: tuple[str, ...]) -> Any:
    if cut == ("*",):
        return {name: answer[name] for name in ("id", "flow", "status")} | {"…": "…"}
    return {name: "…" if name in cut else value for name, value in answer.items()}


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)
