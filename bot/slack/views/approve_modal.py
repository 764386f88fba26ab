"""What goes with a yes, as a modal: the form of an approval or a hold, the choice, the reason."""

from __future__ import annotations

from collections.abc import Mapping

from bot.slack.views import form_inputs, kit, modal, option_input, whole, words
from bot.slack.views.reason_input import reason_input
from bot.slack.views.request import is_cut
from flows.definition import Approval
from flows.ids import Ids
from flows.ports import Json
from flows.run import Decision, Kind
from flows.views import SuspensionView

APPROVE_FORM = "approve_form"
RESUME_FORM = "resume_form"


def approve_modal(
    view: SuspensionView,
    origin: modal.Origin,
    ids: Ids,
    *,
    given: Mapping[str, Json] | None = None,
    note: str | None = None,
    mine: Decision | None = None,
    page: int = 0,
) -> kit.Block:
    """The modal; its form has to be one that ``form_inputs.fits_modal``. ``given`` is what was filled in so far.

    Of several options it asks for one, unless ``origin`` says whose button was clicked. Of a request that its card cuts
    it shows the whole first: where that takes several pages, only the last one (``whole.LAST``) can be sent.
    """
    hold = view.suspension.kind is Kind.HOLD
    inputs: list[kit.Block] = []
    if view.options and origin.option is None:
        inputs.append(option_input.option_input(view.options))
    elif origin.option is not None:
        inputs.append(kit.context(f"Your choice: *{words.option(view, origin.option)}*"))
    inputs += form_inputs.inputs(view.request.form, view.suspension.defaults, given=given or {})
    wait = view.wait
    if isinstance(wait, Approval) and wait.reason == "both":
        inputs.append(reason_input(required=True, hint="It is kept with your approval, and the flow may read it."))
    word = "Resume" if hold else "Approve"
    request, last = _whole_page(view, inputs, page) if is_cut(view) else (None, True)
    return modal.form(
        view,
        origin,
        ids,
        callback_id=RESUME_FORM if hold else APPROVE_FORM,
        title=word,
        submit=word if last else None,
        inputs=inputs if last else [],
        note=note,
        mine=mine,
        request=request,
    )


def _whole_page(view: SuspensionView, inputs: list[kit.Block], page: int) -> tuple[list[kit.Block], bool]:
    """A page of the whole request, and whether it is the last one, which has the inputs."""
    pages = whole.pages(view)
    if not whole.room(pages[-1], inputs):
        pages.append(modal.asked_in_short(view))
    number = len(pages) - 1 if page == whole.LAST else max(0, min(page, len(pages) - 1))
    return [*pages[number], *whole.paging(number, len(pages))], number == len(pages) - 1
