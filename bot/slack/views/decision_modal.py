"""The modal that goes with a verdict, and what was filled in there."""

from __future__ import annotations

from collections.abc import Mapping

from bot.slack.views import form_inputs, kit, modal
from bot.slack.views.approve_modal import APPROVE_FORM, RESUME_FORM, approve_modal
from bot.slack.views.reject_modal import REJECT_REASON, reject_modal
from flows.forms import fills_in
from flows.ids import Ids
from flows.ports import Json
from flows.run import Decision, Verdict
from flows.views import SuspensionView

VERDICTS = {APPROVE_FORM: Verdict.APPROVE, RESUME_FORM: Verdict.RESUME, REJECT_REASON: Verdict.REJECT}
"""What is said by the modal with that callback id."""


def decision_modal(
    view: SuspensionView,
    origin: modal.Origin,
    ids: Ids,
    verdict: Verdict,
    *,
    given: Mapping[str, Json] | None = None,
    note: str | None = None,
    mine: Decision | None = None,
    page: int = 0,
) -> kit.Block:
    """The modal; ``given`` is what was filled in so far, ``note`` stands above it, ``mine`` is what the person has said
    before. ``page``: of a request that takes several."""
    if verdict is Verdict.REJECT:
        return reject_modal(view, origin, ids, given=given, note=note, mine=mine)
    return approve_modal(view, origin, ids, given=given, note=note, mine=mine, page=page)


def values(
    view: SuspensionView, verdict: Verdict, state: Mapping[str, Mapping[str, Json]], tz: str | None
) -> dict[str, Json]:
    """What was filled into the form, where the verdict takes one. ``state`` is ``view.state.values``."""
    takes = view.wait is not None and fills_in(view.wait, verdict)
    return form_inputs.values(view.request.form, state, tz=tz) if takes else {}
