"""Nested quorums: which sets of distinct people are enough. Pure.

A rule is a tree. Its leaves are handles; its branches are ``all`` (every item is met), ``any`` (one is) and
``at_least`` (so many are). Who fills which seat is decided by matching, never greedily: one person fills one
seat of the whole tree, and a set of people is enough if there is any way to seat them.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Annotated, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
    model_validator,
)

from flows.people import PersonId
from flows.ports import Json

MAX_WAYS = 1_000
"""In how many ways a rule may be met: each is tried when a decision is counted. With as many items as there may be,
that takes hundredths of a second, and to say who is missing takes tenths."""

MAX_ITEMS = 200
"""Items of a whole rule, at any depth; a group is one, however many belong to it."""

MAX_LEVELS = 12
"""Rules within each other."""

Handle = Annotated[str, StringConstraints(min_length=1, max_length=10_000)]


# -- what a flow file says ------------------------------------------------------------------------------------


class _Branch(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    @property
    def items(self) -> tuple[Item, ...]:
        raise NotImplementedError

    @property
    def least(self) -> int:
        """How many of the items it takes."""
        raise NotImplementedError

    @property
    def handles(self) -> tuple[str, ...]:
        """Everybody whom it names, at any depth, as written, each once."""
        return tuple(dict.fromkeys(item for item in self._flat() if isinstance(item, str)))

    @property
    def rules(self) -> tuple[All | AnyOf | AtLeast, ...]:
        """The rules among the items."""
        return tuple(item for item in self.items if not isinstance(item, str))

    @property
    def ways(self) -> int:
        """In how many ways it can be met: which of the rules inside it are, and each of them in which way."""
        # In how many ways 0, 1, 2... of the rules looked at so far are met: each adds the ways with it to those without.
        counts = [1, *[0] * self.least]
        for rule in self.rules:
            ways = rule.ways
            for many in range(self.least, 0, -1):
                counts[many] += counts[many - 1] * ways
        # Handles fill what the rules leave. Where there are none, all of it is up to the rules.
        return sum(counts) if len(self.rules) < len(self.items) else counts[self.least]

    @property
    def levels(self) -> int:
        return 1 + max((rule.levels for rule in self.rules), default=0)

    def _flat(self) -> Iterator[Item]:
        for item in self.items:
            yield item
            if not isinstance(item, str):
                yield from item._flat()  # noqa: SLF001 - the same class

    @model_validator(mode="after")
    def _is_not_too_much(self) -> Self:
        if self.levels > MAX_LEVELS:
            raise ValueError(f"has rules more than {MAX_LEVELS} levels deep; write them flatter")
        if sum(1 for _ in self._flat()) > MAX_ITEMS:
            raise ValueError(f"has more than {MAX_ITEMS:,} items; use groups, or split it into several approvals")
        if (ways := self.ways) > MAX_WAYS:
            raise ValueError(
                f"can be met in {ways:,} ways, and at most {MAX_WAYS:,} can be tried; put handles in place of inner rules, or"
                " split it into several approvals"
            )
        return self


class All(_Branch):
    """Every item is met, each by people of its own."""

    all: Annotated[tuple[Item, ...], Field(min_length=1, max_length=50)]

    @property
    def items(self) -> tuple[Item, ...]:
        return self.all

    @property
    def least(self) -> int:
        return len(self.all)

    @property
    def ways(self) -> int:
        return reduce(lambda ways, rule: ways * rule.ways, self.rules, 1)


class AnyOf(_Branch):
    """One of the items is met."""

    any: Annotated[tuple[Item, ...], Field(min_length=1, max_length=50)]

    @property
    def items(self) -> tuple[Item, ...]:
        return self.any

    @property
    def least(self) -> int:
        return 1


class AtLeast(_Branch):
    """So many seats are filled by people behind the items; an item that is a rule counts as one when it is met."""

    at_least: Annotated[int, Field(ge=1, le=50, strict=True)]
    of: Annotated[tuple[Item, ...], Field(min_length=1, max_length=50)]

    @property
    def items(self) -> tuple[Item, ...]:
        return self.of

    @property
    def least(self) -> int:
        return self.at_least

    @model_validator(mode="after")
    def _has_enough_items(self) -> Self:
        if len(self.rules) == len(self.of) < self.at_least:
            raise ValueError(f"asks for {self.at_least} of {len(self.of)}; lower 'at_least', or add items to 'of'")
        return self


_KEYS = {"all": "All", "any": "AnyOf", "at_least": "AtLeast", "of": "AtLeast"}


def _kind(value: object) -> str | None:
    """The tag of what stands there; None for what is neither a rule nor a handle."""
    if isinstance(value, str):
        return "handle"
    if isinstance(value, Mapping):
        return next((kind for key, kind in _KEYS.items() if key in value), None)
    return type(value).__name__ if isinstance(value, _Branch) else None


def _says_one_thing(value: object) -> object:
    if isinstance(value, Mapping):
        keys = [key for key in ("all", "any", "at_least") if key in value]
        if len(keys) > 1:
            raise ValueError(f"has {' and '.join(map(repr, keys))}; put one of them inside the other")
        if _kind(value) is None:
            raise ValueError("is no rule: it needs one of 'all', 'any', or 'at_least' with 'of'")
    return value


_Rules = Annotated[All, Tag("All")] | Annotated[AnyOf, Tag("AnyOf")] | Annotated[AtLeast, Tag("AtLeast")]

Rule = Annotated[
    _Rules,
    # A wrong type, as pydantic calls it: so it is told together with the other types that would do.
    Discriminator(_kind, custom_error_type="dict_type"),
    BeforeValidator(_says_one_thing),
]
Item = Annotated[
    _Rules | Annotated[Handle, Tag("handle")],
    Discriminator(_kind, custom_error_type="string_type"),
    BeforeValidator(_says_one_thing),
]

# -- what an approval keeps when it opens ---------------------------------------------------------------------

Seat = int | str
"""Who may fill it: a person's id, or a group's handle."""


@dataclass(frozen=True, slots=True)
class Tree:
    """A rule as it was when its approval opened: people's ids and groups in place of handles.

    It takes ``at_least`` of what stands in ``of``: a tree is one when it is met, and each further seat is filled by
    one of the people behind any of the others. A tree of which nothing is left takes what nobody can give.
    """

    at_least: int
    of: tuple[Seat | Tree, ...]

    @property
    def seats(self) -> tuple[Seat, ...]:
        """Everybody in it, at any depth, each once."""
        return tuple(dict.fromkeys(_flat(self)))

    def only(self, seats: Container[Seat]) -> Tree:
        """The same without everybody who is not among ``seats``; it takes as much as before."""
        return Tree(
            self.at_least,
            tuple(
                item.only(seats) if isinstance(item, Tree) else item
                for item in self.of
                if isinstance(item, Tree) or item in seats
            ),
        )

    def merged(self, one: Callable[[PersonId], PersonId]) -> Tree:
        """The same where some ids are one human: who stands in two seats can fill one of them."""
        return Tree(
            self.at_least,
            _once(item.merged(one) if isinstance(item, Tree) else _one(item, one) for item in self.of),
        )

    def to_json(self) -> dict[str, Json]:
        return {
            "at_least": self.at_least,
            "of": [item.to_json() if isinstance(item, Tree) else item for item in self.of],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Json]) -> Tree:
        return cls(
            value["at_least"],
            tuple(cls.from_json(item) if isinstance(item, Mapping) else item for item in value["of"]),
        )


@dataclass(frozen=True, slots=True)
class Terms:
    """What a suspension keeps of its rule: the tree, where the quorum is nested, and who may veto."""

    quorum: Tree | None = None
    veto: tuple[Seat, ...] = ()

    def merged(self, one: Callable[[PersonId], PersonId]) -> Terms:
        """The same where some ids are one human."""
        return Terms(
            self.quorum.merged(one) if self.quorum else None,
            tuple(dict.fromkeys(_one(seat, one) for seat in self.veto)),
        )

    def without(self, person: PersonId) -> Terms:
        """The same where this person fills no seat."""
        return Terms(self.quorum.only(frozenset(self.quorum.seats) - {person}) if self.quorum else None, self.veto)

    def to_json(self) -> dict[str, Json]:
        """As it is stored: ``{"quorum": {"at_least": 2, "of": ["@hr", 17]}, "veto": [17]}``."""
        return {"quorum": self.quorum.to_json() if self.quorum else None, "veto": list(self.veto)}

    @classmethod
    def from_json(cls, value: Mapping[str, Json]) -> Terms:
        quorum = value["quorum"]
        return cls(Tree.from_json(quorum) if quorum else None, tuple(value["veto"]))


def tree(rule: All | AnyOf | AtLeast, seats: Callable[[str], Iterable[Seat]]) -> Tree:
    """The tree of a rule; ``seats`` gives those behind a handle as written: several, where a template gave a list.

    The items of such a list count as if each had been written there.
    """
    of: list[Seat | Tree] = []
    for item in rule.items:
        if not isinstance(item, str):
            of.append(tree(item, seats))
        elif isinstance(rule, All):
            behind = tuple(dict.fromkeys(seats(item)))
            # Each has a seat of its own. Where nobody stands behind it, there is one that nobody can fill: who wrote
            # the item wanted somebody.
            of.extend([Tree(1, (seat,)) for seat in behind] or [Tree(1, ())])
        else:
            of.extend(seats(item))
    return Tree(len(of) if isinstance(rule, All) else rule.least, _once(of))


def _once(items: Iterable[Seat | Tree]) -> tuple[Seat | Tree, ...]:
    """Each of the people and groups once; two trees are two items, also where they are equal."""
    found: set[Seat] = set()
    kept: list[Seat | Tree] = []
    for item in items:
        if isinstance(item, Tree) or item not in found:
            kept.append(item)
        if not isinstance(item, Tree):
            found.add(item)
    return tuple(kept)


def _flat(tree: Tree) -> Iterator[Seat]:
    for item in tree.of:
        if isinstance(item, Tree):
            yield from _flat(item)
        else:
            yield item


def _one(seat: Seat, one: Callable[[PersonId], PersonId]) -> Seat:
    return seat if isinstance(seat, str) else one(seat)
