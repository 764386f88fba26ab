"""What every field has and does; each type adds what it takes."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, NoReturn, Self

import pydantic
from pydantic import BaseModel, ConfigDict

from flows.fields.sentences import Unacceptable, problem, quoted
from flows.ports import Json

MASK = "••••"
"""What is shown in place of a secret."""

NOTHING = "–"
"""What is shown where there is no value."""

_NAME = re.compile(r"[a-z_][a-z0-9_]{0,63}")


class BaseField(BaseModel):
    """What every field has. ``default`` is kept in its normalised form, or as the template that makes it."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
        hide_input_in_errors=True,
    )

    masked: ClassVar[bool] = False
    """Whether values of this type are never shown."""
    cleared: ClassVar[Json] = None
    """What a person leaves who empties the field; null for types where that is the same as not given."""

    name: Annotated[str, pydantic.Field(json_schema_extra={"pattern": f"^{_NAME.pattern}$"})]
    label: Annotated[str, pydantic.Field(min_length=1, max_length=150)] | None = None
    description: Annotated[str, pydantic.Field(max_length=2_000)] | None = None
    required: bool = True
    default: Json = None

    @pydantic.field_validator("name")
    @classmethod
    def _name_is_identifier(cls, name: str) -> str:
        if not _NAME.fullmatch(name):
            raise problem(
                "name",
                "a field's name is at most 64 lower-case letters, digits and _, not beginning with a digit;"
                f" {quoted(name)} is not (what people read goes into its label)",
            )
        return name

    @property
    def title(self) -> str:
        """The label, or the name made readable: ``start_date`` is "Start date"."""
        return self.label or self.name.replace("_", " ").strip().capitalize() or self.name

    @property
    def templated(self) -> bool:
        """Whether the default is a template, which is rendered when the form opens and validated then."""
        return isinstance(self.default, str) and "{{" in self.default

    @property
    def expected(self) -> str:
        """What the field takes, as it reads after "must be"."""
        raise NotImplementedError

    @property
    def missing(self) -> str:
        """The sentence for a required field that is not given."""
        return f"is required: {self.expected}."

    def parse(self, given: object) -> Json:
        """The normalised value of what was ``given``, text or JSON. Raises ``Unacceptable``."""
        raise NotImplementedError

    def schema_of_value(self) -> dict[str, Json]:
        """JSON Schema of the normalised value."""
        raise NotImplementedError

    def readable(self, value: Json) -> str:
        """One line for people of a normalised value that is not null."""
        return " ".join(str(value).split())

    def is_blank(self, given: object) -> bool:
        """Whether ``given`` says nothing: null, blank text, or this type's own emptiness."""
        if isinstance(given, str):
            return not given or given.isspace()
        return given is None or (not given and given == self.cleared)

    def refuse(self, given: object) -> NoReturn:
        """Raise ``Unacceptable`` with what the field takes and what it got."""
        raise Unacceptable(f"must be {self.expected}, not {quoted(given)}.")

    @pydantic.model_validator(mode="after")
    def _default_fits(self) -> Self:
        if self.default is None or self.templated:
            return self
        if not self.is_blank(self.default):
            try:
                normal = self.parse(self.default)
            except Unacceptable as unacceptable:
                raise problem("default", f"the default of {self.name} {unacceptable}") from None
        elif self.required or self.cleared is None:
            raise problem("default", f"the default of {self.name} is blank; leave it out")
        else:
            normal = self.cleared
        # Past the frozen setter: one spelling of a default makes one definition, hence one content hash.
        object.__setattr__(self, "default", normal)
        return self

    def __hash__(self) -> int:
        # By hand, because defaults and schemas may hold lists and objects.
        return hash((type(self), self.name))


def check_range(what: str, low: float | None, high: float | None) -> None:
    """Raise a problem for pydantic to report if the limits of a field leave no value between them."""
    if low is not None and high is not None and low > high:
        raise problem("range", f"the smallest {what} ({low}) is larger than the largest ({high})")


def schema_limits(**limits: float | None) -> dict[str, Json]:
    """Keywords of a JSON Schema for those ``limits`` that the field has."""
    return {keyword: limit for keyword, limit in limits.items() if limit is not None}
