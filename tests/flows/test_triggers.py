"""What starts a flow besides people: what is heard, what a trigger passes on, and what is wrong with one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from flows.definition import Approval, Flow, Step
from flows.errors import InvalidForm
from flows.events import DecisionCounted, Fact, RunEnded, RunStarted, StepEnded, SuspensionClosed, SuspensionOpened
from flows.findings import Finding
from flows.ids import Ids
from flows.people import Person
from flows.run import Close, Closing, Decision, Door, Ending, Kind, Outcome, Run, StepState, Suspension, Verdict
from flows.schedule import parse_zone
from flows.trigger_checks import check_heard, check_triggers
from flows.trigger_values import (
    EVENT,
    PERSON,
    RUN,
    decided_values,
    ended_values,
    request_values,
    schedule_values,
    waiting_values,
)
from flows.triggers import Listener, StartTriggered, Triggers, compiled, heard

NOW = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
IDS = Ids(b"0123456789abcdef", "https://signoff.example.com")
GATE = Step(id="gate", approval=Approval(ask="Ship?", approvers=("ann@example.com",)))
ANN = Person(1, "Ann", email="ann@example.com", slack="T1/U1")
BOB = Person(2, "Bob", email="bob@example.com")
PEOPLE = {1: ANN, 2: BOB}


def flow(name: str = "watch", *triggers: dict[str, Any], **more: Any) -> Flow:
    return Flow(flow=name, steps=[GATE], triggers=triggers, **more)


def listeners(*on: str) -> list[Listener]:
    return [Listener(f"flow_{each}", f"{each} release", each) for each in on]  # type: ignore[arg-type]


# -- K12: what is heard ---------------------------------------------------------------------------------------


def test_k12_a_wait_is_heard_of_when_it_opens_and_when_it_is_decided():
    opened = [SuspensionOpened(1, "gate", b"", None)]
    decided = [
        DecisionCounted(1, 1, Verdict.APPROVE, 1, 1),
        SuspensionClosed(1, Close.APPROVED, (1,)),
        StepEnded("gate", StepState.SUCCEEDED),
        RunEnded(Outcome.SUCCEEDED),
    ]
    all_three = listeners("waiting", "decided", "ended")

    assert heard(opened, {1: Kind.APPROVAL}, all_three) == [
        StartTriggered("flow_waiting", "waiting release", "waiting", 1)
    ]
    assert heard(decided, {1: Kind.APPROVAL}, all_three) == [
        StartTriggered("flow_decided", "decided release", "decided", 1),
        StartTriggered("flow_ended", "ended release", "ended", 0),
    ]


def test_k12_each_wait_is_heard_of_once_and_by_each_listener():
    facts = [SuspensionOpened(4, "both.left.a", b"", None), SuspensionOpened(5, "both.right.b", b"", None)]
    two = [Listener("one", "waiting release", "waiting"), Listener("two", "waiting release", "waiting")]

    found = heard(facts, {4: Kind.APPROVAL, 5: Kind.HOLD}, two)

    assert [(one.flow, one.n) for one in found] == [("one", 4), ("two", 4), ("one", 5), ("two", 5)]


@pytest.mark.parametrize("how", [how for how in Close if how not in (Close.APPROVED, Close.REJECTED, Close.RESUMED)])
def test_k12_what_people_did_not_decide_is_no_decision(how):
    assert heard([SuspensionClosed(1, how, (1,))], {1: Kind.APPROVAL}, listeners("decided")) == []


@pytest.mark.parametrize("how", [Close.APPROVED, Close.REJECTED, Close.RESUMED])
def test_k12_an_approval_by_silence_is_no_decision_and_one_by_people_is(how):
    silent, said = SuspensionClosed(1, how), SuspensionClosed(1, how, (1,))

    assert heard([silent], {1: Kind.APPROVAL}, listeners("decided")) == []
    assert len(heard([said], {1: Kind.APPROVAL}, listeners("decided"))) == 1


def test_k12_the_pause_before_another_round_is_no_wait_and_every_other_kind_is():
    opened = [SuspensionOpened(1, "poll", b"", None)]

    told = {kind: bool(heard(opened, {1: kind}, listeners("waiting"))) for kind in Kind}

    assert [kind for kind, was_told in told.items() if not was_told] == [Kind.RERUN]


def test_nothing_else_is_heard():
    facts: list[Fact] = [RunStarted("release", b"", 1), StepEnded("gate", StepState.FAILED)]

    assert heard(facts, {}, listeners("waiting", "decided", "ended")) == []


# -- the triggers of all flows --------------------------------------------------------------------------------


def test_triggers_are_found_by_what_they_are_for():
    found = Triggers.of(
        [
            flow(
                "nightly",
                {"schedule": " 0  2 * * sun", "timezone": "Europe/Berlin"},
                {"webhook": "now"},
                {"on": "ended", "flow": "release"},
                owner="ann@example.com",
            ),
            flow("watch", {"on": "waiting", "flow": "release"}, {"on": "decided", "flow": "watch"}),
        ]
    )

    assert list(found.schedules) == [("nightly", "0 2 * * SUN Europe/Berlin")]
    assert found.schedules["nightly", "0 2 * * SUN Europe/Berlin"].zone == parse_zone("Europe/Berlin")
    assert list(found.webhooks) == [("nightly", "now")]
    assert found.listeners == {
        "release": (Listener("nightly", "ended release", "ended"), Listener("watch", "waiting release", "waiting")),
        "watch": (Listener("watch", "decided watch", "decided"),),
    }
    assert set(found.heard) == {
        ("nightly", "ended release"),
        ("watch", "waiting release"),
        ("watch", "decided watch"),
    }


def test_a_key_stays_when_what_is_passed_on_changes_and_other_triggers_come_before():
    before = flow("a", {"schedule": "0 2 * * *"}, owner="ann@example.com")
    after = flow("a", {"webhook": "x"}, {"schedule": "0 2 * * *", "if": "true"}, owner="ann@example.com")

    assert set(Triggers.of([before]).schedules) == set(Triggers.of([after]).schedules) == {("a", "0 2 * * * UTC")}


def test_two_triggers_for_the_same_have_two_keys():
    twice = flow("a", {"on": "ended", "flow": "b", "if": "true"}, {"on": "ended", "flow": "b"})

    assert [one.key for one in compiled(twice)] == ["ended b", "ended b #2"]


def test_what_a_trigger_passes_on_keeps_its_type_and_a_false_if_passes_nothing():
    (trigger,) = compiled(
        flow(
            "a",
            {
                "webhook": "x",
                "if": "request.body.n > 2",
                "inputs": {
                    "n": "{{ request.body.n }}",
                    "who": "by {{ request.headers['x-user'] }}",
                    "deep": {"a": [1]},
                },
            },
        )
    )

    values = request_values({"n": 3}, {"x-user": "ann"}, {})

    assert trigger.inputs_for(values) == {"n": 3, "who": "by ann", "deep": {"a": [1]}}
    assert trigger.inputs_for(request_values({"n": 2}, {}, {})) is None


def test_what_cannot_be_rendered_is_said_by_its_place():
    (trigger,) = compiled(
        flow("a", {"webhook": "x", "if": "request.body.n", "inputs": {"a": {"b": "{{ request.query.z }}"}}})
    )

    with pytest.raises(InvalidForm) as of_condition:
        trigger.inputs_for(request_values({}, {}, {}))
    with pytest.raises(InvalidForm) as of_inputs:
        trigger.inputs_for(request_values({"n": 1}, {}, {}))

    assert list(of_condition.value.fields) == ["if"]
    assert list(of_inputs.value.fields) == ["inputs.a.b"]


# -- what a trigger reads -------------------------------------------------------------------------------------

RELEASE = Flow(
    flow="release",
    inputs=[{"name": "version", "type": "string"}, {"name": "key", "type": "secret"}],
    steps=[GATE],
)
STARTED = Run(7, "release", 2, {"version": "1.2", "key": {"$secret": "key"}}, NOW)
OPEN = Suspension(1, "gate", Kind.APPROVAL, NOW, NOW + timedelta(days=1), ask="Ship 1.2?", show={"Tests": "green"})


def said(person: int, verdict: Verdict, place: int, comment: str | None = None, **values: Any) -> Decision:
    return Decision(1, person, verdict, NOW, Door.SLACK, place, comment, values)


def test_a_schedule_reads_the_planned_time_in_its_own_zone():
    assert schedule_values(NOW, parse_zone("Europe/Berlin")) == {"schedule": {"at": "2026-01-05T10:00:00+01:00"}}


def test_k12_what_is_read_of_a_wait():
    event = waiting_values(RELEASE, STARTED, OPEN, PEOPLE, IDS)["event"]

    assert (event["on"], event["flow"], event["step"], event["kind"]) == ("waiting", "release", "gate", "approval")
    assert (event["ask"], event["show"], event["due"]) == ("Ship 1.2?", {"Tests": "green"}, "2026-01-06T09:00:00+00:00")
    assert event["run"]["id"] == IDS.run(7)
    assert event["run"]["url"] == f"https://signoff.example.com/runs/{IDS.run(7)}"
    assert str(event["run"]["requester"]) == "Bob"
    assert (event["outcome"], event["approvers"], event["outputs"]) == (None, [], None)


def test_k12_what_is_read_of_a_decision():
    closed = OPEN.but(closing=Closing(Close.APPROVED, NOW + timedelta(hours=1), (2, 1), option="slowly"))
    decisions = [said(1, Verdict.APPROVE, 3, "fine", days=2), said(2, Verdict.APPROVE, 2, None, days=1)]

    event = decided_values(RELEASE, STARTED, closed, decisions, PEOPLE, IDS)["event"]

    assert (event["on"], event["outcome"], event["option"], event["reason"]) == (
        "decided",
        "approved",
        "slowly",
        "fine",
    )
    assert [str(one) for one in event["approvers"]] == ["Bob", "Ann"]
    assert (event["form"], event["at"]) == ({"days": 2}, "2026-01-05T10:00:00+00:00")


def test_k12_what_is_read_of_a_rejection():
    closed = OPEN.but(closing=Closing(Close.REJECTED, NOW, (1,)))
    decisions = [said(2, Verdict.APPROVE, 2), said(1, Verdict.REJECT, 3, "too early")]

    event = decided_values(RELEASE, STARTED, closed, decisions, PEOPLE, IDS)["event"]

    assert (event["outcome"], event["reason"], event["approvers"], event["form"]) == ("rejected", "too early", [], None)


def test_k12_what_is_read_of_an_end():
    closed = OPEN.but(closing=Closing(Close.APPROVED, NOW, (1,)))
    ended = STARTED.but(ending=Ending(Outcome.SUCCEEDED, NOW), outputs={"url": "https://example.com"})

    event = ended_values(RELEASE, ended, [(closed, [said(1, Verdict.APPROVE, 2)])], PEOPLE, IDS)["event"]

    assert (event["on"], event["outcome"], event["step"], event["kind"]) == ("ended", "succeeded", None, None)
    assert [str(one) for one in event["approvers"]] == ["Ann"]
    assert event["outputs"] == {"url": "https://example.com"}


def test_s9_no_secret_is_handed_to_another_flow():
    closed = OPEN.but(closing=Closing(Close.APPROVED, NOW, (1,)))
    decision = said(1, Verdict.APPROVE, 2, pin={"$secret": "1.1.pin"}, note={"a": 1})

    event = decided_values(RELEASE, STARTED, closed, [decision], PEOPLE, IDS)["event"]

    assert event["inputs"] == {"version": "1.2", "key": None}
    assert event["form"] == {"pin": None, "note": {"a": 1}}


def test_every_event_has_every_key_and_no_other():
    closed = OPEN.but(closing=Closing(Close.APPROVED, NOW, (1,)))
    ended = STARTED.but(ending=Ending(Outcome.FAILED, NOW, "gate: no"))
    events = [
        waiting_values(RELEASE, STARTED, OPEN, {}, IDS)["event"],
        decided_values(RELEASE, STARTED, closed, [said(1, Verdict.APPROVE, 2)], {}, IDS)["event"],
        ended_values(RELEASE, ended, [], {}, IDS)["event"],
    ]

    assert [set(event) for event in events] == [set(EVENT)] * 3
    assert all(set(event["run"]) == set(RUN) for event in events)
    assert all(event["run"]["requester"].expression_fields == set(PERSON) for event in events)


def test_what_is_read_of_people_prints_and_becomes_json():
    closed = OPEN.but(closing=Closing(Close.APPROVED, NOW, (1,)))
    values = decided_values(RELEASE, STARTED, closed, [said(1, Verdict.APPROVE, 2)], PEOPLE, IDS)
    (trigger,) = compiled(
        flow(
            "a",
            {
                "on": "decided",
                "flow": "release",
                "inputs": {
                    "t": "{{ event.approvers | join(', ') }}",
                    "a": "{{ event.approvers }}",
                    "r": "{{ event.run.requester.email }}",
                },
            },
        )
    )

    assert trigger.inputs_for(values) == {
        "t": "Ann",
        "a": [
            {
                "name": "Ann",
                "email": "ann@example.com",
                "slack_id": "U1",
                "on_behalf_of": None,
                "at": "2026-01-05T09:00:00+00:00",
                "door": "slack",
                "comment": None,
            }
        ],
        "r": "bob@example.com",
    }


# -- what is wrong --------------------------------------------------------------------------------------------


def findings(*triggers: dict[str, Any], owner: str | None = "ann@example.com", inputs: Any = ()) -> list[Finding]:
    document = {"flow": "watch", "steps": [], "triggers": list(triggers), "inputs": list(inputs), "owner": owner}
    fields = Flow(flow="watch", steps=[GATE], inputs=inputs).inputs
    return list(check_triggers(document, fields))


def one_finding(*triggers: dict[str, Any], **more: Any) -> Finding:
    (finding,) = findings(*triggers, **more)
    return finding


DAYS = {"name": "days", "type": "integer"}
NOTE = {"name": "note", "type": "string", "required": False}


def test_what_is_right_has_no_findings():
    assert (
        findings(
            {"schedule": "0 9 * * *", "timezone": "Europe/Berlin", "inputs": {"days": 2, "note": "{{ schedule.at }}"}},
            {"webhook": "x", "if": "request.headers['x-a'] == 'b'", "inputs": {"days": "{{ request.body.days }}"}},
            {"on": "ended", "flow": "b", "if": "event.outcome == 'failed'", "inputs": {"days": "{{ event.inputs.n }}"}},
            inputs=[DAYS, NOTE],
        )
        == []
    )


@pytest.mark.parametrize(
    ("trigger", "loc", "message", "hint"),
    [
        ({"schedule": "61 9 * * *"}, ("schedule",), "the minute '61' is not right", "0 to 59"),
        ({"schedule": "0 9 * * *", "timezone": "Berlin"}, ("timezone",), "no time zone 'Berlin'", "Europe/Berlin"),
        ({"webhook": "x", "if": "request.bdy.a"}, ("if",), "'request' has no 'bdy'", "'body'"),
        ({"webhook": "x", "if": "body.a"}, ("if",), "nothing is called 'body'", "request.body"),
        ({"webhook": "x", "if": "inputs.a"}, ("if",), "nothing is called 'inputs'", "body, headers, query"),
        ({"webhook": "x", "if": "1 +"}, ("if",), "cannot be read", None),
        ({"webhook": "x", "inputs": {"note": "{{ schedule.at }}"}}, ("inputs", "note"), "'schedule'", "request"),
        ({"schedule": "0 9 * * *", "inputs": {"note": "{{ schedule.time }}"}}, ("inputs", "note"), "'time'", "at"),
        ({"on": "ended", "flow": "b", "if": "event.outcom == 'failed'"}, ("if",), "'outcom'", "'outcome'"),
        ({"on": "ended", "flow": "b", "if": "event.run.name"}, ("if",), "'event.run' has no 'name'", "id, url"),
        ({"on": "ended", "flow": "b", "if": "event.run.requester.mail"}, ("if",), "has no 'mail'", "'email'"),
        ({"webhook": "x", "inputs": {"nite": "a"}}, ("inputs", "nite"), "no input 'nite'", "'note'"),
        ({"webhook": "x", "inputs": {"note": ["{{ request.c }}"]}}, ("inputs", "note", 0), "'c'", "body"),
    ],
)
def test_what_is_wrong_is_said_where_it_stands(trigger, loc, message, hint):
    found = [one for one in findings({"webhook": "first"}, trigger, inputs=[NOTE]) if one.loc == ("triggers", 1, *loc)]

    assert len(found) == 1
    assert message in found[0].message
    assert hint is None or hint in (found[0].hint or "")


def test_an_input_that_has_to_be_given_is_missed():
    finding = one_finding({"schedule": "0 9 * * *", "inputs": {"note": "a"}}, inputs=[DAYS, NOTE])

    assert (finding.loc, "'days'" in finding.message) == (("triggers", 0), True)


def test_a_written_value_that_its_input_does_not_take_is_found_before_the_night_it_is_for():
    finding = one_finding({"schedule": "0 9 * * *", "inputs": {"days": "many"}}, inputs=[DAYS])

    assert finding.loc == ("triggers", 0, "inputs", "days")


@pytest.mark.parametrize("trigger", [{"schedule": "0 9 * * *"}, {"webhook": "x"}])
def test_what_a_machine_starts_needs_one_person_who_owns_it(trigger):
    nobody = one_finding(trigger, owner=None)
    group = one_finding(trigger, owner="@release-managers")

    assert "in nobody's name" in nobody.message
    assert "is a group" in group.message
    assert findings({"on": "ended", "flow": "b"}, owner=None) == []


def test_two_webhooks_of_one_name_are_refused():
    finding = one_finding({"webhook": "x"}, {"webhook": "x"})

    assert (finding.loc, finding.severity) == (("triggers", 1, "webhook"), "error")


def test_a_flow_that_is_not_there_is_not_listened_to_and_oneself_is_only_with_care():
    document = {
        "flow": "watch",
        "triggers": [
            {"on": "ended", "flow": "relase"},
            {"on": "ended", "flow": "release"},
            {"on": "ended", "flow": "watch"},
            {"on": "ended", "flow": "watch", "if": "event.outcome == 'failed'"},
        ],
    }

    found = list(check_heard(document, ["watch", "release"]))

    assert [(one.loc[1], one.severity) for one in found] == [(0, "error"), (2, "warning")]
    assert found[0].hint == "did you mean 'release'?"


@pytest.mark.parametrize(
    "document", [None, [], {"triggers": 5}, {"triggers": [5, {}, {"webhook": 5, "inputs": 5, "if": 5}]}]
)
def test_a_definition_that_is_broken_elsewhere_breaks_nothing_here(document):
    list(check_triggers(document, ()))
    list(check_heard(document, []))
