"""The form that an approval or a hold asks for, as a modal."""

from __future__ import annotations

from bot.slack.views import form_inputs, kit, modal
from flows.ids import Ids
from flows.run import Kind
from flows.views import SuspensionView

APPROVE_FORM = "approve_form"
RESUME_FORM = "resume_form"


def approve_modal(view: SuspensionView, origin: modal.Origin, ids: Ids, *, note: str | None = None) -> kit.Block:
    """The modal; its form has to be one that ``form_inputs.fits_modal``."""
    hold = view.suspension.kind is Kind.HOLD
    return modal.form(
        view,
        origin,
        ids,
        callback_id=RESUME_FORM if hold else APPROVE_FORM,
        title="Resume" if hold else "Approve",
        submit="Resume" if hold else "Approve",
        inputs=form_inputs.inputs(view.request.form, view.suspension.defaults),
        note=note,
    )
