"""What needs no entry of its own, and why. A module's name stands for all that is in it."""

from __future__ import annotations

_VIEWS = "bot.slack.views"

DRAWN_WITHIN: dict[str, str] = {
    f"{_VIEWS}.form_inputs": "the inputs of approve_modal, reject_modal and run_modal",
    f"{_VIEWS}.kit": "the blocks that everything else is made of",
    f"{_VIEWS}.modal.form": "what approve_modal and reject_modal are put into",
    f"{_VIEWS}.modal.asked_in_short": "the upper part of approve_modal and reject_modal",
    f"{_VIEWS}.option_input": "an input of approve_modal",
    f"{_VIEWS}.person_input": "an input of reassign_modal and delegation_modal",
    f"{_VIEWS}.question_modal.text": "reads what was written",
    f"{_VIEWS}.reassign_modal.instead_of": "reads what was chosen",
    f"{_VIEWS}.reason_input": "an input of approve_modal, reject_modal and cancel_modal",
    f"{_VIEWS}.request": "what is asked, in card, modals, lists and mails",
    f"{_VIEWS}.break_glass_modal.typed_run": "reads what was typed",
    f"{_VIEWS}.reply.carried": "the value of buttons of like_a_verdict and its kin",
    f"{_VIEWS}.requester.notification": "the text of requester and plain_request",
    f"{_VIEWS}.requester.run_buttons": "the last row of requester and plain_request",
    f"{_VIEWS}.requester.wait_buttons": "a row of requester and plain_request",
    f"{_VIEWS}.start_modal.flow": "reads what was chosen",
    f"{_VIEWS}.whole.pages": "the inside of whole_modal and approve_modal",
    f"{_VIEWS}.whole.paging": "the lower part of whole_modal and approve_modal",
    f"{_VIEWS}.words": "words that stand in everything else",
}
"""Parts of surfaces, which are drawn where they stand."""

ALWAYS_THE_SAME: dict[str, str] = {
    f"{_VIEWS}.ask_modal.asking": "it says nothing of the message",
    f"{_VIEWS}.ask_modal.loading": "it says nothing of the message",
    f"{_VIEWS}.ask_modal.plainly": "its text is an input's, which ask_modal cuts",
    f"{_VIEWS}.cancel_modal.loading": "it says nothing of the run",
    f"{_VIEWS}.delegation_modal.loading": "it says nothing of anybody",
    f"{_VIEWS}.start_modal.loading": "it says nothing of the flows",
}
"""Surfaces that take nothing anybody has written, so that there is no largest one."""
