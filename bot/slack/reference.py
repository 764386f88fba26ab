"""What a button carries: which suspension it is for, and the digest of what was shown with it. No rights, no amounts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from flows.errors import UnknownSuspension
from flows.ids import Ids
from flows.views import SuspensionView

_DIGEST = 32  # bytes


@dataclass(frozen=True, slots=True)
class Reference:
    """One suspension, and the view of it that somebody had. Written ``sus_...:<digest in hex>``."""

    run: int
    n: int
    digest: bytes

    @classmethod
    def to(cls, view: SuspensionView) -> Self:
        """What the buttons of this view carry."""
        return cls(view.run.id, view.suspension.n, view.suspension.digest)

    def text(self, ids: Ids) -> str:
        """For a button's ``value``; at most 100 characters."""
        return f"{ids.suspension(self.run, self.n)}:{self.digest.hex()}"

    @classmethod
    def parse(cls, text: str, ids: Ids) -> Self | None:
        """What ``text`` wrote, or None where this is none of ours."""
        name, _, digest = text.partition(":")
        found = ids.parse_suspension(name)
        try:
            shown = bytes.fromhex(digest)
        except ValueError:
            return None
        return cls(*found, shown) if found is not None and len(shown) == _DIGEST else None


def known(reference: Reference | None) -> Reference:
    """The reference itself. Raises ``UnknownSuspension`` where what was read is none of ours."""
    if reference is None:
        raise UnknownSuspension("There is no such approval.")
    return reference
