"""What every field has and does; each type adds what it takes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, ClassVar, NoReturn, Self

import pydantic
from pydantic import BaseModel, ConfigDict

from flows.expressions import Expression
from flows.fields.limits import MAX_DESCRIPTION, MAX_LABEL, MAX_TEMPLATE, MAX_WHEN
from flows.fields.sentences import Unacceptable, problem, quoted
from flows.ports import Json

MASK = "••••"
"""What is shown in place of a secret."""

NOTHING = "–"
"""What is shown where there is no value."""

_NAME = re.compile(r"[a-z_][a-z0-9_]{0,63}")


class BaseField(BaseModel):
    """What every field has. ``default`` is kept in its normalised form, or as the template that makes it.

    ``when`` is a bare expression over the values of the fields beside it. Where it is false, the field is not asked:
    its value is null, neither its default nor ``required`` counts, and an answer to it is refused.
    """

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
    """What a person leaves who empties the field; null where nothing else says so."""
    sample: ClassVar[Json] = "…"
    """Any value of this type, for an example of how it is written."""

    name: Annotated[str, pydantic.Field(json_schema_extra={"pattern": f"^{_NAME.pattern}$"})]
    label: Annotated[str, pydantic.Field(min_length=1, max_length=MAX_TEMPLATE)] | None = None
    description: Annotated[str, pydantic.Field(max_length=MAX_TEMPLATE)] | None = None
    required: bool = True
    default: Json = None
    when: Annotated[str, pydantic.Field(min_length=1, max_length=MAX_WHEN)] | None = None

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

    @pydantic.field_validator("label", "description")
    @classmethod
    def _text_is_short(cls, text: str | None, info: pydantic.ValidationInfo) -> str | None:
        limit = MAX_LABEL if info.field_name == "label" else MAX_DESCRIPTION
        if text is not None and "{{" not in text and len(text) > limit:
            raise problem("too_long", f"the {info.field_name} is longer than {limit:,} characters")
        return text

    @pydantic.field_validator("when")
    @classmethod
    def _when_compiles(cls, when: str | None) -> str | None:
        if when is not None:
            Expression.compile(when)
        return when

    @cached_property
    def condition(self) -> Expression | None:
        """``when``, compiled."""
        return None if self.when is None else Expression.compile(self.when)

    @cached_property
    def reads(self) -> frozenset[str]:
        """The names that ``when`` reads."""
        return frozenset(name[0] for name in self.condition.names) if self.condition is not None else frozenset()

    @property
    def inside(self) -> tuple[BaseField, ...]:
        """The fields of which a value of this one is made."""
        return ()

    @property
    def title(self) -> str:
        """The label, or the name made readable: ``start_date`` is "Start date"."""
        return self.label or self.named

    @property
    def named(self) -> str:
        """The name made readable."""
        return self.name.replace("_", " ").strip().capitalize() or self.name

    @property
    def templated(self) -> bool:
        """Whether the default is a template, or holds some, which are rendered when the form opens and validated then."""
        return holds_template(self.default)

    @property
    def example(self) -> Json:
        """A value as somebody might write it: the default, else any."""
        return self.sample if self.default is None or self.templated else self.default

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

    def same(self, one: Json, other: Json) -> bool:
        """Whether two normalised values mean the same to whoever has filled them in."""
        return bool(one == other)

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


def holds_template(value: Json) -> bool:
    """Whether a text in ``value``, at any depth, is to be rendered."""
    if isinstance(value, str):
        return "{{" in value
    if isinstance(value, Mapping):
        return any(map(holds_template, value.values()))
    return isinstance(value, list | tuple) and any(map(holds_template, value))


def check_range(what: str, low: float | None, high: float | None) -> None:
    """Raise a problem for pydantic to report if the limits of a field leave no value between them."""
    if low is not None and high is not None and low > high:
        raise problem("range", f"the smallest {what} ({low}) is larger than the largest ({high})")


def schema_limits(**limits: float | None) -> dict[str, Json]:
    """Keywords of a JSON Schema for those ``limits`` that the field has."""
    return {keyword: limit for keyword, limit in limits.items() if limit is not None}
