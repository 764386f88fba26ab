"""The addresses that are worth a signature: what each is for, how long it lives, and that none does for another."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bot.links import AFTERGLOW, LONGEST, PageLinks
from flows.errors import LinkExpired, LinkInvalid
from flows.links import NOBODY, Keyring, Purpose
from flows.run import Close, Closing, Kind, Run, Suspension
from flows.testing import MONDAY, FakeClock
from flows.views import SuspensionView

URL = "https://signoff.example.com"
RUN = Run(7, "release", 3, {}, MONDAY)
OTHER = Run(8, "release", 3, {}, MONDAY)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def links(clock: FakeClock) -> PageLinks:
    return PageLinks(Keyring(["k" * 40]), clock, f"{URL}/")


def view(*, generation: int = 1, closing: Closing | None = None) -> SuspensionView:
    suspension = Suspension(
        2, "ask", Kind.CALLBACK, MONDAY, MONDAY + timedelta(days=1), generation=generation, closing=closing
    )
    # Only the suspension and its run are looked at.
    return cast("SuspensionView", SimpleNamespace(run=RUN, suspension=suspension))


def token(url: str, door: str) -> str:
    assert url.startswith(f"{URL}/{door}/")
    return url.removeprefix(f"{URL}/{door}/")


DOORS: list[tuple[str, Callable[[PageLinks], str], Callable[[PageLinks, str], Any]]] = [
    ("a", lambda links: links.url(view(), 5), lambda links, text: links.open(text)),
    ("p", lambda links: links.early(RUN, 5), lambda links, text: links.open_early(text)),
    ("r", lambda links: links.resume(RUN, 2), lambda links, text: links.open_machine(text, Purpose.RESUME)),
    ("c", lambda links: links.cancel(RUN, 2), lambda links, text: links.open_machine(text, Purpose.CANCEL)),
]


@pytest.mark.parametrize(("door", "make", "_open"), DOORS)
@pytest.mark.parametrize(("through", "_make", "opens"), DOORS)
def test_S1_a_link_opens_its_own_door_and_no_other(
    links: PageLinks, door: str, make: Any, _open: Any, through: str, _make: Any, opens: Any
) -> None:
    text = token(make(links), door)

    if through == door:
        assert opens(links, text).run == RUN.id
    else:
        with pytest.raises(LinkInvalid):
            opens(links, text)


def test_P1_the_two_links_of_a_machine_differ_name_nobody_and_are_the_same_each_time(links: PageLinks) -> None:
    resume, cancel = links.resume(RUN, 2), links.cancel(RUN, 2)

    link = links.open_machine(token(resume, "r"), Purpose.RESUME)
    assert (link.run, link.n, link.person) == (RUN.id, 2, NOBODY)
    assert resume != cancel
    assert len({resume, links.resume(RUN, 3), links.resume(OTHER, 2), links.resume(RUN, 2, 2)}) == 4
    assert resume == links.resume(RUN, 2)


def test_P13_a_machines_links_do_not_change_while_time_passes(links: PageLinks, clock: FakeClock) -> None:
    before = links.resume(RUN, 2)
    clock.advance("3d")

    assert links.resume(RUN, 2) == before


def test_a_machines_link_outlives_every_wait_and_ends_some_time_after_its_own(
    links: PageLinks, clock: FakeClock
) -> None:
    text = token(links.resume(RUN, 2), "r")
    link = links.open_machine(text, Purpose.RESUME)
    over = view(closing=Closing(Close.ANSWERED, clock.now()))

    links.check_machine(link, None)  # not opened yet: what comes early is kept
    links.check_machine(link, view())
    links.check_machine(link, over)
    clock.advance(AFTERGLOW)
    with pytest.raises(LinkExpired):
        links.check_machine(link, over)
    links.check_machine(link, view())
    clock.advance(LONGEST - timedelta(seconds=1))
    links.open_machine(text, Purpose.RESUME)
    clock.advance("1s")
    with pytest.raises(LinkExpired):
        links.open_machine(text, Purpose.RESUME)


def test_raising_the_generation_revokes_a_machines_links(links: PageLinks) -> None:
    old = links.open_machine(token(links.resume(RUN, 2), "r"), Purpose.RESUME)
    new = links.open_machine(token(links.resume(RUN, 2, 2), "r"), Purpose.RESUME)

    links.check_machine(new, view(generation=2))
    for link, shown in ((old, view(generation=2)), (new, view()), (new, None)):
        with pytest.raises(LinkInvalid):
            links.check_machine(link, shown)


def test_W9_a_link_for_an_early_decision_is_for_one_person_and_one_run_or_step(links: PageLinks) -> None:
    whole, step = links.early(RUN, 5), links.early(RUN, 5, "deploy.ask")
    text, path = token(step, "p").split("/")

    assert links.open_early(token(whole, "p")).person == 5
    assert (path, links.open_early(text, path).about) == ("deploy.ask", "deploy.ask")
    assert len({whole, links.early(RUN, 6), links.early(OTHER, 5)}) == 3
    for wrong in ((text, None), (text, "deploy"), (token(whole, "p"), "deploy.ask")):
        with pytest.raises(LinkInvalid):
            links.open_early(*wrong)
