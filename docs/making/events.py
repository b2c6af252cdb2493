"""docs/reference/events.md, made from the classes of the events."""

from __future__ import annotations

import inspect
import re
from dataclasses import fields
from typing import Final

from making.words import code, table
from tidegate import events

HEAD: Final = """\
# Events

Made from `tidegate.events` by `make schema`; a test holds it current. [How to listen](../how-to/observability.md#events):
`node.events` carries all of a node's, `tide.events` those of a client (`Enqueued`). Fields may be added; match them by name.

"""


def page() -> str:
    """Return the page as Markdown."""
    kinds = [value for _, value in inspect.getmembers(events, inspect.isclass) if issubclass(value, events.Event)]
    rows = [(code(cls.__name__), _fields(cls), _meaning(cls)) for cls in kinds if cls is not events.Event]
    return HEAD + table(("event", "fields", "when"), rows)


def _fields(cls: type[events.Event]) -> str:
    return ", ".join(code(field.name) for field in fields(cls))  # type: ignore[arg-type]  # every event is a dataclass


def _meaning(cls: type[events.Event]) -> str:
    return re.sub(r"\s+", " ", inspect.getdoc(cls) or "").replace("|", "\\|")
