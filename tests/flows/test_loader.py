"""What an author is told about a flow file, and that what is right in it still loads."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.definition import SlackPlace
from flows.document import read
from flows.errors import DefinitionError
from flows.loader import MAX_FILE, Loaded, load_file, load_folder

VACATION = """\
flow: vacation
title: Vacation request
inputs:
  - {name: employee, type: email}
  - {name: manager, type: email}
  - {name: start, type: date}
  - {name: end, type: date}
steps:
  - id: manager
    approval:
      ask: "{{ inputs.employee }} asks for {{ inputs.start }} to {{ inputs.end }}"
      approvers: ["{{ inputs.manager }}", "@hr-leads", U024BE7LH]   # mail address, user group, Slack user
      quorum: 2                      # a number, any, all
      self_approval: false           # the default
      via: [gmail, {slack: "#vacation"}]    # without it: each person where they can be reached
      form:
        - {name: reason, type: string, label: Why, required: false}
      timeout: 2d
      on_timeout: end                # end (default: outcome expired) | fail | continue | approve
      on_reject: end                 # end (default: outcome rejected) | fail | continue
  - id: book
    uses: http.request
    with: {method: POST, url: "https://example.com/bookings", json: "{{ inputs }}"}
    retry: {max: 3, delay: 10s, backoff: 2}
  - id: tell
    uses: slack.post_message
    with: {channel: "#vacation", text: "Approved by {{ approvers | join(', ') }}"}
"""


@pytest.fixture(autouse=True)
def _modules_stay_here() -> Iterator[None]:
    """What a test's flows import is forgotten after it."""
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        del sys.modules[name]


@pytest.fixture
def load(tmp_path: Path) -> Callable[[str], Loaded]:
    """Load a text as a flow file; problems come back as ``line: sentence``."""

    def load(text: str) -> Loaded:
        file = tmp_path / "a.yml"
        file.write_text(textwrap.dedent(text))
        return load_file(file)

    return load


def told(loaded: Loaded) -> list[str]:
    file = str(loaded.path)
    assert all(problem.file == file for problem in loaded.problems)
    return [str(problem).removeprefix(f"{file}:") for problem in loaded.problems]


STEP = "steps: [{id: a, delay: 1m}]\n"


# --- What is right ----------------------------------------------------------------------------------------------------


def test_the_vacation_flow_of_the_design_loads_without_a_word(load):
    loaded = load(VACATION)

    assert (told(loaded), loaded.warnings) == ([], ())
    flow = loaded.flow
    assert flow.flow == "vacation"
    assert [step.id for step in flow.steps] == ["manager", "book", "tell"]
    approval = flow.steps[0].approval
    assert approval is not None
    assert approval.via == ("gmail", SlackPlace(slack="#vacation"))
    assert approval.form[0].title == "Why"


def test_on_and_yes_and_dates_are_words(load):
    loaded = load("""
        flow: a
        inputs: [{name: on, type: select, options: [on, off, yes, no, 2026-12-24, ~x]}]
        steps: [{id: a, run: "builtins:dict", with: {day: 2026-12-24, word: yes, number: 0x1F, empty: ~, off: off}}]
        """)

    flow = loaded.flow
    assert [option.value for option in flow.inputs[0].options] == ["on", "off", "yes", "no", "2026-12-24", "~x"]
    assert flow.steps[0].with_ == {"day": "2026-12-24", "word": "yes", "number": 31, "empty": None, "off": "off"}


def test_a_yaml_directive_does_not_bring_the_old_booleans_back(load):
    assert load(f"%YAML 1.1\n---\nflow: a\ntitle: on\n{STEP}").flow.title == "on"


def test_anchors_aliases_and_merged_mappings_are_understood(load):
    loaded = load("""
        flow: a
        steps:
          - {id: a, approval: &ask {approvers: [ann@example.org], timeout: 1h}}
          - {id: b, approval: *ask}
          - id: c
            approval: {<<: *ask, timeout: 2h}
        """)

    timeouts = [step.approval.timeout.total_seconds() for step in loaded.flow.steps if step.approval]
    assert timeouts == [3600, 3600, 7200]


def test_what_is_merged_is_told_at_its_own_line(load):
    loaded = load("""\
        flow: a
        steps:
          - id: a
            approval: &ask
              approvers: [ann]
          - id: b
            approval:
              <<: [*ask, 5]
              quorum: 2
        """)

    assert [(problem.line, problem.message.partition(";")[0]) for problem in loaded.problems] == [
        (5, "step 'a', approval.approvers: 'ann' names nobody"),
        (5, "step 'b', approval.approvers: 'ann' names nobody"),
        (8, "'<<' takes in a mapping, and this is none"),
    ]


# --- Every problem, at its line ---------------------------------------------------------------------------------------


def test_every_mistake_of_a_file_is_told_at_once_with_its_line_and_the_nearest_name(load):
    loaded = load("""\
        flow: My Flow
        titel: x
        inputs:
          - {name: employee, type: emial}
          - {name: why, type: string, label: 5}
        steps:
          - id: manager
            approval:
              ask: "{{ inputs.employe }}"
              aprovers: [ann@example.org]
              on_timeout: aprove
              quorum: two
              timeout: soon
          - id: gate
            approval: {approvers: [ann], via: [male], form: {name: x}}
          - id: tell
            uses: log
            quorum: 2
            with: {text: "{{ steps.manger.approved }}"}
          - id: tell
        """)

    assert told(loaded) == [
        "1: flow: 'My Flow' is no name: small letters, digits and '_', a letter first, at most 64 (for example 'my_flow')",
        "2: unknown key 'titel' (did you mean 'title'?)",
        "4: input 'employee', type: 'emial' is no type (did you mean 'email'?)",
        "5: input 'why', label: must be text, and 5 without quotes is not (quote it: \"5\")",
        "9: step 'manager', approval.ask: 'inputs' has no 'employe' (did you mean 'employee'?)",
        "10: step 'manager', approval: unknown key 'aprovers' (did you mean 'approvers'?)",
        "11: step 'manager', approval.on_timeout: 'aprove' is not known here (did you mean 'approve'?)",
        "12: step 'manager', approval.quorum: 'two' is not known here (one of any, all, a whole number, a mapping)",
        "13: step 'manager', approval.timeout: must be a duration like 10s, 2d or 1h30m",
        "15: step 'gate', approval.form: must be a list, not a mapping (each on a line of its own, after '- ')",
        "15: step 'gate', approval.via: 'male' is not known here (did you mean 'mail'?)",
        (
            "15: step 'gate', approval.approvers: 'ann' names nobody; write a mail address, an @group or a Slack user id"
            ' like U024BE7LH (did you mean "@ann"?)'
        ),
        "18: step 'tell': unknown key 'quorum' (it belongs inside 'approval')",
        "19: step 'tell', with.text: there is no step 'manger' (did you mean 'manager'?)",
        "20: step 'tell': does nothing: it needs 'uses', 'run', 'approval', 'hold', 'callback', 'delay', or steps inside",
        "20: step 'tell', id: two steps have the id 'tell' (rename one of them)",
    ]


def test_mistakes_inside_steps_are_told_at_their_own_line_by_the_name_of_the_innermost_step(load):
    loaded = load("""\
        flow: a
        inputs: [{name: who, type: email}]
        steps:
          - id: big
            if: inputs.who
            then:
              - id: gate
                approval:
                  approvers: [ann@example.org]
                  quorum: {all: [ann@example.org, ann@example.org]}
                  timeot: 2d
                  on_reject:
                    - id: tell
                      delay: "{{ inputs.woh }}"
              - delay: 1m
                if: inputs.hwo
            else:
              - {id: gate, delay: soon}
          - id: both
            parallel:
              left:
                - {id: one, approval: {approvers: [ann], on_timeout: {then: aprove, steps: [{id: late, delay: 5}]}}}
        finally:
          - {id: tidy, if: steps.gaet.approved, delay: 1m}
        """)

    assert told(loaded) == [
        (
            "10: step 'gate', approval.quorum: takes 2 different people, and only 1 person may be counted for it:"
            " ann@example.org (name more people, or ask for fewer)"
        ),
        "11: step 'gate', approval: unknown key 'timeot' (did you mean 'timeout'?)",
        "14: step 'tell', delay: 'inputs' has no 'woh' (did you mean 'who'?)",
        "15: step 'big', then.2: 'id' is missing",
        "16: step 'big', then.2.if: 'inputs' has no 'hwo' (did you mean 'who'?)",
        "18: step 'gate', id: two steps have the id 'gate', and ids are unique in the whole flow (rename one of them)",
        (
            "18: step 'gate', delay: must be a duration like 10s, 2d or 1h30m, or an instant like 2026-12-24T08:00:00Z;"
            " it is 'soon'"
        ),
        "22: step 'late', delay: 5 does not say of what (did you mean '5s'?)",
        "22: step 'one', approval.on_timeout.then: 'aprove' is not known here (did you mean 'approve'?)",
        (
            "22: step 'one', approval.approvers: 'ann' names nobody; write a mail address, an @group or a Slack user id"
            ' like U024BE7LH (did you mean "@ann"?)'
        ),
        "24: step 'tidy', if: there is no step 'gaet' (did you mean 'gate'?)",
    ]


def test_what_is_wrong_with_one_step_hides_nothing_of_the_others(load):
    """A broken step is mended as far as it goes: its neighbours, and the steps inside it, are checked all the same."""
    loaded = load("""\
        flow: a
        steps:
          - id: each
            for_each: 5
            steps:
              - {id: one, uses: log, with: {text: "{{ itm }}"}, retry: {max: many}}
              - {id: two, hold: {by: [nobody], timeout: soon}}
        """)

    assert [problem.partition(" (")[0] for problem in told(loaded)] == [
        "4: step 'each', for_each: must be text or a list or a mapping, and 5 without quotes is not",
        "6: step 'one', retry.max: must be a whole number, not 'many'",
        "6: step 'one', with.text: nothing is called 'itm' here",
        "7: step 'two', hold.timeout: must be a duration like 10s, 2d or 1h30m",
        "7: step 'two', hold.by: 'nobody' names nobody; write a mail address, an @group or a Slack user id like U024BE7LH",
    ]


def test_what_is_wrong_inside_a_handler_hides_nothing_of_its_wait(load):
    loaded = load("""\
        flow: a
        steps:
          - id: ask
            approval:
              approvers: "@x"
              on_timeout: {then: approve, steps: [{id: late, delay: 5}]}
              form: [{name: x, type: string}, {name: x, type: emial}]
        """)

    assert [problem.partition(" (")[0] for problem in told(loaded)] == [
        "6: step 'late', delay: 5 does not say of what",
        "7: step 'ask', approval.form.x.type: 'emial' is no type",
        "7: step 'ask', approval.form.x.name: two fields are named 'x'",
    ]
    assert [warning.message.partition(":")[2][:17] for warning in loaded.warnings] == [" silence approves"]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("via: {slack: #vacation}", 'unquoted, #vacation is a comment to YAML (quote it: "#vacation")'),
        ("via: [gmail, {slack: #vacation}]", 'unquoted, #vacation is a comment to YAML (quote it: "#vacation")'),
        ("ask: #vacation", 'unquoted, #vacation is a comment to YAML (quote it: "#vacation")'),
        ("by: [#vacation]", 'unquoted, #vacation is a comment to YAML (quote it: "#vacation")'),
        ("by:\n              - #vacation", 'unquoted, #vacation is a comment to YAML (quote it: "#vacation")'),
        ("by: @hr", "unquoted, '@hr' is not allowed: '@' has a meaning of its own in YAML (quote it: \"@hr\")"),
        ("by: [x@y.org, @hr-leads]", "unquoted, '@hr-leads' is not allowed: '@' has a meaning of its own in YAML (quote it: \"@hr-leads\")"),
        ("ask: {{ inputs.x }}", 'unquoted, {{ inputs.x }} is no text to YAML (quote it: "{{ inputs.x }}")'),
        ("ask: {{ inputs.x }} asks", 'unquoted, {{ inputs.x }} asks is no text to YAML (quote it: "{{ inputs.x }} asks")'),
    ],
)  # fmt: skip
def test_quote_it_is_said_and_the_rest_is_read_as_it_was_meant(load, line, problem):
    loaded = load(f"""\
        flow: a
        inputs: [{{name: x, type: string}}]
        steps:
          - id: a
            hold:
              {line}
              timeout: soon
        """)

    first, *rest = told(loaded)
    assert first == f"{6 + line.count(chr(10))}: {problem}"
    # The meant value takes the torn one's place: what it is then told for is its own, and so is the next line.
    assert rest[-1].endswith(": step 'a', hold.timeout: must be a duration like 10s, 2d or 1h30m")
    assert not any("is empty" in each for each in rest)


@pytest.mark.parametrize(
    ("step", "problem"),
    [
        ("run: 5", 'step \'a\', run: must be text, and 5 without quotes is not (quote it: "5")'),
        ("run: nothing", "step 'a', run: 'nothing' is not module:function (a function at the top of a module)"),
        ("uses: Http Request", "step 'a', uses: 'Http Request' is no name of an action (it looks like 'http.request')"),
        ('delay: 1m, if: true', 'step \'a\', if: must be text, and true without quotes is not (quote it: "true")'),
        ("delay: 10", "step 'a', delay: 10 does not say of what (did you mean '10s'?)"),
        ("hold: x", "step 'a', hold: must be a mapping, not 'x'"),
        ("hold: {by: }", "step 'a', hold.by: is empty; it must be a list"),
        ("hold: {timeout: 9999d}", "step 'a', hold.timeout: must be at most 3660 days"),
        ("hold: {timeout: 0s}", "step 'a', hold.timeout: must be more than 0s"),
        ("hold: {via: []}", "step 'a', hold.via: names no place; leave it out to reach each person where they can be reached, or write none"),
        ("hold: {form: [{name: x}]}", "step 'a', hold.form.x: 'type' is missing (one of string, integer, number, boolean, date, time, datetime, duration, select, multiselect, email, url, uri, json, object, list, file, secret)"),
        ("approval: {approvers: []}", "step 'a', approval: names nobody: list 'approvers', or name them in a nested 'quorum'"),
        ("approval: {approvers: ['@x'], quorum: [2]}", "step 'a', approval.quorum: must be a whole number or a mapping or 'any' or 'all', not a list"),
        ("approval: {approvers: ['@x'], quorum: 0}", "step 'a', approval.quorum: must be at least 1"),
        ("approval: {approvers: ['@x'], via: [{slak: x}]}", "step 'a', approval.via: unknown key 'slak' (did you mean 'slack'?)"),
        ("delay: 1m, hold: {}", "step 'a': has hold and delay; a step waits for one thing, so make them two steps"),
    ],
)  # fmt: skip
def test_a_value_of_the_wrong_kind_is_told_in_the_authors_words(load, step, problem):
    assert f"3: {problem}" in told(load(f"flow: a\nsteps:\n- {{id: a, {step}}}\n"))


def test_keys_are_the_files_and_not_pythons(load):
    problems = told(load("flow: a\nsteps: [{id: a, delay: 1m, if_: x, with_: {}}]\n"))

    assert problems == [
        "2: step 'a': unknown key 'if_' (did you mean 'if'?)",
        "2: step 'a': unknown key 'with_' (did you mean 'with'?)",
    ]


def test_two_unquoted_handles_are_both_told(load):
    problems = told(load("flow: a\nsteps:\n- {id: a, hold: {by: @hr}}\n- {id: b, hold: {by: [@it, @ops]}}\n"))

    assert [problem.split(" (")[1] for problem in problems] == [
        'quote it: "@hr")',
        'quote it: "@it")',
        'quote it: "@ops")',
    ]


def test_a_real_comment_is_nobodys_mistake(load):
    loaded = load(
        "flow: a # the flow\nsteps: # all of them\n- id: a #one\n  hold: # by people\n    by: # some\n    - ann@example.org\n"
    )

    assert told(loaded) == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("flow: a\nflow: b\n" + STEP, "2: the key 'flow' stands here twice (the first is on line 1)"),
        ("flow: !name a\n" + STEP, "1: the tag '!name' means nothing here (leave it out)"),
        ("flow: a\nsteps:\n- id: a\n\tdelay: 1m\n", "4: a tab indents this line; YAML takes spaces only (replace the tab by spaces)"),
        ("flow: a\ntitle: 'x\n" + STEP, "2: a quote is opened here and never closed (close it on the same line)"),
        ("flow: a\ntitle: x: y\n" + STEP, "2: a ':' stands where none can; is the value unquoted, or the indentation off? (a text with ': ' in it needs quotes)"),
        ("flow: a\nsteps: [{id: a, delay: 1m]\n", "2: a '{' is opened here and not closed as it should be (check the brackets, commas and quotes from here on)"),
        ("flow: a\n" + STEP + "- b\n", "3: this line does not belong to what stands above it (check its indentation, '- ' and ':')"),
        ("flow: a\ntitle: *x\n" + STEP, "2: '*x' repeats something that is not there above it (a text that starts with * needs quotes)"),
        ("flow: a\n" + STEP + "---\nflow: b\n", "3: a second document starts here ('---') (one flow per file)"),
        ("flow: a\ntitle: x\x00y\n" + STEP, "2: the character U+0000 cannot stand in YAML; is this a text file?"),
        ("flow: a\ntitle: .inf\n" + STEP, '2: .inf is no number that can be stored (quote it: ".inf")'),
        ('flow: a\ntitle: "\\ud800"\n' + STEP, "2: holds half of a surrogate pair, which is no character"),
        ("- flow: a\n", "1: holds no flow (it starts with 'flow: name')"),
        ("", "1: holds no flow (it starts with 'flow: name')"),
    ],
)  # fmt: skip
def test_R17_a_broken_text_is_told_with_its_line(load, text, problem):
    assert told(load(text)) == [problem]


def test_R17_a_file_that_is_no_text_is_told_and_the_other_flows_load(tmp_path):
    (tmp_path / "good.yml").write_text(VACATION)
    (tmp_path / "latin.yml").write_bytes(b"flow: a\ntitle: Gr\xfc\xdfe\n")
    (tmp_path / "zeros.yml").write_bytes(b"\0" * 4096)
    (tmp_path / "cut.yml").write_text(VACATION[:270])

    library = load_folder(tmp_path)

    assert list(library.flows) == ["vacation"]
    assert [(Path(problem.file).name, problem.line) for problem in library.problems] == [
        ("cut.yml", 11),
        ("latin.yml", 2),
        ("zeros.yml", 1),
    ]


def test_aliases_that_multiply_are_stopped(load):
    bomb = "flow: a\na: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{name}: &{name} [{','.join([f'*{before}'] * 10)}]\n"
        for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    )

    assert "holds more than 20,000 values" in told(load(bomb))[0]


@pytest.mark.parametrize("text", ["[" * 100_000, "- " * 5_000, "{a: " * 1_000])
def test_deep_nesting_is_stopped(load, text):
    assert told(load("flow: a\nsteps:\n  " + text))[0].endswith("nested deeper than 50 levels")


def test_a_file_of_any_size_is_answered_at_once(tmp_path):
    file = tmp_path / "a.yml"
    file.write_bytes(b"flow: a\n" + b"#" * MAX_FILE)

    assert [problem.message for problem in load_file(file).problems] == ["is larger than 256 KiB, which no flow is"]


def test_a_file_that_is_not_there_is_a_problem(tmp_path):
    loaded = load_file(tmp_path / "none.yml")

    with pytest.raises(DefinitionError) as caught:
        _ = loaded.flow

    assert str(caught.value) == f"{tmp_path / 'none.yml'}: there is no such file"


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet=" \n\t:-#@{}[]'\"&*!|>%,?~ab1", max_size=60))
def test_no_text_whatever_makes_the_reader_raise(text):
    document = read(text)

    assert all(1 <= slip.line <= text.count("\n") + 1 for slip in document.slips)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_damaged_flow_is_never_worse_than_a_list_of_problems(tmp_path_factory, data):
    start = data.draw(st.integers(0, len(VACATION)))
    end = data.draw(st.integers(start, min(len(VACATION), start + 40)))
    damage = data.draw(st.text(alphabet=" \n:-#@{}[]'\"a1", max_size=5))
    file = tmp_path_factory.getbasetemp() / "damaged.yml"
    file.write_text(VACATION[:start] + damage + VACATION[end:])

    loaded = load_file(file)

    assert len(loaded.flows) == (0 if loaded.problems else 1)
    assert all(problem.line for problem in loaded.problems)


# --- Folders ----------------------------------------------------------------------------------------------------------


def test_a_folder_gives_every_flow_below_it_and_leaves_other_files_alone(tmp_path):
    for place in ("vacation.yml", "deep/er/release.yaml"):
        file = tmp_path / place
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"flow: {file.stem}\n{STEP}")
    for place in (".hidden/a.yml", "venv/lib/b.yml", "node_modules/c.yml"):
        file = tmp_path / place
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("flow: broken\n")
    (tmp_path / "venv/pyvenv.cfg").write_text("")
    (tmp_path / "compose.yml").write_text("services: {web: {image: x}}\n")
    (tmp_path / "chart.yml").write_text("replicas: {{ .Values.replicas }}\nname: {{- x -}}\n")
    (tmp_path / "ci.yml").write_text("steps: [{run: make}]\n")
    (tmp_path / "huge.yml").write_bytes(b"openapi: 3.1.0\n" + b"#" * MAX_FILE)

    library = load_folder(tmp_path)

    assert library.problems == ()
    assert dict(library.folders) == {"release": tmp_path / "deep/er", "vacation": tmp_path}
    assert list(library.flows) == ["release", "vacation"]


def test_a_misspelled_flow_key_is_not_passed_over(tmp_path):
    (tmp_path / "a.yml").write_text(f"Flow: a\n{STEP}")

    problems = load_folder(tmp_path).problems

    assert [problem.message for problem in problems] == ["'flow' is missing", "unknown key 'Flow'"]


def test_a_broken_flow_costs_nobody_but_itself(tmp_path):
    (tmp_path / "good.yml").write_text(f"flow: good\n{STEP}")
    (tmp_path / "bad.yml").write_text("flow: bad\nsteps: [{id: a, delay: soon}]\n")

    library = load_folder(tmp_path)

    assert list(library.flows) == ["good"]
    assert [Path(problem.file).name for problem in library.problems] == ["bad.yml"]


def test_two_flows_with_one_name_are_told_in_both_files_and_neither_is_guessed(tmp_path):
    (tmp_path / "a.yml").write_text(f"flow: same\n{STEP}")
    (tmp_path / "b.yml").write_text(f"title: B\nflow: same\n{STEP}")
    (tmp_path / "c.yml").write_text(f"flow: other\n{STEP}")

    library = load_folder(tmp_path)

    assert list(library.flows) == ["other"]
    assert [str(problem) for problem in library.problems] == [
        f"{tmp_path}/a.yml:1: the flow 'same' is in {tmp_path}/b.yml:2 too (rename one of them)",
        f"{tmp_path}/b.yml:2: the flow 'same' is in {tmp_path}/a.yml:1 too (rename one of them)",
    ]


def test_a_broken_flow_of_the_same_name_does_not_take_the_good_one_with_it(tmp_path):
    (tmp_path / "a.yml").write_text(f"flow: same\n{STEP}")
    (tmp_path / "b.yml").write_text("flow: same\nsteps: []\n")

    library = load_folder(tmp_path)

    assert list(library.flows) == ["same"]
    assert [Path(problem.file).name for problem in library.problems] == ["a.yml", "b.yml", "b.yml"]


def test_warnings_come_with_their_line_and_do_not_keep_a_flow_from_loading(load):
    loaded = load("flow: a\nsteps:\n- id: ok\n  approval:\n    approvers: ann@example.org\n    on_timeout: approve\n")

    assert loaded.flow.flow == "a"
    assert [(warning.line, warning.message.partition(":")[0]) for warning in loaded.warnings] == [
        (6, "step 'ok', approval.on_timeout")
    ]


# --- Flows that run and hear of each other -----------------------------------------------------------------------------

CHILD = "flow: child\ninputs: [{name: who, type: email}]\nsteps: [{id: a, delay: 1m}]\n"
PARENT = "flow: parent\nsteps:\n- {id: sub, flow: child, with: {who: ann@example.org}}\n"


def folder(tmp_path: Path, **texts: str) -> Path:
    for name, text in texts.items():
        (tmp_path / f"{name}.yml").write_text(text)
    return tmp_path


def library_of(tmp_path: Path, **texts: str) -> tuple[list[str], list[str]]:
    """The flows that can be run, and the problems as ``file:line: sentence``."""
    library = load_folder(folder(tmp_path, **texts))
    return list(library.flows), [str(problem).removeprefix(f"{tmp_path}/") for problem in library.problems]


def test_child_flows_are_found_in_the_folder(tmp_path):
    assert library_of(tmp_path, parent=PARENT, child=CHILD) == (["child", "parent"], [])


def test_an_unknown_child_flow_and_wrong_inputs_are_told_with_their_line(tmp_path):
    parent = "flow: parent\nsteps:\n- {id: a, flow: chlid}\n- id: b\n  flow: child\n  with:\n    woh: x\n"

    assert library_of(tmp_path, parent=parent, child=CHILD) == (
        ["child"],
        [
            "parent.yml:3: step 'a', flow: there is no flow 'chlid' (did you mean 'child'?)",
            "parent.yml:6: step 'b', with: the input 'who' is missing (it takes a mail address like ann@example.com)",
            "parent.yml:7: step 'b', with: unknown input 'woh' (did you mean 'who'?)",
        ],
    )


def test_child_flows_in_a_circle_are_told_in_each_of_them(tmp_path):
    texts = {name: f"flow: {name}\nsteps: [{{id: s, flow: {other}}}]\n" for name, other in ("ab", "bc", "ca")}

    assert library_of(tmp_path, **texts, d="flow: d\nsteps: [{id: s, flow: a}]\n") == (
        [],
        [
            "a.yml:2: step 's', flow: these flows would run each other without end: a -> b -> c -> a (take one step out)",
            "b.yml:2: step 's', flow: these flows would run each other without end: b -> c -> a -> b (take one step out)",
            "c.yml:2: step 's', flow: these flows would run each other without end: c -> a -> b -> c (take one step out)",
            "d.yml:2: step 's', flow: the flow 'a' cannot be run, because of what is wrong with it (mend that one first)",
        ],
    )


def test_a_flow_cannot_be_run_without_the_flows_that_it_runs(tmp_path):
    above = "flow: above\nsteps: [{id: top, flow: parent}]\n"
    broken = CHILD.replace("delay: 1m", "delay: soon")

    flows, problems = library_of(tmp_path, above=above, parent=PARENT, child=broken, other=f"flow: other\n{STEP}")

    assert flows == ["other"]
    assert [problem.partition(" (")[0] for problem in problems] == [
        "above.yml:2: step 'top', flow: the flow 'parent' cannot be run, because of what is wrong with it",
        (
            "child.yml:3: step 'a', delay: must be a duration like 10s, 2d or 1h30m, or an instant like 2026-12-24T08:00:00Z;"
            " it is 'soon'"
        ),
        "parent.yml:3: step 'sub', flow: the flow 'child' cannot be run, because of what is wrong with it",
    ]


def test_of_two_flows_of_one_name_neither_is_a_child(tmp_path):
    flows, problems = library_of(tmp_path, parent=PARENT.replace("who:", "woh:"), one=CHILD, two=CHILD)

    assert flows == []
    assert [problem.partition(" (")[0] for problem in problems] == [
        f"one.yml:1: the flow 'child' is in {tmp_path}/two.yml:1 too",
        "parent.yml:3: step 'sub', flow: the flow 'child' cannot be run, because of what is wrong with it",
        f"two.yml:1: the flow 'child' is in {tmp_path}/one.yml:1 too",
    ]


def test_a_broken_flow_of_the_same_name_and_its_children_are_nothing_to_the_good_one(tmp_path):
    broken = "flow: child\nsteps: [{id: a, flow: nobody}]\n"

    flows, _ = library_of(tmp_path, parent=PARENT, child=CHILD, abroken=broken)

    assert flows == ["child", "parent"]


def test_a_flow_in_python_may_be_a_child(tmp_path):
    (tmp_path / "shipping.py").write_text(PYTHON)

    assert library_of(tmp_path, parent="flow: parent\nsteps: [{id: a, flow: release}]\n") == (["parent", "release"], [])


def test_of_one_file_the_flows_beside_it_are_known(tmp_path):
    parent = folder(tmp_path, parent=PARENT.replace("who:", "woh:"), child=CHILD) / "parent.yml"

    library = load_folder(parent)

    assert [problem.message for problem in library.problems] == [
        "step 'sub', with: unknown input 'woh'",
        "step 'sub', with: the input 'who' is missing",
    ]
    assert load_file(parent).problems == ()


def test_of_one_file_the_flows_beside_it_that_an_action_starts_are_known(tmp_path):
    step = "{id: a, uses: signoff.start, with: {flow: child, inputs: {woh: x, who: ann@example.org}}}"
    starter = folder(tmp_path, starter=f"flow: starter\nsteps: [{step}]\n", child=CHILD) / "starter.yml"

    assert [problem.message for problem in load_folder(starter).problems] == [
        "step 'a', with.inputs: unknown input 'woh'"
    ]


def test_of_one_file_a_flow_that_is_not_beside_it_may_be_elsewhere(tmp_path):
    parent = folder(tmp_path, parent=PARENT, childish=CHILD.replace("child", "childish")) / "parent.yml"

    library = load_folder(parent)

    assert (list(library.flows), library.problems) == (["parent"], ())
    assert [str(warning).removeprefix(f"{parent}:") for warning in library.warnings] == [
        "3: step 'sub', flow: there is no flow 'child' beside this file (did you mean 'childish'?)"
    ]


def test_what_stands_beside_a_file_that_names_no_flow_is_not_read(tmp_path):
    (tmp_path / "bystander.py").write_text("from flows.definition import Flow\n# Flow()\n")
    alone = folder(tmp_path, alone=f"flow: alone\n{STEP}") / "alone.yml"

    assert load_folder(alone).problems == ()
    assert "bystander" not in sys.modules


# --- Python -----------------------------------------------------------------------------------------------------------

PYTHON = """\
from flows.definition import Approval, Flow, Step


def ship(approvers):
    return len(approvers)


release = Flow(
    flow="release",
    steps=[Step(id="gate", approval=Approval(approvers=["ann@example.org"])), Step(id="ship", run=ship)],
)
"""


def test_flows_written_in_python_are_found_by_the_loader(tmp_path):
    (tmp_path / "shipping.py").write_text(PYTHON)
    (tmp_path / "bystander.py").write_text("raise RuntimeError('nobody asked for this')\n")
    (tmp_path / "test_shipping.py").write_text("from flows.definition import Flow\nFlow()\n")

    library = load_folder(tmp_path)

    assert library.problems == ()
    assert library.flows["release"].steps[1].run == "shipping:ship"
    assert library.folders["release"] == tmp_path


def test_a_module_that_cannot_be_imported_is_told_with_its_line(tmp_path):
    (tmp_path / "broken_one.py").write_text(PYTHON + "\nrelease.no_such_thing\n")
    (tmp_path / "broken_two.py").write_text(PYTHON.replace("release = Flow(", "release = = Flow("))
    (tmp_path / "broken_three.py").write_text(PYTHON.replace("approvers=[", "aprovers=["))

    problems = load_folder(tmp_path).problems

    assert [(Path(problem.file).name, problem.line, problem.message) for problem in problems] == [
        ("broken_one.py", 13, "cannot be imported: AttributeError: 'Flow' object has no attribute 'no_such_thing'"),
        ("broken_three.py", 10, "Approval: unknown key 'aprovers'"),
        ("broken_two.py", 8, "is not Python: invalid syntax"),
    ]
    assert problems[1].hint == "did you mean 'approvers'?"


def test_what_a_python_flow_gets_wrong_as_a_whole_is_told_at_its_line(tmp_path):
    (tmp_path / "quorums.py").write_text(PYTHON.replace('"]))', '"], quorum=2))'))

    (problem,) = load_folder(tmp_path).problems

    assert problem.line == 8
    assert problem.message == (
        "flow 'release', step 'gate', approval.quorum: needs 2 people, and only 1 person may decide: ann@example.org"
    )


def test_a_function_that_is_not_there_is_told_with_the_nearest_name(tmp_path):
    (tmp_path / "deeds.py").write_text("def ship(approvers): ...\n")
    (tmp_path / "a.yml").write_text(
        "flow: a\nsteps:\n- {id: a, run: 'deeds:shp'}\n- {id: b, run: 'deed:ship'}\n- {id: c, run: 'deeds:ship'}\n"
    )

    problems = load_folder(tmp_path).problems

    assert [str(problem).removeprefix(f"{tmp_path}/a.yml:") for problem in problems] == [
        "3: step 'a', run: the module 'deeds' has no function 'shp' (did you mean 'ship'?)",
        f"4: step 'b', run: there is no module 'deed' in {tmp_path} (did you mean 'deeds'?)",
    ]


def test_a_function_that_cannot_take_what_it_is_given_is_told(tmp_path):
    (tmp_path / "errands.py").write_text("def go(job, approvers, ctx, *, times=1): ...\ndef all(**given): ...\n")
    (tmp_path / "a.yml").write_text(
        "flow: a\nsteps:\n- {id: a, run: 'errands:go', with: {jb: x}}\n- {id: h, if: 'true', then: [\n"
        "  {id: b, run: 'errands:go', with: {job: x, times: 2}}, {id: c, run: 'errands:all', with: {x: 1}}]}\n"
    )

    problems = load_folder(tmp_path).problems

    assert [str(problem).removeprefix(f"{tmp_path}/a.yml:") for problem in problems] == [
        "3: step 'a', with: the function takes no 'jb' (did you mean 'job'?)",
        "3: step 'a', with: 'job' is missing: the function needs it",
    ]


def test_functions_inside_other_steps_are_looked_for_too(tmp_path):
    (tmp_path / "a.yml").write_text("flow: a\nsteps: [{id: h, if: 'true', then: [{id: b, run: 'nowhere:go'}]}]\n")

    (problem,) = load_folder(tmp_path).problems

    assert problem.message == f"step 'b', run: there is no module 'nowhere' in {tmp_path}"


def test_one_module_name_in_two_folders_is_refused_rather_than_mistaken(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "errands.py").write_text("def go(): ...\n")
        (tmp_path / name / "a.yml").write_text(f"flow: {name}\nsteps: [{{id: a, run: 'errands:go'}}]\n")

    library = load_folder(tmp_path)

    assert list(library.flows) == ["one"]
    assert [(problem.file, problem.hint) for problem in library.problems] == [
        (str(tmp_path / "two/a.yml"), "rename errands.py")
    ]
