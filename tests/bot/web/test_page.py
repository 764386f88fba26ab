from __future__ import annotations

import io
from urllib.parse import urlencode

import pytest

from flows.definition import Approval, Flow, Step
from flows.links import Purpose
from flows.run import Door, Verdict
from tests.bot.web.forms import forms_of

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex",
    "X-Content-Type-Options": "nosniff",
}


async def test_W8_the_page_shows_what_is_asked_by_whom_with_what_and_until_when(world):
    run = await world.start("release", {"version": "2.0", "key": "hunter2"})

    status, page = await world.get(await world.link(run))

    assert status == 200
    for text in (
        "Ship it?",
        "Ship 2.0 by Req?",
        "Requested by Req",
        "Version 2.0",
        "Key ••••",
        "0 of 2 approvals; 2 more needed",
        "Wednesday, 7 January 2026, 10:00 CET (Europe/Berlin) (in 2 days)",
        "Ann, Bob",
        "Nobody so far.",
        "This link was made for Ann",
    ):
        assert text in page.text
    assert "hunter2" not in page.html


async def test_W8_the_page_shows_who_has_decided_with_their_words_and_what_is_still_needed(world):
    run = await world.start("release")
    await world.send(await world.link(run, "bob"), verdict="approve", comment="Looks good\nto me")

    _, page = await world.get(await world.link(run, "ann"))

    assert "1 of 2 approvals; 1 more needed" in page.text
    assert "Bob approved, Monday, 5 January 2026, 10:00 CET (Europe/Berlin) Looks good to me" in page.text


async def test_W8_the_deadline_is_in_utc_where_the_readers_zone_is_not_known(world):
    run = await world.start("release")

    _, page = await world.get(await world.link(run, "bob"))

    assert "Wednesday, 7 January 2026, 09:00 UTC (in 2 days)" in page.text


async def test_W8_the_form_has_every_field_with_its_default_its_help_and_its_limits(world):
    run = await world.start("asks")

    _, page = await world.get(await world.link(run))

    assert page.values == {
        "proof": page.values["proof"],
        "digest": page.values["digest"],
        "zone": ["Europe/Berlin"],
        "form.reason": [""],
        "form.days": ["5"],
        "form.urgent": [""],
        "form.colour": ["blue"],
        "form.extras": ["b"],
        "form.from_day": [""],
        "form.at": ["2026-02-01T09:30"],
        "form.pin": [""],
        "form.note": [""],
        "comment": [""],
    }
    kinds = {name: [one.get("type") for one in found] for name, found in page.controls.items() if "." in name}
    assert kinds == {
        "form.reason": ["text"],
        "form.days": ["number"],
        "form.urgent": [None],
        "form.colour": [None],
        "form.extras": ["checkbox"] * 3,
        "form.from_day": ["date"],
        "form.at": ["datetime-local"],
        "form.pin": ["password"],
        "form.note": [None],
    }
    for text in ("Why (required)", "Shown to the requester", "Deep blue", "Times are in Europe/Berlin."):
        assert text in page.text


async def test_W8_what_was_filled_in_becomes_the_decisions_values(world):
    run = await world.start("asks")

    status, _ = await world.send(
        await world.link(run),
        verdict="approve",
        form__reason="Because",
        form__urgent="false",
        form__colour="red",
        form__extras=["c", "a"],
        form__from_day="2026-03-01",
        form__at="2026-07-01T12:00",
        form__note="two\r\nlines",
    )

    assert status == 303
    decision = (await world.view(run)).decisions[0]
    assert decision.values == {
        "reason": "Because",
        "days": 5,
        "urgent": False,
        "colour": "red",
        "extras": ["a", "c"],
        "from_day": "2026-03-01",
        "at": "2026-07-01T12:00:00+02:00",
        "pin": None,
        "note": "two\nlines",
    }
    assert decision.digest == (await world.view(run)).suspension.digest


async def test_W8_a_choice_that_was_unticked_stays_empty_and_is_not_filled_with_its_default_again(world):
    run = await world.start("asks")

    await world.send(await world.link(run), verdict="approve", form__reason="Because", form__extras=[])

    assert (await world.view(run)).decisions[0].values["extras"] == []


async def test_after_deciding_the_same_page_shows_what_became_of_it(world):
    run = await world.start("release")
    link = await world.link(run)

    status, _ = await world.send(link, verdict="approve")
    _, after = await world.get(link)

    assert status == 303
    assert "You approved this on Monday, 5 January 2026, 10:00 CET (Europe/Berlin). As long as it is open" in after.text
    assert "1 of 2 approvals; 1 more needed" in after.text


async def test_R3_the_same_answer_again_is_counted_once_and_said_so(world):
    run = await world.start("release")
    link = await world.link(run)
    await world.send(link, verdict="approve")
    answer, _ = forms_of((await world.get(link))[1].html)

    status, page = await world.post(answer.action, {**answer.values, "verdict": "approve"})

    assert status == 200
    assert "You have said so already: approved. It is counted once." in page.text
    assert len((await world.view(run)).decisions) == 1


async def test_another_answer_replaces_the_first_while_it_is_open(world):
    run = await world.start("release")
    link = await world.link(run)
    await world.send(link, verdict="approve")
    answer, _ = forms_of((await world.get(link))[1].html)

    status, _ = await world.post(answer.action, {**answer.values, "verdict": "reject", "comment": "Wait, no"})

    assert status == 303
    assert [decision.verdict for decision in (await world.view(run)).decisions] == [Verdict.REJECT]


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ("approved", "Approved by Ann on Monday, 5 January 2026, 10:00 CET (Europe/Berlin)."),
        ("rejected", "Rejected by Ann on Monday, 5 January 2026, 10:00 CET (Europe/Berlin)."),
        ("cancelled", "Cancelled by Req on Monday, 5 January 2026, 10:00 CET (Europe/Berlin)."),
        ("overdue", "The deadline has passed, so this can no longer be decided."),
    ],
)
async def test_R7_each_way_to_end_has_a_sentence_of_its_own_and_no_form(world, how, sentence):
    run = await world.start()
    link = await world.link(run)
    match how:
        case "approved":
            await world.send(link, verdict="approve")
        case "rejected":
            await world.send(link, verdict="reject")
        case "cancelled":
            await world.engine.cancel(run, (await world.person("req")).id, door=Door.PAGE)
        case "overdue":
            world.clock.advance("7d")

    status, page = await world.get(link)

    assert status == 200
    assert sentence in page.text
    assert page.action is None


async def test_a_decision_that_comes_after_another_is_told_what_became_of_it(world):
    run = await world.start()
    link = await world.link(run)
    _, page = await world.get(link)
    await world.engine.cancel(run, (await world.person("req")).id, door=Door.PAGE)

    status, after = await world.post(link, {**page.values, "verdict": "approve"})

    assert status == 409
    assert "This is no longer open: cancelled by Req" in after.text
    assert after.action is None


async def test_R6_a_decision_after_the_deadline_is_gone_and_the_deadline_acted_on(world):
    run = await world.start()
    link = await world.link(run)
    _, page = await world.get(link)
    world.clock.advance("7d")

    status, after = await world.post(link, {**page.values, "verdict": "approve"})

    assert status == 410
    assert "The deadline passed on" in after.text
    assert (await world.view(run)).run.ending.outcome == "expired"


async def test_W11_the_requester_is_refused_on_the_page_too(world):
    run = await world.start("release")
    before = await world.state(run)

    status, page = await world.send(await world.link(run, "req"), verdict="approve")

    assert status == 403
    assert "This is your own request, and its flow does not let people approve their own." in page.text
    assert await world.state(run) == before


async def test_a_stranger_with_a_link_is_refused_and_told_why(world):
    run = await world.start()

    status, page = await world.send(await world.link(run, "bob"), verdict="approve")

    assert status == 403
    assert "You are not one of the people who were asked to decide this." in page.text


async def test_K8_all_bad_fields_are_said_at_once_beside_them_and_what_was_typed_is_kept(world):
    run = await world.start("asks")
    before = await world.state(run)

    status, page = await world.send(
        await world.link(run),
        verdict="approve",
        form__days="99",
        form__colour="green",
        form__pin="1234",
        form__note="my note",
        form__extras=["a", "c"],
        form__at="2026-07-01T12:00",
        comment="my comment",
    )

    assert status == 422
    assert "Why is required." in page.text
    assert "Days must be between 1 and 30, not 99." in page.text
    assert "Colour must be one of: red, blue; it is 'green'." in page.text
    assert page.values["form.days"] == ["99"]
    assert page.values["form.note"] == ["my note"]
    assert page.values["form.extras"] == ["a", "c"]
    assert page.values["form.at"] == ["2026-07-01T12:00"]
    assert page.values["comment"] == ["my comment"]
    assert page.values["verdict"] == ["approve"]
    assert "1234" not in page.html
    assert await world.state(run) == before


async def test_a_rejection_takes_no_form(world):
    run = await world.start("asks")

    status, _ = await world.send(await world.link(run), verdict="reject", form__days="", comment="No")

    assert status == 303
    assert (await world.view(run)).run.ending.outcome == "rejected"


FORMS = Flow(
    flow="forms",
    inputs=[{"name": "who", "type": "string", "default": "<b>Bob</b>"}],
    steps=[
        Step(
            id="gate",
            approval=Approval(
                approvers=("ann@example.com",),
                form=[
                    {"name": "kind", "type": "select", "options": ["sick", "other"], "label": "Why {{ inputs.who }}?"},
                    {
                        "name": "which",
                        "type": "string",
                        "when": "kind == 'other'",
                        "description": "About {{ inputs.who }}.",
                    },
                    {"name": "days", "type": "integer", "when": "kind == 'other'", "default": 5},
                    {
                        "name": "servers",
                        "type": "list",
                        "fields": [{"name": "host", "type": "string"}, {"name": "port", "type": "integer"}],
                        "default": [{"host": "{{ inputs.who }}", "port": 22}],
                        "required": False,
                    },
                ],
            ),
        )
    ],
)


async def test_K10_a_field_that_is_asked_only_where_another_has_a_value_says_so_and_is_checked_by_that(world):
    await world.engine.use([FORMS])
    run = await world.start("forms")
    link = await world.link(run)

    _, page = await world.get(link)
    missed = await world.send(link, verdict="approve", form__kind="other")
    stray = await world.send(link, verdict="approve", form__kind="sick", form__which="a move")
    fine = await world.send(link, verdict="approve", form__kind="sick")

    assert "Only where “Why <b>Bob</b>?” is 'other', and required there." in page.text
    assert "Which (required)" not in page.text
    assert (missed[0], stray[0], fine[0]) == (422, 422, 303)
    assert "Which is required." in missed[1].text
    assert "Which is asked only where “Kind” is 'other'; leave it empty." in stray[1].text
    # The page has sent the default of what is not asked; nobody has answered it.
    decision = (await world.view(run)).decisions[0]
    assert (decision.values["which"], decision.values["days"]) == (None, None)


async def test_K10_what_is_wrong_inside_a_value_is_said_beside_it_and_what_was_typed_is_kept(world):
    await world.engine.use([FORMS])
    run = await world.start("forms")
    typed = '[{"host": "a", "port": "x"}, {"port": 1}]'

    status, page = await world.send(await world.link(run), verdict="approve", form__kind="sick", form__servers=typed)

    assert status == 422
    assert "servers[0].port: must be a whole number, not 'x'. servers[1].host: is required." in page.text
    assert page.values["form.servers"] == [typed]


async def test_K11_labels_descriptions_and_defaults_come_from_earlier_values_and_the_edited_value_wins(world):
    await world.engine.use([FORMS])
    run = await world.start("forms")

    _, page = await world.get(await world.link(run))
    default = page.values["form.servers"][0]
    await world.send(
        await world.link(run), verdict="approve", form__kind="sick", form__servers=default.replace("22", "80")
    )

    assert "Why <b>Bob</b>?" in page.text
    assert "About <b>Bob</b>." in page.text
    assert "<b>" not in page.html
    decision = (await world.view(run)).decisions[0]
    assert decision.values["servers"] == [{"host": "<b>Bob</b>", "port": 80}]


async def test_K11_a_default_that_was_emptied_does_not_come_back(world):
    await world.engine.use([FORMS])
    run = await world.start("forms")

    await world.send(await world.link(run), verdict="approve", form__kind="sick", form__servers="")

    assert (await world.view(run)).decisions[0].values["servers"] is None


async def test_S11_what_has_changed_since_it_was_shown_is_shown_again_with_what_was_typed(world):
    run = await world.start("asks")
    link = await world.link(run)
    _, page = await world.get(link)
    # No flow can do this yet; what it stands for is that something else is asked than was shown.
    await world.store.write(lambda c: c.execute("UPDATE suspensions SET ask = 'Something else', digest = zeroblob(32)"))

    sent = {**page.values, "verdict": "approve", "form.reason": "typed before"}
    status, after = await world.post(link, sent)

    assert status == 409
    assert "Something else" in after.text
    assert after.values["form.reason"] == ["typed before"]
    assert after.values["digest"] == ["00" * 32]
    assert "verdict" not in after.values
    assert (await world.view(run)).decisions == ()


async def test_K1_a_hold_is_resumed_by_an_explicit_tick_and_not_without(world):
    run = await world.start("held")
    link = await world.link(run, "req")
    _, page = await world.get(link)

    without, _ = await world.post(link, page.values)
    status, _ = await world.post(link, {**page.values, "verdict": "resume"})
    _, after = await world.get(link)

    assert "So far nothing" in page.text
    assert [one.get("type") for one in page.controls["verdict"]] == ["checkbox"]
    assert without == 422
    assert status == 303
    assert "Resumed by Req on Monday, 5 January 2026, 04:00 EST (America/New_York)." in after.text


async def test_P3_get_and_head_change_nothing(world):
    run = await world.start()
    link = await world.link(run)
    before = await world.state(run)

    for method in ("GET", "HEAD", "GET", "HEAD"):
        async with world.client.request(method, f"{link}?verdict=approve&utm_source=mail") as response:
            assert response.status == 200
            assert bool(await response.read()) == (method == "GET")

    assert await world.state(run) == before


async def test_P3_a_link_that_a_mail_gateway_has_rewritten_still_opens_and_decides(world):
    run = await world.start()
    link = await world.link(run)
    rewritten = "/a/" + "".join(f"%{ord(letter):02x}" for letter in link.removeprefix("/a/"))

    status, _ = await world.send(f"{rewritten.replace('%', '%25')}?utm=1", verdict="approve")

    assert status == 303
    assert (await world.view(run)).run.ending is not None


async def test_S5_fifty_scanners_that_press_every_button_with_the_form_as_it_stands_decide_nothing(world):
    run, held = await world.start("alone"), await world.start("held")
    before = await world.state(run), await world.state(held)

    for link in (await world.link(run), await world.link(held, "req")):
        for scanner in range(25):
            async with world.client.head(link) as response:
                assert response.status == 200
            _, page = await world.get(f"{link}?scan={scanner}")
            assert page.buttons
            assert "verdict" not in page.values
            for button in page.buttons:
                pressed = {button["name"]: button.get("value", "")} if "name" in button else {}
                status, _ = await world.post(page.action, {**page.values, **pressed})
                assert status == 422
            for onward in page.links:
                await world.get(onward)

    assert (await world.state(run), await world.state(held)) == before


async def test_S5_a_post_without_the_pages_form_decides_nothing(world):
    run = await world.start()
    link = await world.link(run)
    before = await world.state(run)

    bare, _ = await world.post(link, {"verdict": "approve"})
    async with world.client.post(link, json={"verdict": "approve"}) as response:
        as_json = response.status
    async with world.client.post(f"{link}?verdict=approve") as response:
        empty = response.status

    assert (bare, as_json, empty) == (403, 400, 400)
    assert await world.state(run) == before


async def test_S6_what_people_write_stays_text(world):
    evil = "<script>alert(1)</script> {{ 7919 * 7907 }} {% raw %} <!channel> \"'><img src=x onerror=alert(1)>"
    run = await world.start("release", {"version": evil})
    await world.send(await world.link(run, "bob"), verdict="approve", comment=evil)

    _, page = await world.get(await world.link(run))

    assert page.text.count(evil) == 3
    assert {"script", "img"}.isdisjoint(page.tags)
    assert "62615533" not in page.text


async def test_S6_what_was_typed_stays_text_where_it_is_shown_again(world):
    evil = "</textarea><script>alert(1)</script>\"'><img src=x>"
    run = await world.start("asks")

    _, page = await world.send(
        await world.link(run), verdict="approve", form__days="x", form__reason=evil, form__note=evil, comment=evil
    )

    assert page.values["form.reason"] == page.values["form.note"] == page.values["comment"] == [evil]
    assert {"script", "img"}.isdisjoint(page.tags)


async def test_S9_every_answer_has_the_headers_that_lock_a_page_down(world):
    run = await world.start()
    link = await world.link(run)
    await world.get(link)

    for method, path in (
        ("GET", link),
        ("GET", "/"),
        ("GET", f"/runs/{world.engine.ids.run(run)}"),
        ("GET", "/a/nothing"),
        ("GET", "/nowhere"),
        ("POST", link),
        ("PUT", link),
        ("GET", "/healthz"),
        ("GET", "/api/v1/flows"),
        ("GET", "/api/nowhere"),
    ):
        async with world.client.request(method, path) as response:
            assert {name: response.headers.get(name) for name in HEADERS} == HEADERS, (method, path)
    async with world.client.get("/static/signoff.css") as response:
        assert response.status == 200
        assert response.content_type == "text/css"
        assert response.headers["X-Content-Type-Options"] == "nosniff"


async def test_S9_a_page_has_no_script_and_nothing_inline(world):
    run = await world.start("asks")

    _, page = await world.get(await world.link(run))

    assert {"script", "style", "iframe", "object"}.isdisjoint(page.tags)
    assert "style=" not in page.html
    assert "javascript:" not in page.html


async def test_S9_the_pages_cookie_is_strict_hidden_from_scripts_and_for_that_page_only(world):
    run = await world.start()
    link = await world.link(run)

    async with world.client.get(link) as response:
        cookie = response.cookies["signoff_page"]

    assert (cookie["path"], cookie["samesite"], cookie["httponly"], cookie["secure"]) == (link, "Strict", True, "")


async def test_S9_a_form_is_worth_nothing_at_another_page(world):
    first, second = await world.start(), await world.start()
    mine, other = await world.link(first), await world.link(second)
    _, page = await world.get(mine)
    _, there = await world.get(other)
    before = await world.state(second)

    swapped, _ = await world.post(other, {**page.values, "verdict": "approve"})
    digest, _ = await world.post(other, {**there.values, "digest": page.values["digest"], "verdict": "approve"})

    assert (swapped, digest) == (403, 403)
    assert await world.state(second) == before


async def test_S9_a_form_is_worth_nothing_without_the_browser_that_was_shown_it(world):
    run = await world.start()
    link = await world.link(run)
    _, page = await world.get(link)
    world.client.session.cookie_jar.clear()
    before = await world.state(run)

    status, again = await world.post(link, {**page.values, "verdict": "approve", "comment": "planted"})

    assert status == 403
    assert "does not belong to this page" in again.text
    assert "verdict" not in again.values
    assert "planted" not in again.html
    assert await world.state(run) == before


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
    ],
)
async def test_S9_a_form_that_another_website_sends_is_refused(world, headers):
    run = await world.start()
    link = await world.link(run)
    _, page = await world.get(link)
    before = await world.state(run)

    status, _ = await world.post(link, {**page.values, "verdict": "approve"}, headers)

    assert status == 403
    assert await world.state(run) == before


@pytest.mark.parametrize("origin", ["own", "null"])
async def test_S9_the_pages_own_form_is_taken_also_where_the_browser_keeps_its_origin_to_itself(world, origin):
    run = await world.start()
    link = await world.link(run)
    _, page = await world.get(link)
    headers = {"Origin": world.public_url if origin == "own" else "null", "Sec-Fetch-Site": "same-origin"}

    status, _ = await world.post(link, {**page.values, "verdict": "approve"}, headers)

    assert status == 303


async def test_S9_two_pages_that_are_open_at_once_do_not_disturb_each_other(world):
    first, second = await world.link(await world.start()), await world.link(await world.start())
    _, one = await world.get(first)
    _, two = await world.get(second)

    assert (await world.post(first, {**one.values, "verdict": "approve"}))[0] == 303
    assert (await world.post(second, {**two.values, "verdict": "approve"}))[0] == 303


async def test_S1_every_link_that_is_not_good_gets_the_very_same_answer(world):
    run, other = await world.start(), await world.start()
    good = (await world.link(run)).removeprefix("/a/")
    foreign = (await world.link(other)).removeprefix("/a/")
    flipped = [good[:at] + ("A" if good[at] != "A" else "B") + good[at + 1 :] for at in range(len(good))]
    revoked = (await world.link(other, "bob")).removeprefix("/a/")
    await world.store.write(lambda c: c.execute("UPDATE suspensions SET generation = 2 WHERE run = ?", (other,)))
    tokens = [
        *flipped,
        good[:-1],
        good[:-4],
        good + "AAAA",
        good[:50] + foreign[50:],
        foreign[:40] + good[40:],
        revoked,
        "x",
        "é" * 84,
        world.keyring.bind(Purpose.PAGE, b"x"),
        "A" * 84,
        "a" * 2000,
    ]

    answers = set()
    for token in tokens:
        for method in ("GET", "POST"):
            async with world.client.request(method, f"/a/{token}") as response:
                headers = {key: value for key, value in response.headers.items() if key != "Date"}
                answers.add((response.status, await response.read(), tuple(sorted(headers.items()))))
    world.clock.advance("60d")
    async with world.client.get(f"/a/{good}") as response:
        headers = {key: value for key, value in response.headers.items() if key != "Date"}
        answers.add((response.status, await response.read(), tuple(sorted(headers.items()))))

    assert len(answers) == 1
    assert next(iter(answers))[0] == 404


async def test_a_runs_page_says_the_same_whether_or_not_there_is_such_a_run(world):
    there = world.engine.ids.run(await world.start())
    nowhere = world.engine.ids.run(12345)

    (one, shown), (two, other) = await world.get(f"/runs/{there}"), await world.get(f"/runs/{nowhere}")

    assert (one, two) == (200, 200)
    assert f"signoff show {there}" in shown.text
    assert shown.text.replace(there, "") == other.text.replace(nowhere, "")


async def test_a_body_of_more_than_a_mebibyte_is_413_and_nothing_is_decided(world):
    run = await world.start()
    link = await world.link(run)
    _, page = await world.get(link)

    body = urlencode({**page.values, "verdict": "approve", "comment": "x" * (1 << 20)}, doseq=True).encode()
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    async with world.client.post(link, data=io.BytesIO(body), headers=form) as response:
        status, text = response.status, await response.text()

    assert status == 413
    assert "A request may have at most 1 MiB." in text
    assert (await world.view(run)).decisions == ()


async def test_a_comment_that_is_too_long_is_said_beside_it(world):
    run = await world.start()

    status, page = await world.send(await world.link(run), verdict="approve", comment="x" * 3001)

    assert status == 422
    assert "must be at most 3000 characters long; it has 3001." in page.text


async def test_R17_a_decision_that_cannot_be_stored_is_503_and_can_be_sent_again(world):
    run = await world.start()
    link = await world.link(run)
    _, page = await world.get(link)
    await world.store._writer.raw(lambda c: c.execute("PRAGMA query_only = ON").close())

    status, answer = await world.post(link, {**page.values, "verdict": "approve", "comment": "kept"})

    assert status == 503
    assert "Nothing was recorded" in answer.text
    assert answer.values["comment"] == ["kept"]
    assert answer.values["verdict"] == ["approve"]
    await world.store._writer.raw(lambda c: c.execute("PRAGMA query_only = OFF").close())
    assert (await world.post(link, answer.values))[0] == 303
