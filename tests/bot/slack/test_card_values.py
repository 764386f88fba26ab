"""How inputs and outputs read on a card: tables, code, links, lines; and what is cut, and that nothing of it is lost."""

from __future__ import annotations

import pytest

from bot.slack.views import values
from bot.slack.views.values import How, Read, filled_in, read, shown, split
from flows.definition import Flow


@pytest.mark.parametrize(
    ("value", "how", "text"),
    [
        ("512 green", How.LINE, "512 green"),
        (None, How.LINE, "–"),
        ([], How.LINE, "–"),
        ({}, How.LINE, "–"),
        (True, How.LINE, "yes"),
        (1299.5, How.LINE, "1299.5"),
        ("https://ci.example.com/run/7?a=1", How.LINK, "https://ci.example.com/run/7?a=1"),
        ("see https://ci.example.com", How.LINE, "see https://ci.example.com"),
        ("https://bank.example@evil.example/", How.LINE, "https://bank.example@evil.example/"),
        ("https://exämple.com", How.LINE, "https://exämple.com"),
        ("javascript:alert(1)", How.LINE, "javascript:alert(1)"),
        ("Dear all,\nit works.\n", How.LINES, "Dear all,\nit works."),
        ("if x:\n    ship()", How.CODE, "if x:\n    ship()"),
        ("```diff\n- old\n+ new\n```", How.CODE, "- old\n+ new"),
        (["a", "b", 3], How.LINE, "a, b, 3"),
        (["long " * 10, "longer " * 10], How.LINES, f"• {('long ' * 10).strip()}\n• {('longer ' * 10).strip()}"),
        ({"host": "db1", "up": False}, How.LINES, "• host: db1\n• up: no"),
        ({"deep": {"er": 1}}, How.CODE, '{\n  "deep": {\n    "er": 1\n  }\n}'),
    ],
)
def test_each_sort_of_output_reads_as_what_it_is(value, how, text):
    assert read(value) == Read(how, text)


def test_a_list_of_objects_is_a_table_with_numbers_to_the_right():
    rows = [{"item": "Laptop", "qty": 2, "price": 1299.5}, {"item": "漢字", "qty": 10, "note": None}]

    table = read(rows)

    assert table.how is How.CODE
    assert table.text.splitlines() == [
        "item    qty   price  note",
        "──────  ───  ──────  ────",
        "Laptop    2  1299.5     –",
        "漢字     10       –     –",
    ]


def test_a_table_that_slack_would_break_is_one_line_for_each_record():
    wide = read([{"name": "x" * 50, "why": "y" * 50}, {"name": "z"}])

    assert wide == Read(How.LINES, f"1. name: {'x' * 50}  ·  why: {'y' * 50}\n2. name: z")


def test_S6_what_people_typed_is_no_link_unless_it_was_asked_for_as_one():
    fields = {
        field.name: field
        for field in Flow(
            flow="f",
            inputs=[
                {"name": "text", "type": "string"},
                {"name": "site", "type": "url"},
                {"name": "data", "type": "json"},
                {"name": "key", "type": "secret"},
                {"name": "rows", "type": "list", "fields": [{"name": "a", "type": "string"}]},
            ],
            steps=[{"id": "x", "uses": "log"}],
        ).inputs
    }
    address = "https://example.com/"

    assert filled_in(fields["text"], address).how is How.LINE
    assert filled_in(fields["data"], address).how is How.LINE
    assert filled_in(fields["site"], address).how is How.LINK
    assert filled_in(fields["rows"], [{"a": "1"}]) == Read(How.CODE, "a\n─\n1")
    assert filled_in(fields["key"], "••••") == Read(How.LINE, "••••")


def test_S6_code_cannot_be_broken_out_of():
    text, cut = shown(Read(How.CODE, "```\n<!channel> & *bold*"), 200)

    assert text.startswith("```\n")
    assert text.count("```") == 2
    assert "&lt;!channel&gt; &amp;" in text
    assert not cut


@pytest.mark.parametrize("how", [How.LINE, How.LINES, How.CODE])
@pytest.mark.parametrize("letter", ["x", "&", "`", "a b\n", "😀"])
def test_R12_what_is_cut_says_so_and_the_pieces_have_all_of_it(how, letter):
    text = letter * 2_000

    short, cut = shown(Read(how, text), 800)
    pieces = list(values.pieces(Read(how, text), 2_840))

    assert (len(short) <= 800, cut) == (True, True)
    assert "…" in short
    assert short.count("```") in (0, 2)
    assert all(len(piece) <= 2_840 for piece in pieces)
    kept = "".join(split(text, 2_832)).replace("\n", "")
    assert kept == text.replace("\n", "")


def test_half_an_address_is_no_link():
    long = f"https://example.com/{'x' * 900}"

    assert shown(read(long), 800)[0].startswith("https://example.com/xxx")
    assert shown(read(long), 1_000)[0] == f"<{long}>"
