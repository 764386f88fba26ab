"""The forms of a page as a program without eyes sees them: each with its address, its values as they stand, its buttons."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser


@dataclass
class Form:
    """One form. ``values`` are those that a browser would send if it were sent as it stands, but for the buttons'."""

    action: str
    values: dict[str, list[str]] = field(default_factory=dict)
    choices: dict[str, list[str]] = field(default_factory=dict)
    """What can be ticked or chosen, by the field's name."""
    buttons: list[dict[str, str]] = field(default_factory=list)


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._into: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {key: value or "" for key, value in attrs}
        name = given.get("name", "")
        if tag == "form":
            self.forms.append(Form(given["action"]))
        elif tag == "input" and given.get("type") in ("radio", "checkbox"):
            self.forms[-1].choices.setdefault(name, []).append(given["value"])
            if "checked" in given:
                self.forms[-1].values.setdefault(name, []).append(given["value"])
        elif tag == "input":
            self.forms[-1].values.setdefault(name, []).append(given.get("value", ""))
        elif tag == "textarea":
            self._into = name
            self.forms[-1].values[name] = [""]
        elif tag == "button":
            self.forms[-1].buttons.append(given)

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self._into = None

    def handle_data(self, data: str) -> None:
        if self._into is not None:
            self.forms[-1].values[self._into][0] += data.removeprefix("\n")


def forms_of(html: str) -> list[Form]:
    """In the order of the page."""
    parser = _Forms()
    parser.feed(html)
    parser.close()
    return parser.forms
