"""``/approvals run``: the flows that one may start, the modal with their inputs, and who will be asked."""

from __future__ import annotations

from typing import Any

import pytest

from flows.definition import Approval, Flow, Hold, Step
from integrations.sandbox import Human
from integrations.sandbox.message import Message

RELEASES = ({"slack": "#releases"},)
VACATION: list[dict[str, Any]] = [
    {"name": "manager", "type": "email"},
    {"name": "days", "type": "integer"},
    {"name": "span", "type": "duration"},
]


def flow(name: str, *approvers: str, inputs: list[dict[str, Any]] | None = None, **more: Any) -> Flow:
    approval = Approval(ask=f"{name}?", approvers=approvers, via=RELEASES)
    return Flow(flow=name, inputs=inputs or [], steps=[Step(id="gate", approval=approval)], **more)


@pytest.fixture
def cast(sandbox) -> list[Human]:
    return [sandbox.person(name) for name in ("ann", "bob", "cat", "dan", "eve")]


async def typed(sandbox, person: Human, text: str) -> Message:
    """The answer to ``/approvals``."""
    before = len(person.ephemerals())
    assert (await person.command("/approvals", text)).ok
    await sandbox.until(lambda: len(person.ephemerals()) > before, what=f"{person} is answered")
    return person.ephemerals()[-1]


async def runs(bot) -> int:
    return await bot.store.read(lambda c, _: c.execute("SELECT count(*) FROM runs").fetchone()[0])


def group_id(sandbox, handle: str) -> str:
    return next(group.id for group in sandbox.workspace.groups.values() if group.handle == handle)


async def test_the_modal_says_who_will_be_asked_and_sending_it_starts_the_run(sandbox, start_bot, cast):
    ann, bob, cat, *_ = cast
    release = flow("release", "bob@example.com", "@hr-leads", inputs=[{"name": "version", "type": "string"}])
    bot = await start_bot(release)

    await ann.command("/approvals", "run release", channel="releases")
    modal = await ann.gets_modal("Will be asked")

    said = f"*Will be asked:* <@{bob.id}> and <!subteam^{group_id(sandbox, 'hr-leads')}> (2 people)"
    assert said in modal.shown_text()
    assert modal.content["submit"]["text"] == "Start"
    assert await runs(bot) == 0
    await ann.submit({"version": "1.0"})
    assert ann.modal is None
    told = await ann.is_told(":rocket: Started *Release*: ")
    await bot.settled()
    assert await runs(bot) == 1
    run = bot.ids.parse_run(told.shown_text().partition("/runs/")[2].partition("|")[0])
    assert (await bot.engine.run(run, (await bot.people.by_email(ann.email)).id)).run.inputs == {"version": "1.0"}
    assert "*Version:* 1.0" in bob.message("release?").shown_text()
    assert f"Asked by <@{ann.id}>" in cat.message("release?").shown_text()


async def test_a_flow_without_inputs_is_shown_before_it_is_started(sandbox, start_bot, cast):
    ann, *_ = cast
    bot = await start_bot(flow("ping", "bob@example.com", description="Pings & *waits*"))

    await ann.command("/approvals", "run `ping`")
    modal = await ann.gets_modal("Will be asked")
    assert "Pings &amp; *waits*" in modal.shown_text()
    assert await runs(bot) == 0
    await ann.submit()

    await ann.is_told("Started *Ping*")
    assert await runs(bot) == 1


async def test_where_the_inputs_say_who_is_asked_a_second_step_tells_it_before_anything_is_started(
    sandbox, start_bot, cast
):
    ann, bob, cat, *_ = cast
    bot = await start_bot(flow("vacation", "{{ inputs.manager }}", "@hr-leads", inputs=VACATION))

    await ann.command("/approvals", "run vacation")
    modal = await ann.gets_modal("The next step says who it is.")
    assert modal.content["submit"]["text"] == "Next"
    assert f"<!subteam^{group_id(sandbox, 'hr-leads')}> (2 people)" in modal.shown_text()
    await ann.submit({"manager": "bob@example.com", "days": 3, "span": "2d"})
    await ann.gets_modal(f"*Will be asked:* <@{bob.id}> and <!subteam^")
    assert modal.content["submit"]["text"] == "Start"
    assert await runs(bot) == 0

    # Another manager is another answer to who is asked: it is said first.
    await ann.submit({"manager": "cat@example.com"})
    await ann.gets_modal(f"*Will be asked:* <@{cat.id}> and <!subteam^")
    assert await runs(bot) == 0
    await ann.submit()

    await ann.is_told("Started *Vacation*")
    await bot.settled()
    assert await runs(bot) == 1
    assert "*Manager:* cat@example.com" in cat.message("vacation?").shown_text()


async def test_K8_inputs_that_are_wrong_are_told_all_together_and_the_modal_stays_open(start_bot, cast):
    ann, *_ = cast
    inputs = [*VACATION, {"name": "code", "type": "string", "pattern": "[A-Z]+"}]
    bot = await start_bot(flow("vacation", "bob@example.com", inputs=inputs))
    await ann.command("/approvals", "run vacation")
    modal = await ann.gets_modal("Will be asked")

    await ann.submit({"manager": "bob@example.com", "days": 3, "span": "soon", "code": "x"})

    assert modal.errors == {
        "span": "must be a duration like 10s, 2d or 1h30m, not 'soon'.",
        "code": "must match the pattern [A-Z]+, not 'x'.",
    }
    assert await runs(bot) == 0
    await ann.submit({"span": "2d", "code": "X"})
    await ann.is_told("Started *Vacation*")


async def test_fields_of_a_start_come_and_go_too(start_bot, cast):
    ann, *_ = cast
    inputs = [
        {"name": "kind", "type": "select", "options": ["sick", "other"]},
        {"name": "which", "type": "string", "when": "kind == 'other'"},
    ]
    bot = await start_bot(flow("leave", "bob@example.com", inputs=inputs))
    await ann.command("/approvals", "run leave")
    modal = await ann.gets_modal("Will be asked")
    shown = [block["block_id"] for block in modal.blocks if block["type"] == "input"]

    await ann.submit({"kind": "other"})
    assert "more is asked" in modal.shown_text()
    await ann.select(modal, "value", "sick", block_id="kind")
    await bot.settled()
    after = [block["block_id"] for block in modal.blocks if block["type"] == "input"]
    await ann.select(modal, "value", "other", block_id="kind")
    await bot.settled()
    await ann.submit({"which": "a move"})

    assert (shown, after) == (["kind"], ["kind"])
    await ann.is_told("Started *Leave*")


async def test_what_cannot_be_approved_is_refused_by_name_and_the_inputs_stay(start_bot, cast):
    ann, *_ = cast
    bot = await start_bot(flow("vacation", "{{ inputs.manager }}", inputs=VACATION))
    await ann.command("/approvals", "run vacation")
    modal = await ann.gets_modal("The next step says who it is.")
    await ann.submit({"manager": "ann@example.com", "days": 3, "span": "2d"})
    await ann.gets_modal("You are named too, and do not count: it is your own request.")

    await ann.submit()

    assert "Ann Archer started it and does not count" in modal.shown_text()
    assert await runs(bot) == 0
    await ann.submit({"manager": "bob@example.com"})
    await ann.gets_modal("Will be asked")
    await ann.submit()
    await ann.is_told("Started *Vacation*")


async def test_R16_who_cannot_be_asked_is_named_before_the_start(sandbox, start_bot, cast):
    ann, bob, *_ = cast
    sandbox.add_person("zoe", sort="deactivated")
    bot = await start_bot(flow("ask", "bob@example.com", "@no-such-group"))
    await bot.people.by_slack(sandbox.workspace.id, bob.id)

    await ann.command("/approvals", "run ask")

    modal = await ann.gets_modal("Will be asked")
    assert ":warning: Cannot be asked: @no-such-group (Slack knows no such user group)" in modal.shown_text()


async def test_whoever_is_asked_later_and_nobody_are_said_too(sandbox, start_bot, cast):
    ann, *_ = cast
    held = Flow(flow="held", steps=[Step(id="gate", hold=Hold(ask="Go on?"))])
    late = Flow(
        flow="late",
        steps=[
            Step(id="find", uses="log"),
            Step(id="gate", approval=Approval(ask="Ok?", approvers=["{{ steps.find.output }}"])),
        ],
    )
    alone = Flow(flow="alone", steps=[Step(id="only", uses="log")])
    child = Flow(flow="child", steps=[Step(id="sub", flow="late")])
    await start_bot(held, late, alone, child)

    said = {}
    for name in ("held", "late", "alone", "child"):
        await ann.command("/approvals", f"run {name}")
        await ann.gets_modal(f"*{name.capitalize()}*")
        said[name] = await sandbox.until(lambda: _asked(ann))
        await ann.close()

    assert said == {
        "held": "*Will be asked:* you, to resume it",
        "late": "Who is asked turns out as it goes on.",
        "alone": "Nobody is asked: it goes on by itself.",
        "child": "Who is asked turns out as it goes on.",
    }


def _asked(person: Human) -> str | None:
    """What the modal says of who will be asked, once it says anything."""
    text = person.modal.blocks[-1]["text"]["text"] if person.modal else ""
    return None if "Looking up" in text else text


async def test_starters_are_checked_in_the_list_and_in_the_modal(sandbox, start_bot, cast):
    ann, bob, *_ = cast
    bot = await start_bot(
        flow("open", "cat@example.com"),
        flow("closed", "cat@example.com", starters=["@hr-leads"], title="For <HR>"),
    )

    anns = await typed(sandbox, ann, "run")
    bobs = await typed(sandbox, bob, "run")
    await ann.command("/approvals", "run closed")
    await ann.gets_modal("You are not one of those who may start this flow.")
    await bob.click(bobs, "start:closed")
    await bob.gets_modal("Will be asked")
    await bob.submit()

    assert ("`open`" in anns.shown_text(), "`closed`" in anns.shown_text()) == (True, False)
    assert "*For &lt;HR&gt;*  `closed`" in bobs.shown_text()
    assert bobs.buttons() == ["Start", "Start"]
    await bob.is_told("Started *For &lt;HR&gt;*")
    assert await runs(bot) == 1


async def test_who_may_start_nothing_and_who_names_what_is_not_there_are_told_so(sandbox, start_bot, cast):
    ann, bob, *_ = cast
    await start_bot(flow("release", "cat@example.com", starters=["bob@example.com"]))

    nothing = await typed(sandbox, ann, "run")
    hidden = await typed(sandbox, ann, "run relaese")
    near = await typed(sandbox, bob, "run relaese <!channel>")
    nearest = await typed(sandbox, bob, "run relaese")

    assert nothing.shown_text() == "There is no flow that you may start."
    assert hidden.shown_text() == "There is no flow `relaese`. `/approvals run` lists what there is."
    assert near.shown_text().startswith("There is no flow `relaese &lt;!channel&gt;`.")
    assert nearest.shown_text() == "There is no flow `relaese`. Did you mean `/approvals run release`?"


@pytest.mark.parametrize(
    ("field", "what"),
    [
        ({"name": "pin", "type": "secret"}, "takes secrets and files, which Slack's forms cannot keep or take: Pin."),
        ({"name": "plan", "type": "file"}, "takes secrets and files, which Slack's forms cannot keep or take: Plan."),
        ({"name": "plans", "type": "list", "of": "file"}, "which Slack's forms cannot keep or take: Plans."),
        (
            {"name": "one", "type": "select", "options": [f"o{n}" for n in range(101)]},
            "takes more than Slack's forms have room for.",
        ),
    ],
)
async def test_what_slack_cannot_ask_for_says_where_to_start_instead(start_bot, cast, field, what):
    ann, *_ = cast
    bot = await start_bot(flow("deploy", "bob@example.com", inputs=[field]))

    await ann.command("/approvals", "run deploy")

    modal = await ann.gets_modal("Nothing was started.")
    assert what in modal.shown_text()
    assert f"`signoff run deploy -i {field['name']}=…`" in modal.shown_text()
    assert modal.content.get("submit") is None
    assert await runs(bot) == 0


async def test_nested_inputs_are_taken_as_json(start_bot, cast):
    ann, *_ = cast
    inputs = [{"name": "server", "type": "object", "fields": [{"name": "port", "type": "integer"}]}]
    bot = await start_bot(flow("deploy", "bob@example.com", inputs=inputs))
    await ann.command("/approvals", "run deploy")
    modal = await ann.gets_modal("Will be asked")

    await ann.submit({"server": '{"port": "x"}'})
    assert modal.errors == {"server": "server.port: must be a whole number, not 'x'."}
    await ann.submit({"server": '{"port": 80}'})

    await ann.is_told("Started *Deploy*")
    assert await runs(bot) == 1


async def test_R3_a_start_that_is_delivered_twice_starts_one_run(sandbox, start_bot, cast):
    ann, *_ = cast
    bot = await start_bot(flow("ping", "bob@example.com"))
    await ann.command("/approvals", "run ping")
    await ann.gets_modal("Will be asked")
    sandbox.faults.twice("view_submission", times=1)

    answer = await ann.submit()
    again = await sandbox.line.redeliver()

    assert (answer.ok, answer.again.ok, again.ok) == (True, True, True)
    await bot.settled()
    assert await runs(bot) == 1


async def test_R3_a_start_whose_answer_was_lost_is_not_repeated_with_other_values(sandbox, start_bot, cast):
    ann, *_ = cast
    bot = await start_bot(flow("ping", "bob@example.com", inputs=[{"name": "n", "type": "integer"}]))
    await ann.command("/approvals", "run ping")
    modal = await ann.gets_modal("Will be asked")
    await ann.submit({"n": 1})
    ann.workspace.modals[ann.id] = [modal]  # Slack has not heard that it is done, so it still stands there

    await ann.submit({"n": 2})

    assert "This form has started a run already, with other values." in modal.shown_text()
    assert await runs(bot) == 1


async def test_S12_nothing_is_started_while_slack_cannot_say_who_it_is(sandbox, start_bot, cast):
    ann, bob, *_ = cast
    bot = await start_bot(flow("vacation", "{{ inputs.manager }}", inputs=VACATION))
    await ann.command("/approvals", "run vacation")
    modal = await ann.gets_modal("The next step says who it is.")
    bot.clock.advance("5m")
    sandbox.faults.status("users.info", 503)

    await ann.submit({"manager": "bob@example.com", "days": 3, "span": "2d"})
    assert "Slack does not answer right now." in modal.shown_text()
    sandbox.faults.clear()
    sandbox.faults.status("users.lookupByEmail", 503)
    await ann.submit()
    await bot.settled()
    assert "Slack does not answer right now." in modal.shown_text()
    assert modal.content["submit"]["text"] == "Next"
    sandbox.faults.clear()
    await ann.submit()
    await ann.gets_modal(f"*Will be asked:* <@{bob.id}>")
    await ann.submit()

    await ann.is_told("Started *Vacation*")
    assert await runs(bot) == 1


async def test_a_modal_that_slack_does_not_open_or_fill_is_answered(sandbox, start_bot, cast):
    ann, *_ = cast
    await start_bot(flow("ping", "bob@example.com"))
    sandbox.faults.error("views.open", "expired_trigger_id", times=1)

    late = await typed(sandbox, ann, "run ping")
    sandbox.faults.status("views.update", 500, times=1)
    empty = await typed(sandbox, ann, "run ping")

    for told in (late, empty):
        assert told.shown_text() == (
            "Slack did not let us open the form in time. Nothing was changed; please type it again."
        )


async def test_R17_a_start_that_cannot_be_stored_is_not_told_to_have_happened(start_bot, cast, caplog):
    ann, *_ = cast
    bot = await start_bot(flow("ping", "bob@example.com"))
    await ann.command("/approvals", "run ping")
    modal = await ann.gets_modal("Will be asked")
    await bot.store.write(
        lambda c: c.execute("CREATE TRIGGER full BEFORE INSERT ON runs BEGIN SELECT RAISE(ABORT, 'full'); END")
    )

    await ann.submit()

    assert "Something went wrong on our side; nothing was started." in modal.shown_text()
    assert await runs(bot) == 0
    await bot.store.write(lambda c: c.execute("DROP TRIGGER full"))
    await ann.submit()
    await ann.is_told("Started *Ping*")


async def test_a_flow_that_has_gone_meanwhile_is_not_started(start_bot, cast):
    ann, *_ = cast
    bot = await start_bot(flow("ping", "bob@example.com"))
    await ann.command("/approvals", "run")
    listed = await ann.is_told("What you can start")
    await ann.command("/approvals", "run ping")
    modal = await ann.gets_modal("Will be asked")
    await bot.engine.use([])

    await ann.submit()
    await ann.click(listed, "Start")

    assert "This flow is not there any more." in modal.shown_text()
    await ann.is_told("This flow is not there any more.")
    assert await runs(bot) == 0
