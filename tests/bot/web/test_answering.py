"""The approval page of everything beyond a plain yes or no: options, reasons, nested quorums, answers taken back, and
all the ways in which a wait can end or be held up."""

from __future__ import annotations

import pytest

from flows.definition import Approval, Flow, Hold, Step
from flows.run import Close, Door, Verdict
from tests.bot.web.forms import forms_of

ANN, BOB, REQ, ROOT = (f"{name}@example.com" for name in ("ann", "bob", "req", "root"))


def asks(name: str, **approval: object) -> Flow:
    return Flow(flow=name, steps=[Step(id="gate", approval=Approval(**{"approvers": [ANN], **approval}))])


FLOWS = (
    asks(
        "sizes",
        approvers=[ANN, BOB, ROOT],
        quorum=2,
        options=["large", {"name": "small", "label": "Small & <b>red</b>"}],
        reason="reject",
        form=[{"name": "colour", "type": "string"}],
    ),
    asks("said", reason="both", form=[{"name": "days", "type": "integer"}], form_on="both"),
    asks("pair", approvers=[ANN, BOB], quorum=2, form=[{"name": "days", "type": "integer", "default": 5}]),
    asks(
        "nested",
        approvers=[],
        quorum={"all": [ANN, {"at_least": 2, "of": [BOB, ROOT, "cat@example.com"]}]},
        veto=["dan@example.com"],
        reject_after=2,
    ),
    asks("ahead", approvers=[ANN, BOB], quorum=2, pre_approval="allow"),
    Flow(
        flow="newest",
        inputs=[
            {"name": "key", "type": "string"},
            {"name": "who", "type": "string", "default": ANN},
        ],
        supersede="{{ inputs.key }}",
        steps=[Step(id="gate", approval=Approval(approvers=["{{ inputs.who }}"]))],
    ),
    Flow(flow="rests", owner=ROOT, steps=[Step(id="wait", hold=Hold(ask="Go on?", by=[ANN]))]),
    Flow(
        flow="items",
        steps=[
            Step(
                id="each",
                for_each=["a", "b"],
                concurrency=2,
                steps=[Step(id="ask", title="Is it fine?", approval=Approval(ask="{{ item }}?", approvers=[ANN]))],
            )
        ],
    ),
    Flow(
        flow="inner",
        inputs=[{"name": "part", "type": "string", "label": "Part"}, {"name": "pin", "type": "secret"}],
        steps=[Step(id="ask", approval=Approval(ask="Take {{ inputs.part }}?", approvers=[ANN]))],
    ),
    Flow(
        flow="outer",
        inputs=[{"name": "whole", "type": "string", "default": "a car"}, {"name": "pin", "type": "secret"}],
        steps=[
            Step(id="gate", approval=Approval(approvers=[ANN])),
            Step(id="sub", flow="inner", **{"with": {"part": "a wheel", "pin": "{{ inputs.pin }}"}}),
        ],
    ),
)


@pytest.fixture
async def world(world):
    await world.engine.use([*world.engine.flows.values(), *FLOWS])
    return world


async def decide(world, run: int, name: str, verdict: Verdict = Verdict.APPROVE, n: int = 1, **more: object) -> None:
    await world.engine.decide(run, n, (await world.person(name)).id, verdict, door=Door.API, **more)


def said(view) -> dict[str, Verdict]:
    return {view.person(one.person).name: one.verdict for one in view.decisions}


# -- options and reasons


async def test_W8_each_option_is_a_choice_of_its_own_and_none_is_preselected(world):
    run = await world.start("sizes")

    _, page = await world.get(await world.link(run))

    assert [one["value"] for one in page.controls["verdict"]] == ["approve:large", "approve:small", "reject"]
    assert "Large Small & <b>red</b> Reject" in page.text
    assert "verdict" not in page.values
    assert "Large: 0, Small & <b>red</b>: 0; at least 2 more needed for the same choice" in page.text


async def test_an_option_that_was_chosen_is_counted_with_those_who_chose_the_same(world):
    run = await world.start("sizes")

    for name, choice in (("ann", "approve:large"), ("bob", "approve:small"), ("root", "approve:small")):
        status, _ = await world.send(await world.link(run, name), verdict=choice, form__colour="red")
        assert status == 303
    _, page = await world.get(await world.link(run))

    view = await world.view(run)
    assert (view.suspension.closing.how, view.suspension.closing.option) == (Close.APPROVED, "small")
    assert (
        "Approved by Bob and Root on Monday, 5 January 2026, 10:00 CET (Europe/Berlin): Small & <b>red</b>."
        in page.text
    )
    assert "Ann approved (Large), Monday" in page.text
    assert "You approved this on Monday, 5 January 2026, 10:00 CET (Europe/Berlin): Large." in page.text


@pytest.mark.parametrize("choice", ["approve", "approve:", "approve:huge", "resume", "withdraw", "reject:large"])
async def test_S5_what_the_page_does_not_offer_is_no_choice(world, choice):
    run = await world.start("sizes")
    before = await world.state(run)

    status, page = await world.send(await world.link(run), verdict=choice, form__colour="red")

    assert status == 422
    assert "Your verdict is needed: please choose one." in page.text
    assert await world.state(run) == before


async def test_an_option_stays_chosen_while_the_rest_is_corrected(world):
    run = await world.start("sizes")

    status, page = await world.send(await world.link(run), verdict="approve:small", comment="mine")

    assert status == 422
    assert "Colour is required." in page.text
    assert (page.values["verdict"], page.values["comment"]) == (["approve:small"], ["mine"])


async def test_K8_a_reason_that_is_missing_is_said_beside_the_comment(world):
    run = await world.start("sizes")
    before = await world.state(run)

    status, page = await world.send(await world.link(run), verdict="reject", comment=" ")
    unchanged = await world.state(run) == before
    sent, _ = await world.send(await world.link(run), verdict="reject", comment="Too dear")

    assert (status, sent) == (422, 303)
    assert "Comment (required to reject)" in page.text
    assert "A rejection needs only the verdict and the comment below." in page.text
    assert "Your comment is required: say why." in page.text
    assert page.controls["comment"][0]["aria-invalid"] == "true"
    assert unchanged


async def test_K8_who_always_has_to_say_why_and_fill_in_the_form_is_told_so_and_of_both_at_once(world):
    run = await world.start("said")

    _, page = await world.get(await world.link(run))
    status, after = await world.send(await world.link(run), verdict="reject", form__days="x")

    assert "Comment (required)" in page.text
    assert page.controls["comment"][0]["aria-required"] == "true"
    assert "A rejection needs only" not in page.text
    assert status == 422
    assert "Days must be a whole number, not 'x'." in after.text
    assert "Your comment is required: say why." in after.text


# -- nested quorums and vetoes


async def test_W8_a_nested_quorum_says_what_it_takes_who_is_waited_for_and_who_may_veto(world):
    await world.person("dan")
    run = await world.start("nested")
    link = await world.link(run)

    _, before = await world.get(link)
    await decide(world, run, "bob")
    await decide(world, run, "root", Verdict.REJECT)
    _, after = await world.get(link)

    for text in (
        "0 approvals; at least 3 more needed; 0 of 2 rejections",
        "It takes all of (Ann, 2 of (Bob, Root, cat@example.com))",
        "May veto dan@example.com",
        "Asked Ann, Bob, Root, cat@example.com",
    ):
        assert text in before.text
    assert "Waiting for" not in before.text
    assert "1 approval; at least 2 more needed; 1 of 2 rejections" in after.text
    assert "Waiting for Ann, cat@example.com Deadline" in after.text


async def test_a_veto_of_somebody_who_may_not_approve_is_taken_and_their_approval_is_refused(world):
    await world.person("dan")
    run = await world.start("nested")
    link = await world.link(run, "dan")

    approval, page = await world.send(link, verdict="approve")
    rejection, _ = await world.send(link, verdict="reject")

    assert (approval, rejection) == (403, 303)
    assert "You may reject this, but your approval is not asked for." in page.text
    assert (await world.view(run)).suspension.closing.how is Close.REJECTED


# -- taking back


async def test_an_answer_is_taken_back_by_a_form_of_its_own_with_a_tick(world):
    run = await world.start("pair")
    link = await world.link(run)
    await world.send(link, verdict="approve")
    answer, back = forms_of((await world.get(link))[1].html)

    status, _ = await world.post(back.action, {**back.values, "take_back": "yes"})
    _, page = await world.get(f"{link}?taken=back")

    assert (answer.action, back.action) == (link, f"{link}/back")
    assert back.choices == {"take_back": ["yes"]}
    assert status == 303
    assert (await world.view(run)).decisions == ()
    assert "Your answer was taken back. It does not count any more." in page.text
    assert "0 of 2 approvals; 2 more needed" in page.text
    assert [one.action for one in forms_of(page.html)] == [link]


async def test_who_has_taken_back_may_answer_again_and_other_answers_stand(world):
    run = await world.start("pair")
    link = await world.link(run)
    await decide(world, run, "bob")
    await world.send(link, verdict="reject", comment="No")

    ended = await world.start("pair")
    await world.send(await world.link(ended), verdict="approve")
    back = forms_of((await world.get(await world.link(ended)))[1].html)[1]
    await world.post(back.action, {**back.values, "take_back": "yes"})
    await world.send(await world.link(ended), verdict="approve", comment="After all")

    assert (await world.view(run)).suspension.closing.how is Close.REJECTED
    assert said(await world.view(ended)) == {"Ann": Verdict.APPROVE}
    assert (await world.view(ended)).decisions[0].comment == "After all"


async def test_S5_pressing_the_button_without_the_tick_takes_nothing_back(world):
    run = await world.start("pair")
    link = await world.link(run)
    await world.send(link, verdict="approve")
    before = await world.state(run)

    for _ in range(3):
        for form in forms_of((await world.get(link))[1].html):
            assert form.buttons
            assert form.values.keys().isdisjoint({"verdict", "take_back"})
            status, page = await world.post(form.action, form.values)
            assert status == 422
            if form.action != link:
                assert "Please tick the box first." in page.text
                assert forms_of(page.html)[0].values["form.days"] == ["5"]
    async with world.client.get(f"{link}/back?take_back=yes") as response:
        assert response.status == 200

    assert await world.state(run) == before


async def test_S9_taking_back_needs_the_form_of_this_very_page(world):
    run = await world.start("pair")
    link, bobs = await world.link(run), await world.link(run, "bob")
    await world.send(link, verdict="approve")
    back = forms_of((await world.get(link))[1].html)[1]
    before = await world.state(run)

    other, _ = await world.post(f"{bobs}/back", {**back.values, "take_back": "yes"})
    bare, _ = await world.post(back.action, {"take_back": "yes"})
    cross, _ = await world.post(back.action, {**back.values, "take_back": "yes"}, {"Origin": "https://evil.example"})

    assert (other, bare, cross) == (403, 403, 403)
    assert await world.state(run) == before


async def test_what_is_over_cannot_be_taken_back_and_who_has_said_nothing_has_no_form_for_it(world):
    run = await world.start("pair")
    link = await world.link(run)
    fresh = forms_of((await world.get(link))[1].html)
    await world.send(link, verdict="approve")
    back = forms_of((await world.get(link))[1].html)[1]
    await world.post(back.action, {**back.values, "take_back": "yes"})
    twice, _ = await world.post(back.action, {**back.values, "take_back": "yes"})
    await world.send(link, verdict="reject")

    late, page = await world.post(back.action, {**back.values, "take_back": "yes"})

    assert [form.action for form in fresh] == [link]
    assert (twice, late) == (409, 409)
    assert "This has been decided already: rejected by Ann" in page.text
    assert "Waiting for" not in page.text
    assert said(await world.view(run)) == {"Ann": Verdict.REJECT}


async def test_R6_what_is_taken_back_after_the_deadline_stays(world):
    run = await world.start("pair")
    link = await world.link(run)
    await world.send(link, verdict="approve")
    back = forms_of((await world.get(link))[1].html)[1]
    world.clock.advance("8d")

    status, page = await world.post(back.action, {**back.values, "take_back": "yes"})

    assert status == 410
    assert "The deadline passed on" in page.text
    assert said(await world.view(run)) == {"Ann": Verdict.APPROVE}


async def test_a_hold_is_not_taken_back(world):
    run = await world.start("rests")

    _, page = await world.get(await world.link(run))

    assert [form.action for form in forms_of(page.html)] == [await world.link(run)]


# -- how it ends, and what holds it up


async def test_a_newer_run_that_took_its_place_is_named_to_those_who_may_read_it(world):
    both = await world.start("newest", {"key": "a"})
    other = await world.start("newest", {"key": "b"})
    newer = await world.start("newest", {"key": "a"})
    hidden = await world.start("newest", {"key": "b", "who": BOB})

    _, page = await world.get(await world.link(both))
    _, blind = await world.get(await world.link(other))

    for each in (page, blind):
        assert "A newer run took its place on Monday, 5 January 2026, 10:00 CET (Europe/Berlin)." in each.text
        assert each.action is None
    assert page.links == [f"/runs/{world.engine.ids.run(newer)}"]
    assert blind.links == []
    assert world.engine.ids.run(hidden) not in blind.html


async def test_what_was_dropped_says_by_whom_and_why_and_that_it_was_not_approved(world):
    run = await world.start("pair")
    rests = await world.start("rests")
    root = (await world.person("root")).id
    await decide(world, run, "bob")
    for one in (run, rests):
        await world.engine.drop(one, 1, root, "The supplier is <b>gone</b>", door=Door.API)

    _, page = await world.get(await world.link(run))
    _, held = await world.get(await world.link(rests))

    when = "Monday, 5 January 2026, 10:00 CET (Europe/Berlin)"
    dropped = f"Dropped by Root on {when}: the run went on without it, and this"
    assert f"{dropped} was not approved. The reason: The supplier is <b>gone</b>" in page.text
    assert f"{dropped} was not resumed." in held.text
    assert (page.action, held.action) == (None, None)
    assert "b" not in page.tags


async def test_W9_a_decision_that_was_given_in_advance_is_marked_as_unseen_and_may_be_changed(world):
    run = await world.start("ahead")
    await world.engine.decide_early(run, (await world.person("ann")).id, Verdict.APPROVE, door=Door.PAGE)

    _, mine = await world.get(await world.link(run))
    _, bobs = await world.get(await world.link(run, "bob"))
    answer, _ = forms_of(mine.html)
    await world.post(answer.action, {**answer.values, "verdict": "approve", "comment": "Now I have seen it"})

    assert "You approved this in advance, without having seen it on Monday" in mine.text
    assert "Ann approved, Monday, 5 January 2026, 09:00 UTC Decided in advance, without having seen this." in bobs.text
    assert [one.unseen for one in (await world.view(run)).decisions] == [False]


async def test_K3_a_paused_run_says_by_whom_and_that_answers_count(world):
    run = await world.start("pair")
    await world.engine.pause(run, (await world.person("root")).id, door=Door.API)
    link = await world.link(run)

    _, page = await world.get(link)
    status, _ = await world.send(link, verdict="approve")
    await decide(world, run, "bob")
    _, after = await world.get(link)

    assert "The run is paused by Root. Your answer counts all the same; nothing starts until it goes on." in page.text
    assert status == 303
    assert "Approved by Ann and Bob" in after.text


async def test_W8_each_of_several_waits_of_one_step_says_which_it_is(world):
    run = await world.start("items")

    first, second = [(await world.get(await world.link(run, n=n)))[1].text for n in (1, 2)]

    assert "Place in the run each[0].ask" in first
    assert "Place in the run each[1].ask" in second
    assert "a?" in first
    assert "b?" in second


async def test_W8_a_child_flow_shows_its_own_inputs_and_no_secret(world):
    run = await world.start("outer", {"pin": "hunter2"})
    await decide(world, run, "ann")

    _, page = await world.get(await world.link(run, n=2))

    assert "Take a wheel?" in page.text
    assert "Part a wheel Pin ••••" in page.text
    assert "a car" not in page.text
    assert "hunter2" not in page.html


async def test_a_link_to_a_wait_for_machines_is_not_valid(world):
    await world.engine.use([Flow(flow="called", steps=[Step(id="wait", callback={"ask": "Called?"})])])
    run = await world.start("called")

    status, _ = await world.get(await world.link(run))

    assert status == 404
