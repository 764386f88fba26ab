"""``links`` in expressions: whose link is given, and that nothing else becomes callable."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from flows.context import Approver, Someone
from flows.errors import ActionError
from flows.expressions import Expression, ExpressionError, Template, compile_value
from flows.people import Person
from flows.ports import Asked, PersonalLink
from flows.wait_links import handle_of, render

BOB = Approver("Bob", "bob@example.com", "U0BOB", "2026-01-05T09:00:00+00:00", "page", None, "Bob")
ANN = Someone("Ann", "ann@example.com", None, "Ann")


class Links:
    """The links of a wait that asks Bob, Cat and Ann."""

    def __init__(self) -> None:
        self.asked_for: list[str] = []

    resume = "https://s.example/r/R"
    cancel = "https://s.example/c/C"

    async def for_person(self, handle: str) -> PersonalLink:
        self.asked_for.append(handle)
        if handle == "eve@example.com":
            raise ActionError("Eve is none of those who may answer this step.")
        return PersonalLink(Person(1, handle), f"https://s.example/a/{handle.partition('@')[0]}?x=1&y")

    async def for_people(self, handles: Iterable[str]) -> list[PersonalLink]:
        return [await self.for_person(handle) for handle in handles]

    async def asked(self) -> list[PersonalLink]:
        return []

    async def request(self) -> Asked:
        raise AssertionError("nobody asked for it")


async def rendered(value: Any, links: Links | None = None, **context: Any) -> Any:
    return await render(compile_value(value), {"inputs": {}, **context}, links or Links())


async def test_a_machine_gets_its_two_links():
    assert await rendered({"callback": "{{ links.resume }}", "text": "stop: {{ links.cancel }}"}) == {
        "callback": "https://s.example/r/R",
        "text": "stop: https://s.example/c/C",
    }


@pytest.mark.parametrize(
    ("person", "handle"),
    [
        ("cat@example.com", "cat@example.com"),
        (" U024BE7LH ", "U024BE7LH"),
        (BOB, "U0BOB"),
        (ANN, "ann@example.com"),
        ({"name": "Bob", "email": "bob@example.com", "slack_id": None}, "bob@example.com"),
        ({"name": "Bob", "email": "bob@example.com", "slack_id": "U0BOB"}, "U0BOB"),
    ],
)
async def test_a_person_is_named_by_a_handle_or_by_a_value(person, handle):
    links = Links()

    text = await rendered("go: {{ links.for(inputs.who) }}", links, inputs={"who": person})

    assert text == f"go: https://s.example/a/{handle.partition('@')[0]}?x=1&y"
    assert links.asked_for == [handle]
    assert handle_of(person) == handle


async def test_each_person_is_looked_up_once_and_gets_their_own():
    links = Links()
    value = {
        "to": ["{{ links.for('bob@example.com') }}", "{{ links.for('cat@x') }}"],
        "b": "{{ links.for('bob@example.com') }}",
    }

    assert await rendered(value, links) == {
        "to": ["https://s.example/a/bob?x=1&y", "https://s.example/a/cat?x=1&y"],
        "b": "https://s.example/a/bob?x=1&y",
    }
    assert links.asked_for == ["bob@example.com", "cat@x"]


async def test_filters_see_the_link_itself():
    assert await rendered("https://sms.example/?text={{ links.for('bob@x') | urlencode }}") == (
        "https://sms.example/?text=https%3A//s.example/a/bob%3Fx%3D1%26y"
    )
    assert await rendered("{{ {'url': links.for('bob@x')} | tojson }}") == '{"url":"https://s.example/a/bob?x=1&y"}'


async def test_a_link_that_names_somebody_by_another_link_is_still_found():
    value = "{{ links.for('cat@x') if 's.example' in links.for('bob@x') else links.for('dan@x') }}"

    assert await rendered(value) == "https://s.example/a/cat?x=1&y"


async def test_whose_link_cannot_be_given_is_said():
    with pytest.raises(ActionError, match="Eve is none of those who may answer"):
        await rendered("{{ links.for('eve@example.com') }}")


async def test_without_links_nothing_is_called_so():
    with pytest.raises(ExpressionError, match="nothing is called 'links'"):
        await render(compile_value("{{ links.for('bob@x') }}"), {"inputs": {}}, None)
    with pytest.raises(ExpressionError, match="nothing is called 'links'"):
        await render(compile_value("{{ links.resume }}"), {"inputs": {}}, None)


async def test_a_text_that_names_no_links_is_rendered_once_and_asks_nobody():
    links = Links()

    assert await rendered("{{ inputs.a }}", links, inputs={"a": 1}) == 1
    assert links.asked_for == []


@pytest.mark.parametrize("person", [None, 7, ["bob@x"], "", "  ", {}, {"email": None}, {"email": 3}, True])
async def test_what_is_nobody_is_refused(person):
    with pytest.raises(ExpressionError, match=r"links\.for"):
        await rendered("{{ links.for(inputs.who) }}", inputs={"who": person})


@pytest.mark.parametrize("source", ["all: {{ links }}", "{{ links.four }}", "{{ links.for }}"])
async def test_links_alone_are_no_address(source):
    with pytest.raises(ExpressionError):
        await rendered(source)
    assert await rendered("{{ links }}") == {"resume": Links.resume, "cancel": Links.cancel}


# -- nothing else becomes callable


@pytest.mark.parametrize(
    "source",
    [
        "inputs.for('a')",
        "links['for']('a')",
        "links.resume()",
        "links.resume('a')",
        "links.expression_call('for', 'a')",
        "links.__class__('a')",
        "links('a')",
        "links.for('a')('b')",
        "(links).for.for('a')",
        "steps.links.for('a')",
        "for('a')",
        "inputs.links.for('a')",
    ],
)
def test_S7_only_links_for_is_called(source: str):
    if source == "links['for']('a')":
        Expression.compile(source)  # the same, written differently
        return
    with pytest.raises(ExpressionError):
        Expression.compile(source)


@pytest.mark.parametrize(
    "source", ["links.for()", "links.for('a', 'b')", "links.for(a=1)", "links.for(*['a'])", "links.for(**{'a': 1})"]
)
def test_S7_links_for_takes_one_value(source: str):
    with pytest.raises(ExpressionError, match="takes one value"):
        Expression.compile(source)


class Tempting:
    """What an input might be in some wild dream: it has the method, and has not opted in."""

    expression_fields = frozenset({"name"})
    name = "x"

    def expression_call(self, name: str, value: object) -> object:
        raise AssertionError("called")


@pytest.mark.parametrize(
    "links", [{"for": "x"}, {"expression_calls": frozenset({"for"})}, Tempting(), "text", None, [1], 7]
)
def test_S7_a_value_that_has_not_opted_in_is_never_called(links: Any):
    with pytest.raises(ExpressionError, match=r"'links\.for' cannot be called here"):
        Expression.compile("links.for('a')").evaluate({"links": links})


def test_S7_what_is_called_counts_as_read_and_as_work():
    template = Template.compile("{{ links.for(inputs.who) }}")

    assert template.names == {("links", "for"), ("inputs", "who")}
    with pytest.raises(ExpressionError, match="at most 500 parts"):
        Expression.compile(" ~ ".join(["links.for(1)"] * 260))
