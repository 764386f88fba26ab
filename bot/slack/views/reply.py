"""What somebody is told privately about a reply that they wrote in a card's thread.

A reply is never an answer by itself. Where it reads like one, its author gets the buttons; where it may be meant for
the requester, or is the requester's own word on a question, a button passes it on.
"""

from __future__ import annotations

from slack_sdk.models.blocks.block_elements import ButtonElement

from bot.slack.views import kit, words
from bot.slack.views.answer import ANSWER
from bot.slack.views.buttons import ASK, asks_more, decision_buttons
from bot.slack.views.card import Shown
from bot.slack.views.notes import ANSWER_QUESTION
from bot.slack.views.request import summary, title
from flows.definition import Approval
from flows.run import Kind, Verdict
from flows.views import SuspensionView
from integrations.slack.text import clip, escape

CONFIRM = "confirm_reply:"
"""The action id of what makes a decision of a reply; the verdict follows. Its value is the reference and the reply."""
ASK_THIS = "ask_this"
"""Asks the requester what the reply says; the value as above."""
THIS_ANSWERS = "this_answers"
"""Answers the open questions with the reply; the value as above."""
DISMISS = "dismiss_reply"

PASSED = 1_700
"""Characters of a reply that a button carries; Slack takes 2,000 with the reference. What is longer has to be pasted."""

_ASK = 600
_TITLE = 150
_SAID = {Verdict.APPROVE: "approve", Verdict.REJECT: "reject", Verdict.RESUME: "resume"}


def carried(reference: str, text: str) -> str:
    """A reply as a button's value."""
    return f"{reference}|{text}"


def read(value: str) -> tuple[str, str]:
    """The reference and the reply."""
    reference, _, text = value.partition("|")
    return reference, text


def counts(view: SuspensionView, verdict: Verdict) -> bool:
    """Whether the flow lets a reply count, and that verdict needs no more than the reply says."""
    wait = view.wait
    if not isinstance(wait, Approval) or wait.thread_replies != "count":
        return False
    if verdict is Verdict.REJECT:
        return wait.reason == "never" and not (view.request.form and wait.form_on == "both")
    return not view.options and not asks_more(view)


def like_a_verdict(view: SuspensionView, verdict: Verdict, text: str, reference: str) -> Shown:
    """To somebody who may decide, and wrote ``ok``: the buttons, or the question whether it is to count."""
    ask = f"\n>{clip(escape(summary(view, _ASK)), _ASK)}"
    if counts(view, verdict) and len(text) <= PASSED:
        word = _SAID[verdict]
        said = f"Shall your reply count as your answer to *{_title(view)}*? You would {word} this:{ask}"
        yes = kit.button(
            f"{CONFIRM}{verdict.value}",
            f"Yes, {word}",
            value=carried(reference, text),
            style="danger" if verdict is Verdict.REJECT else "primary",
        )
        return _shown(said, [yes, _dismiss("No, it was a remark")])
    hold = view.suspension.kind is Kind.HOLD
    said = f"A reply in a thread is no answer, so nothing was recorded. To {'resume' if hold else 'decide'}, use a button:{ask}"
    return _shown(said, [*decision_buttons(view, reference), _dismiss("Not now")])


def like_a_question(view: SuspensionView, text: str, reference: str) -> Shown:
    """To somebody who may decide, and wrote something else: it may be a question to the requester."""
    who = words.who(view.requester)
    if len(text) > PASSED:
        said = f"Is that a question to {who}? It is too long to be passed on from here; you can paste it."
        return _shown(said, [kit.button(ASK, "Ask a question", value=reference), _dismiss("No, a remark")])
    stops = isinstance(view.wait, Approval) and view.wait.questions == "stop_clock"
    clock = " The clock stops until they answer." if stops else ""
    said = f"Is that a question to {who}? They are told, and you are told what they answer.{clock}"
    buttons = [kit.button(ASK_THIS, f"Ask {view.requester.name}", value=carried(reference, text), style="primary")]
    return _shown(said, [*buttons, _dismiss("No, a remark")])


def like_an_answer(view: SuspensionView, text: str, reference: str) -> Shown:
    """To the requester, while somebody wants to know something: it may be the answer."""
    asked = [f">{words.question(view, one, 300)}" for one in view.questions if one.open]
    said = f"Is that your answer to this?\n{kit.fit(asked, 1_500)[0]}"
    if len(text) > PASSED:
        said += "\nIt is too long to be taken from here; you can paste it."
        return _shown(said, [kit.button(ANSWER_QUESTION, "Answer", value=reference), _dismiss("No")])
    buttons = [kit.button(THIS_ANSWERS, "This is my answer", value=carried(reference, text), style="primary")]
    return _shown(said, [*buttons, _dismiss("No")])


def told(sentence: str) -> Shown:
    """One sentence, in Slack's markup."""
    return Shown(sentence, [kit.section(clip(sentence, kit.SECTION))])


def _dismiss(text: str) -> ButtonElement:
    return kit.button(DISMISS, text, value=DISMISS)


def _shown(text: str, buttons: list[ButtonElement]) -> Shown:
    # In a row of answers: what a click on it is told takes its place.
    return Shown(clip(text, kit.NOTIFICATION), [kit.section(clip(text, kit.SECTION)), kit.actions(ANSWER, buttons)])


def _title(view: SuspensionView) -> str:
    return clip(words.line(title(view)), _TITLE)
