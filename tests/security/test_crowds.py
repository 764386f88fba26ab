"""A flow that lets its requester name the approvers does not let them name a phone book."""

from __future__ import annotations

import pytest

from flows.definition import Approval, Flow, Step
from flows.opening import MAX_HANDLES
from flows.testing import FlowTest

NAMED = Flow(
    flow="named",
    inputs=[{"name": "who", "type": "json"}],
    steps=[Step(id="gate", approval=Approval(ask="Fine?", approvers=("{{ inputs.who }}",), quorum=1))],
)


@pytest.mark.slow
@pytest.mark.parametrize(("more", "status"), [(0, "waiting"), (1, "failed")])
async def test_S8_a_wait_asks_a_thousand_people_and_no_more(more, status):
    who = [f"p{number}@x.io" for number in range(MAX_HANDLES + more)]
    async with FlowTest(NAMED, people=who) as flows:
        run = await flows.start(by="ann@example.com", inputs={"who": who})

        assert run.status == status
        assert more == 0 or "more than 1,000" in (run.steps["gate"].error or "")
