"""Makes ``part_one.sql``: a database as Part 1 of Signoff left it, with runs that wait in every way that it knew.

It was run once, by the code of commit a3bcc98 (database schema 1, definition schema 1), and is kept to say where the
file comes from::

    git archive a3bcc98 | tar -x -C /tmp/part-one
    PYTHONPATH=/tmp/part-one python tests/flows/make_part_one.py

``test_upgrade.py`` goes on with what is in it.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from bot.links import PageLinks
from flows.engine import Once
from flows.errors import ActionError
from flows.links import Keyring
from flows.store.migrations import version
from flows.testing import FlowTest, Turns

HERE = Path(__file__).parent
KEY = "a key of Part 1 that is forty letters long"
ANN, BOB, CAY, DAN, EVE = (f"{name}@example.com" for name in ("ann", "bob", "cay", "dan", "eve"))

FLOWS = {
    "release": """\
flow: release
title: Release to production
inputs:
  - {name: version, type: string, pattern: '[0-9.]+'}
  - {name: token, type: secret}
  - {name: first, type: email}
steps:
  - id: build
    uses: http.request
    with: {method: POST, url: https://ci.example.com/builds, json: {version: "{{ inputs.version }}"}}
    retry: {max: 2, delay: 10s}
  - id: gate
    title: Go or no-go
    approval:
      ask: "Release {{ inputs.version }}?"
      show: {Build: "{{ steps.build.output.body.url }}"}
      approvers: ["{{ inputs.first }}", "@release-managers"]
      quorum: 2
      via: gmail
      form:
        - {name: window, type: select, options: [now, {value: tonight, label: Tonight}], default: now}
        - {name: note, type: string, required: false, default: "{{ steps.build.output.body.note }}"}
      timeout: 2d
      on_reject: continue
  - id: ship
    if: steps.gate.approved
    uses: http.request
    with:
      method: POST
      url: https://ci.example.com/ship
      headers: {Authorization: "Bearer {{ inputs.token }}"}
      json: {build: "{{ steps.build.output.body.url }}", window: "{{ resume.window }}", note: "{{ resume.note }}"}
  - id: tell
    uses: slack.post_message
    with: {channel: "#releases", text: "{{ inputs.version }}: {{ approvers | join(', ') or 'nobody' }}"}
""",
    "unanimous": """\
flow: unanimous
steps:
  - id: everybody
    approval: {approvers: "@release-managers", quorum: all, timeout: 3d}
  - {id: after, uses: log, with: {message: "{{ approvers | join(', ') }}"}}
""",
    "hold": """\
flow: hold
steps:
  - id: fill
    hold:
      form: [{name: count, type: integer, min: 1}, {name: pin, type: secret}]
      timeout: 1d
      on_timeout: fail
  - {id: after, uses: log, with: {message: "{{ resume.count }} {{ steps.fill.resumed.by }} {{ resume.pin }}"}}
""",
    "delay": """\
flow: delay
steps:
  - {id: night, delay: 12h}
  - {id: after, uses: log, with: {message: over}}
""",
    "late": """\
flow: late
steps:
  - id: gate
    approval: {approvers: bob@example.com, timeout: 1d, on_timeout: continue}
  - {id: after, uses: log, with: {message: "{{ steps.gate.timed_out }}"}}
""",
    "flaky": """\
flow: flaky
steps:
  - id: call
    uses: http.request
    with: {url: https://example.com/}
    retry: {max: 3, delay: 1h, backoff: 1}
  - {id: after, uses: log, with: {message: "{{ steps.call.output }}"}}
""",
    "unsure": """\
flow: unsure
steps:
  - {id: mail, uses: gmail.send, with: {to: bob@example.com, subject: Hello, text: Hello}}
  - {id: after, uses: log, with: {message: "{{ steps.mail.output }}"}}
""",
    "done": """\
flow: done
steps:
  - {id: gate, approval: {approvers: bob@example.com}}
  - {id: after, uses: log, with: {message: "{{ approvers | join }}"}}
""",
}


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        flows, database = Path(folder) / "flows", Path(folder) / "signoff.db"
        flows.mkdir()
        for name, text in FLOWS.items():
            (flows / f"{name}.yml").write_text(text)
        known = await fill(flows, database)
        with closing(sqlite3.connect(database)) as connection:
            if version(connection) != 1:
                raise SystemExit("this is not the code of Part 1")
            dump = "\n".join(connection.iterdump())
    lines = ["-- Made by make_part_one.py with the code of Part 1 (commit a3bcc98). Not to be changed by hand."]
    lines += [f"-- {json.dumps(known)}", "PRAGMA user_version = 1;", dump, ""]
    (HERE / "part_one.sql").write_text("\n".join(lines))


async def fill(flows: Path, database: Path) -> dict[str, object]:
    """Start everything; what a test has to know of it, by name."""
    built = {"status": 201, "headers": {}, "body": {"url": "https://ci.example.com/7", "note": "from the build"}}
    async with FlowTest(
        flows,
        people=[ANN, BOB, CAY, DAN, EVE],
        groups={"@release-managers": [CAY, DAN]},
        admins=[EVE],
        actions={
            "http.request": Turns(built, built, ActionError("no answer", retryable=True)),
            "gmail.send": ActionError("the connection broke", uncertain=True),
        },
        database=database,
        secret_key=KEY,
    ) as t:
        given = {"version": "1.4.0", "token": "s3cr3t-token-of-a-release", "first": BOB}
        ann = await t.crowd.meet(t.store, ANN)
        release = await t.start("release", by=ANN, inputs=given)
        await t.approve(release, by=BOB, comment="Tests are green.", form={"window": "tonight", "note": "mine"})
        keyed, _ = await t.engine.start("release", ann.id, {**given, "version": "1.5.0"}, once=Once(1, "build-4711"))
        await t.settle()
        runs = {"release": release.number, "keyed": keyed.id}
        for name in ("unanimous", "hold", "delay", "late", "flaky", "unsure"):
            runs[name] = (await t.start(name, by=ANN)).number
        approved, rejected = await t.start("done", by=ANN), await t.start("done", by=ANN)
        await t.approve(approved, by=BOB)
        await t.reject(rejected, by=BOB, comment="Not on a Friday.")
        runs |= {"approved": approved.number, "rejected": rejected.number}
        cay = await t.crowd.meet(t.store, CAY)
        links = PageLinks(Keyring([KEY]), t.clock, "https://signoff.example.com")
        return {
            "key": KEY,
            "now": t.clock.now().isoformat(),
            "runs": runs,
            "link": links.url(release.suspension("gate"), cay.id),
            "digest": release.suspension("gate").suspension.digest.hex(),
        }


if __name__ == "__main__":
    asyncio.run(main())
