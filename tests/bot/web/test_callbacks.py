from __future__ import annotations

import asyncio
import io
import json
import re
from datetime import timedelta

import pytest

from flows.definition import Callback, Flow, Step
from flows.links import NOBODY, Link, Purpose
from flows.run import Door
from tests.bot.web.conftest import Page
from tests.bot.web.test_page import HEADERS

BODY = {"ok": True, "items": [1, None, "ü"]}
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}, "required": ["n"]}
FLOWS = (
    Flow(
        flow="job",
        title="Nightly build",
        inputs=[
            {"name": "what", "type": "string", "default": "4.2"},
            {"name": "key", "type": "secret", "required": False},
        ],
        steps=[
            Step(
                id="build",
                title="Build",
                callback=Callback(
                    ask="Building {{ inputs.what }}",
                    show={"Log": "inner"},
                    timeout=timedelta(hours=2),
                    on_timeout="fail",
                ),
            )
        ],
    ),
    Flow(flow="strict", steps=[Step(id="build", callback=Callback(schema_=SCHEMA))]),
    Flow(flow="nullable", steps=[Step(id="build", callback=Callback(schema_={"type": ["null", "string"]}))]),
    Flow(flow="leads", steps=[Step(id="build", callback=Callback(redirect="https://example.com/thanks?a=b"))]),
    Flow(flow="code", steps=[Step(id="work", run="jobs:begin")]),
    Flow(flow="held", steps=[Step(id="wait", hold={"ask": "Go on?"})]),
)


@pytest.fixture(autouse=True)
async def flows(world):
    await world.engine.use(FLOWS)


async def links(world, run, n=1):
    view = await world.engine.run(run, (await world.person("root")).id)
    made = world.links.machine(view.run, n)
    return made.resume.removeprefix(world.public_url), made.cancel.removeprefix(world.public_url)


async def call(world, path, method="POST", **given):
    """What a program is answered: the status, the JSON, the headers."""
    if isinstance(given.get("data"), str | bytes):
        data = given["data"].encode() if isinstance(given["data"], str) else given["data"]
        given["data"] = io.BytesIO(data) if data else data
    async with world.client.request(method, path, allow_redirects=False, **given) as response:
        body = await response.text()
        kind = response.content_type
        return response.status, json.loads(body) if kind.endswith("json") else (kind, body), response.headers


async def request_of(world, run, n=1):
    """What was kept of a machine's request."""
    callback = (await world.view(run, n)).callback
    return dict(callback.request) if callback is not None else None


async def rows(world, run):
    tables = ("runs", "step_runs", "suspensions", "callbacks", "ledger", "effects")
    where = {"runs": "id"}
    return await world.store.read(
        lambda c, _: [
            c.execute(f"SELECT * FROM {t} WHERE {where.get(t, 'run')} = ?", (run,)).fetchall() for t in tables
        ]
    )


async def status(world, run):
    return (await world.engine.run(run, (await world.person("root")).id)).status


# -- machines ---------------------------------------------------------------------------------------------------


def in_parts(*parts: tuple[str, str], more: str = "") -> tuple[bytes, dict[str, str]]:
    """A form in parts, and its header."""
    lines = [f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n{more}\r\n{text}\r\n' for name, text in parts]
    return "".join([*lines, "--b--\r\n"]).encode(), {"Content-Type": "multipart/form-data; boundary=b"}


PARTS = in_parts(("a", "1"), ("b", "ü"), ("b", "z"))
PACKED = in_parts(("a", "MQ=="), more="Content-Transfer-Encoding: base64\r\n")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
@pytest.mark.parametrize(
    ("sent", "headers", "body"),
    [
        (json.dumps(BODY), {"Content-Type": "application/json"}, BODY),
        (json.dumps(BODY), {"Content-Type": "application/json; charset=utf-8"}, BODY),
        ('"x"', {"Content-Type": "application/vnd.job+json"}, "x"),
        (
            "a=1&b=x%20y&b=z&c=",
            {"Content-Type": "application/x-www-form-urlencoded"},
            {"a": "1", "b": ["x y", "z"], "c": ""},
        ),
        ("ä done", {"Content-Type": "text/plain; charset=utf-8"}, "ä done"),
        ("ä done".encode("latin-1"), {"Content-Type": "text/plain; charset=ISO-8859-1"}, "ä done"),
        ("<a/>", {"Content-Type": "text/xml"}, "<a/>"),
        (*PARTS, {"a": "1", "b": ["ü", "z"]}),
        (None, {}, None),
        ("", {"Content-Type": "application/json"}, None),
        ("", {"Content-Type": "application/octet-stream"}, None),
    ],
    ids=["json", "charset", "+json", "form", "text", "latin-1", "xml", "parts", "nothing", "empty", "empty bytes"],
)
async def test_P2_a_machines_request_is_kept_with_its_method_query_and_body(world, method, sent, headers, body):
    run = await world.start("job")
    resume, _ = await links(world, run)

    answer = await call(world, f"{resume}?id=7&tag=a&tag=b%20c", method, data=sent, headers=headers)

    assert answer[:2] == (200, {"status": "resumed"})
    kept = await request_of(world, run)
    assert {key: kept[key] for key in ("method", "query", "body")} == {
        "method": method,
        "query": {"id": "7", "tag": ["a", "b c"]},
        "body": body,
    }
    assert await status(world, run) == "succeeded"


async def test_P2_of_the_headers_those_are_kept_that_say_something_of_the_message(world):
    run = await world.start("job")
    resume, _ = await links(world, run)
    given = [
        ("User-Agent", "builder/1.0"),
        ("X-Build", "4"),
        ("X-Build", "5"),
        ("Accept", "*/*"),
        ("Authorization", "Bearer hunter2"),
        ("Proxy-Authorization", "Basic hunter2"),
        ("Cookie", "session=hunter2"),
        ("Connection", "keep-alive, X-Hop"),
        ("X-Hop", "hunter2"),
        ("TE", "trailers"),
        ("Forwarded", "for=192.0.2.7"),
        ("X-Forwarded-For", "192.0.2.7"),
        ("X-Forwarded-Uri", resume),
        ("X-Original-URL", resume),
        ("X-Real-IP", "192.0.2.7"),
        ("CF-Connecting-IP", "192.0.2.7"),
        ("Via", "1.1 proxy"),
    ]

    assert (await call(world, resume, headers=given))[0] == 200

    kept = (await request_of(world, run))["headers"]
    assert {
        name: value for name, value in kept.items() if name not in ("host", "accept-encoding", "content-length")
    } == {
        "user-agent": "builder/1.0",
        "x-build": "4, 5",
        "accept": "*/*",
        "content-type": "application/octet-stream",
    }
    token = resume.rpartition("/")[2]
    assert token not in json.dumps(kept)


async def test_P2_bytes_that_are_no_text_do_no_harm_in_headers_and_query(world):
    run = await world.start("job")
    resume, _ = await links(world, run)
    reader, writer = await asyncio.open_connection("127.0.0.1", int(world.public_url.rpartition(":")[2]))

    writer.write(
        b"POST %s?a=%%ff HTTP/1.1\r\nHost: x\r\nX-Name: caf\xe9\r\nConnection: close\r\n\r\n" % resume.encode()
    )
    answer = await reader.read()
    writer.close()

    kept = await request_of(world, run)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert (kept["headers"]["x-name"], kept["query"], kept["body"]) == ("caf\ufffd", {"a": "\ufffd"}, None)


async def test_P2_the_cancel_link_ends_the_run_as_cancelled_and_is_another_link(world):
    run = await world.start("job")
    resume, cancel = await links(world, run)

    assert resume != cancel
    assert (await call(world, cancel, json={"why": "no disk"}))[:2] == (200, {"status": "cancelled"})
    assert await status(world, run) == "cancelled"
    assert (await request_of(world, run))["body"] == {"why": "no disk"}


@pytest.mark.parametrize("swapped", ["/c/", "/a/"])
async def test_P2_a_link_is_good_at_its_own_door_only(world, swapped):
    run = await world.start("job")
    resume, _ = await links(world, run)
    before = await rows(world, run)

    assert (await call(world, resume.replace("/r/", swapped)))[0] == 404
    assert await rows(world, run) == before


@pytest.mark.parametrize(
    ("sent", "headers"),
    [
        (b"\x00\x01", {"Content-Type": "application/octet-stream"}),
        ("<a/>", {"Content-Type": "application/xml"}),
        ("x", {"Content-Type": "text/plain; charset=utf-16"}),
        ("x", {"Content-Type": "text/plain; charset=rot13"}),
        ('"x"', {"Content-Type": "application/json; charset=utf-16"}),
        ('"x"', {"Content-Type": "application/json", "Content-Encoding": "gzip"}),
        PACKED,
        ("--b--", {"Content-Type": "multipart/mixed; boundary=b"}),
    ],
)
async def test_P2_a_body_that_no_template_could_read_is_415_and_it_still_waits(world, sent, headers):
    run = await world.start("job")
    resume, _ = await links(world, run)
    before = await rows(world, run)

    # Said to be packed is enough: it is not unpacked to find out.
    async with world.client.post(resume, data=sent, headers=headers) as response:
        answer = response.status, (await response.json())["type"]

    assert answer == (415, "urn:signoff:problem:unsupported-body")
    assert await rows(world, run) == before


async def test_P2_a_file_in_a_form_is_415_and_one_that_was_not_chosen_is_left_out(world):
    run = await world.start("job")
    resume, _ = await links(world, run)

    def form(filename: str) -> tuple[bytes, dict[str, str]]:
        parts = [
            b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n',
            b'--b\r\nContent-Disposition: form-data; name="f"; filename="%s"\r\n\r\n\r\n--b--\r\n' % filename.encode(),
        ]
        return b"".join(parts), {"Content-Type": "multipart/form-data; boundary=b"}

    sent, headers = form("x.txt")
    refused = await call(world, resume, data=sent, headers=headers)
    sent, headers = form("")
    taken = await call(world, resume, data=sent, headers=headers)

    assert (refused[0], taken[0]) == (415, 200)
    assert (await request_of(world, run))["body"] == {"a": "1"}


@pytest.mark.parametrize(
    ("sent", "kind"),
    [
        ("{", "application/json"),
        ('{"a": NaN}', "application/json"),
        ("[" * 102 + "]" * 102, "application/json"),
        ("[" * 5000 + "]" * 5000, "application/json"),
        ("9" * 5000, "application/json"),
        (b'"\xff"', "application/json"),
        (b"\xff", "text/plain"),
        ("&".join(f"a{n}=1" for n in range(1001)), "application/x-www-form-urlencoded"),
        ("a=%ff", "application/x-www-form-urlencoded"),
        ("not parts", "multipart/form-data; boundary=b"),
        ("not parts", "multipart/form-data"),
    ],
)
async def test_P2_a_body_that_is_not_what_it_says_is_400_and_it_still_waits(world, sent, kind):
    run = await world.start("job")
    resume, _ = await links(world, run)
    before = await rows(world, run)

    status, problem, _ = await call(world, resume, data=sent, headers={"Content-Type": kind})

    assert (status, problem["type"]) == (400, "urn:signoff:problem:bad-request")
    assert await rows(world, run) == before


MIB = 1 << 20


@pytest.mark.parametrize(
    ("sent", "kind"),
    [
        (b"x" * (MIB + 1), "text/plain"),
        (b'"' + b"x" * MIB + b'"', "application/json"),
        (b"x" * (MIB - 100), "text/plain"),
        (b"\x01" * (MIB // 5), "text/plain"),
        (b"[" + b"1e9," * (MIB // 8) + b"1]", "application/json"),
    ],
    ids=["one byte", "json", "with its headers", "escaped", "written out"],
)
async def test_P11_what_is_over_the_limit_is_413_and_it_still_waits(world, sent, kind):
    run = await world.start("job")
    resume, _ = await links(world, run)
    before = await rows(world, run)

    status, problem, _ = await call(world, resume, data=sent, headers={"Content-Type": kind})

    assert (status, problem["detail"]) == (413, "A request may have at most 1 MiB.")
    assert await rows(world, run) == before
    assert (await call(world, resume, json={"ok": True}))[0] == 200


async def test_P11_a_form_in_parts_counts_as_a_whole(world):
    run = await world.start("job")
    resume, _ = await links(world, run)
    half = "x" * (MIB // 2)
    sent, headers = in_parts(("a", half), ("b", half), ("c", "x"))

    answer = await call(world, resume, data=sent, headers=headers)

    # Before the rest is read: what comes behind it would be 415.
    file = b'--b\r\nContent-Disposition: form-data; name="f"; filename="x"\r\n\r\nx\r\n--b--\r\n'
    before_a_file = await call(world, resume, data=sent.removesuffix(b"--b--\r\n") + file, headers=headers)

    assert (answer[0], before_a_file[0]) == (413, 413)
    assert await request_of(world, run) is None


async def test_a_body_below_the_limit_is_kept_whole(world):
    run = await world.start("job")
    resume, _ = await links(world, run)

    assert (await call(world, resume, data="x" * (MIB - 2048), headers={"Content-Type": "text/plain"}))[0] == 200
    assert len((await request_of(world, run))["body"]) == MIB - 2048


async def test_P10_a_link_works_once_and_who_comes_second_is_told_who_used_it_and_when(world):
    run = await world.start("job")
    resume, cancel = await links(world, run)
    await call(world, resume, headers={"User-Agent": "builder/1.0"})
    before = await rows(world, run)
    world.clock.advance(timedelta(hours=3))  # past the deadline too

    answers = [await call(world, path, json={"again": True}) for path in (resume, cancel, resume)]
    looks = [await world.get(path) for path in (resume, cancel)]

    said = "This link has been used already by builder/1.0, 2026-01-05 09:00:00 UTC. It works once."
    assert [(status, problem["detail"]) for status, problem, _ in answers] == [(409, said)] * 3
    assert {problem["type"] for _, problem, _ in answers} == {"urn:signoff:problem:closed"}
    assert answers[0][2]["Content-Type"].startswith("application/problem+json")
    assert [(status, said in page.text, page.action) for status, page in looks] == [(200, True, None)] * 2
    assert await rows(world, run) == before


async def test_P4_after_the_deadline_it_is_410_whether_or_not_the_timer_has_fired(world):
    run = await world.start("job")
    resume, _ = await links(world, run)
    world.clock.advance(timedelta(hours=2) - timedelta(seconds=1))
    still = await world.get(resume)
    world.clock.advance(timedelta(seconds=1))

    late = await world.get(resume)
    answers = [await call(world, resume), await call(world, resume)]

    assert "Monday, 5 January 2026, 11:00 UTC (in less than a minute)" in still[1].text
    assert still[1].action is not None
    assert (late[1].action, "The deadline has passed" in late[1].text) == (None, True)
    assert [(status, problem["type"]) for status, problem, _ in answers] == [(410, "urn:signoff:problem:expired")] * 2
    assert "closed by its deadline, 2026-01-05 11:00 UTC" in answers[0][1]["detail"]
    assert await request_of(world, run) is None


async def test_R7_the_links_of_a_cancelled_run_are_dead_and_say_so(world):
    run = await world.start("job")
    resume, cancel = await links(world, run)
    await world.engine.cancel(run, (await world.person("req")).id, door=Door.API)
    before = await rows(world, run)

    answers = [await call(world, path) for path in (resume, cancel)]

    assert [status for status, _, _ in answers] == [409, 409]
    assert all("This is no longer open: cancelled" in problem["detail"] for _, problem, _ in answers)
    assert await rows(world, run) == before


async def test_a_body_that_the_flow_does_not_expect_is_422_and_it_still_waits(world):
    run = await world.start("strict")
    resume, _ = await links(world, run)
    before = await rows(world, run)

    status, problem, _ = await call(world, resume, json={"n": 0})

    assert (status, problem["type"]) == (422, "urn:signoff:problem:invalid-form")
    assert list(problem["fields"]) == ["body"]
    assert await rows(world, run) == before
    assert (await call(world, resume, json={"n": 1}))[0] == 200


async def test_another_method_is_405_with_those_that_there_are(world):
    run = await world.start("job")
    resume, _ = await links(world, run)

    status, problem, headers = await call(world, resume, "DELETE")

    assert (status, problem["type"]) == (405, "urn:signoff:problem:method")
    assert {"POST", "PUT", "PATCH", "GET"} <= set(headers["Allow"].split(","))


# -- before it waits --------------------------------------------------------------------------------------------


async def test_P8_what_comes_before_the_step_has_ended_is_kept_once(world):
    run = await world.start("code")  # its function is under way as long as nobody performs it
    resume, cancel = await links(world, run)
    page = await world.get(resume)

    first = await call(world, resume, json=BODY, headers={"User-Agent": "builder/1.0"})
    second = await call(world, cancel)

    assert "What comes before it does is kept for it." in page[1].text
    assert first[:2] == (202, {"status": "kept"})
    assert (second[0], "used already by builder/1.0" in second[1]["detail"]) == (409, True)


async def test_P8_a_wait_that_is_committed_while_the_function_goes_on_is_answered_at_once(world):
    run = await world.start("code")
    resume, _ = await links(world, run)
    await world.engine.suspend(run, "work", 1, 1, {"callback": {"ask": "Build done?"}})

    assert (await call(world, resume, json=BODY))[:2] == (200, {"status": "resumed"})
    assert (await request_of(world, run))["body"] == BODY


async def test_a_link_of_a_step_that_asks_people_instead_answers_nothing(world):
    run = await world.start("code")
    resume, cancel = await links(world, run)
    await world.engine.suspend(run, "work", 1, 1, {"approval": {"ask": "Ship?", "approvers": ["ann@example.com"]}})
    before = await rows(world, run)

    answers = [await call(world, path) for path in (resume, cancel)]
    _, page = await world.get(cancel)

    assert [(status, problem["detail"]) for status, problem, _ in answers] == [
        (409, "This waits for people, not for a machine.")
    ] * 2
    assert (page.action, "This waits for people, not for a machine." in page.text) == (None, True)
    assert await rows(world, run) == before


# -- links that are none ----------------------------------------------------------------------------------------


async def test_S1_whatever_is_wrong_with_a_link_each_gets_the_same_answer(world):
    run, other = await world.start("job"), await world.start("job")
    held = await world.start("held")
    resume, cancel = await links(world, run)
    token = resume.rpartition("/")[2]
    half = len(token) // 2
    started = (await world.view(run)).run.started_at
    expires = started + timedelta(days=9000)
    tokens = {
        "truncated": token[:-1],
        "longer": token + "A",
        "changed": token[:-2] + ("AA" if token[-2:] != "AA" else "BB"),
        "other run's": token[:half] + (await links(world, other))[0].rpartition("/")[2][half:],
        "other purpose's": cancel.rpartition("/")[2],
        "a person's": (await world.link(held)).rpartition("/")[2],
        "revoked": world.keyring.sign(Link(Purpose.RESUME, run, 1, NOBODY, 2, expires)),
        "no such run's": world.keyring.sign(Link(Purpose.RESUME, 2**40, 1, NOBODY, 1, expires)),
        "expired": world.keyring.sign(Link(Purpose.RESUME, run, 1, NOBODY, 1, started)),
        "none": "x",
    }
    before = await rows(world, run)

    answers = {}
    for name, each in tokens.items():
        machine = await call(world, f"/r/{each}", json={"ok": True})
        answers[name] = machine[:2]
        browser = await call(world, f"/r/{each}", data={"a": "1"}, headers={"Accept": "text/html"})
        answers[name] += browser[:2]
        if name != "no such run's":  # GET does not look whether what is still to open can ever do so
            answers[name] += (await call(world, f"/r/{each}", "GET"))[:2]

    bodies = {json.dumps(answer[1]) for answer in answers.values()}
    assert [answer[::2] for answer in answers.values()] == [(404,) * (len(answer) // 2) for answer in answers.values()]
    assert len(bodies) == 1
    assert len({answer[3] for answer in answers.values()}) == 1
    assert await rows(world, run) == before


async def test_S1_long_after_it_is_over_a_link_is_as_good_as_none(world):
    run = await world.start("job")
    resume, _ = await links(world, run)
    await call(world, resume)
    world.clock.advance(timedelta(days=29))
    late = await call(world, resume)
    world.clock.advance(timedelta(days=2))

    assert (late[0], (await call(world, resume))[0], (await world.get(resume))[0]) == (409, 404, 404)


# -- people -----------------------------------------------------------------------------------------------------


async def test_P3_get_and_head_change_nothing_and_show_what_it_is_about(world):
    run = await world.start("job", {"what": "<b>4.2</b> {{ 7 * 7 }}", "key": "hunter2"})
    before = await rows(world, run)

    for path in await links(world, run):
        async with world.client.head(path) as head, world.client.get(path) as response:
            page = Page(await response.text())
            assert (head.status, response.status) == (200, 200)
            assert {name: response.headers[name] for name in HEADERS} == HEADERS
            cookie = response.headers["Set-Cookie"]

        assert re.search(rf"Path={path}(;|$)", cookie)
        for text in ("Nightly build", "Build", "Building <b>4.2</b> {{ 7 * 7 }}", "Monday, 5 January 2026, 11:00 UTC"):
            assert text in page.text
        assert "b" not in page.tags
        assert page.action == f"{path}/press"
        for secret in ("hunter2", "inner", world.store.ids.run(run)):
            assert secret not in page.html

    assert await rows(world, run) == before


@pytest.mark.parametrize(("door", "outcome", "said"), [(0, "succeeded", "Done"), (1, "cancelled", "Cancelled")])
async def test_P3_a_person_ticks_and_presses_the_button(world, door, outcome, said):
    run = await world.start("job")
    link = (await links(world, run))[door]

    status_, page = await world.send(f"{link}?choice=a&choice=b", sure="yes")

    assert (status_, said in page.text) == (200, True)
    assert await status(world, run) == outcome
    kept = await request_of(world, run)
    assert (kept["method"], kept["query"], kept["body"]) == ("POST", {"choice": ["a", "b"]}, None)
    assert not {"cookie", "content-type", "content-length"} & set(kept["headers"])


async def test_P3_the_page_shows_what_the_link_will_send(world):
    run = await world.start("job")
    resume, _ = await links(world, run)

    _, page = await world.get(f"{resume}?choice=a&choice=%3Cb%3E&note=x%26y")

    assert "choice a, <b> note x&y" in page.text
    assert page.action == f"{resume}/press?choice=a&choice=%3Cb%3E&note=x%26y"


async def test_S5_who_presses_every_button_as_it_stands_does_nothing(world):
    run = await world.start("job")
    before = await rows(world, run)

    for link in await links(world, run):
        for _ in range(2):
            status_, page = await world.send(link)
            assert (status_, "Please tick the box first." in page.text) == (422, True)
        again = await world.post(page.action, page.values)
        assert again[0] == 422

    assert await rows(world, run) == before


@pytest.mark.parametrize(
    "wrong", ["no cookie", "other cookie", "no proof", "other proof", "other link", "other query", "site", "origin"]
)
async def test_S9_the_form_counts_only_from_the_page_in_the_browser_that_was_shown_it(world, wrong):
    run = await world.start("job")
    resume, cancel = await links(world, run)
    _, page = await world.get(f"{resume}?a=1")
    _, other = await world.get(cancel)
    values = {**page.values, "sure": ["yes"]}
    action, headers = page.action, {}
    match wrong:
        case "no cookie":
            world.client.session.cookie_jar.clear()
        case "other cookie":
            headers["Cookie"] = "signoff_page=" + "A" * 22
            world.client.session.cookie_jar.clear()
        case "no proof":
            values["proof"] = [""]
        case "other proof":
            values["proof"] = other.values["proof"]
        case "other link":
            action = other.action
        case "other query":
            action = action.replace("a=1", "a=2")
        case "site":
            headers["Sec-Fetch-Site"] = "cross-site"
        case "origin":
            headers["Origin"] = "https://evil.example.com"
    before = await rows(world, run)

    status_, page = await world.post(action, values, headers)

    assert (status_, "was not counted" in page.text) == (403, True)
    assert page.action is not None
    assert await rows(world, run) == before


async def test_a_button_that_was_too_late_shows_who_came_first(world):
    run = await world.start("job")
    resume, _ = await links(world, run)
    _, page = await world.get(resume)
    await call(world, resume, headers={"User-Agent": "builder/1.0"})

    status_, after = await world.post(page.action, {**page.values, "sure": "yes"})

    assert (status_, after.action) == (409, None)
    assert "used already by builder/1.0" in after.text


async def test_what_takes_data_has_no_button_and_its_cancel_link_has(world):
    strict, nullable = await world.start("strict"), await world.start("nullable")
    resume, cancel = await links(world, strict)
    without, _ = await links(world, nullable)

    pages = [(await world.get(path))[1] for path in (resume, cancel, without)]

    assert [page.action is not None for page in pages] == [False, True, True]
    assert "A program has to send something here" in pages[0].text


async def test_a_button_that_sends_what_the_flow_does_not_expect_says_so(world):
    run = await world.start("code")
    resume, _ = await links(world, run)
    _, page = await world.get(resume)
    await world.engine.suspend(run, "work", 1, 1, {"callback": {"schema": SCHEMA}})

    status_, after = await world.post(page.action, {**page.values, "sure": "yes"})

    assert (status_, await request_of(world, run)) == (422, None)
    assert "object" in after.text


async def test_a_button_pressed_early_is_kept(world):
    run = await world.start("code")
    resume, _ = await links(world, run)

    status_, page = await world.send(resume, sure="yes")

    assert (status_, "This is kept" in page.text) == (202, True)
    assert (await call(world, resume))[0] == 409


async def test_who_loads_the_page_again_after_pressing_sees_how_it_is(world):
    run = await world.start("job")
    resume, _ = await links(world, run)
    await world.send(resume, sure="yes")

    status_, page = await world.get(f"{resume}/press")

    assert (status_, page.action) == (200, None)
    assert "used already" in page.text


# -- where the browser goes then --------------------------------------------------------------------------------

HTML = {"Accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"}


async def test_a_browser_that_posts_is_answered_with_a_page(world):
    run = await world.start("job")
    resume, _ = await links(world, run)

    first = await call(world, resume, data={"choice": "a"}, headers=HTML)
    second = await call(world, resume, data={"choice": "b"}, headers=HTML)

    assert (first[0], first[1][0], "The run can go on." in first[1][1]) == (200, "text/html", True)
    assert (second[0], second[1][0], "used already" in second[1][1]) == (409, "text/html", True)
    assert (await request_of(world, run))["body"] == {"choice": "a"}


async def test_a_browser_is_sent_on_to_where_the_flow_says_and_a_machine_is_not(world):
    posted, pressed, called = [await world.start("leads") for _ in range(3)]
    page = (await links(world, pressed))[0]

    answers = [
        await call(world, (await links(world, posted))[0], data={"a": "1"}, headers=HTML),
        await call(world, (await links(world, called))[0], json={"a": 1}),
    ]
    async with world.client.get(page) as response:
        policy = response.headers["Content-Security-Policy"]
    status_, _ = await world.send(page, sure="yes")

    assert (answers[0][0], answers[0][2]["Location"]) == (303, "https://example.com/thanks?a=b")
    assert (answers[1][0], answers[1][1]) == (200, {"status": "resumed"})
    assert status_ == 303
    assert policy == HEADERS["Content-Security-Policy"].replace("'self';", "'self' https:;", 2).replace(
        "style-src 'self' https:", "style-src 'self'"
    )


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "/relative",
        "//example.com",
        "ftp://example.com/",
        "https://",
        "x\r\ny: z",
    ],
)
async def test_S9_a_browser_is_sent_nowhere_but_to_an_address_of_the_web(world, address):
    run = await world.start("code")
    resume, _ = await links(world, run)
    await world.engine.suspend(run, "work", 1, 1, {"callback": {"redirect": address}})

    answer = await call(world, resume, data={"a": "1"}, headers=HTML)

    assert (answer[0], "Location" in answer[2]) == (200, False)
