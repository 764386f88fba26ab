"""Nested quorums against a second opinion: every assignment of people to seats, tried one by one.

The oracle below reads the rule as its author wrote it, and shares nothing with the engine: no tree, no ways, no
matching. ``test_rules`` says what single rules mean; here are as many as chance can think of.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from flows.definition import Approval
from flows.errors import QuorumUnreachable
from flows.people import Person, Roster
from flows.quorum import Settled, approvals, merged, missing, seats, still_reachable, tally, waiting_for
from flows.rules import Terms
from flows.run import Kind, Said, Suspension, Verdict

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
NOBODY = "gone@example.com"


# -- the oracle -----------------------------------------------------------------------------------------------

Left = frozenset[tuple[frozenset[int], int]]
"""All the ways in which it can end: who has no seat yet, and how many newcomers have one."""


@dataclass(frozen=True)
class Oracle:
    """Who stands behind each handle. With ``newcomers``, those of them who did not approve may still come, and any
    number of people may join a group."""

    behind: Mapping[str, frozenset[int]]
    approved: frozenset[int]
    newcomers: bool = False

    def fewest_used(self, rule: Any) -> int | None:
        """How many people it takes, of those who approved; None where they are not enough."""
        return min((len(self.approved) - len(free) for free, _ in self._meet(rule, self.approved)), default=None)

    def fewest_new(self, rule: Any) -> int | None:
        """How many newcomers it takes besides those who approved."""
        everybody = self.approved.union(*(who for handle, who in self.behind.items() if not handle.startswith("@")))
        return min((new for _, new in self._meet(rule, everybody)), default=None)

    def _meet(self, item: Any, free: frozenset[int]) -> Left:
        if isinstance(item, str):
            found = {(free - {who}, int(who not in self.approved)) for who in free & self.behind[item]}
            return frozenset(found | {(free, 1)} if self.newcomers and item.startswith("@") else found)
        if "all" in item:
            return self._each(item["all"], free)
        many, items = (1, item["any"]) if "any" in item else (item["at_least"], item["of"])
        return self._some(
            many,
            [one for one in items if isinstance(one, str)],
            [one for one in items if not isinstance(one, str)],
            free,
        )

    def _each(self, items: list[Any], free: frozenset[int]) -> Left:
        if not items:
            return frozenset({(free, 0)})
        return frozenset(
            (left, here + later)
            for rest, here in self._meet(items[0], free)
            for left, later in self._each(items[1:], rest)
        )

    def _some(self, many: int, handles: list[str], rules: list[Any], free: frozenset[int]) -> Left:
        if not many:
            return frozenset({(free, 0)})
        found: set[tuple[frozenset[int], int]] = set()
        if rules:
            found |= self._some(many, handles, rules[1:], free)
            ways = self._meet(rules[0], free)
        else:
            ways = frozenset(way for handle in handles for way in self._meet(handle, free))
        for rest, here in ways:
            found |= {(left, here + later) for left, later in self._some(many - 1, handles, rules[1:], rest)}
        return frozenset(found)


def test_the_oracle_itself_on_rules_that_anybody_can_work_out():
    behind = {"a": frozenset({1}), "b": frozenset({2}), "@g": frozenset({1, 2, 3}), "gone": frozenset()}

    def enough(rule: Any, *approved: int) -> bool:
        return Oracle(behind, frozenset(approved)).fewest_used(rule) is not None

    assert enough({"all": ["a", "@g"]}, 1, 2)
    assert not enough({"all": ["a", "@g"]}, 1)
    assert not enough({"all": ["a", "gone"]}, 1, 2, 3)
    assert enough({"at_least": 3, "of": ["a", "@g"]}, 1, 2, 3)
    assert not enough({"at_least": 2, "of": ["a", {"all": ["@g", "@g"]}]}, 2, 3)
    assert enough({"at_least": 2, "of": ["a", {"all": ["@g", "@g"]}]}, 1, 2, 3)
    assert Oracle(behind, frozenset({2}), newcomers=True).fewest_new({"all": ["a", "@g", "b"]}) == 2
    assert Oracle(behind, frozenset({1}), newcomers=True).fewest_new({"all": ["a", "a"]}) is None


# -- chance ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """``standing`` is in the order of the decisions; ``moment`` says how many of them were there when all is compared,
    and the people of ``leaving`` were gone. Of which groups somebody was a member when they decided need not be what
    the groups were when it opened. ``same`` are two who turn out to be one human: who is gone, and who is kept."""

    rule: Any
    options: tuple[str, ...]
    self_approval: bool
    requester: int
    people: tuple[int, ...]
    groups: Mapping[str, frozenset[int]]
    standing: Mapping[int, Said]
    moment: int
    leaving: frozenset[int]
    same: tuple[int, int]

    @property
    def handles(self) -> frozenset[str]:
        return frozenset(written(self.rule))

    @property
    def able(self) -> frozenset[int]:
        return frozenset(self.people) - (frozenset() if self.self_approval else {self.requester})


def address(person: int) -> str:
    return f"p{person}@example.com"


def written(rule: Any) -> Iterable[str]:
    for item in rule.get("all") or rule.get("any") or rule["of"]:
        yield from [item] if isinstance(item, str) else written(item)


def a_rule(chance: random.Random, handles: list[str], depth: int) -> Any:
    kind = chance.choice(("all", "any", "at_least", "at_least"))
    items: list[Any] = [
        a_rule(chance, handles, depth - 1) if depth and chance.random() < 0.4 else chance.choice(handles)
        for _ in range(chance.randint(1, 3))
    ]
    if kind != "at_least":
        return {kind: items}
    inner = sum(not isinstance(item, str) for item in items)
    return {"at_least": chance.randint(1, inner if inner == len(items) else 3), "of": items}


def a_bench(chance: random.Random, handles: list[str]) -> Any:
    """Many seats that are open to a few each: so that people have to move, and to move again."""
    return {
        "all": [
            {
                "at_least": chance.choice((1, 1, 1, 2)),
                "of": chance.sample(handles, min(len(handles), chance.randint(1, 3))),
            }
            for _ in range(chance.randint(3, 6))
        ]
    }


def a_case(chance: random.Random) -> Case:
    bench = chance.random() < 0.1
    people = tuple(range(1, chance.randint(6, 8) if bench else chance.randint(3, 7)))
    groups = {
        f"@g{n}": frozenset(person for person in people if chance.random() < 0.5) for n in range(chance.randint(1, 3))
    }
    handles = [*groups, *groups, *map(address, people), *([NOBODY] if chance.random() < 0.2 else [])]
    options = ("red", "blue") if chance.random() < 0.1 else ()
    requester = chance.choice((0, 0, *people))
    self_approval = chance.random() < 0.5
    standing = {
        person: Said(
            Verdict.APPROVE,
            chance.choice(options) if options else None,
            frozenset(name for name, members in groups.items() if (person in members) != (chance.random() < 0.1)),
        )
        for person in chance.sample(people, len(people))
        if person != requester or self_approval
    }
    return Case(
        a_bench(chance, handles) if bench else a_rule(chance, handles, chance.randint(0, 2)),
        options,
        self_approval,
        requester,
        people,
        groups,
        standing,
        moment=chance.randint(0, len(standing)),
        leaving=frozenset(person for person in people if chance.random() < 0.3),
        same=tuple(chance.sample(people, 2)),
    )


# -- the two of them ------------------------------------------------------------------------------------------


def check(case: Case) -> bool:
    """Whether engine and oracle agree, all along; False where both say that it can never be met."""
    wait = Approval(quorum=case.rule, options=case.options, self_approval=case.self_approval)
    named = {address(person): frozenset({person}) & case.able for person in case.people} | {NOBODY: frozenset()}
    known = {person: Person(person, f"P{person}", address(person)) for person in case.people}
    now = Oracle({**named, **{name: who & case.able for name, who in case.groups.items()}}, case.able)
    fewest = now.fewest_used(case.rule)
    rendered = {handle: (handle,) for handle in case.handles}
    try:
        seated = seats(wait, rendered, roster(case), requester=case.requester, people=known)
    except QuorumUnreachable:
        assert fewest is None, "the engine refuses what can be met"
        return False
    assert fewest is not None, "the engine opens what can never be met"
    assert seated.needed == fewest
    assert set(seated.asked) == {person for handle in case.handles for person in now.behind[handle]}
    assert seated.terms is not None
    opened = Suspension(
        1,
        "ask",
        Kind.APPROVAL,
        NOW,
        NOW + timedelta(1),
        approvers=seated.approvers,
        needed=seated.needed,
        terms=Terms.from_json(seated.terms.to_json()),
    )
    for many in range(len(case.standing) + 1):
        standing = dict(list(case.standing.items())[:many])
        agree_on_tally(case, wait, opened, standing, named)
        if many == case.moment:
            fewest_new = agree_on_missing(case, wait, opened, standing, named)
            agree_on_who(case, wait, opened, standing, named, fewest_new)
            agree_on_leaving(case, wait, opened, standing, known)

    gone, kept = case.same

    def one(person: int) -> int:
        return kept if person == gone else person

    requester = one(case.requester)
    standing = {one(person): said for person, said in case.standing.items()}
    named = {handle: frozenset(map(one, who)) for handle, who in named.items()}
    if not case.self_approval:
        standing.pop(requester, None)
        named = {handle: who - {requester} for handle, who in named.items()}
    opened = merged(opened, wait, one, requester=requester)
    agree_on_tally(case, wait, opened, standing, named)
    agree_on_missing(case, wait, opened, standing, named)
    return True


def roster(case: Case, leaving: frozenset[int] = frozenset()) -> Roster:
    named = {address(person): person for person in case.people if address(person) in case.handles}
    return Roster(
        NOW,
        {handle: person for handle, person in named.items() if person not in leaving},
        {name: tuple(who - leaving) for name, who in case.groups.items() if name in case.handles},
        {handle: "has left Slack" for handle in case.handles if handle == NOBODY or named.get(handle) in leaving},
    )


def by_option(case: Case, standing: Mapping[int, Said]) -> dict[str | None, dict[int, frozenset[str]]]:
    """Those who chose each option, with their groups at that moment."""
    return {
        option: {who: said.groups for who, said in standing.items() if said.option == option}
        for option in case.options or (None,)
    }


def opinion(
    case: Case, yes: Mapping[int, frozenset[str]], named: Mapping[str, frozenset[int]], *, newcomers: bool = False
) -> Oracle:
    members = {name: frozenset(who for who, groups in yes.items() if name in groups) for name in case.groups}
    people = named if newcomers else {handle: who & frozenset(yes) for handle, who in named.items()}
    return Oracle({**people, **members}, frozenset(yes), newcomers)


def agree_on_tally(
    case: Case, wait: Approval, opened: Suspension, standing: Mapping[int, Said], named: Mapping[str, frozenset[int]]
) -> None:
    """Whether it is settled, for which option, and by whom."""
    settled = None
    for option, yes in by_option(case, standing).items():
        if settled is None and opinion(case, yes, named).fewest_used(case.rule) is not None:
            settled = Settled(Verdict.APPROVE, option, tuple(yes))
    assert tally(wait, opened, standing) == settled
    assert approvals(standing) == len(standing)


def agree_on_missing(
    case: Case, wait: Approval, opened: Suspension, standing: Mapping[int, Said], named: Mapping[str, frozenset[int]]
) -> int | None:
    """How many are missing; None where it can never be met any more, because two seats were left to one human, say."""
    lacking = [
        opinion(case, yes, named, newcomers=True).fewest_new(case.rule) for yes in by_option(case, standing).values()
    ]
    fewest = min((lacks for lacks in lacking if lacks is not None), default=None)
    found = missing(wait, opened, standing)
    assert found == fewest if fewest is not None else found > 0
    return fewest


def agree_on_who(
    case: Case,
    wait: Approval,
    opened: Suspension,
    standing: Mapping[int, Said],
    named: Mapping[str, frozenset[int]],
    fewest: int | None,
) -> None:
    """Who is waited for: everybody with whom one person fewer would be missing, and nobody else."""
    nearer: set[int | str] = set()
    for yes in by_option(case, standing).values():
        for handle in case.handles:
            for who in {handle} if handle.startswith("@") else named[handle] - standing.keys():
                more = {**yes, -1: frozenset({handle})} if isinstance(who, str) else {**yes, who: frozenset()}
                lacks = opinion(case, more, named, newcomers=True).fewest_new(case.rule)
                if fewest and lacks is not None and lacks < fewest:
                    nearer.add(who)
    assert set(waiting_for(wait, opened, standing)) == nearer


def agree_on_leaving(
    case: Case, wait: Approval, opened: Suspension, standing: Mapping[int, Said], known: Mapping[int, Person]
) -> None:
    """Whether those who have not left can still meet it, together with the approvals of those who have."""
    there = case.able - case.leaving
    possible = False
    for yes in by_option(case, standing).values():
        able = there.union(yes)
        named = {address(person): frozenset({person}) & able for person in case.people} | {NOBODY: frozenset()}
        members = {
            name: (who & there).union(person for person, groups in yes.items() if name in groups)
            for name, who in case.groups.items()
        }
        possible |= Oracle({**named, **members}, able).fewest_used(case.rule) is not None
    try:
        still_reachable(wait, opened, standing, roster(case, case.leaving), requester=case.requester, people=known)
    except QuorumUnreachable:
        assert not possible, "the engine gives up what can be met"
    else:
        assert possible, "the engine waits for what can never be"


def agree(seed: int, cases: int) -> None:
    met = 0
    for number in range(cases):
        case = a_case(random.Random(f"{seed}/{number}"))  # noqa: S311 - so that a case can be had again
        try:
            met += check(case)
        except Exception as error:
            raise AssertionError(f"case {seed}/{number}: {error}\n{case}") from error
    # A generator that only makes rules which nobody can meet would prove nothing.
    assert 0.4 < met / cases < 0.95


def test_a_nested_quorum_agrees_with_every_assignment_tried_one_by_one():
    agree(seed=1, cases=1_500)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(2, 12))
def test_100_000_random_nested_quorums_agree_with_every_assignment_tried_one_by_one(seed):
    agree(seed, cases=10_000)
