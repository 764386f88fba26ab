"""The OpenAPI 3.1 document of the API, made of what the endpoints declare and of the models' own schemas. Pure."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any, cast, get_args

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from bot.web import models
from bot.web.endpoint import Endpoint, Given
from bot.web.errors import Answer

Schema = dict[str, Any]

_REF = "#/components/schemas/{model}"
_PROBLEM = _REF.format(model="Problem")
_MEDIA = "application/problem+json"

_PARAMETERS: Mapping[str, tuple[str, str, str]] = {
    "flow": ("The flow's name.", r"^[a-z][a-z0-9_-]{0,63}$", "release"),
    "run": ("The run's id.", r"^run_[0-9a-z]{13}$", "run_et2v0304xnkf4"),
    "approval": ("The id of an approval, a hold or another wait.", r"^sus_[0-9a-z]{13}$", "sus_7txqp3wh2x4a5"),
    "delegation": ("The delegation's id.", r"^del_[0-9a-z]{13}$", "del_5n0kq2c8x7t4w"),
    "effect": ("The effect's id.", r"^eff_[0-9a-z]{13}$", "eff_fbfyypqyjh0ge"),
}
"""What the names in paths stand for, with an example. One that is missing here fails at the first look."""

_HEADERS: Mapping[str, Schema] = {
    "Location": {"description": "The address of the run.", "schema": {"type": "string"}},
    "Idempotent-Replayed": {
        "description": "`true` where the same Idempotency-Key started the run before.",
        "schema": {"const": "true"},
    },
    "Retry-After": {"description": "Seconds until it is worth trying again.", "schema": {"type": "string"}},
    "WWW-Authenticate": {"description": "How to authorize.", "schema": {"type": "string"}},
}
MAX_KEY = 255
_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "The same key of the same token starts a run once within 24 hours.",
    "schema": {"type": "string", "minLength": 1, "maxLength": MAX_KEY, "pattern": "^[ -~]+$"},
}


def document(endpoints: Iterable[Endpoint], *, version: str, server: str) -> Schema:
    """The document, as JSON. ``server`` is the address that the paths are below."""
    endpoints = list(endpoints)
    paths: dict[str, Schema] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Signoff",
            "version": version,
            "description": "Flows that ask people, and go on with who approved. Unknown keys in a body are refused. "
            "Instants are RFC 3339 in UTC. Errors are RFC 9457; programs tell them apart by `type`.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": server}],
        "paths": paths,
        "components": {
            "schemas": _schemas(endpoints),
            "headers": dict(_HEADERS),
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A token acts as one person, within its scopes. `signoff token create` makes one.",
                }
            },
        },
    }


def _operation(endpoint: Endpoint) -> Schema:
    operation: Schema = {
        "operationId": endpoint.name,
        "tags": [endpoint.path.split("/")[1].partition(".")[0]],
        "summary": endpoint.summary,
        "description": _description(endpoint),
        "parameters": _parameters(endpoint),
        "responses": _responses(endpoint),
        # A document says what a scheme of this type needs by naming roles: these are the token's scopes.
        "security": [] if endpoint.scope is None else [{"token": [endpoint.scope]}],
    }
    if endpoint.takes is not None:
        # Nothing stands for an empty object, so the body may be left out where no key of it is required.
        required = any(field.is_required() for field in endpoint.takes.model_fields.values())
        operation["requestBody"] = {"required": required, "content": {"application/json": _content(endpoint.takes)}}
    return operation


def _description(endpoint: Endpoint) -> str:
    scope = "Takes no token." if endpoint.scope is None else f"Takes a token with the scope `{endpoint.scope}`."
    return _plain(f"{endpoint.about} {scope}".strip())


def _parameters(endpoint: Endpoint) -> list[Schema]:
    found: list[Schema] = []
    for name in endpoint.parameters:
        about, pattern, example = _PARAMETERS[name]
        schema = {"type": "string", "pattern": pattern, "examples": [example]}
        found.append({"name": name, "in": "path", "required": True, "description": about, "schema": schema})
    if endpoint.query is not None:
        query = endpoint.query.model_json_schema()
        required = query.get("required", ())
        found += [
            {"name": name, "in": "query", "required": name in required, "schema": each}
            for name, each in query["properties"].items()
        ]
    if endpoint.keyed:
        found.append(dict(_KEY))
    return found


def _responses(endpoint: Endpoint) -> Schema:
    responses: Schema = {}
    for status, given in endpoint.gives.items():
        responses[str(status)] = {
            "description": _about(given),
            "content": {"application/json": _content(given)},
            **_headers(["Location", "Idempotent-Replayed"] if endpoint.keyed else []),
        }
    by_status: dict[int, list[Answer]] = {}
    for answer in endpoint.answers:
        by_status.setdefault(answer.status, []).append(answer)
    for status, answers in sorted(by_status.items()):
        types = {"properties": {"type": {"enum": sorted(answer.type for answer in answers)}}}
        again = ["Retry-After"] if any(answer.retry_after for answer in answers) else []
        responses[str(status)] = {
            "description": "; ".join(dict.fromkeys(answer.title for answer in answers)) + ".",
            "content": {_MEDIA: {"schema": {"allOf": [{"$ref": _PROBLEM}, types]}}},
            **_headers([*again, *(["WWW-Authenticate"] if status == 401 else [])]),
        }
    return responses


def _headers(names: list[str]) -> Schema:
    return {"headers": {name: {"$ref": f"#/components/headers/{name}"} for name in names}} if names else {}


def _content(given: Given | type[models.Request]) -> Schema:
    references = [{"$ref": _REF.format(model=model.__name__)} for model in _models(given)]
    return {"schema": references[0] if len(references) == 1 else {"anyOf": references}}


def _models(given: Given | type[models.Request]) -> tuple[type[BaseModel], ...]:
    return (given,) if isinstance(given, type) else cast("tuple[type[BaseModel], ...]", get_args(given))


def _about(given: Given) -> str:
    documented = inspect.cleandoc(_models(given)[0].__doc__ or "").split("\n\n")[0]
    return _plain(" ".join(documented.split())) or _models(given)[0].__name__


def _schemas(endpoints: Iterable[Endpoint]) -> Schema:
    wanted: dict[tuple[type[BaseModel], JsonSchemaMode], None] = {(models.Problem, "serialization"): None}
    for endpoint in endpoints:
        if endpoint.takes is not None:
            wanted[endpoint.takes, "validation"] = None
        wanted |= {(model, "serialization"): None for given in endpoint.gives.values() for model in _models(given)}
    _, schema = models_json_schema(list(wanted), ref_template=_REF)
    described: Schema = _each_described(schema["$defs"])
    return dict(sorted(described.items()))


def _each_described(schema: Any) -> Any:
    """The schema with docstrings as Markdown, which is what OpenAPI's descriptions are."""
    if isinstance(schema, dict):
        return {
            key: _plain(" ".join(value.split()))
            if key == "description" and isinstance(value, str)
            else _each_described(value)
            for key, value in schema.items()
        }
    return [_each_described(each) for each in schema] if isinstance(schema, list) else schema


def _plain(text: str) -> str:
    return text.replace("``", "`")
