"""What those who are asked want to know first: on everybody's page, and answered on the requester's own."""

from __future__ import annotations

import pytest

from flows.definition import Approval, Flow, Step
from flows.run import Door
from tests.bot.web.forms import Form, forms_of

ANN, BOB = "ann@example.com", "bob@example.com"


@pytest.fixture
async def asked(world) -> int:
    """A run of Req's about which Ann has asked something."""
    approval = Approval(ask="Ship it?", approvers=[ANN, BOB], questions="stop_clock")
    await world.engine.use([Flow(flow="ask", steps=[Step(id="gate", approval=approval)])])
    run = await world.start("ask")
    await world.engine.ask(run, 1, (await world.person("ann")).id, "Is <it> tested?", door=Door.API)
    return int(run)


async def answering(world, link: str) -> list[Form]:
    _, page = await world.get(link)
    return [form for form in forms_of(page.html) if "questions.answer" in form.values]


async def test_the_requester_answers_on_their_page_and_everybody_reads_it_on_theirs(world, asked):
    link = await world.link(asked, "req")
    (form,) = await answering(world, link)

    status, _ = await world.post(form.action, {**form.values, "questions.answer": "Yes,\r\ntwice."})

    assert status == 303
    (question,) = (await world.view(asked)).questions
    assert (question.answer, question.answered_by) == ("Yes,\ntwice.", (await world.person("req")).id)
    assert await answering(world, link) == []
    _, page = await world.get(await world.link(asked, "bob"))
    assert (
        "What was asked Ann, Monday, 5 January 2026, 09:00 UTC Is <it> tested? Req answered: Yes, twice." in page.text
    )


async def test_what_is_wrong_with_an_answer_stands_beside_it(world, asked):
    (form,) = await answering(world, await world.link(asked, "req"))

    empty = await world.post(form.action, {**form.values, "questions.answer": "  "})
    await world.engine.answer(asked, 1, (await world.person("req")).id, "Yes.", door=Door.API)
    late = await world.post(form.action, {**form.values, "questions.answer": "No."})

    assert empty[0] == 422
    assert "Your answer is required: write something." in empty[1].text
    assert late[0] == 409
    assert (await world.view(asked)).questions[0].answer == "Yes."


async def test_nobody_else_answers_and_nothing_counts_that_the_page_did_not_show(world, asked):
    anns, own = await world.link(asked, "ann"), await world.link(asked, "req")
    assert await answering(world, anns) == []
    (form,) = await answering(world, own)
    _, page = await world.get(anns)

    by_ann = await world.post(f"{anns}/questions", {**page.values, "questions.answer": "Yes."})
    forged = await world.post(form.action, {**form.values, "proof": page.values["proof"], "questions.answer": "Yes."})

    assert (by_ann[0], forged[0]) == (403, 403)
    assert (await world.view(asked)).questions[0].open


async def test_who_comes_to_answer_is_not_asked_to_decide(world, asked):
    _, page = await world.get(await world.link(asked, "req"))

    assert "Your decision" not in page.text
    assert "verdict" not in page.controls
