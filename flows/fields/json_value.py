"""The field that takes JSON of any shape, or of the shape that its schema describes."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, ClassVar, Literal

import pydantic

from flows.fields.base import BaseField
from flows.fields.json_schema import check_schema, mismatch_of
from flows.fields.json_text import plain_json, read
from flows.fields.limits import MAX_LENGTH, weight
from flows.fields.sentences import Unacceptable
from flows.ports import Json


class JsonField(BaseField):
    """An object, a list, a number or a boolean, held against ``schema`` (JSON Schema 2020-12) where there is one.

    Text is parsed. A value that is itself a text is refused: read again, it would be parsed again.
    """

    sample: ClassVar[Json] = {"count": 1}

    type: Literal["json"] = "json"
    json_schema: Annotated[dict[str, Json] | None, pydantic.Field(alias="schema")] = None

    @pydantic.field_validator("json_schema")
    @classmethod
    def _schema_is_sound(cls, schema: dict[str, Json] | None) -> dict[str, Json] | None:
        if schema is not None:
            check_schema(schema)
        return schema

    @property
    def expected(self) -> str:
        return 'JSON, such as {"count": 1} or [1, 2]'

    def parse(self, given: object) -> Json:
        if isinstance(given, str):
            given = read(given)
        value = plain_json(given)
        if value is None or isinstance(value, str):
            self.refuse(given)
        if weight(value) > MAX_LENGTH:
            raise Unacceptable(f"must be JSON of at most {MAX_LENGTH} characters.")
        mismatch = None if self.json_schema is None else mismatch_of(self.json_schema, value)
        if mismatch is not None:
            raise Unacceptable(mismatch)
        return value

    def schema_of_value(self) -> dict[str, Json]:
        if self.json_schema is None:
            return {"type": ["object", "array", "number", "boolean"]}
        schema = {key: value for key, value in self.json_schema.items() if key != "$schema"}
        # With an id of its own the schema's "#/..." references go on meaning itself, not the document around it. Its
        # content is in the id: fields in different objects may have one name.
        content = hashlib.sha256(json.dumps(schema, sort_keys=True).encode()).hexdigest()[:16]
        return {"$id": f"urn:signoff:field:{self.name}:{content}"} | schema

    def readable(self, value: Json) -> str:
        return json.dumps(value, ensure_ascii=False)
