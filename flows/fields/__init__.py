"""Typed fields: what a flow takes (``inputs:``) and what an approver answers (``form:``).

A field says what it takes as text or JSON, makes one normalised JSON value of it, and says in one sentence why
it does not take another. ``flows.forms`` holds many fields against many values.

Nothing here can be made to run for ever by a value: patterns are matched in linear time by the Rust engine
that pydantic ships, lengths are bounded before anything is parsed, and a schema never reaches the network.
"""

from __future__ import annotations

from typing import Annotated

import pydantic

from flows.fields.base import MASK, NOTHING, BaseField
from flows.fields.choices import BooleanField, MultiselectField, Option, SelectField
from flows.fields.file import FileField
from flows.fields.json_value import JsonField
from flows.fields.limits import MAX_FIELDS, MAX_FILE, MAX_LENGTH, MAX_OPTIONS, MAX_TEXT, MAX_VALUES
from flows.fields.moments import DateField, DatetimeField, DurationField, TimeField
from flows.fields.nested import ListField, ObjectField
from flows.fields.numbers import IntegerField, NumberField
from flows.fields.sentences import Unacceptable
from flows.fields.text import EmailField, SecretField, StringField, UriField, UrlField

__all__ = [
    "MASK",
    "MAX_FIELDS",
    "MAX_FILE",
    "MAX_LENGTH",
    "MAX_OPTIONS",
    "MAX_TEXT",
    "MAX_VALUES",
    "NOTHING",
    "BaseField",
    "BooleanField",
    "DateField",
    "DatetimeField",
    "DurationField",
    "EmailField",
    "Field",
    "FileField",
    "IntegerField",
    "JsonField",
    "ListField",
    "MultiselectField",
    "NumberField",
    "ObjectField",
    "Option",
    "SecretField",
    "SelectField",
    "StringField",
    "TimeField",
    "Unacceptable",
    "UriField",
    "UrlField",
]

Field = Annotated[
    StringField
    | IntegerField
    | NumberField
    | BooleanField
    | DateField
    | TimeField
    | DatetimeField
    | DurationField
    | SelectField
    | MultiselectField
    | EmailField
    | UrlField
    | UriField
    | JsonField
    | ObjectField
    | ListField
    | FileField
    | SecretField,
    pydantic.Field(discriminator="type"),
]
"""Any field, told apart by its ``type``."""

for _nested in (ObjectField, ListField):
    # They hold fields of any type, their own among them, so they are complete only now.
    _nested.model_rebuild(_types_namespace={"Field": Field})
