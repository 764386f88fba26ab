"""K10 and K11: forms through the whole bot, of every type that Slack can show, at each of the doors that take one."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from tests.e2e.doors.ways import Say, sent

INSTANT = datetime(2026, 7, 1, 10, 0, tzinfo=UTC)
# Name: the field, what is entered in Slack, what the page sends, what programs send, and what comes of it.
FIELDS = {
    "text": ({"type": "string", "pattern": "[A-Z]{3}"}, "ABC", "ABC", "ABC", "ABC"),
    "count": ({"type": "integer", "min": 1, "max": 5}, 3, "3", 3, 3),
    "share": ({"type": "number", "max": 2}, 1.5, "1.5", 1.5, 1.5),
    "sure": ({"type": "boolean"}, "Yes", "true", True, True),
    "day": ({"type": "date"}, "2026-02-03", "2026-02-03", "2026-02-03", "2026-02-03"),
    "hour": ({"type": "time"}, "14:30", "14:30", "14:30", "14:30"),
    "moment": (
        {"type": "datetime"},
        INSTANT,
        "2026-07-01T12:00",
        "2026-07-01T12:00:00+02:00",
        "2026-07-01T12:00:00+02:00",
    ),
    "span": ({"type": "duration"}, "90m", "90m", "90m", "1h30m"),
    "region": ({"type": "select", "options": ["eu", {"value": "us", "label": "America"}]}, "America", "us", "us", "us"),
    "teams": ({"type": "multiselect", "options": ["web", "data"]}, ["data"], "data", ["data"], ["data"]),
    "mail": ({"type": "email"}, "a@Example.com", "a@Example.com", "a@Example.com", "a@example.com"),
    "link": ({"type": "url"}, *["https://example.com/x"] * 4),
    "extra": ({"type": "json"}, '{"n": 1}', '{"n": 1}', {"n": 1}, {"n": 1}),
}
WRONG = {"text": "abc", "count": "9", "share": "9.5", "span": "soon", "mail": "nobody", "extra": "{"}


def every_type() -> str:
    form = [{"name": name, **field} for name, (field, *_) in FIELDS.items()]
    wait = {"ask": "All of it?", "approvers": "bob@example.com", "via": {"slack": "#general"}, "form": form}
    return json.dumps({"flow": "filled", "steps": [{"id": "ask", "approval": wait}]})


def _typed(values: dict[str, object]) -> list[str]:
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in values.items()}
    texts["teams"] = "data"
    return [part for name, text in texts.items() for part in ("-f", f"{name}={text}")]


@pytest.mark.parametrize("door", ["slack", "page", "api", "cli"])
async def test_K10_a_form_of_every_type_is_filled_in_at_each_door_and_comes_out_the_same(serve, door):
    bot = await serve(filled=every_type())
    run = await bot.start("filled")
    programs = {name: values[2] for name, (_, *values) in FIELDS.items()}

    if door == "slack":
        await bot.human("bob").click(bot.card("bob", "All of it?"), "Approve")
        await bot.human("bob").gets_modal("All of it?")
        await bot.human("bob").submit({name: values[0] for name, (_, *values) in FIELDS.items()})
    elif door == "page":
        await bot.by_page("bob", run, **{name: values[1] for name, (_, *values) in FIELDS.items()})
    elif door == "api":
        assert (await bot.by_api("bob", run, form=programs)).status == 201
    else:
        assert (await bot.cli("bob", "approve", bot.approval_id(run), *_typed(programs))).exit_code == 0
    await bot.settled()

    (decision,) = (await bot.view(run)).decisions
    assert dict(decision.values) == {name: values[3] for name, (_, *values) in FIELDS.items()}
    assert await bot.status(run) == "succeeded"


async def test_K10_what_does_not_fit_is_told_for_the_same_fields_at_each_door_and_nothing_is_counted(serve):
    bot = await serve(filled=every_type())
    run = await bot.start("filled")
    good = {name: values[1] for name, (_, *values) in FIELDS.items()}
    before = await bot.all_rows(run)

    page = await sent(bot, "bob", await bot.opens("bob", await bot.link(run, "bob")), Say(values=good | WRONG))
    reply = await bot.by_api("bob", run, form={name: values[2] for name, (_, *values) in FIELDS.items()} | WRONG)
    programs = {name: values[2] for name, (_, *values) in FIELDS.items()}
    typed = await bot.cli("bob", "approve", bot.approval_id(run), *_typed(programs | WRONG))
    await bot.human("bob").click(bot.card("bob", "All of it?"), "Approve")
    modal = await bot.human("bob").gets_modal("All of it?")
    # Slack's own client stops the other wrong ones.
    entered = {name: values[0] for name, (_, *values) in FIELDS.items()} | {"text": "abc", "span": "soon", "extra": "{"}
    await bot.human("bob").submit(entered, view=modal)

    assert reply.status == 422
    assert reply.body["fields"].keys() == WRONG.keys()
    for name, sentence in reply.body["fields"].items():
        assert sentence in page.text, name
        assert f"  {name}: {sentence}" in typed.output
        assert name not in modal.errors or modal.errors[name] == sentence
    assert modal.errors.keys() == {"text", "span", "extra"}
    assert await bot.all_rows(run) == before


PRESET = """
flow: preset
steps:
  - {id: count, uses: log, with: {message: "41"}}
  - id: ask
    approval:
      ask: "How many?"
      approvers: bob@example.com
      via: {slack: "#general"}
      form:
        - {name: number, type: integer, default: "{{ steps.count.output.message | int }}", description: "There are {{ steps.count.output.message }}."}
        - {name: note, type: string, required: false, default: "as before"}
"""


@pytest.mark.parametrize("door", ["slack", "page", "api", "cli"])
async def test_K11_defaults_and_descriptions_come_from_earlier_outputs_and_the_edited_value_wins(serve, door):
    bot = await serve(preset=PRESET)
    run, left = await bot.start("preset"), await bot.start("preset")
    asked = (await bot.api("bob", "GET", f"approvals/{bot.approval_id(run)}")).body

    if door == "slack":
        for one, values in ((run, {"number": 42, "note": ""}), (left, {})):
            before = bot.human("bob").modal
            card = next(m for m in bot.human("bob").messages("#general") if bot.run_id(one) in m.shown_text())
            await bot.human("bob").click(card, "Approve")
            modal = await bot.human("bob").gets_modal("There are 41.")
            assert before is None
            await bot.human("bob").submit(values, view=modal)
    elif door == "page":
        page = await bot.opens("bob", await bot.link(run, "bob"))
        assert page.shows("There are 41.")
        assert (page.forms[0].values["form.number"], page.forms[0].values["form.note"]) == ("41", "as before")
        await bot.sends("bob", page, "approve", number="42", note="")
        await bot.by_page("bob", left)
    elif door == "api":
        await bot.by_api("bob", run, form={"number": 42, "note": ""})
        await bot.by_api("bob", left)
    else:
        await bot.cli("bob", "approve", bot.approval_id(run), "-f", "number=42", "-f", "note=")
        await bot.cli("bob", "approve", bot.approval_id(left))
    await bot.settled()

    assert [(one["default"], one.get("description")) for one in asked["form"]] == [
        (41, "There are 41."),
        ("as before", None),
    ]
    values = [dict((await bot.view(one)).decisions[0].values) for one in (run, left)]
    assert values == [{"number": 42, "note": ""}, {"number": 41, "note": "as before"}]
