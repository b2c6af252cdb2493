"""docs/reference/settings.md, made from the JSON Schema of queues.yaml, which is made from the model."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from making.words import code, table
from tidegate.settings.absent import EXECUTORS, QUEUE, TOP
from tidegate.settings.environment import READ_ELSEWHERE
from tidegate.settings.schema import json_schema

Schema = Mapping[str, Any]

NAME: Final = "NAME"
HEAD: Final = """\
# Settings

Made from the model by `make schema`; a test holds it current.

What holds is said, in this order, by an argument (`--database`, `Tidegate.connect(...)`, `Node(...)`), a variable of the
environment, `queues.yaml`, and the default below. `tidegate config show --origin` prints every value with the place that it comes
from, `tidegate config check` every mistake with its line. The file is `queues.yaml` in the working directory, or what `--config` or
`TIDEGATE_CONFIG` names; the modules of `jobs` are found from its folder.

- A *time* is a number of seconds or a text such as `30s`, `250ms`, `5m`, `1h30m`, `1d`.
- A *size* is a number of bytes or a text such as `64KiB`, `2GiB`, `1MB`.
- Any value may be `${VARIABLE}` or `${VARIABLE:-default}`, filled in from the environment; unset without a default is an error.
- A key that is not below is an error, with the nearest one that is. So is an unknown variable that begins with `TIDEGATE_`.
- In the variable of a queue, NAME is its name in capitals, a dash written `_`: `TIDEGATE_QUEUES__EMAIL__TIMEOUT=10`. It is for
  queues that the file declares. An empty variable counts as not set.

"""
OF_QUEUES: Final = """\
Each of these is a key of a queue, and of `defaults` for every queue that does not say it: `defaults.timeout`,
`TIDEGATE_DEFAULTS__TIMEOUT`. `@job(...)` and the options of a call say some of them for one kind or one job, and go first.

"""
LATER: Final = """\
## Promised, and refused until they exist

"""


def page() -> str:
    """Return the page as Markdown."""
    whole = json_schema()
    top = dict(whole["properties"])
    queue = next(iter(top.pop("queues")["patternProperties"].values()))
    defaults = top.pop("defaults")
    of_queue = dict(_rows(queue, whole))
    only_defaults = [(path, key) for path, key in _rows(defaults, whole) if path not in of_queue]
    parts = [
        HEAD,
        "## Of the file\n\n",
        _table(((path, key) for name, inner in top.items() for path, key in _within((name,), inner, whole)), ()),
        "\n## Of a queue: `queues.NAME`, and of all of them: `defaults`\n\n",
        OF_QUEUES,
        _table(of_queue.items(), ("queues", NAME)),
        "\n## Of `defaults` only\n\n",
        _table(only_defaults, ("defaults",)),
        "\n## Variables that are no key\n\n",
        table(("variable", "meaning"), ((code(name), meaning) for name, meaning in _variables())),
    ]
    if later := list(_later()):
        parts += ["\n", LATER, table(("key", "belongs to"), later)]
    return "".join(parts)


def _rows(schema: Schema, whole: Schema) -> Iterator[tuple[tuple[str, ...], Schema]]:
    for name, inner in _properties(schema, whole).items():
        yield from _within((name,), inner, whole)


def _within(path: tuple[str, ...], schema: Schema, whole: Schema) -> Iterator[tuple[tuple[str, ...], Schema]]:
    yield path, {**schema, "holds": _holds(schema, whole)}
    for name, inner in _properties(schema, whole).items():
        yield from _within((*path, name), inner, whole)
    for inner in schema.get("patternProperties", {}).values():
        for name, deeper in _properties(inner, whole).items():
            yield from _within((*path, NAME, name), deeper, whole)
    if isinstance(items := schema.get("items"), Mapping):
        for name, deeper in _properties(items, whole).items():
            yield from _within((*path[:-1], f"{path[-1]}[]", name), deeper, whole)


def _properties(schema: Schema, whole: Schema) -> Schema:
    """Return the keys below a schema, through references and choices."""
    if "properties" in schema:
        properties: Schema = schema["properties"]
        return properties
    for inner in _inner(schema, whole):
        if found := _properties(inner, whole):
            return found
    return {}


def _inner(schema: Schema, whole: Schema) -> list[Schema]:
    if "$ref" in schema:
        return [whole["definitions"][_referred(schema)]]
    return [*schema.get("allOf", ()), *schema.get("anyOf", ())]


def _holds(schema: Schema, whole: Schema) -> str:
    """Return in words what a key may hold."""
    if "$ref" in schema:
        name = _referred(schema)
        return name if name in ("time", "size") else _holds(whole["definitions"][name], whole)
    if "allOf" in schema:
        return f"{_holds(schema['allOf'][0], whole)}{_bounds(schema)}"
    if "anyOf" in schema:
        choices = [_holds(each, whole) for each in schema["anyOf"] if each.get("$ref") != "#/definitions/reference"]
        return " or ".join(dict.fromkeys(choices))
    if "enum" in schema:
        return ", ".join(code(str(value)) for value in schema["enum"])
    if "const" in schema:
        return code(json.dumps(schema["const"]))
    if "patternProperties" in schema:
        return "keys of your own"
    kind = schema.get("type", "anything")
    kinds = [kind] if isinstance(kind, str) else [each for each in kind if each != "null"]
    if "array" in kinds:
        return "a list" if _properties(schema.get("items", {}), whole) else "a list of names"
    return " or ".join(WORDS.get(each, each) for each in kinds) + _bounds(schema)


WORDS: Final = {
    "integer": "a whole number",
    "number": "a number",
    "string": "a text",
    "object": "keys below",
    "boolean": "`true`, `false`",
}


def _bounds(schema: Schema) -> str:
    least, above, most = (schema.get(name) for name in ("minimum", "exclusiveMinimum", "maximum"))
    if least is not None and most is not None:
        return f" from {least:,} to {most:,}"
    said = [f"at least {least:,}" if least is not None else "", f"above {above:,}" if above is not None else ""]
    said.append(f"at most {most:,}" if most is not None else "")
    return "".join(f", {each}" for each in said if each)


def _referred(schema: Schema) -> str:
    return str(schema["$ref"]).rsplit("/", 1)[-1]


def _table(rows: Any, prefix: tuple[str, ...]) -> str:
    head = ("key", "holds", "default", "variable", "meaning")
    return table(head, (_row(path, key, prefix) for path, key in rows))


def _row(path: tuple[str, ...], key: Schema, prefix: tuple[str, ...]) -> tuple[str, ...]:
    variable = "TIDEGATE_" + "__".join((*prefix, *path)).upper()
    default = code(_written(key["default"])) if "default" in key else ""
    settable = ("keys" not in key["holds"] or " or " in key["holds"]) and not any(part.endswith("[]") for part in path)
    return code(".".join(path)), key["holds"], default, code(variable) if settable else "", key.get("description", "")


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _variables() -> Iterator[tuple[str, str]]:
    yield from READ_ELSEWHERE.items()
    yield "DATABASE_URL", "the database, where `TIDEGATE_DATABASE` is not set"


def _later() -> Iterator[tuple[str, str]]:
    yield from ((code(key), what) for key, what in TOP.items())
    yield from ((code(f"queues.{NAME}.{key}"), what) for key, what in QUEUE.items())
    yield from ((code(f"queues.{NAME}.executor: {value}"), what) for value, what in EXECUTORS.items())
