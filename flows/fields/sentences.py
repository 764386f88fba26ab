"""How fields say what is wrong: one sentence for the person who gave a value, or for the author of a definition."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic_core import PydanticCustomError

MAX_QUOTED = 40
"""Characters that a sentence repeats of a value."""

MAX_PLACES = 20
"""Wrong parts of one value that are told at once."""


class Unacceptable(ValueError):
    """A value that its field does not take. ``str()`` is the sentence for the person, and safe to show."""

    @property
    def places(self) -> Mapping[str, str]:
        """What is wrong where, by the place within the value (``[1].host``); its own place is the empty text."""
        return {"": str(self)}


class Unfit(Unacceptable):
    """A value of which parts are not taken: every one of them."""

    def __init__(self, places: Mapping[str, str]) -> None:
        shown = dict(list(places.items())[:MAX_PLACES])
        if len(places) > MAX_PLACES:
            shown[""] = f"has {len(places) - MAX_PLACES} more values that cannot be taken."
        self._places = shown
        super().__init__(" ".join(f"{where}: {sentence}" if where else sentence for where, sentence in shown.items()))

    @property
    def places(self) -> Mapping[str, str]:
        return self._places


def problem(kind: str, text: str) -> PydanticCustomError:
    """What a validator of a definition raises; ``text`` is the whole message that pydantic reports."""
    # Custom, because pydantic puts "Value error, " before the text of a ValueError. The text goes in as
    # context: in the message itself its braces would be read as placeholders.
    return PydanticCustomError(kind, "{problem}", {"problem": text})


def quoted(given: object) -> str:
    """``given`` in at most ``MAX_QUOTED`` printable characters."""
    if isinstance(given, str):
        shown = repr(given[: MAX_QUOTED + 1])
        return shown if len(shown) <= MAX_QUOTED else f"{shown[: MAX_QUOTED - 2]}…{shown[0]}"
    if isinstance(given, bool):
        return "true" if given else "false"
    if isinstance(given, float) or (isinstance(given, int) and given.bit_length() <= 64):
        return str(given)
    names: dict[type, str] = {int: "a huge number", list: "a list", dict: "an object", type(None): "nothing"}
    return names.get(given.__class__, f"a Python {given.__class__.__name__}"[:MAX_QUOTED])


def counted(number: int, noun: str) -> str:
    """The number with its noun: "1 character", "2 characters"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
