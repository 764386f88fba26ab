"""Expressions and templates: types kept, names known, text inert, and nothing to reach or to exhaust (S6, S7)."""

from __future__ import annotations

import json
import time
import tracemalloc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markupsafe import Markup

from flows.expressions import (
    MAX_DEPTH,
    MAX_EXPRESSION,
    MAX_ITEMS,
    MAX_NODES,
    MAX_SOURCE,
    MAX_TEXT,
    Expression,
    ExpressionError,
    Template,
    compile_value,
)
from flows.filters import FILTERS, TESTS


@dataclass(frozen=True)
class Person:
    expression_fields: ClassVar[frozenset[str]] = frozenset({"name", "email", "at"})

    name: str
    email: str
    at: object = None
    secret: str = "hidden"

    def __str__(self) -> str:
        return self.name


class Door(StrEnum):
    MAIL = "mail"


ANN = Person("Ann", "ann@example.com", datetime(2026, 3, 31, 14, 5, tzinfo=UTC))
BOB = Person("Bob", "bob@example.com")
CONTEXT: Mapping[str, object] = {
    "approved": True,
    "approvers": [ANN, BOB],
    "inputs": {
        "amount": 120,
        "rate": 0.5,
        "name": "ann lee",
        "text": "12",
        "flag": False,
        "nothing": None,
        "code": "{{ 7*7 }}",
        "markup": Markup("<b>"),
        "items": ["b", "a", "B"],
        "keys": {"b": 2, "a": 1},
        "rows": [{"id": 2, "ok": True, "who": {"n": "x"}}, {"id": 1, "ok": False}],
        "when": "2026-03-31T14:05:09+02:00",
        "day": date(2026, 3, 1),
        "door": Door.MAIL,
        "ünï": "ü",
    },
    "steps": {"build": {"output": {"url": "https://example.com", "n": [1, 2, 3]}}, "skipped": {"output": None}},
    "big": "x" * (1024 * 1024),
    "long": "y" * (200 * 1024),
    "many": list(range(MAX_ITEMS)),
    "crowd": list(range(MAX_ITEMS + 1)),
    "foreign": {"function": len, "bytes": b"x", "object": object(), "set": {1}},
}


def evaluate(source: str, context: Mapping[str, object] = CONTEXT) -> object:
    return Expression.compile(source).evaluate(context)


def render(source: str, context: Mapping[str, object] = CONTEXT) -> object:
    return Template.compile(source).render(context)


def refusal(source: str, context: Mapping[str, object] = CONTEXT) -> ExpressionError:
    with pytest.raises(ExpressionError) as caught:
        evaluate(source, context)
    return caught.value


# -- templates ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", ["", "plain", "a } b }} c", "{% if x %} {# note #} $%", "line\r\nline", "{ {x} }"])
def test_text_without_an_opening_is_returned_as_it_stands(source: str):
    template = Template.compile(source)

    assert template.render({}) == source
    assert template.static
    assert template.names == frozenset()


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("{{ inputs.amount }}", 120),
        ("{{inputs.rate}}", 0.5),
        ("{{ inputs.flag }}", False),
        ("{{ inputs.nothing }}", None),
        ("{{ inputs.keys }}", {"b": 2, "a": 1}),
        ("{{ inputs['items'] }}\n", ["b", "a", "B"]),
        ("{{ inputs.items }}", ["b", "a", "B"]),
        ("{{ {'a': {'b': inputs.amount}} }}", {"a": {"b": 120}}),
        ("{{ {'a': {'b': 1}}}}", {"a": {"b": 1}}),
        ("{{ approvers }}", [ANN, BOB]),
        ("{{ inputs.amount > 100 }}", True),
        ("{{ (1, 'b') }}", [1, "b"]),
    ],
)
def test_a_whole_string_expression_keeps_its_type(source: str, value: object):
    result = render(source)

    assert result == value
    assert type(result) is type(value)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("Approved by {{ approvers | join(', ') }}", "Approved by Ann, Bob"),
        ("[{{ inputs.nothing }}]", "[]"),
        ("{{ approved }}/{{ inputs.flag }}", "true/false"),
        ("{{ inputs.keys }} {{ inputs.items }}", '{"b":2,"a":1} ["b","a","B"]'),
        ("by {{ approvers[0] }}, all {{ approvers }}", 'by Ann, all ["Ann","Bob"]'),
        ("on {{ inputs.day }} by {{ inputs.door }}", "on 2026-03-01 by mail"),
        (" {{ inputs.amount }}", " 120"),
        ("{{ inputs.amount }} ", "120 "),
        ("a  {{- inputs.amount -}}  b", "a120b"),
        ("{{ '}}' }}{{ '{{' }} {{ '{%' }}", "}}{{ {%"),
        ("a\r\n{{ 1 }}\r\n", "a\r\n1\r\n"),
        ("{{ 'urgent' if inputs.flag }}!", "!"),
        ("{{ inputs.ünï }}!", "ü!"),
        ("{{ 'it''s' }}-{{ \"a\\nb\" }}", "its-a\nb"),
    ],
)
def test_a_mixture_renders_to_text(source: str, text: str):
    assert render(source) == text


def test_templates_and_expressions_are_equal_by_their_source_and_cannot_change():
    one, other = Template.compile("a {{ b }}"), Template.compile("a {{ b }}")

    assert one == other
    assert hash(one) == hash(other)
    assert Expression.compile("b") == Expression.compile("b") != Expression.compile("c")
    with pytest.raises(AttributeError):
        one.source = "x"  # type: ignore[misc]  # the point of the test


@pytest.mark.parametrize("source", ["{{ inputs.code }}", "a {{ inputs.code }}", "{{ inputs.code ~ '' }}"])
def test_S6_S7_a_value_is_never_rendered_again(source: str):
    assert str(render(source)).endswith("{{ 7*7 }}")


def test_S6_S7_a_value_within_a_structure_is_never_rendered_again():
    value = compile_value({"text": "{{ inputs.code }}", "all": "{{ inputs }}"})

    rendered = value.render({"inputs": {"code": "{{ 7*7 }}", "{{ 1+1 }}": ["{{ 2*2 }}"]}})

    assert rendered == {"text": "{{ 7*7 }}", "all": {"code": "{{ 7*7 }}", "{{ 1+1 }}": ["{{ 2*2 }}"]}}


# -- bare expressions -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("approved and inputs.amount > 100", True),
        ("{{ approved and inputs.amount > 100 }}", True),
        ("  {{ inputs.flag }}\n", False),
        ("inputs.nothing", False),
        ("not inputs.flag or missing", True),
        ("inputs.flag and missing", False),
        ("'a' in inputs.items and 'z' not in inputs.items", True),
        ("'a' in inputs.keys and 'nn' in inputs.name", True),
        ("1 < 2 < 3 and not 1 < 3 < 2", True),
        ("inputs.items == ['b', 'a', 'B'] and inputs.keys != {}", True),
        ("steps.skipped.output is none", True),
    ],
)
def test_a_bare_expression_is_tested(source: str, value: bool):
    assert Expression.compile(source).test(CONTEXT) is value


def test_a_bare_expression_is_one_expression():
    with pytest.raises(ExpressionError, match="one expression, not a text") as caught:
        Expression.compile("{{ a }} and {{ b }}")

    assert caught.value.hint == "Write it without `{{` and `}}`."


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("1 + 2 * 3 - 4 / 2", 5.0),
        ("7 // 2 * 10 + 7 % 2", 31),
        ("2 ** 10", 1024),
        ("-inputs.amount + +1", -119),
        ("'a' + 'b' ~ 1 ~ none ~ true", "ab1true"),
        ("[1] + [2]", [1, 2]),
        ("inputs.items[0] ~ inputs.items[-1] ~ inputs.items.1", "bBa"),
        ("inputs.items[1:] + many[:4:2]", ["a", "B", 0, 2]),
        ("inputs.name[:3]", "ann"),
        ("approvers[0].email", "ann@example.com"),
        ("approvers[0].at", "2026-03-31T14:05:00+00:00"),
        ("inputs.markup ~ '&'", "<b>&"),
        ("inputs.markup + '&'", "<b>&"),
        ("inputs['am' ~ 'ount']", 120),
        ("'yes' if approved else 'no'", "yes"),
        ("'yes' if inputs.flag", None),
        ("('yes' if inputs.flag) | default('no')", "no"),
        # filters
        ("missing | default('x') ~ inputs.no.such.thing | d", "x"),
        ("inputs.nothing | default('x')", None),
        ("inputs.nothing | default('x', true)", "x"),
        ("steps.skipped.output.url | default('none')", "none"),
        ("[] | first | default('none')", "none"),
        ("[] | max | default(0)", 0),
        ("inputs.items | join('-')", "b-a-B"),
        ("inputs.rows | join(', ', attribute='id')", "2, 1"),
        ("inputs.items | length + inputs.name | count", 10),
        ("inputs.name | upper ~ 'ABC' | lower", "ANN LEEabc"),
        ("inputs.name | title ~ inputs.name | capitalize", "Ann LeeAnn lee"),
        ("'  a ' | trim ~ 'xax' | trim('x')", "aa"),
        ("'aaa' | replace('a', 'bb', 2)", "bbbba"),
        ("'3.7' | float | round(0, 'floor')", 3.0),
        ("42.557 | round(2)", 42.56),
        ("inputs.text | int + 1", 13),
        ("'x' | int(0)", 0),
        ("'x' | int(default=7)", 7),
        ("1.9 | int", 1),
        ("inputs.text | float", 12.0),
        ("'nan' | float(1)", 1),
        ("true | string ~ none | string", "true"),
        ("inputs.items | first ~ inputs.items | last", "bB"),
        ("inputs.items | sort", ["a", "b", "B"]),
        ("inputs.items | sort(true, case_sensitive=true)", ["b", "a", "B"]),
        ("inputs.rows | sort(attribute='id') | map(attribute='id')", [1, 2]),
        ("inputs.rows | map(attribute='who.n', default='-')", ["x", "-"]),
        ("inputs.items | unique", ["b", "a"]),
        ("[1, true, 1, [1], [1], {'a': 1}] | unique", [1, True, [1], {"a": 1}]),
        ("[1, 2.5] | sum + inputs.rows | sum(attribute='id')", 6.5),
        ("[3, 1, 2] | min ~ ['a', 'C'] | max", "1C"),
        ("(inputs.rows | max(attribute='id')).id", 2),
        ("(-3) | abs", 3),
        ("inputs.keys | list", ["b", "a"]),
        ("[0, 1, 2, none] | select", [1, 2]),
        ("[1, 2, 3] | select('odd')", [1, 3]),
        ("[1, 2, 3] | reject('in', [2, 3])", [1]),
        ("inputs.rows | selectattr('ok') | map(attribute='id')", [2]),
        ("inputs.rows | rejectattr('id', 'gt', 1) | map(attribute='id')", [1]),
        ("inputs.rows | selectattr('who', 'defined') | length", 1),
        ("approvers | selectattr('email', '==', 'bob@example.com') | join", "Bob"),
        ("{'a': [1, none, 'ü<']} | tojson", '{"a":[1,null,"ü<"]}'),
        ("[1] | tojson(indent=2)", "[\n  1\n]"),
        ("approvers[1] | tojson", '{"at":null,"email":"bob@example.com","name":"Bob"}'),
        ("inputs.keys | dictsort", [["a", 1], ["b", 2]]),
        ("inputs.keys | dictsort(by='value', reverse=true) | first", ["b", 2]),
        ("inputs.keys | items", [["b", 2], ["a", 1]]),
        ("'one two three' | truncate(10, leeway=0)", "one..."),
        ("'one two three' | truncate(10, true, '', 0)", "one two th"),
        ("'one two three' | truncate(10)", "one two three"),
        ("'a b/ü&' | urlencode", "a%20b/%C3%BC%26"),
        ("{'q': 'a/b', 'n': 1} | urlencode", "q=a%2Fb&n=1"),
        ("'2026-03-01' | date", "01 March 2026"),
        ("inputs.day | date('%a %e.%m.%y %j')", "Sun 1.03.26 060"),
        (
            "inputs.when | date('%A %d %b %Y %F %T %H:%M:%S %I %p %z %%')",
            "Tuesday 31 Mar 2026 2026-03-31 14:05:09 14:05:09 02 PM +0200 %",
        ),
        ("approvers[0].at | date('%I:%M %p')", "02:05 PM"),
        # tests
        ("missing is defined or inputs.no.such is defined", False),
        ("missing is undefined and inputs.name is not undefined", True),
        ("1 is number and 1.0 is float and 1 is integer and true is not number", True),
        ("'a' is string and {} is mapping and [] is sequence and 1 is not sequence", True),
        ("true is true and false is false and false is boolean and none is none", True),
        ("3 is odd and 4 is even and 1 is in [1] and 1 is eq 1 and 1 is ne 2", True),
        ("1 is lt 2 and 2 is gt 1 and 1 is le 1 and 1 is ge 1", True),
    ],
)
def test_an_expression_gives(source: str, value: object):
    result = evaluate(source)

    assert result == value
    assert type(result) is type(value)


# -- nested values --------------------------------------------------------------------------------------


def test_a_nested_value_keeps_its_types_and_its_keys():
    value = compile_value(
        {"{{ approved }}": ["{{ inputs.amount }}", "n {{ inputs.amount }}", 1, None, True], "a": {"b": "x"}}
    )

    rendered = value.render(CONTEXT)

    assert rendered == {"{{ approved }}": [120, "n 120", 1, None, True], "a": {"b": "x"}}
    assert value.names == {("inputs", "amount")}
    assert value.dynamic == frozenset()


def test_a_rendered_value_is_json_and_shares_nothing_with_the_context():
    context = {"inputs": {"list": [1]}, "approvers": [ANN]}
    value = compile_value({"in": "{{ inputs }}", "by": "{{ approvers }}", "fixed": {"a": []}})

    first = value.render(context)
    first["in"]["list"].append(2)
    first["fixed"]["a"].append(2)
    second = value.render(context)

    assert json.loads(json.dumps(second)) == {
        "in": {"list": [1]},
        "by": [{"at": "2026-03-31T14:05:00+00:00", "email": "ann@example.com", "name": "Ann"}],
        "fixed": {"a": []},
    }


def test_a_wrong_text_within_a_value_is_found_by_its_path():
    with pytest.raises(ExpressionError) as compiled:
        compile_value({"json": {"rows": ["ok", "a\n b {{ 1 + }}"]}})
    with pytest.raises(ExpressionError) as rendered:
        compile_value({"json": ["{{ inputs.missing }}"]}).render(CONTEXT)

    assert (compiled.value.where, compiled.value.line, compiled.value.offset) == (("json", "rows", 1), 2, 5)
    assert rendered.value.where == ("json", 0)


# -- what is read ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "names", "dynamic"),
    [
        ("steps.build.output.url", {("steps", "build", "output", "url")}, set()),
        ("steps['build'].output", {("steps", "build", "output")}, set()),
        ("approvers | join(', ')", {("approvers",)}, {"approvers"}),
        ("approvers[0].name", {("approvers", "0", "name")}, set()),
        ("approvers[-1].name", {("approvers",)}, {"approvers"}),
        ("steps[inputs.x].output", {("steps",), ("inputs", "x")}, {"steps"}),
        ("steps.build[inputs.x]", {("steps", "build"), ("inputs", "x")}, set()),
        ("steps", {("steps",)}, {"steps"}),
        ("(steps if a.b else c.d).x", {("steps",), ("a", "b"), ("c", "d")}, {"steps"}),
        ("a.b is defined and c.d | default(e.f)", {("a", "b"), ("c", "d"), ("e", "f")}, set()),
        ("{'k': a.b, 'l': [c.d, e.f ~ g.h]}", {("a", "b"), ("c", "d"), ("e", "f"), ("g", "h")}, set()),
        ("a.b[c.d:e.f]", {("a", "b"), ("c", "d"), ("e", "f")}, set()),
        ("1 < a.b < c.d", {("a", "b"), ("c", "d")}, set()),
        ("x.y | replace(a.b, new=c.d)", {("x", "y"), ("a", "b"), ("c", "d")}, set()),
        ("x.y is in a.b", {("x", "y"), ("a", "b")}, set()),
        ("true and 1", set(), set()),
    ],
)
def test_the_names_that_an_expression_reads_are_known(source: str, names: set[tuple[str, ...]], dynamic: set[str]):
    for compiled in (
        Expression.compile(source),
        Template.compile("{{ 1 }} {{ " + source + " }}"),
        compile_value([["{{" + source + " }}"]]),
    ):
        assert compiled.names == names
        assert compiled.dynamic == dynamic


class Recorder:
    """Hands out data and notes which paths were read: an entry, or a mapping or list as a whole."""

    def __init__(self) -> None:
        self.entries: set[tuple[str, ...]] = set()
        self.wholes: set[tuple[str, ...]] = set()

    def wrap(self, value: object, path: tuple[str, ...] = ()) -> Any:
        if isinstance(value, dict):
            return RecordedMapping(value, path, self)
        return RecordedList(value, path, self) if isinstance(value, list) else value


class RecordedMapping(Mapping[str, object]):
    def __init__(self, data: dict[str, object], path: tuple[str, ...], recorder: Recorder) -> None:
        self._data, self._path, self._recorder = data, path, recorder

    def __getitem__(self, key: str) -> object:
        path = (*self._path, str(key))
        self._recorder.entries.add(path)
        return self._recorder.wrap(self._data[key], path)

    def __iter__(self) -> Iterator[str]:
        self._recorder.wholes.add(self._path)
        return iter(self._data)

    def __len__(self) -> int:
        self._recorder.wholes.add(self._path)
        return len(self._data)


class RecordedList(Sequence[object]):
    def __init__(self, data: list[object], path: tuple[str, ...], recorder: Recorder) -> None:
        self._data, self._path, self._recorder = data, path, recorder

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[each] for each in range(*index.indices(len(self._data)))]
        value = self._data[index]
        path = (*self._path, str(range(len(self._data))[index]))
        self._recorder.entries.add(path)
        return self._recorder.wrap(value, path)

    def __len__(self) -> int:
        return len(self._data)


DATA: dict[str, object] = {
    "inputs": {"a": 1, "b": {"c": "t"}, "key": "build", "list": [1, 2]},
    "steps": {"build": {"output": {"url": "u", "n": [3, 4]}}, "test": {"output": None}},
    "people": [{"name": "Ann"}, {"name": "Bob"}],
}
READS = [
    "inputs",
    "inputs.a",
    "inputs['b'].c",
    "inputs.key",
    "inputs.list",
    "inputs.list[0]",
    "steps",
    "steps.build",
    "steps.build.output.url",
    "steps.build['output'].n",
    "steps.test.output.deep",
    "steps[inputs.key].output",
    "steps[inputs.key]['out' ~ 'put'].url",
    "people",
    "people[0].name",
    "people[-1].name",
    "people.1",
    "inputs.missing",
    "nowhere.at.all",
    "1",
    "'t'",
    "true",
]
FORMS = [
    "({0} ~ {1})",
    "({0} + {1})",
    "({0} == {1})",
    "({0} in {1})",
    "({0} and {1})",
    "({0} or {1})",
    "(not {0})",
    "({0} if {1} else {2})",
    "({0} if {1})",
    "[{0}, {1}]",
    "{{'k': {0}, 'l': {1}}}",
    "({0} | default({1}))",
    "({0} is defined)",
    "({0} | list)",
    "({0} | length)",
    "({0} | tojson)",
    "({0} | map(attribute='name') | join({1}))",
    "({0} | selectattr('name', 'ne', {1}))",
    "({0} | items)",
    "({0} | first)",
    "({0}).name",
    "({0})['output']",
    "({0})[{1}]",
    "({0})[:1]",
]
SOURCES = st.recursive(
    st.sampled_from(READS),
    lambda inner: st.builds(lambda form, a, b, c: form.format(a, b, c), st.sampled_from(FORMS), inner, inner, inner),
    max_leaves=8,
)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(SOURCES)
def test_nothing_is_read_that_the_names_do_not_tell(source: str):
    recorder = Recorder()
    template = Template.compile("{{ " + source + " }} ")

    try:
        template.render(recorder.wrap(DATA))
    except ExpressionError:
        # Looking for the nearest name reads the keys that are there; nothing is computed from them.
        recorder.wholes.clear()

    for path in recorder.entries:
        assert any(path[: len(name)] == name or name[: len(path)] == path for name in template.names), path
    for path in recorder.wholes:
        assert any(path[: len(name)] == name for name in template.names), path


@settings(max_examples=300, deadline=None, derandomize=True)
@given(SOURCES)
def test_the_rows_that_the_names_tell_are_enough(source: str):
    template = Template.compile("{{ " + source + " }} ")
    reduced = {root: value for root, value in DATA.items() if any(name[0] == root for name in template.names)}
    if "steps" in reduced and "steps" not in template.dynamic:
        wanted = {name[1] for name in template.names if name[0] == "steps"}
        reduced["steps"] = {key: row for key, row in DATA["steps"].items() if key in wanted}  # type: ignore[attr-defined]  # it is a dict

    def outcome(context: Mapping[str, object]) -> object:
        try:
            return template.render(context)
        except ExpressionError as error:
            return error.message

    assert outcome(reduced) == outcome(DATA)


# -- what is missing and what is wrong ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("steps.biuld.output", "steps has no 'biuld'; did you mean 'build'?"),
        ("steps['biuld']", "steps has no 'biuld'; did you mean 'build'?"),
        ("aprovers | join", "nothing is called 'aprovers' here; did you mean 'approvers'?"),
        ("steps.build.output.ulr", "steps.build.output has no 'ulr'; did you mean 'url'?"),
        ("approvers[0].mail", "approvers[0] has no 'mail'; did you mean 'email'?"),
        ("approvers.name", "approvers is a list and has no 'name'"),
        ("approvers[5]", "approvers has no item 5; it holds 2"),
        ("steps.skipped.output.url", "steps.skipped.output is null and has no 'url'"),
        ("inputs.amount.x", "inputs.amount is a number and has no 'x'"),
        ("inputs[inputs.code]", "this has no such item"),
        ("inputs.rows | map(attribute='idd')", "an item of the list has no 'idd'; did you mean 'id'?"),
        ("approvers | jion", "there is no filter 'jion'; did you mean 'join'?"),
        ("1 is od", "there is no test 'od'; did you mean 'odd'?"),
        ("[] | first", "first finds nothing: the list is empty"),
        ("1 + 'a'", "`+` cannot combine a number and text"),
        ("none + 1", "`+` cannot combine null and a number"),
        ("true + 1", "`+` cannot combine true or false and a number"),
        ("1 / 0", "this divides by zero"),
        ("1 % 0", "this divides by zero"),
        ("'12' > 3", "`>` cannot compare text with a number"),
        ("none < 3", "`<` cannot compare null with a number"),
        ("-'a'", "`-` needs a number, not text"),
        ("1 in 2", "`in` asks a list, a mapping or a text, not a number"),
        ("inputs.name | join(', ')", "join needs a list, not text"),
        ("3 | upper", "upper needs text, not a number; `| string` writes other values as text"),
        ("inputs.name | int", "int needs a whole number or its text; `int(0)` would stand in 0"),
        ("'x' | date", "date needs an ISO date such as 2026-03-31 or instant such as 2026-03-31T12:00:00Z"),
        (
            "[1, 'a'] | sort",
            "sort orders numbers or texts, not a mixture or anything else; name the `attribute` to order by",
        ),
        ("'a' | replace('a')", "the filter 'replace' is not used like this: missing a required argument: 'new'"),
        ("{1: 2}", "the keys of a mapping are texts, not a number"),
        ("", "there is no expression here"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(source: str, message: str):
    assert str(refusal(source)) == message


@pytest.mark.parametrize(
    ("source", "hint"),
    [
        ("a && b", "Write `and`."),
        ("a || b", "Write `or`."),
        ("!a", "Write `not`."),
        ("a = 1", "Compare with `==`."),
        ("a ? b : c", "Write `a if condition else b`."),
        ("'n: ' + 1", "To write values into one text, join them with `~`."),
        ("'%s' % 1", "To write values into a text, join them with `~`."),
        ("inputs.items()", "Use a filter, such as `x | length`."),
    ],
)
def test_habits_of_other_languages_get_a_hint(source: str, hint: str):
    assert refusal(source).hint == hint


def test_an_error_says_where_it_is():
    with pytest.raises(ExpressionError) as compiled:
        Template.compile("a\nb {{ 1 }}\nc {{\n 1 + }}")
    with pytest.raises(ExpressionError) as rendered:
        render("a\nb {{ nowhere }}")
    with pytest.raises(ExpressionError) as unclosed:
        Template.compile("a {{ '}}' ")

    assert (compiled.value.line, compiled.value.offset) == (4, 14)
    assert (rendered.value.line, rendered.value.offset) == (2, 4)
    assert (str(unclosed.value), unclosed.value.offset) == ("`{{` is not closed by `}}`", 2)


# -- S7: nothing to reach -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "source",
    [
        "''.__class__",
        "''['__class__']",
        "''['__cl' ~ 'ass__']",
        "''.__class__.__mro__[1].__subclasses__()",
        "__import__('os')",
        "__builtins__",
        "inputs.__class__",
        "inputs['__class__']",
        "inputs.keys.values",
        "inputs.get",
        "inputs.items()",
        "inputs.items.append",
        "[].append",
        "[].append(1)",
        "{}.update",
        "'a'.upper",
        "'a'.format()",
        "'{0.__class__}'.format(inputs)",
        "'{a}'.format_map(inputs)",
        "(1).real",
        "(1).bit_length",
        "none.__init__",
        "true.real",
        "approvers[0].secret",
        "approvers[0].__dict__",
        "approvers[0]['__class__']",
        "approvers[0]['sec' ~ 'ret']",
        "approvers[0].expression_fields",
        "approvers | map(attribute='secret')",
        "approvers | map(attribute='__class__')",
        "approvers | map(attribute='name.__class__')",
        "approvers | selectattr('__class__')",
        "approvers | selectattr('secret', 'defined') | first",
        "approvers | join(attribute='__class__')",
        "approvers | sort(attribute='secret')",
        "approvers | sum(attribute='__init__')",
        "approvers | unique(attribute='secret')",
        "foreign.function",
        "foreign.function('x')",
        "foreign.bytes",
        "foreign.object",
        "foreign.set",
        "foreign | string",
        "foreign | tojson",
        "foreign | items",
        "range(10)",
        "range",
        "dict(a=1)",
        "dict",
        "lipsum()",
        "lipsum.__globals__",
        "cycler('a')",
        "cycler.__init__.__globals__.os",
        "joiner()",
        "joiner",
        "namespace()",
        "namespace",
        "loop.index",
        "self",
        "self.x()",
        "self._TemplateReference__context",
        "caller()",
        "super()",
        "varargs",
        "config",
        "request",
        "environ",
        "open('/etc/passwd')",
        "eval('1')",
        "getattr(inputs, 'x')",
        "gettext('x')",
        "_('x')",
        "inputs | attr('__class__')",
        "inputs | attr('items')",
        "['__class__'] | map('attr', 'x')",
        "inputs | map('attr', '__class__')",
        "inputs | map('upper')",
        "'a' | format('b')",
        "'%s' | format('b')",
        "'%s' % 'b'",
        "'%999999999s' % 'b'",
        "'a' | safe",
        "'a' | escape",
        "'a' | e",
        "'a' | forceescape",
        "'a' | striptags",
        "'a' | urlize",
        "'a' | pprint",
        "'a' | filesizeformat",
        "'a' | wordwrap",
        "'a' | wordcount",
        "{'a': 1} | xmlattr",
        "[1] | random",
        "[1] | groupby('a')",
        "[1] | batch(3)",
        "[1] | slice(3)",
        "[1] | reverse",
        "'a' | list",
        "'a' is callable",
        "'a' is escaped",
        "'upper' is filter",
        "'a' is sameas 'a'",
        "[1] | select('callable')",
        "[1] | select('no' ~ 'ne')",
        "[1] | select(test='none')",
        "[1] | selectattr('a', 'attr')",
        "[1] | join(*[1])",
        "[1] | join(**{'d': 1})",
        "[1] is in(*[1])",
        "lambda: 1",
        "[x for x in inputs]",
        "a := 1",
        "`a`",
        "a; b",
        "inputs.x = 1",
        "import os",
        "'a' }}{% set x = 1 %}{{ 'b'",
        "1 }}{{ 2",
        "{% include 'x' %}",
        "'\\ud800'",
        "1e999",
        "inputs[[1]]",
        "inputs[{}]",
        "inputs[1.5]",
        "(2 ** 0.5)['x']",
        "(-8) ** 0.5",
        "many['a':]",
        "many[::0]",
        "inputs[:1]",
    ],
)
def test_S7_an_expression_reaches_nothing_but_the_data_it_is_given(source: str):
    message = str(refusal(source))

    for internal in ("<class", "object at 0x", "jinja", "Traceback", "hidden", "<built-in"):
        assert internal not in message


@pytest.mark.parametrize(
    "source",
    [
        "{% if a %}{{ b }}{% endif %}",
        "{{ a }}{% for x in y %}",
        "{%- set a = 1 -%}{{ a }}",
        "{# note #}{{ a }}",
        "{{ a }}{% raw %}{{ b }}{% endraw %}",
        "{{ a }}{% import 'os' %}",
    ],
)
def test_S7_no_statement_is_ever_parsed(source: str):
    with pytest.raises(ExpressionError, match="statements and comments"):
        Template.compile(source)


def test_S7_only_the_documented_filters_and_tests_exist():
    assert sorted(FILTERS) == [
        *("abs", "capitalize", "count", "d", "date", "default", "dictsort", "first", "float", "int", "items"),
        *("join", "last", "length", "list", "lower", "map", "max", "min", "reject", "rejectattr", "replace"),
        *("round", "select", "selectattr", "sort", "string", "sum", "title", "tojson", "trim", "truncate"),
        *("unique", "upper", "urlencode"),
    ]
    assert sorted(TESTS) == sorted(
        [
            *("boolean", "defined", "eq", "equalto", "even", "false", "float", "ge", "greaterthan", "gt", "in"),
            *("integer", "le", "lessthan", "lt", "mapping", "ne", "none", "number", "odd", "sequence", "string"),
            *("true", "undefined", "==", "!=", "<", "<=", ">", ">="),
        ]
    )


def test_S7_an_error_never_tells_a_value():
    context = {"inputs": {"password": "hunter2", "rows": ["hunter2"], "map": {"hunter2": 1}}}

    for source in (
        "inputs.password + 1",
        "inputs.password | int",
        "inputs.password | date",
        "inputs.password.x",
        "inputs.map[inputs.password ~ '2']",
        "inputs.rows | sum",
        "inputs[inputs.password]",
        "inputs.password | round",
        "inputs.password > 1",
    ):
        error = refusal(source, context)
        assert "hunter2" not in f"{error} {error.hint} {error.__cause__}"


# -- S7: nothing to exhaust -----------------------------------------------------------------------------

NAMED = "'" + "n" * 500 + "'"
GREEDY = [
    "'a' * 10**9",
    "10**9 * 'a'",
    "[0] * 10**9",
    "2 ** (10**9)",
    "9 ** (9 ** 9)",
    "10 ** 10 ** 10 ** 10",
    "2 ** 1024",
    "(2 ** 1000) * (2 ** 1000)",
    "(2 ** 1023) + (2 ** 1023)",
    "2.0 ** 100000",
    "(10 ** 300) * 1e300",
    "1e308 * 10",
    "(-1) * 2 ** 1024",
    "long ~ long",
    "long + long",
    "(long ~ 'a') ~ (long ~ 'a')",
    "big ~ ''",
    "big + ''",
    "big | upper",
    "big | lower",
    "big | title",
    "big | trim",
    "big | replace('x', 'yy')",
    "big | urlencode",
    "big | truncate(10)",
    "big[:300000]",
    "big[::2]",
    "[big, big] | join",
    "[long, long] | join",
    "many | join(long)",
    "[1, 2] | join(big)",
    "long | replace('y', 'zz')",
    "long | replace('', 'z')",
    "long | replace('y', long)",
    "'aaaa' | replace('a', long)",
    "long | urlencode",
    "'ß' | replace('ß', long) | replace('y', 'ß') | upper",
    "'a' | center(10**9)",
    "'a' | indent(10**9)",
    "'{:>999999999}'.format(1)",
    "'{:>999999999}' | format(1)",
    "'%999999999d' % 1",
    "'a' | truncate(5, end=big, leeway=0)",
    "range(10**9)",
    "range(10**9) | list",
    "[1] | batch(10**9, 'x')",
    "[1] | slice(10**9, 'x')",
    "many + [1]",
    "many + many",
    "crowd | list",
    "crowd | sort",
    "crowd | unique",
    "crowd | sum",
    "crowd | join",
    "crowd | map(attribute='x')",
    "crowd | select",
    "crowd[:]",
    "crowd | first in crowd",
    "'a' | wordwrap(1)",
    "1.5 | round(10**9)  ~ long ~ long",
    "[[1]] | tojson(indent=10**9) ~ long ~ long",
    "[long, long] | tojson",
    "[long, long] ~ ''",
    "{'a': big} ~ ''",
    "'" + "9" * 401 + "' | int",
    "1" + "0" * 400,
    "many" + " | sort" * 40,
    "many" + " | select | reject('none')" * 15,
    "many | map(attribute='" + "a." * 40 + "a')",
    "[" + ", ".join(["many"] * 100) + "]",
    "[" + ", ".join(["big"] * 100) + "]",
    "[" + ", ".join(["[" + ", ".join(["big"] * 20) + "]"] * 20) + "]",
    "[" + ", ".join(["big"] * 100) + "] | tojson",
    "[" + ", ".join(["big"] * 100) + "] ~ ''",
    "{'k': [" + ", ".join(["long"] * 100) + "]} == {'k': 1}",
    "[" + ", ".join(["long"] * 100) + "] | sort",
    "[" + ", ".join(["long"] * 100) + "] | unique",
    " and ".join(["big == big"] * 20),
    " and ".join(["'xy' not in big"] * 20),
    " ~ ".join(["(long | upper | length)"] * 40),
    " and ".join(["(many == many)"] * 49),
]


@pytest.mark.parametrize("source", GREEDY)
def test_S7_no_expression_builds_or_does_too_much(source: str):
    tracemalloc.start()
    try:
        with pytest.raises(ExpressionError):
            evaluate(source)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 32 * 1024 * 1024


def test_S7_a_text_of_many_parts_is_capped_as_a_whole():
    with pytest.raises(ExpressionError, match="a text of more than 262,144 characters"):
        render("{{ long }} and {{ long }}")
    with pytest.raises(ExpressionError, match="too much work"):
        render("{{ many | sort | first }}" * 40)

    assert render("{{ long }}!") == "y" * (200 * 1024) + "!"


def test_S7_deep_indentation_is_capped_while_it_is_written():
    deep: object = 1
    for _ in range(150):
        deep = [deep, *range(20)]
    tracemalloc.start()

    error = refusal("deep | tojson(indent=8)", {"deep": deep})
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert "a text of more than" in str(error)
    assert peak < 32 * 1024 * 1024


def test_S7_a_large_value_of_the_context_is_handed_through_as_it_is():
    assert render("{{ big }}") is CONTEXT["big"]
    assert render("{{ crowd }}") is CONTEXT["crowd"]
    assert compile_value({"all": "{{ crowd }}"}).render(CONTEXT) == {"all": CONTEXT["crowd"]}
    assert len(CONTEXT["big"]) > MAX_TEXT  # type: ignore[arg-type]  # it is a text


@pytest.mark.parametrize(
    "source",
    [
        "deep == other",
        pytest.param("deep ~ ''", marks=pytest.mark.slow),
        pytest.param("deep | tojson", marks=pytest.mark.slow),
        pytest.param("[deep] | unique", marks=pytest.mark.slow),
        "deep in [other]",
    ],
)
def test_S7_values_nested_beyond_pythons_stack_are_refused(source: str):
    deep: object = []
    other: object = []
    for _ in range(100_000):
        deep, other = [deep], [other]
    context = {"deep": deep, "other": other}

    error = refusal(source, context)

    assert "nested too deeply" in str(error) or "too much work" in str(error) or "a text of more" in str(error)
    while deep:  # taken apart by hand, since letting go of it would recurse as well
        deep, other = deep[0], other[0]  # type: ignore[index]  # they are lists


@pytest.mark.parametrize(
    "source",
    [
        "(" * 2000 + "1" + ")" * 2000,
        "[" * 1000 + "]" * 1000,
        "{'a':" * 500 + "1" + "}" * 500,
        "-" * 2000 + "1",
        "not " * 1000 + "1",
        "a" + ".a" * 1000,
        "a" + "[0]" * 1000,
        "a" + "['b']" * 600,
        "1" + "+1" * 1000,
        "1" + "**1" * 1000,
        "1" + "~1" * 1000,
        "a" + "|d" * 1000,
        "1 if 1 else " * 300 + "1",
        "1" + " if 1" * 600,
        "1" + " and 1" * 600,
        "1" + " < 1" * 900,
        "[" + "1," * 1500 + "]",
        "1 " * (MAX_EXPRESSION + 1),
        "'" * 4001,
        "'\\" * 2000,
        "\\'" * 2000,
        "{" * 4000,
        "a(" * 1000,
        "a" + "()" * 1000,
        "a" + " is defined" * 300,
        "1" * 4096,
        "0x" + "f" * 4000,
        "1_" * 2000,
        "9e" + "9" * 4000,
        "\x00",
        "\u202e",
        "a\u0301",
    ],
)
def test_S7_no_source_takes_the_parser_down(source: str):
    with pytest.raises(ExpressionError):
        evaluate(source)
    with pytest.raises(ExpressionError):
        render("{{ " + source + " }}")


def test_S7_the_size_of_a_source_is_capped_in_every_direction():
    with pytest.raises(ExpressionError, match="at most 65,536 characters"):
        Template.compile("x" * MAX_SOURCE + "{{ a }}")
    with pytest.raises(ExpressionError, match="at most 4,096 characters"):
        Template.compile("{{ a" + " " * MAX_EXPRESSION + "}}")
    with pytest.raises(ExpressionError, match="at most 4,096 characters"):
        Template.compile("{{ " + "x " * MAX_EXPRESSION)
    with pytest.raises(ExpressionError, match="at most 500 parts"):
        Template.compile("{{ a }}" * (MAX_NODES + 1))
    with pytest.raises(ExpressionError, match="nested more than 50 levels"):
        Template.compile("{{ a" + " | d" * MAX_DEPTH + " }}")
    with pytest.raises(ExpressionError, match="a path has at most 32 parts"):
        Template.compile("{{ a" + ".a" * 32 + " }}")
    nested: object = "x"
    for _ in range(101):
        nested = [nested]
    with pytest.raises(ExpressionError, match="nested more than 100 levels"):
        compile_value(nested)

    Template.compile("{{ a }}" * MAX_NODES)
    Template.compile("{{ a" + " | d" * (MAX_DEPTH - 1) + " }}")


TOKENS = st.sampled_from(
    [
        *("inputs", "approvers", "steps", "many", "long", "name", "items", "keys", "rows", "__class__", "0", "1"),
        *("1.5", "'a'", "''", '"{{"', "{{", "}}", "{%", "%}", "(", ")", "[", "]", "{", "}", ":", ",", ".", "|", "~"),
        *("+", "-", "*", "**", "/", "//", "%", "==", "<", ">=", "!=", "=", "and", "or", "not", "in", "is", "if"),
        *("else", "none", "true", *FILTERS, *(test for test in TESTS if test.isalpha()), "attribute=", "\n", " ", "\\"),
    ]
)


@settings(max_examples=400, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.one_of(st.lists(TOKENS, max_size=12).map(" ".join), SOURCES, st.text(max_size=30)),
    st.sampled_from(sorted(FILTERS)),
)
def test_S7_whatever_is_written_gives_a_value_or_an_expression_error(source: str, last: str):
    for whole in ("{{ " + source + " }}", "a {{ " + source + " | " + last + " }}", source):
        with suppress(ExpressionError):
            json.dumps(compile_value([whole]).render(CONTEXT))


ARGUMENTS = st.sampled_from(
    [
        "inputs",
        "approvers",
        "approvers[0]",
        "many",
        "'a'",
        "'a.b'",
        "-1",
        "0",
        "3",
        "1.5",
        "none",
        "true",
        "[]",
        "['a', 1]",
        "{}",
        "[[1], [2]]",
    ]
)


@settings(max_examples=500, deadline=None, derandomize=True)
@given(st.sampled_from(sorted(FILTERS)), ARGUMENTS, st.lists(ARGUMENTS, max_size=3))
def test_S7_every_filter_survives_every_kind_of_value(name: str, value: str, arguments: list[str]):
    source = f"{value} | {name}({', '.join(arguments)})"

    # That it does not suit is said in the filter's own words, not in the words for what nobody thought of.
    with suppress(ExpressionError):
        evaluate(source)
        return
    assert "cannot do this" not in str(refusal(source))


@pytest.mark.parametrize("half", ["{%", "{#"])
def test_S8_a_text_full_of_statements_that_never_end_is_read_in_no_time(half: str) -> None:
    source = (half * MAX_SOURCE)[: MAX_SOURCE - 20] + "{{ inputs.x }}"

    begin = time.perf_counter()
    template = Template.compile(source)

    assert time.perf_counter() - begin < 0.5
    assert template.names == {("inputs", "x")}


def test_the_first_of_several_statements_is_the_one_that_is_said() -> None:
    with pytest.raises(ExpressionError, match="statements and comments") as error:
        Template.compile("a {% b {# c #} %}{{ x }}")

    assert error.value.offset == 2
