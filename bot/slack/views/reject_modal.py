"""What goes with a rejection, as a modal: the reason, and the form where the approval wants it for both answers."""

from __future__ import annotations

from collections.abc import Mapping

from bot.slack.views import form_inputs, kit, modal
from bot.slack.views.reason_input import reason_input
from flows.definition import Approval
from flows.forms import fills_in
from flows.ids import Ids
from flows.ports import Json
from flows.run import Decision, Verdict
from flows.views import SuspensionView

REJECT_REASON = "reject_reason"


def reject_modal(
    view: SuspensionView,
    origin: modal.Origin,
    ids: Ids,
    *,
    given: Mapping[str, Json] | None = None,
    note: str | None = None,
    mine: Decision | None = None,
) -> kit.Block:
    """The modal. A reason may be left out as at every other door: unless the approval requires one."""
    wait = view.wait
    required = isinstance(wait, Approval) and wait.reason != "never"
    inputs: list[kit.Block] = []
    if wait is not None and fills_in(wait, Verdict.REJECT):
        inputs += form_inputs.inputs(view.request.form, view.suspension.defaults, given=given or {})
    inputs.append(reason_input(required=required, hint="The person who asked will read it."))
    return modal.form(
        view,
        origin,
        ids,
        callback_id=REJECT_REASON,
        title="Reject",
        submit="Reject",
        inputs=inputs,
        note=note,
        mine=mine,
    )
