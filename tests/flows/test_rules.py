"""Nested quorums as they are written, what is kept of them, and who fills which seat."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest
from pydantic import ValidationError

from flows import seating
from flows.definition import Approval, Flow, Step
from flows.rules import All, AnyOf, AtLeast, Terms, Tree, tree

ANN, BOB, CAY, DAN = 1, 2, 3, 4
ONE = {"any": ["@a", {"all": ["@b", "@c"]}]}
"""A rule that can be met in two ways."""


def refusal(rule: Any) -> str:
    with pytest.raises(ValidationError) as found:
        Approval(quorum=rule)
    said = [error["msg"] for error in found.value.errors() if error["type"] in ("value_error", "missing")]
    return "; ".join(said).removeprefix("Value error, ")


def people(**groups: str) -> dict[int, frozenset[str]]:
    """``people(ann="a b")``: Ann, who belongs to @a and @b."""
    ids = {"ann": ANN, "bob": BOB, "cay": CAY, "dan": DAN}
    return {ids[name]: frozenset(f"@{group}" for group in belongs.split()) for name, belongs in groups.items()}


def kept(rule: Any) -> Tree:
    """The tree of a rule in which every handle stands for itself."""
    written = Approval(quorum=rule).quorum
    assert isinstance(written, All | AnyOf | AtLeast)
    return tree(written, lambda handle: (handle,))


# -- in a flow file -------------------------------------------------------------------------------------------


def test_a_nested_quorum_comes_back_from_canonical_json_as_it_was():
    rule = {"all": ["@hr", {"at_least": 2, "of": ["ann@example.com", {"any": ["@it", "{{ inputs.manager }}"]}]}]}
    flow = Flow(flow="a", steps=(Step(id="ask", approval=Approval(quorum=rule, approvers=("@hr", "@board"))),))
    again, _ = Flow.from_canonical(flow.canonical())
    approval = again.steps[0].approval

    assert again == flow
    assert again.content_hash() == flow.content_hash()
    assert approval is not None
    assert approval.handles == ("@hr", "@board", "ann@example.com", "@it", "{{ inputs.manager }}")


def test_a_rule_may_be_built_of_the_models():
    built = AtLeast(at_least=2, of=("@a", All(all=("@b", "@c"))))

    assert Approval(quorum=built) == Approval(quorum={"at_least": 2, "of": ["@a", {"all": ["@b", "@c"]}]})


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        ({"some": ["@a"]}, "is no rule: it needs one of 'all', 'any', or 'at_least' with 'of'"),
        ({"all": ["@a", {}]}, "is no rule: it needs one of 'all', 'any', or 'at_least' with 'of'"),
        ({"all": ["@a"], "any": ["@b"]}, "has 'all' and 'any'; put one of them inside the other"),
        (
            {"at_least": 3, "of": [{"any": ["@a"]}, {"any": ["@b"]}]},
            "asks for 3 of 2; lower 'at_least', or add items to 'of'",
        ),
        (
            {"all": ["@x", {"at_least": 5, "of": [ONE] * 6}, {"any": [ONE] * 6}]},
            (
                "can be met in 2,304 ways, and at most 1,000 can be tried; put handles in place of inner rules, or split"
                " it into several approvals"
            ),
        ),
        (
            {"all": [{"all": ["@a"] * 50}] * 4},
            "has more than 200 items; use groups, or split it into several approvals",
        ),
    ],
)
def test_a_rule_that_makes_no_sense_or_asks_too_much_is_refused_with_what_to_do(rule, sentence):
    assert refusal(rule) == sentence


def test_rules_in_rules_end_somewhere():
    rule: Any = {"any": ["@a"]}
    for _ in range(11):
        rule = {"any": [rule]}

    Approval(quorum=rule)
    assert refusal({"any": [rule]}) == "has rules more than 12 levels deep; write them flatter"


@pytest.mark.parametrize(
    "rule",
    [{"all": []}, {"at_least": 0, "of": ["@a"]}, {"at_least": 2}, {"of": ["@a"]}, {"any": [3]}, {"any": [""]}, []],
)
def test_what_is_no_rule_at_all_is_refused(rule):
    with pytest.raises(ValidationError):
        Approval(quorum=rule)


@pytest.mark.parametrize(
    ("rule", "ways"),
    [
        ({"all": ["@a", "@b"]}, 1),
        ({"at_least": 3, "of": ["@a", "@b"]}, 1),
        (ONE, 2),
        ({"all": [ONE, ONE, "@x"]}, 4),
        ({"any": ["@x", ONE, ONE]}, 5),
        ({"at_least": 2, "of": [ONE, ONE, ONE]}, 3 * 4),
        ({"at_least": 2, "of": ["@x", ONE, ONE]}, 1 + 2 * 2 + 4),
        ({"at_least": 6, "of": [{"any": [f"@{n}"]} for n in range(12)]}, 924),
    ],
)
def test_the_ways_of_a_rule_are_counted_before_they_are_tried(rule, ways):
    written = Approval(quorum=rule).quorum
    assert isinstance(written, All | AnyOf | AtLeast)
    numbers: dict[Any, int] = {}

    assert written.ways == ways
    assert len(list(seating._expanded(kept(rule), numbers))) == ways


# -- what is kept ---------------------------------------------------------------------------------------------


def test_terms_come_back_from_json_as_they_were():
    terms = Terms(Tree(2, (ANN, "@hr", Tree(1, ("@it", BOB)))), (CAY, "@board"))

    assert Terms.from_json(terms.to_json()) == terms
    assert Terms.from_json(Terms(None, (CAY,)).to_json()) == Terms(None, (CAY,))
    assert Terms.from_json(Terms(Tree(1, (Tree(1, ()),))).to_json()) == Terms(Tree(1, (Tree(1, ()),)))


def test_a_list_from_a_template_counts_as_if_its_items_were_written_there():
    given = {"who": (ANN, BOB), "@hr": ("@hr",), "none": ()}

    def of(rule: Any) -> Tree:
        written = Approval(quorum=rule).quorum
        assert isinstance(written, All | AnyOf | AtLeast)
        return tree(written, lambda handle: given[handle])

    assert of({"all": ["who", "@hr"]}) == Tree(3, (Tree(1, (ANN,)), Tree(1, (BOB,)), Tree(1, ("@hr",))))
    assert of({"any": ["who", "@hr"]}) == Tree(1, (ANN, BOB, "@hr"))
    assert of({"at_least": 2, "of": ["who", "@hr", "who"]}) == Tree(2, (ANN, BOB, "@hr"))
    # Whoever wrote the item wanted somebody: nobody is not everybody.
    assert of({"all": ["none", "@hr"]}) == Tree(2, (Tree(1, ()), Tree(1, ("@hr",))))
    assert not seating.met(of({"all": ["none"]}), people(ann="", bob=""))


def test_a_merge_joins_people_and_leaves_the_seats():
    rule = Tree(2, (Tree(1, (ANN,)), Tree(1, (BOB,)), CAY, BOB, "@hr"))
    terms = Terms(rule, (ANN, BOB, "@hr")).merged(lambda person: ANN if person == BOB else person)

    assert terms == Terms(Tree(2, (Tree(1, (ANN,)), Tree(1, (ANN,)), CAY, ANN, "@hr")), (ANN, "@hr"))
    assert terms.without(ANN).quorum == Tree(2, (Tree(1, ()), Tree(1, ()), CAY, "@hr"))


# -- who fills which seat -------------------------------------------------------------------------------------


def test_one_person_fills_one_seat_of_the_whole_tree():
    rule = kept({"all": ["@a", {"any": ["@b", {"at_least": 1, "of": ["@c"]}]}]})

    assert not seating.met(rule, people(ann="a b c"))
    assert seating.met(rule, people(ann="a b c", bob="c"))


def test_seats_of_at_least_are_filled_from_any_of_its_groups():
    rule = kept({"at_least": 3, "of": ["@a", "@b"]})

    assert seating.met(rule, people(ann="a", bob="a", cay="a"))
    assert not seating.met(rule, people(ann="a", bob="a", cay="c"))


def test_an_inner_rule_counts_as_one_when_it_is_met_by_people_of_its_own():
    rule = kept({"at_least": 2, "of": ["@a", {"all": ["@b", "@c"]}]})

    assert not seating.met(rule, people(ann="a", bob="b"))
    assert not seating.met(rule, people(ann="a b", bob="c"))
    assert seating.met(rule, people(ann="a b", bob="c", cay="b"))
    assert seating.met(rule, people(ann="a", bob="a"))


def test_whoever_sits_where_another_is_needed_moves():
    """GitLab #425759: rules over overlapping groups, filled greedily, were blocked for ever."""
    rule = kept({"all": ["@a", "@b", "@c"]})
    for order in permutations({"ann": "a b", "bob": "b c", "cay": "a"}.items()):
        assert seating.met(rule, people(**dict(order)))


def test_a_thousand_people_who_all_have_to_move_are_no_depth_to_drown_in():
    many = 1_000
    chain = Tree(many, tuple(Tree(1, (seat, seat + 1)) for seat in range(many)))

    assert seating.met(chain, dict.fromkeys(reversed(range(many)), ()))
    assert seating.missing(chain, dict.fromkeys(range(1, many - 3), ())) == 4


def test_missing_is_the_shortest_way_that_is_left():
    rule = kept({"any": [{"all": ["@a", "@b", "@c"]}, {"at_least": 2, "of": ["@d"]}]})

    assert seating.missing(rule, {}) == 2
    assert seating.missing(rule, people(ann="a", bob="b")) == 1
    assert seating.missing(rule, people(ann="a", bob="a")) == 2
    assert seating.missing(rule, people(ann="d", bob="d")) == 0


def test_open_seats_are_those_that_bring_it_nearer():
    rule = Tree(2, (Tree(1, (ANN, "@a")), Tree(1, ("@b",))))

    assert seating.open_seats(rule, {}) == (ANN, "@a", "@b")
    # She can move to @b, and leave her seat to somebody of @a.
    assert seating.open_seats(rule, {ANN: frozenset({"@b"})}) == ("@a", "@b")
    assert seating.open_seats(rule, {ANN: frozenset()}) == ("@b",)
    assert seating.open_seats(rule, {ANN: frozenset(), BOB: frozenset({"@b"})}) == ()


def test_a_way_that_its_named_people_can_never_fill_is_no_way():
    rule = Tree(1, (Tree(2, (Tree(1, (ANN,)), Tree(1, (ANN,)))), Tree(3, ("@a",))))

    assert seating.missing(rule, {}) == 3
    assert seating.open_seats(rule, {}) == ("@a",)
    # Where none is left, it is not met by nobody.
    assert seating.missing(Tree(2, (Tree(1, (ANN,)), Tree(1, (ANN,)))), {ANN: frozenset()}) == 1


def test_a_shortage_names_the_seats_that_too_few_people_can_fill():
    rule = kept({"all": ["@a", "@a", "@b"]})

    assert seating.shortage(rule, people(ann="a", bob="b", cay="b")) == seating.Shortage(2, ("@a",), (ANN,))
    assert seating.shortage(rule, people(ann="a", bob="a b")) == seating.Shortage(3, ("@a", "@b"), (ANN, BOB))
    assert seating.shortage(rule, people(ann="a", bob="a", cay="b")) is None
