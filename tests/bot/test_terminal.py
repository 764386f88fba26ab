"""What reaches a terminal: letters only, whoever wrote them; and what reaches a pipe: one line per row."""

from __future__ import annotations

import io
import json
import sys

import pytest

from bot.terminal import err, inert, inert_lines, out, out_json, out_pairs, out_table

HOSTILE = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202egnp.exe\u2066 [red]x[/red] :smile:\r\n\x00\ud800end"


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


def stdout_is(stream: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    monkeypatch.setattr(sys, "stdout", stream)
    # rich then writes no colours of its own, so that every escape that is left is an intruder.
    monkeypatch.setenv("TERM", "dumb")
    return stream


everywhere = pytest.mark.parametrize("kind", [io.StringIO, Tty], ids=["pipe", "terminal"])


def test_nothing_that_a_terminal_acts_on_is_left() -> None:
    assert inert(HOSTILE) == "]0;owned[2J31mgnp.exe [red]x[/red] :smile: end"
    assert inert_lines(HOSTILE) == "]0;owned[2J31mgnp.exe [red]x[/red] :smile:\nend"
    assert inert("Zürich 東京 👩‍💻") == "Zürich 東京 👩‍💻"


@everywhere
def test_user_text_is_inert_however_it_is_printed(kind: type[io.StringIO], monkeypatch: pytest.MonkeyPatch) -> None:
    stdout = stdout_is(kind(), monkeypatch)

    out(HOSTILE)
    out_pairs([(HOSTILE, HOSTILE)])
    out_table(["id", "asked"], [[HOSTILE, HOSTILE]], empty="none")
    out_json({"asked": HOSTILE})

    printed = stdout.getvalue()
    assert not set(printed) & set("\x00\x07\x1b\r\x9b\u202e\u2066\ud800")
    assert printed.count("[red]x[/red] :smile:") >= 4


@everywhere
def test_a_label_cannot_be_markup(kind: type[io.StringIO], monkeypatch: pytest.MonkeyPatch) -> None:
    stdout = stdout_is(kind(), monkeypatch)

    out_pairs([("[bold]inputs.x[/bold]", "[link=https://example.com]y[/link]")])

    assert stdout.getvalue() == "[bold]inputs.x[/bold]: [link=https://example.com]y[/link]\n"


def test_a_pipe_gets_one_whole_line_per_row(monkeypatch: pytest.MonkeyPatch) -> None:
    stdout = stdout_is(io.StringIO(), monkeypatch)

    out_table(["id", "asked"], [["sus_1", "a\nlong\ttext " * 20], ["sus_2", None]], empty="none")

    assert [line.split("\t")[0] for line in stdout.getvalue().splitlines()] == ["sus_1", "sus_2"]
    assert {line.count("\t") for line in stdout.getvalue().splitlines()} == {1}


def test_a_terminal_gets_headings_and_whole_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    stdout = stdout_is(Tty(), monkeypatch)

    ids = ["eff_0123456789abc", "run_0123456789abc"]
    rest_of_row = ["ask", "send the mail", "2026-11-20 07:03 UTC", "Gmail is not set up; " * 4]
    out_table(["id", "run", "step", "what", "since", "error"], [[*ids, *rest_of_row]], empty="none")

    first, second, *rest = stdout.getvalue().splitlines()
    assert first.split() == ["id", "run", "step", "what", "since", "error"]
    assert second.split()[:2] == ids
    assert max(map(len, [first, second, *rest])) <= 80  # what rich takes a terminal to have that does not say


def test_an_empty_table_says_so_beside_the_output(capsys: pytest.CaptureFixture[str]) -> None:
    out_table(["id"], [], empty="Nothing waits for you.")

    assert capsys.readouterr() == ("", "Nothing waits for you.\n")


@everywhere
def test_json_is_what_was_said(kind: type[io.StringIO], monkeypatch: pytest.MonkeyPatch) -> None:
    stdout = stdout_is(kind(), monkeypatch)

    out_json({"asked": HOSTILE})

    assert json.loads(stdout.getvalue()) == {"asked": HOSTILE}


def test_errors_go_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    err("not\x1b[0m allowed")

    assert capsys.readouterr() == ("", "not[0m allowed\n")
