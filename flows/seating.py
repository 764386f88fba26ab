"""Who fills which seat of a rule: whether these people are enough, how many are missing, and who could be one. Pure.

A rule can be met in several *ways*, one for each choice of the rules inside it. A way is a number of seats, and for
each those who may fill it. People are matched to the seats of one way at a time, each to one seat at most: whoever
sits where somebody else is needed moves to another seat that is theirs too (augmenting paths), so that no order in
which people decide can block a rule that they meet.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations, product

from flows.people import PersonId
from flows.rules import Seat, Tree

Pool = tuple[Seat, ...]
"""Those who may fill some seats: anybody in it, or in a group of it."""

Present = Mapping[PersonId, Collection[str]]
"""People, each with the groups that they belong to."""


@dataclass(frozen=True, slots=True)
class Shortage:
    """Why people are too few: ``seats`` seats are open to nobody but ``people``, who are fewer, behind ``pool``."""

    seats: int
    pool: Pool
    people: tuple[PersonId, ...]


def met(tree: Tree, present: Present) -> bool:
    """Whether there is a way in which these people fill every seat, each one of them."""
    return fewest(tree, present) is not None


def fewest(tree: Tree, present: Present) -> int | None:
    """How many of these people it takes at least; None where all of them are not enough."""
    table = _Table(tree, present)
    return next((way.seats for way in table.ways if table.may_fill(way) and not table.fill(way).missing), None)


def missing(tree: Tree, present: Present) -> int:
    """How many more people it takes at least; 0 where these are enough."""
    return _Table(tree, present).best()[0]


def open_seats(tree: Tree, present: Present) -> tuple[Seat, ...]:
    """Those whose arrival would bring it nearer, where it takes as few people as ``missing`` says. In the rule's order."""
    table = _Table(tree, present)
    found = {seat for filling in table.best()[1] for pool in filling.short() for seat in filling.pools[pool]}
    return tuple(seat for seat in tree.seats if seat in found and seat not in present)


def shortage(tree: Tree, present: Present) -> Shortage | None:
    """What these people lack, in the way that they come closest to; None where they are enough."""
    filling = _Table(tree, present).best()[1][0]
    return _shortage(filling, tuple(present)) if filling.missing else None


def _shortage(filling: _Filling, people: tuple[PersonId, ...]) -> Shortage:
    short = filling.short()
    able = 0
    for pool in short:
        able |= filling.masks[pool]
    return Shortage(
        sum(filling.counts[pool] for pool in short),
        tuple(dict.fromkeys(seat for pool in short for seat in filling.pools[pool])),
        tuple(person for place, person in enumerate(people) if able >> place & 1),
    )


# -- the ways of a rule ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Way:
    """``counts[i]`` seats for the people of the tree's pool number ``pools[i]``; ``seats`` in all."""

    pools: tuple[int, ...]
    counts: tuple[int, ...]
    seats: int


@dataclass(frozen=True, slots=True)
class _Ways:
    pools: tuple[Pool, ...]
    ways: tuple[_Way, ...]


@lru_cache(maxsize=64)
def _ways(tree: Tree) -> _Ways:
    """The ways in which a tree can be met, those of few seats first.

    A way whose seats the people whom it names can never fill, whoever joins its groups, is left out; where that holds
    for all of them, all are there.
    """
    numbers: dict[Pool, int] = {}
    found: dict[tuple[tuple[int, int], ...], None] = {}
    for way in _expanded(tree, numbers):
        found[tuple(sorted(way.items()))] = None
    pools = tuple(numbers)
    ways = [
        _Way(tuple(pool for pool, _ in way), tuple(count for _, count in way), sum(count for _, count in way))
        for way in found
    ]
    ways.sort(key=lambda way: way.seats)
    return _Ways(pools, tuple(way for way in ways if not _closed(pools, way)[0].missing) or tuple(ways))


def _expanded(tree: Tree, numbers: dict[Pool, int]) -> Iterator[dict[int, int]]:
    """Each way as seats by the number of their pool; ``numbers`` gives the pools their numbers."""
    inner = [list(_expanded(item, numbers)) for item in tree.of if isinstance(item, Tree)]
    pool = tuple(item for item in tree.of if not isinstance(item, Tree))
    most = min(tree.at_least, len(inner))
    # Where nobody is there to fill what the trees leave, it is all up to them.
    for many in range(0 if pool else most, most + 1):
        rest = tree.at_least - many
        for chosen in combinations(inner, many):
            for ways in product(*chosen):
                seats: dict[int, int] = {}
                for way in ways:
                    for number, count in way.items():
                        seats[number] = seats.get(number, 0) + count
                if rest:
                    number = numbers.setdefault(pool, len(numbers))
                    seats[number] = seats.get(number, 0) + rest
                yield seats


def _closed(pools: tuple[Pool, ...], way: _Way) -> tuple[_Filling, tuple[PersonId, ...]]:
    """The seats that no group's members can fill, filled by the people whom they name; and these people."""
    closed: list[tuple[PersonId, ...]] = []
    counts: list[int] = []
    for number, count in zip(way.pools, way.counts, strict=True):
        named = tuple(seat for seat in pools[number] if isinstance(seat, int))
        if len(named) == len(pools[number]):
            closed.append(named)
            counts.append(count)
    people = tuple(dict.fromkeys(person for pool in closed for person in pool))
    places = {person: place for place, person in enumerate(people)}
    masks = [sum(1 << places[person] for person in pool) for pool in closed]
    return _Filling(closed, masks, counts), people


# -- people to seats ------------------------------------------------------------------------------------------


class _Table:
    """The ways of a tree, with the people who are there."""

    __slots__ = ("_behind", "_masks", "_pools", "people", "ways")

    def __init__(self, tree: Tree, present: Present) -> None:
        known = _ways(tree)
        self.ways = known.ways
        self.people = len(present)
        self._pools = known.pools
        self._masks: dict[int, int] = {}
        # A set of people is a number, one bit for each of them.
        self._behind: dict[Seat, int] = {person: 1 << place for place, person in enumerate(present)}
        for place, groups in enumerate(present.values()):
            for group in groups:
                self._behind[group] = self._behind.get(group, 0) | 1 << place

    def may_fill(self, way: _Way) -> bool:
        """Whether there are people enough for each of its pools by itself: the cheap part of the answer."""
        return way.seats <= self.people and all(
            self._mask(pool).bit_count() >= count for pool, count in zip(way.pools, way.counts, strict=True)
        )

    def fill(self, way: _Way) -> _Filling:
        return _Filling([self._pools[n] for n in way.pools], [self._mask(n) for n in way.pools], way.counts)

    def best(self) -> tuple[int, list[_Filling]]:
        """How many people are missing at least, and each of the ways in which no more are."""
        fewest = self.ways[0].seats + 1
        found: list[_Filling] = []
        for way in self.ways:
            if way.seats - self.people > fewest:
                break  # however well they sit, and the ways that follow have more seats still
            filling = self.fill(way)
            if filling.missing < fewest:
                fewest, found = filling.missing, []
            if filling.missing == fewest:
                found.append(filling)
            if not fewest:
                break
        return fewest, found

    def _mask(self, number: int) -> int:
        mask = self._masks.get(number)
        if mask is None:
            mask = 0
            for seat in self._pools[number]:
                mask |= self._behind.get(seat, 0)
            self._masks[number] = mask
        return mask


class _Filling:
    """As many seats of one way filled as can be. ``missing`` are empty."""

    __slots__ = ("counts", "masks", "missing", "pools", "taken")

    def __init__(self, pools: Collection[Pool], masks: list[int], counts: Collection[int]) -> None:
        self.pools = tuple(pools)
        self.masks = masks
        self.counts = tuple(counts)
        self.taken = [0] * len(masks)
        self.missing = 0
        used = 0
        for pool, count in enumerate(self.counts):
            free = masks[pool] & ~used
            for _ in range(min(count, free.bit_count())):
                person = free & -free
                free ^= person
                used |= person
                self.taken[pool] |= person
        stuck: set[int] = set()
        for pool, count in enumerate(self.counts):
            while pool not in stuck and self.taken[pool].bit_count() < count:
                used |= self._moved(pool, used, stuck)
            self.missing += count - self.taken[pool].bit_count()

    def _moved(self, pool: int, used: int, stuck: set[int]) -> int:
        """Fill one more seat of ``pool`` by letting people change their seats; who has a seat now, 0 if nobody.

        ``stuck`` are the pools of which it is known that nobody can come to them. That never changes: whoever moves
        later does so among the others.
        """
        # From which pool each was reached, and who would move there from it.
        came: dict[int, tuple[int, int]] = {pool: (pool, 0)}
        queue = [pool]
        for here in queue:
            if free := self.masks[here] & ~used:
                new = person = free & -free
                while True:
                    self.taken[here] |= person
                    before, moved = came[here]
                    if not moved:
                        return new
                    self.taken[here] ^= moved
                    here, person = before, moved
            for there, taken in enumerate(self.taken):
                if there not in came and there not in stuck and (could := taken & self.masks[here]):
                    came[there] = (here, could & -could)
                    queue.append(there)
        stuck.update(queue)
        return 0

    def short(self) -> list[int]:
        """The pools of which any further person would fill one more seat: the empty seats', and all from which
        somebody could move there."""
        found = [pool for pool, count in enumerate(self.counts) if self.taken[pool].bit_count() < count]
        seen = set(found)
        for here in found:
            for there, taken in enumerate(self.taken):
                if there not in seen and taken & self.masks[here]:
                    seen.add(there)
                    found.append(there)
        return sorted(found)
