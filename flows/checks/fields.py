"""Fields that stand side by side: the inputs of a flow, and the forms of its waits. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from pydantic import TypeAdapter, ValidationError

from flows.checks.written import Written, items
from flows.fields import Field
from flows.findings import Finding, Loc
from flows.forms import check_fields
from flows.ports import Json

_FIELD: TypeAdapter[Field] = TypeAdapter(Field)


def check_forms(written: Written) -> Iterator[Finding]:
    inputs = written.document.get("inputs")
    yield from _fields(inputs, written.flow.inputs if written.flow is not None else fitting(inputs), ("inputs",))
    for part in written.parts:
        wait = part.model.wait if part.model is not None else None
        yield from _fields(
            part.wait.get("form"), wait.form if wait is not None else None, (*part.loc, str(part.waits), "form")
        )


def fitting(listed: Json) -> list[Field]:
    """Those of the fields, as they were written, that fit their models."""
    found = []
    for each in items(listed):
        try:
            found.append(_FIELD.validate_python(each))
        except ValidationError:
            continue
    return found


def _fields(listed: Json, known: Sequence[Field] | None, loc: Loc) -> Iterator[Finding]:
    """``known`` are the same fields, where their models are valid."""
    if known is not None and len(known) == len(items(listed)):
        for finding in check_fields(known):
            yield replace(finding, loc=(*loc, *finding.loc))
        return
    # What a condition reads may be a field that is broken, so nothing can be said of conditions.
    names = [each.get("name") if isinstance(each, Mapping) else None for each in items(listed)]
    for index, name in enumerate(names):
        if isinstance(name, str) and name in names[:index]:
            yield Finding((*loc, index, "name"), f"two fields are named {name!r}", "rename one of them")
