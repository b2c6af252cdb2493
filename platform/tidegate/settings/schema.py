"""The JSON Schema of queues.yaml, for editors: made from the model, shipped as `queues.schema.json`, held current by a test.

`python -m tidegate.settings.schema [FILE]` writes it. The schema judges the text as it stands: what comes of `${NAME}`, and what
two keys say to each other, only `tidegate config check` knows. It is draft 7, which YAML editors follow: a `$ref` stands alone, or
inside `allOf` where something is said beside it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le
from pydantic import BaseModel, WithJsonSchema
from pydantic.fields import FieldInfo

from tidegate.settings.durations import format_duration, format_size, parse_size
from tidegate.settings.expansion import REFERENCE_PATTERN
from tidegate.settings.keys import is_group, value_type
from tidegate.settings.model import QUEUE_NAME
from tidegate.settings.root import Settings

__all__ = ["SCHEMA_FILE", "json_schema", "schema_text"]

SCHEMA_FILE: Final = Path(__file__).parent.parent / "queues.schema.json"

Schema = dict[str, Any]


def schema_text() -> str:
    """Return the schema as the text of the file."""
    return json.dumps(json_schema(), indent=2) + "\n"


def json_schema() -> Schema:
    """Return the schema of a whole queues.yaml."""
    definitions: Schema = {"reference": {"type": "string", "pattern": REFERENCE_PATTERN, "description": REFERENCE}}
    top = _keys(Settings, definitions)
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "queues.yaml of Tidegate",
        **top,
        "type": "object",
        "definitions": dict(sorted(definitions.items())),
    }


REFERENCE: Final = "A text that the environment fills in: ${NAME}, or ${NAME:-default}."


def _keys(model: type[BaseModel], definitions: Schema) -> Schema:
    properties = {name: _key(field, definitions) for name, field in model.model_fields.items()}
    return {"type": ["object", "null"], "additionalProperties": False, "properties": properties}


def _key(field: FieldInfo, definitions: Schema) -> Schema:
    schema = _type(field.annotation, field.metadata, definitions)
    if is_group(field.annotation) or value_type(field.annotation) is not None:
        return _beside(schema, {"description": field.description})
    return schema | {"description": field.description, "default": _default(field)}


def _type(annotation: Any, metadata: list[Any], definitions: Schema) -> Schema:
    if is_group(annotation):
        return _define(annotation.__name__, _group(annotation, definitions), definitions)
    if (named := value_type(annotation)) is not None:
        one = _type(named, [], definitions)
        return {"type": ["object", "null"], "additionalProperties": False, "patternProperties": {f"^{QUEUE_NAME}$": one}}
    if get_origin(annotation) is tuple and not any(isinstance(said, WithJsonSchema) for said in metadata):
        item, *_ = get_args(annotation)
        if is_group(item):
            return {"type": ["array", "null"], "items": _type(item, [], definitions)}
        return {"type": ["array", "null"], "items": _type(get_args(item)[0], list(item.__metadata__), definitions)}
    return _or_reference(_scalar(annotation, metadata, definitions))


def _group(model: type[BaseModel], definitions: Schema) -> Schema:
    keys = _keys(model, definitions)
    shorthand: Mapping[str, Any] | None = getattr(model, "shorthand", None)
    return keys if shorthand is None else {"anyOf": [dict(shorthand), {"$ref": "#/definitions/reference"}, keys]}


def _scalar(annotation: Any, metadata: list[Any], definitions: Schema) -> Schema:
    for said in metadata:
        if isinstance(said, WithJsonSchema):
            schema = dict(said.json_schema or {})
            name = schema.get("title")
            return _beside(_define(name, schema, definitions) if name else schema, _bounds(metadata))
    if get_origin(annotation) is Literal:
        return {"enum": list(get_args(annotation))}
    return {"type": TYPES[annotation]} | _bounds(metadata)


TYPES: Final[Mapping[Any, Any]] = {int: "integer", float: "number", str | None: ["string", "null"]}


def _bounds(metadata: list[Any]) -> Schema:
    bounds: Schema = {}
    for said in metadata:
        match said:
            case Gt(gt=bound):
                bounds["exclusiveMinimum"] = bound
            case Ge(ge=bound):
                bounds["minimum"] = bound
            case Le(le=bound):
                bounds["maximum"] = bound
            case _:
                pass
    return bounds


def _or_reference(schema: Schema) -> Schema:
    if schema.get("type") == ["string", "null"]:
        return schema
    return {"anyOf": [schema, {"$ref": "#/definitions/reference"}]}


def _define(name: str, schema: Schema, definitions: Schema) -> Schema:
    definitions[name] = schema
    return {"$ref": f"#/definitions/{name}"}


def _beside(schema: Schema, more: Schema) -> Schema:
    return {"allOf": [schema]} | more if "$ref" in schema and more else schema | more


def _default(field: FieldInfo) -> Any:
    """Return the default as it would be written."""
    match field.default:
        case int() as size if parse_size in (getattr(said, "func", None) for said in field.metadata):
            return format_size(size)
        case float() as seconds if seconds >= 86_400:
            return format_duration(seconds)
        case float() as value if value.is_integer():
            return int(value)
        case tuple() as values:
            return list(values)
        case value:
            return value


if __name__ == "__main__":
    Path(sys.argv[1] if sys.argv[1:] else SCHEMA_FILE).write_text(schema_text(), encoding="utf-8")
