"""Decisions in advance, through their page: ``/p/TOKEN`` and ``/p/TOKEN/STEP``."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from bot.links import PageLinks
from flows.definition import Approval, Flow, Hold, Step
from flows.errors import ActionError
from flows.links import Keyring, Link, Purpose
from flows.people import Person
from flows.run import Close, Door, Verdict
from tests.bot.web.forms import forms_of


def asks(id_: str, *approvers: str, title: str | None = None, **more: object) -> Step:
    given = {"ask": f"{id_}?", "pre_approval": "allow", **more}
    return Step(id=id_, title=title, approval=Approval(approvers=[f"{one}@example.com" for one in approvers], **given))


FIRST = Step(id="first", hold=Hold(ask="Ready?"))

FLOWS = (
    Flow(
        flow="early",
        title="Release",
        inputs=[
            {"name": "version", "type": "string", "default": "1.0"},
            {"name": "key", "type": "secret", "required": False},
        ],
        steps=[
            FIRST,
            asks("gate", "ann", "bob", "req", title="Ship it?"),
            asks("again", "ann", "bob", "req", title="Really?"),
            asks("strict", "ann", pre_approval="refuse"),
        ],
    ),
    Flow(flow="two", steps=[FIRST, asks("gate", "ann", "bob", quorum=2), asks("again", "ann")]),
    Flow(flow="once", steps=[FIRST, asks("gate", "ann", "bob", quorum=2)]),
    Flow(flow="own", steps=[FIRST, asks("gate", "req", "ann"), asks("again", "req", self_approval=True)]),
    Flow(flow="never", steps=[FIRST, asks("gate", "ann", pre_approval="refuse")]),
    Flow(flow="options", steps=[FIRST, asks("gate", "ann", options=["large", "small"], reason="reject")]),
    Flow(flow="reason", steps=[FIRST, asks("gate", "ann", reason="both")]),
    Flow(
        flow="computed",
        steps=[
            FIRST,
            Step(
                id="gate",
                approval=Approval(approvers=["{{ steps.first.comment or 'ann@example.com' }}"], pre_approval="allow"),
            ),
        ],
    ),
    Flow(
        flow="from_inputs",
        inputs=[{"name": "who", "type": "string", "default": "bob@example.com"}],
        steps=[FIRST, Step(id="gate", approval=Approval(approvers=["{{ inputs.who }}"], pre_approval="allow"))],
    ),
    Flow(flow="coded", steps=[Step(id="work", run="jobs:work"), FIRST, asks("gate", "ann", "req")]),
    Flow(flow="child", steps=[asks("gate", "somebody.new")]),
    Flow(
        flow="grouped",
        steps=[FIRST, Step(id="gate", approval=Approval(approvers=["ann@example.com", "@hr"], pre_approval="allow"))],
    ),
    Flow(
        flow="looped",
        steps=[
            FIRST,
            Step(id="each", for_each=[1, 2], steps=[asks("gate", "ann", "bob", quorum=2)]),
            Step(id="last", hold=Hold(ask="Done?")),
        ],
    ),
    Flow(flow="parent", steps=[FIRST, Step(id="sub", flow="child")]),
    Flow(
        flow="sides",
        steps=[
            Step(id="both", parallel={"left": [asks("one", "ann", quorum=1)], "right": [asks("two", "ann", "bob")]})
        ],
    ),
    Flow(
        flow="formed",
        inputs=[{"name": "why", "type": "string", "required": False}],
        steps=[
            FIRST,
            asks("gate", "ann", form=[{"name": "why", "type": "string", "default": "{{ inputs.why }}"}]),
        ],
    ),
)


@pytest.fixture
async def world(world):
    await world.engine.use([*world.engine.flows.values(), *FLOWS])
    return world


async def link(world, run: int, name: str = "ann", step: str | None = None) -> str:
    """The path of somebody's page."""
    view = await world.engine.peek_run(run)
    url = world.links.early(view.run, (await world.person(name)).id, step)
    return url.removeprefix(world.public_url)


async def goes_on(world, run: int) -> None:
    """The first step is over, so the approval opens."""
    await world.engine.decide(run, 1, (await world.person("req")).id, Verdict.RESUME, door=Door.API)


async def kept(world, run: int, name: str = "ann", step: str | None = None) -> Verdict | None:
    early = await world.engine.kept(run, (await world.person(name)).id, step)
    return early.verdict if early else None


async def leads_to(world, path: str) -> str | None:
    async with world.client.get(path, allow_redirects=False) as response:
        return response.headers.get("Location")


async def everything(world, run: int) -> tuple[object, ...]:
    return (
        await world.engine.peek_run(run),
        await world.store.ledger(run),
        await world.store.read(lambda c, _: c.execute("SELECT * FROM early").fetchall()),
    )


# -- what it shows


async def test_W9_the_page_says_for_whom_it_is_and_for_what_and_that_nothing_can_be_shown_yet(world):
    run = await world.start("early", {"version": "2.0", "key": "hunter2"})

    status, page = await world.get(await link(world, run))

    assert status == 200
    for text in (
        "Release",
        "A decision in advance",
        "No approval that you can decide here has opened yet, so nothing of it can be shown.",
        f"Run {world.engine.ids.run(run)}",
        "Requested by Req, Monday, 5 January 2026, 10:00 CET (Europe/Berlin)",
        "May count for Ship it?, Really?",
        "Version 2.0",
        "Key ••••",
        "It counts for the first approval that opens and that you may decide: once, only where the flow allows it",
        "marked as given without having seen what was asked.",
        "This link was made for Ann. Whoever uses it decides as Ann: please do not pass it on.",
    ):
        assert text in page.text
    assert "hunter2" not in page.html
    assert page.values.keys() == {"proof", "comment"}
    assert [one["value"] for one in page.controls["verdict"]] == ["approve", "reject"]


async def test_W9_a_link_for_a_step_names_it_and_is_for_that_only(world):
    run = await world.start("early")

    status, page = await world.get(await link(world, run, step="again"))

    assert status == 200
    assert "Really?" in page.text
    assert "Ship it?" not in page.text
    assert "This approval has not opened yet" in page.text
    assert "It counts when this approval opens: once" in page.text


async def test_P3_get_and_head_change_nothing(world):
    run = await world.start("early")
    here = await link(world, run)
    before = await everything(world, run)

    for method in ("GET", "HEAD", "GET", "HEAD"):
        async with world.client.request(method, f"{here}?verdict=approve") as response:
            assert response.status == 200
            assert bool(await response.read()) == (method == "GET")

    assert await everything(world, run) == before


# -- kept, and counted once


async def test_W9_a_decision_for_the_run_is_kept_and_taken_by_the_first_approval_unseen_and_once(world):
    run = await world.start("early")
    here = await link(world, run)

    status, _ = await world.send(here, verdict="approve", comment="Fine by me")
    _, page = await world.get(here)
    await goes_on(world, run)

    assert status == 303
    assert "You approved in advance on Monday, 5 January 2026, 10:00 CET (Europe/Berlin). It is kept until" in page.text
    assert "what you send here replaces it. Fine by me" in page.text
    gate, again = await world.view(run, 2), await world.view(run, 3)
    (decision,) = gate.decisions
    assert (gate.suspension.closing.how, decision.verdict, decision.comment) == (
        Close.APPROVED,
        Verdict.APPROVE,
        "Fine by me",
    )
    assert (decision.unseen, decision.digest, decision.door) == (True, None, Door.PAGE)
    assert (again.open, again.decisions) == (True, ())
    assert await kept(world, run) is None


async def test_W9_a_rejection_in_advance_ends_the_run_with_its_reason(world):
    run = await world.start("early")

    await world.send(await link(world, run), verdict="reject", comment="Not before May")
    await goes_on(world, run)

    ending = (await world.view(run, 2)).run.ending
    assert (ending.outcome, ending.reason) == ("rejected", "Not before May")


async def test_W9_a_decision_for_a_step_waits_for_that_step(world):
    run = await world.start("early")

    await world.send(await link(world, run, step="again"), verdict="approve")
    await goes_on(world, run)

    gate = await world.view(run, 2)
    assert (gate.open, gate.decisions) == (True, ())
    assert await kept(world, run, step="again") is Verdict.APPROVE
    await world.send(await world.link(run, "bob", 2), verdict="approve")
    again = await world.view(run, 3)
    assert [one.unseen for one in again.decisions] == [True]
    assert again.suspension.closing.how is Close.APPROVED


async def test_W9_what_is_sent_again_replaces_what_was_kept(world):
    run = await world.start("early")
    here = await link(world, run)

    await world.send(here, verdict="approve")
    await world.send(here, verdict="reject", comment="Wait, no")
    _, page = await world.get(here)

    assert await kept(world, run) is Verdict.REJECT
    assert "You rejected in advance on" in page.text


async def test_W9_two_people_in_advance_are_two_of_two(world):
    run = await world.start("two")

    for name in ("ann", "bob"):
        await world.send(await link(world, run, name, "gate"), verdict="approve")
    await goes_on(world, run)

    gate = await world.view(run, 2)
    assert gate.suspension.closing.how is Close.APPROVED
    assert {gate.person(one.person).name for one in gate.decisions if one.unseen} == {"Ann", "Bob"}


async def test_W9_where_it_was_counted_is_said_once_the_run_is_over(world):
    run = await world.start("early")
    here = await link(world, run)
    await world.send(here, verdict="reject")
    await goes_on(world, run)

    status, page = await world.get(here)

    assert status == 200
    assert "This run has ended: rejected, on Monday, 5 January 2026, 10:00 CET (Europe/Berlin)." in page.text
    assert "What you said in advance was counted for Ship it?: you rejected, Monday" in page.text
    assert page.action is None


async def test_what_was_said_on_the_approvals_own_page_is_not_called_in_advance(world):
    run = await world.start("early")
    await goes_on(world, run)
    await world.send(await world.link(run, "ann", 2), verdict="reject")

    _, page = await world.get(await link(world, run))

    assert "This run has ended: rejected" in page.text
    assert "in advance was counted" not in page.text


async def test_a_decision_that_comes_when_the_run_has_ended_is_told_so(world):
    run = await world.start("early")
    here = await link(world, run)
    _, page = await world.get(here)
    await world.engine.cancel(run, (await world.person("req")).id, door=Door.PAGE)

    status, after = await world.post(here, {**page.values, "verdict": "approve"})

    assert status == 409
    assert "This run has ended: cancelled" in after.text
    assert after.action is None


# -- used while an approval is open


async def test_W10_while_an_approval_is_open_the_link_leads_to_its_page_and_what_is_sent_there_was_seen(world):
    run = await world.start("early")
    here = await link(world, run)
    await goes_on(world, run)

    where = await leads_to(world, here)
    status, _ = await world.send(where, verdict="approve")

    assert where == await world.link(run, "ann", 2)
    assert status == 303
    (decision,) = (await world.view(run, 2)).decisions
    assert (decision.unseen, decision.digest) == (False, (await world.view(run, 2)).suspension.digest)


async def test_W10_what_is_sent_when_an_approval_has_opened_meanwhile_counts_there_at_once(world):
    run = await world.start("once")
    here = await link(world, run)
    _, page = await world.get(here)
    await goes_on(world, run)

    async with world.client.post(
        here, data={**{key: one[0] for key, one in page.values.items()}, "verdict": "approve"}, allow_redirects=False
    ) as response:
        status, where = response.status, response.headers["Location"]
    _, after = await world.get(where)

    assert (status, where) == (303, await world.link(run, "ann", 2))
    assert "You approved this in advance, without having seen it on Monday, 5 January 2026" in after.text
    assert "10:00 CET (Europe/Berlin) Decided in advance, without having seen this." in after.text
    assert "1 of 2 approvals; 1 more needed" in after.text
    assert await kept(world, run) is None


async def test_W9_what_others_have_kept_is_taken_also_where_one_in_advance_brings_their_approval_to_open(world):
    run = await world.start("early")
    await world.send(await link(world, run, "ann", "again"), verdict="approve")
    bobs = await link(world, run, "bob")
    _, page = await world.get(bobs)
    await goes_on(world, run)

    status, _ = await world.post(bobs, {**page.values, "verdict": "approve"})

    assert status == 303
    for n, name in ((2, "Bob"), (3, "Ann")):
        view = await world.view(run, n)
        assert [(view.person(one.person).name, one.unseen) for one in view.decisions] == [(name, True)]


async def test_W10_of_several_that_are_open_the_first_by_path_is_shown_and_then_the_next(world):
    run = await world.start("sides")
    here = await link(world, run)

    first = await leads_to(world, here)
    await world.send(first, verdict="approve")
    second = await leads_to(world, here)

    paths = {await world.link(run, "ann", n): (await world.view(run, n)).suspension.path for n in (1, 2)}
    assert [paths[first], paths[second]] == ["both.left.one", "both.right.two"]


async def test_W10_who_has_decided_the_open_one_decides_the_next_in_advance_or_looks_at_the_last(world):
    two, once = await world.start("two"), await world.start("once")
    for run in (two, once):
        await goes_on(world, run)
        await world.send(await world.link(run, "ann", 2), verdict="approve")

    where = await leads_to(world, await link(world, two)), await leads_to(world, await link(world, once))
    await world.send(await link(world, two), verdict="approve")

    assert where == (None, await world.link(once, "ann", 2))
    assert await kept(world, two) is Verdict.APPROVE


async def test_W10_an_approval_that_refuses_decisions_in_advance_is_not_opened_by_such_a_link(world):
    run = await world.start("early")
    here = await link(world, run)
    await goes_on(world, run)
    for n in (2, 3):
        await world.send(await world.link(run, "bob", n), verdict="approve")

    status, page = await world.get(here)

    assert (await world.view(run, 4)).suspension.path == "strict"
    assert status == 200
    assert "Nothing that may still come in this run takes a decision in advance. What waits now is decided" in page.text
    assert page.action is None


# -- who may


async def proof(world, path: str) -> dict[str, str]:
    """What a form of this page would have, had it one."""
    await world.get(path)
    nonce = world.client.session.cookie_jar.filter_cookies(world.client.make_url(path))["signoff_page"].value
    return {"proof": world.keyring.bind(Purpose.FORM, path.encode(), nonce.encode())}


async def test_W11_the_requester_is_told_at_once_that_it_will_not_count_and_nothing_is_kept(world):
    run = await world.start("early", by="req")
    here = await link(world, run, "req")
    before = await everything(world, run)

    shown, page = await world.get(here)
    sent, after = await world.post(here, {**await proof(world, here), "verdict": "approve"})

    assert (shown, sent) == (200, 403)
    assert page.action is None
    for each in (page, after):
        assert "You started this run, and its flow does not let people approve their own requests" in each.text
    assert await everything(world, run) == before


async def test_W11_the_requester_counts_in_advance_only_where_the_flow_lets_them(world):
    run = await world.start("own", by="req")

    status, _ = await world.send(await link(world, run, "req"), verdict="approve")
    await goes_on(world, run)
    gate = await world.view(run, 2)
    assert (gate.open, gate.decisions) == (True, ())
    await world.send(await world.link(run, "ann", 2), verdict="approve")

    assert status == 303
    assert [one.unseen for one in (await world.view(run, 3)).decisions] == [True]


async def test_W11_the_requester_is_not_led_to_their_own_request(world):
    run = await world.start("early", by="req")
    await goes_on(world, run)

    status, page = await world.get(await link(world, run, "req"))

    assert status == 200
    assert "does not let people approve their own requests" in page.text


@pytest.mark.parametrize("flow", ["early", "from_inputs"])
async def test_W9_somebody_who_is_named_nowhere_is_told_at_once_and_nothing_is_kept(world, flow):
    run = await world.start(flow)
    here = await link(world, run, "root")
    before = await everything(world, run)

    shown, page = await world.get(here)
    sent, _ = await world.post(here, {**await proof(world, here), "verdict": "approve"})

    assert (shown, sent) == (200, 403)
    assert "You are not one of the people whom this run is going to ask" in page.text
    assert page.action is None
    assert await everything(world, run) == before


async def test_W9_where_nobody_knows_yet_who_will_be_asked_it_is_kept(world):
    run = await world.start("computed")

    status, _ = await world.send(await link(world, run, "bob"), verdict="approve")

    assert status == 303
    assert await kept(world, run, "bob") is Verdict.APPROVE


async def test_W9_a_function_may_ask_anybody_so_of_the_whole_run_nothing_is_certain(world):
    run = await world.start("coded", by="req")

    for name in ("root", "req"):
        _, whole = await world.get(await link(world, run, name))
        _, step = await world.get(await link(world, run, name, "gate"))

        assert (whole.action is not None, step.action) == (True, None)


async def test_W9_who_was_never_seen_under_an_address_may_turn_out_to_be_this_person(world):
    run = await world.start("parent")

    _, page = await world.get(await link(world, run, "root"))

    assert page.action is not None


async def test_W9_who_is_in_a_group_is_read_when_it_opens(world):
    run = await world.start("grouped")

    _, page = await world.get(await link(world, run, "root"))

    assert page.action is not None


async def test_W9_a_step_of_a_loop_comes_again_until_the_loop_is_over(world):
    run = await world.start("looped")
    here = await link(world, run, step="gate")

    await goes_on(world, run)
    first = await leads_to(world, here)
    await world.send(first, verdict="approve")
    _, page = await world.get(here)
    for n, name in ((2, "bob"), (3, "ann"), (3, "bob")):
        await world.send(await world.link(run, name, n), verdict="approve")
    _, after = await world.get(here)

    assert first == await world.link(run, "ann", 2)
    assert "What is open now you have answered, or others are asked. What comes next cannot be shown" in page.text
    assert page.action is not None
    assert (await world.view(run, 4)).suspension.path == "last"
    assert (after.action, "Nothing that may still come in this run" in after.text) == (None, True)


async def test_W9_a_link_for_one_step_is_not_for_another_that_is_open_or_comes(world):
    run = await world.start("early")
    await goes_on(world, run)

    again = await leads_to(world, await link(world, run, step="again"))
    _, page = await world.get(await link(world, run, step="again"))
    _, strict = await world.get(await link(world, run, step="strict"))

    assert again is None
    assert page.action is not None
    assert "Nothing that may still come in this run takes a decision in advance." in strict.text


async def test_R6_an_approval_whose_deadline_has_passed_is_not_opened_by_such_a_link(world):
    run = await world.start("once")
    await goes_on(world, run)
    world.clock.advance("8d")
    here = await link(world, run)

    where = await leads_to(world, here)
    _, page = await world.get(here)

    assert (where, page.action) == (None, None)


async def test_W9_a_flow_that_takes_nothing_in_advance_says_so(world):
    run = await world.start("never")

    _, page = await world.get(await link(world, run))

    assert "Nothing that may still come in this run takes a decision in advance." in page.text
    assert page.action is None


async def test_W9_an_approval_whose_form_turns_out_to_need_an_answer_is_not_opened_by_such_a_link(world):
    run = await world.start("formed")
    here = await link(world, run)
    _, before = await world.get(here)
    await goes_on(world, run)

    where = await leads_to(world, here)
    _, after = await world.get(here)

    assert before.action == here
    assert (where, after.action) == (None, None)


async def test_what_takes_an_option_can_only_be_rejected_in_advance_and_why_is_asked(world):
    run = await world.start("options")
    here = await link(world, run)

    _, page = await world.get(here)
    forged, _ = await world.post(here, {**page.values, "verdict": "approve"})
    silent, told = await world.send(here, verdict="reject")
    status, _ = await world.send(here, verdict="reject", comment="Too much")

    assert [one["value"] for one in page.controls["verdict"]] == ["reject"]
    assert "only a rejection can be given in advance" in page.text
    assert (forged, silent, status) == (422, 422, 303)
    assert "Your comment is required: say why." in told.text
    assert told.values["verdict"] == ["reject"]
    assert await kept(world, run) is Verdict.REJECT


async def test_a_reason_that_the_flow_wants_is_wanted_in_advance_too(world):
    run = await world.start("reason")
    here = await link(world, run)

    blank, page = await world.send(here, verdict="approve", comment=" \n")
    long, _ = await world.send(here, verdict="approve", comment="x" * 3001)
    status, _ = await world.send(here, verdict="approve", comment="Agreed in May")
    await goes_on(world, run)

    assert "Comment (required)" in page.text
    assert (blank, long, status) == (422, 422, 303)
    assert (await world.view(run, 2)).decisions[0].comment == "Agreed in May"


async def test_K3_a_paused_run_says_by_whom_and_keeps_the_decision(world):
    run = await world.start("early")
    await world.engine.pause(run, (await world.person("root")).id, door=Door.API)
    here = await link(world, run)

    _, page = await world.get(here)
    status, _ = await world.send(here, verdict="approve")

    assert "The run is paused by Root. Your answer counts all the same; nothing starts until it goes on." in page.text
    assert status == 303
    assert await kept(world, run) is Verdict.APPROVE


# -- whether the person is still there


class Slack:
    """A Slack that says nothing, or that somebody has left."""

    teams = ("T1",)
    home = "T1"

    def __init__(self, *, silent: bool) -> None:
        self._silent = silent

    def __contains__(self, team: str) -> bool:
        return team in self.teams

    def directory(self, _team: str) -> Slack:
        return self

    async def user(self, user_id: str, *, fresh: bool = False) -> tuple[None, datetime]:
        if self._silent:
            raise ActionError("Slack: 503", retryable=True)
        return None, datetime.now(UTC)


@pytest.mark.parametrize(("silent", "shown", "sent"), [(True, 200, 503), (False, 403, 403)])
async def test_S12_nothing_is_kept_for_somebody_who_has_left_or_of_whom_nobody_can_say_so(world, silent, shown, sent):
    ann = await world.store.know(Person(0, "Ann", "ann@example.com", "T1/UANN"), ["T1/UANN", "ann@example.com"])
    run = await world.start("early")
    here = await link(world, run)
    form = (await world.get(here))[1].values
    world.people._slack = Slack(silent=silent)
    before = await everything(world, run)

    status, _ = await world.get(here)
    refused, page = await world.post(here, {**form, "verdict": "approve", "comment": "mine"})

    assert ann.id == (await world.store.find_person("ann@example.com")).id
    assert (status, refused) == (shown, sent)
    assert ("please try again" in page.text, "Ann has left Slack" in page.text) == (silent, not silent)
    assert page.values.get("comment") == (["mine"] if silent else None)
    assert await everything(world, run) == before


# -- links that are not good, forms of other pages, scanners


async def test_S1_every_link_that_is_not_good_gets_the_very_same_answer(world):
    run = await world.start("early")
    good = (await link(world, run)).removeprefix("/p/")
    stepwise = (await link(world, run, step="gate")).removeprefix("/p/")
    token = stepwise.partition("/")[0]
    ann = (await world.person("ann")).id
    expires = world.clock.now() + timedelta(days=1)

    def signed(purpose=Purpose.PRE, number=run, person=ann, keyring=world.keyring):
        return keyring.sign(Link(purpose, number, 0, person, 1, expires))

    other_key = Keyring(["another key that is long enough too"])
    bad = [
        *(good[:at] + ("A" if good[at] != "A" else "B") + good[at + 1 :] for at in range(0, len(good), 7)),
        good[:-1],
        good + "A",
        f"{good}/gate",
        f"{good}/nowhere",
        token,
        f"{token}/again",
        f"{token}/gate%20",
        signed(Purpose.PAGE),
        signed(Purpose.RESUME),
        signed(number=run + 1),
        signed(person=ann + 1000),
        signed(keyring=other_key),
        (await world.link(run, "req", 1)).removeprefix("/a/"),
        "x",
        "é" * 84,
        "a" * 2000,
    ]

    async def answer(method: str, path: str) -> tuple[object, ...]:
        async with world.client.request(method, f"/p/{path}") as response:
            headers = {key: value for key, value in response.headers.items() if key != "Date"}
            return response.status, await response.read(), tuple(sorted(headers.items()))

    answers = {await answer(method, path) for path in bad for method in ("GET", "POST")}
    world.clock.advance("5000d")
    answers |= {await answer(method, path) for path in (good, stepwise) for method in ("GET", "POST")}

    assert len(answers) == 1
    assert next(iter(answers))[0] == 404


async def test_S1_a_link_of_another_installation_is_worth_nothing(world):
    run = await world.start("early")
    links = PageLinks(Keyring(["another key that is long enough too"]), world.clock, world.public_url)
    url = links.early((await world.engine.peek_run(run)).run, (await world.person("ann")).id)

    status, _ = await world.get(url.removeprefix(world.public_url))

    assert status == 404


@pytest.mark.slow
async def test_S5_fifty_scanners_that_press_every_button_with_the_form_as_it_stands_decide_nothing(world):
    run = await world.start("early")
    opened = await world.start("early")
    await goes_on(world, opened)
    before = await everything(world, run), await everything(world, opened)

    for path in (await link(world, run), await link(world, run, step="gate"), await link(world, opened)):
        for scanner in range(17):
            async with world.client.head(path) as response:
                assert response.status == 200
            _, page = await world.get(f"{path}?scan={scanner}")
            (form,) = forms_of(page.html)
            assert "verdict" not in form.values
            assert form.buttons
            for button in form.buttons:
                pressed = {button["name"]: button.get("value", "")} if "name" in button else {}
                status, _ = await world.post(form.action, {**form.values, **pressed})
                assert status == 422

    assert (await everything(world, run), await everything(world, opened)) == before


async def test_S5_a_post_without_the_pages_form_decides_nothing(world):
    run = await world.start("early")
    here = await link(world, run)
    before = await everything(world, run)

    bare, _ = await world.post(here, {"verdict": "approve"})
    async with world.client.post(here, json={"verdict": "approve"}) as response:
        as_json = response.status
    async with world.client.post(f"{here}?verdict=approve") as response:
        empty = response.status

    assert (bare, as_json, empty) == (403, 400, 400)
    assert await everything(world, run) == before


async def test_S9_the_form_is_bound_to_its_page_its_browser_and_its_website(world):
    run = await world.start("early")
    whole, step, bobs = await link(world, run), await link(world, run, step="gate"), await link(world, run, "bob")
    _, page = await world.get(whole)
    for path in (step, bobs):
        await world.get(path)
    before = await everything(world, run)
    sent = {**page.values, "verdict": "approve", "comment": "planted"}

    elsewhere = [(await world.post(path, sent))[0] for path in (step, bobs)]
    foreign, _ = await world.post(whole, sent, {"Origin": "https://evil.example"})
    cross, _ = await world.post(whole, sent, {"Sec-Fetch-Site": "cross-site"})
    world.client.session.cookie_jar.clear()
    stranger, again = await world.post(whole, sent)

    assert (elsewhere, foreign, cross, stranger) == ([403, 403], 403, 403, 403)
    assert "planted" not in again.html
    assert await everything(world, run) == before


async def test_S9_the_cookie_is_for_this_page_only_and_the_headers_lock_it_down(world):
    run = await world.start("early")
    here = await link(world, run, step="gate")

    async with world.client.get(here) as response:
        cookie, headers = response.cookies["signoff_page"], response.headers

    assert (cookie["path"], cookie["samesite"], cookie["httponly"]) == (here, "Strict", True)
    assert headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'self'; form-action 'self';")
    assert headers["Cache-Control"] == "no-store"
    assert headers["Referrer-Policy"] == "no-referrer"


async def test_S6_what_people_write_stays_text(world):
    evil = "<script>alert(1)</script> {{ 7919 * 7907 }} \"'><img src=x onerror=alert(1)>"
    run = await world.start("early", {"version": evil})
    here = await link(world, run)
    await world.send(here, verdict="approve", comment=evil)

    _, page = await world.get(here)

    assert page.text.count(evil) == 2
    assert {"script", "img"}.isdisjoint(page.tags)
    assert "62615533" not in page.text


async def test_P3_a_link_that_a_mail_gateway_has_rewritten_still_opens_and_decides(world):
    run = await world.start("early")
    token = (await link(world, run, step="gate")).removeprefix("/p/").removesuffix("/gate")
    rewritten = "".join(f"%25{ord(letter):02x}" for letter in token)

    status, _ = await world.send(f"/p/{rewritten}/%67ate?utm=1", verdict="approve")

    assert status == 303
    assert await kept(world, run, step="gate") is Verdict.APPROVE


async def test_R17_a_decision_that_cannot_be_stored_is_503_and_can_be_sent_again(world):
    run = await world.start("early")
    here = await link(world, run)
    _, page = await world.get(here)
    await world.store._writer.raw(lambda c: c.execute("PRAGMA query_only = ON").close())

    status, answer = await world.post(here, {**page.values, "verdict": "approve", "comment": "said"})

    assert status == 503
    assert "Nothing was recorded" in answer.text
    assert (answer.values["comment"], answer.values["verdict"]) == (["said"], ["approve"])
    await world.store._writer.raw(lambda c: c.execute("PRAGMA query_only = OFF").close())
    assert (await world.post(here, answer.values))[0] == 303
