"""How mails look: one letter for all of them, as plain text and as HTML. Pure but for reading its templates once.

The HTML is made of tables with styles in their cells, which is what Outlook understands, says its colours for light and
for dark, and asks nothing of the network. Gmail cuts mails off at 102 KB, so what is long is cut here, and said to be.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cache

import jinja2
from markupsafe import Markup, escape

SUBJECT = 150
"""Characters of a subject; longer ones are cut. Mail clients show some 70."""

# Characters, and what they may come to as HTML in bytes: an apostrophe has five of them there.
_ASK, _VALUE, _LINE, _ITEM, _BODY = 3_000, 600, 300, 300, 25_000
_WEIGHT = 3  # bytes for each of these characters, on the average
_FACTS = 36_000  # bytes of all values together
_ITEMS = 15  # requests in one letter
CUT = " … (cut; the page shows all of it)"


@dataclass(frozen=True, slots=True)
class Button:
    """The one thing to press. ``before`` stands above its address in the plain text, ``after`` below it in HTML."""

    label: str
    url: str = field(repr=False)
    before: str
    after: str = ""


@dataclass(frozen=True, slots=True)
class Item:
    """One of several requests in a letter."""

    place: str
    headline: str
    sentences: tuple[str, ...]
    button: Button
    code: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Content:
    """What a letter says, from above to below. ``preview`` is what inboxes show beside the subject.

    ``news`` is what has happened since the mails before it, ``lead`` what stands before the headline in the plain
    text, ``by`` what stands below it in HTML. ``body`` is a text of the flow's own, in place of all of these.
    """

    subject: str
    preview: str
    name: str
    place: str
    headline: str
    lead: str = ""
    by: str = ""
    news: str | None = None
    body: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    sentences: tuple[str, ...] = ()
    code: str | None = field(default=None, repr=False)
    button: Button | None = None
    items: tuple[Item, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail without its envelope."""

    subject: str
    text: str
    html: str


def letter(content: Content) -> Letter:
    """The content as a mail."""
    shown = replace(
        content,
        subject=_line(content.subject),
        preview=cut(content.preview, _LINE, end="…"),
        name=cut(content.name, _LINE, end="…"),
        place=cut(content.place, _LINE, end="…"),
        headline=cut(content.headline, _ASK),
        lead=cut(content.lead, _ASK),
        by=cut(content.by, _LINE),
        news=cut(content.news, _ASK) if content.news is not None else None,
        body=cut(content.body, _BODY),
        facts=_cut_facts(content.facts),
        sentences=tuple(cut(one, 2 * _VALUE) for one in content.sentences),
        items=tuple(_cut_item(one) for one in content.items[:_ITEMS]),
        notes=tuple(cut(one, 2 * _VALUE) for one in content.notes),
    )
    values = {"content": shown, "more": max(0, len(content.items) - _ITEMS)}
    text, html = (_templates().get_template(f"letter.{kind}").render(values) for kind in ("txt", "html"))
    return Letter(shown.subject, text, html)


def cut(text: str, most: int, *, end: str = CUT) -> str:
    """The text, at most so many characters, three bytes each as HTML on the average, and what says that it was cut."""
    if len(text) <= most and _bytes(text) <= most * _WEIGHT:
        return text
    text = text[:most]
    while _bytes(text) > most * _WEIGHT:
        # By what it is too heavy, at the weight that its letters have; at least one.
        text = text[: min(len(text) - 1, int(len(text) * most * _WEIGHT / _bytes(text)))]
    return text.rstrip() + end


def _line(subject: str) -> str:
    return subject if len(subject) <= SUBJECT else subject[: SUBJECT - 1].rstrip() + "…"


def _cut_item(item: Item) -> Item:
    return replace(
        item,
        place=cut(item.place, _ITEM, end="…"),
        headline=cut(item.headline, _ITEM),
        sentences=tuple(cut(one, _ITEM, end="…") for one in item.sentences),
    )


def _cut_facts(facts: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    shown: list[tuple[str, str]] = []
    left = _FACTS
    for label, value in facts:
        pair = cut(label, _LINE, end="…"), cut(value, _VALUE)
        left -= sum(_bytes(one) + 150 for one in pair)
        if left < 0:
            return (*shown, ("…", "There is more; the page shows all of it."))
        shown.append(pair)
    return tuple(shown)


def _bytes(text: str) -> int:
    return len(_lines(text).encode())


def _lines(text: str) -> Markup:
    """Text as HTML: with its line breaks, which Outlook leaves out where a style asks for them."""
    return Markup("<br>").join(escape(line) for line in text.split("\n"))


@cache
def _templates() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("integrations.mail", "templates"),
        autoescape=jinja2.select_autoescape(["html"]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["lines"] = _lines
    return environment
