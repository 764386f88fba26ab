"""What comes back from an HTML form: texts as they were typed, files within their limits."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from bot.web.errors import BadRequest
from bot.web.typed import MAX_KEPT, MAX_SENT, MAX_VALUES, read_typed
from bot.web.widgets import values_of, widgets
from flows.definition import Approval
from flows.errors import InvalidForm
from flows.forms import validate

FORM = Approval(
    approvers=("ann@example.com",),
    form=[{"name": "report", "type": "file"}, {"name": "note", "type": "string", "required": False}],
).form

Send = Callable[..., Awaitable[tuple[int, Any]]]


@pytest.fixture
async def send() -> AsyncIterator[Send]:
    """Posts to a server that answers with what it has read."""

    async def handler(request: web.Request) -> web.Response:
        try:
            return web.json_response(await read_typed(request))
        except BadRequest as error:
            return web.json_response(str(error), status=400)

    app = web.Application(client_max_size=MAX_KEPT)
    app.router.add_post("/", handler)
    async with TestClient(TestServer(app)) as client:

        async def post(data: Any, headers: dict[str, str] = HEADERS) -> tuple[int, Any]:
            async with client.post("/", data=data, headers=headers) as response:
                return response.status, await response.json() if response.status in (200, 400) else None

        yield post


BOUNDARY = "----WebKitFormBoundary7MA4YWxkTrZu0gW"
HEADERS = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


def form(*parts: tuple[str, Any]) -> io.BytesIO:
    """As a browser sends a form with files: names in UTF-8 as they are; a file is ``(name, media type, content)``."""
    body = io.BytesIO()
    for name, part in parts:
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="form.{name}"'
        if isinstance(part, tuple):
            head += f'; filename="{part[0]}"\r\nContent-Type: {part[1]}'
        body.write(f"{head}\r\n\r\n".encode())
        body.write(part[2] if isinstance(part, tuple) else part.encode())
        body.write(b"\r\n")
    body.write(f"--{BOUNDARY}--\r\n".encode())
    body.seek(0)
    return body


async def test_K10_a_file_comes_with_its_name_its_type_and_its_content_beside_the_texts(send: Send) -> None:
    status, typed = await send(
        form(("report", ("Bericht ü.txt", "text/plain", b"hello\xff")), ("note", "two\r\nlines"))
    )

    values = validate(FORM, values_of(FORM, {**typed, "form.note": ["a note"]}))

    assert (status, typed["form.note"]) == (200, ["two\r\nlines"])
    assert values == {
        "report": {"name": "Bericht ü.txt", "media_type": "text/plain", "size": 6, "content": "aGVsbG//"},
        "note": "a note",
    }


async def test_K10_where_no_file_was_chosen_none_was_given(send: Send) -> None:
    _, typed = await send(form(("report", ("", "application/octet-stream", b"")), ("note", "x")))

    assert typed == {"form.note": ["x"]}
    assert values_of(FORM, typed) == {"report": "", "note": "x"}


async def test_K10_a_file_that_is_too_large_is_refused_beside_its_field_and_the_rest_is_kept(send: Send) -> None:
    _, typed = await send(form(("note", "kept"), ("report", ("big.bin", "application/octet-stream", bytes(5 << 20)))))

    with pytest.raises(InvalidForm) as caught:
        validate(FORM, values_of(FORM, typed))
    report, note = widgets(FORM, {}, zone="UTC", typed=typed, problems=caught.value.fields)

    assert report.error is not None
    assert report.error.startswith("must be a file of at most 32 KiB; this one has 5 MiB.")
    assert (report.options, note.value) == ((), "kept")


async def test_K8_a_file_stays_with_a_form_that_has_to_be_corrected_until_it_is_unticked_or_replaced(
    send: Send,
) -> None:
    _, typed = await send(form(("report", ("../old/a.txt", "text/plain", b"hi")), ("note", "x")))
    report, _ = widgets(FORM, {}, zone="UTC", typed=typed, problems={"note": "is wrong."})
    ((kept, called),) = report.options

    nothing = ("report", ("", "application/octet-stream", b""))
    _, again = await send(form(("report", kept), nothing, ("note", "y")))
    _, unticked = await send(form(nothing, ("note", "y")))
    _, replaced = await send(form(("report", kept), ("report", ("b.txt", "text/plain", b"new"))))

    assert called == "a.txt (text/plain, 2 bytes)"
    assert validate(FORM, values_of(FORM, again))["report"]["content"] == "aGk="
    assert values_of(FORM, unticked)["report"] == ""
    assert validate(FORM, values_of(FORM, replaced))["report"]["name"] == "b.txt"


async def test_P11_a_form_that_is_larger_than_anything_it_asks_for_is_413(send: Send) -> None:
    many = [(f"f{number}", (f"f{number}", "a/b", bytes(45 * 1024))) for number in range(24)]

    assert (await send(form(("report", ("big", "a/b", bytes(MAX_SENT + 1))))))[0] == 413
    assert (await send(form(("note", "x" * (MAX_KEPT + 1)))))[0] == 413
    assert (await send(form(*many)))[0] == 413
    assert (await send(form(*many[:20])))[0] == 200


async def test_what_is_no_form_is_refused(send: Send) -> None:
    boundary = {"Content-Type": "multipart/form-data; boundary=x"}
    nested = b"--x\r\nContent-Type: multipart/mixed; boundary=y\r\n\r\n--y\r\n\r\n--y--\r\n--x--\r\n"
    nameless = b"--x\r\nContent-Disposition: form-data\r\n\r\nx\r\n--x--\r\n"

    assert (await send(json.dumps({}), headers={"Content-Type": "application/json"}))[0] == 400
    assert (await send(b"not a form", headers=boundary))[0] == 400
    assert (await send(nested, headers=boundary))[0] == 400
    assert (await send(nameless, headers=boundary))[0] == 400
    assert (await send(b"", headers={"Content-Type": "multipart/form-data"}))[0] == 400
    assert (await send(form(*[("a", "x")] * (MAX_VALUES + 1))))[0] == 400
    assert (
        await send("&".join(["a=1"] * (MAX_VALUES + 1)), headers={"Content-Type": "application/x-www-form-urlencoded"})
    )[0] == 400
