"""docs/runbooks/README.md, made from the alerts that the project ships."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML

from making.words import table

RULES: Final = Path(__file__).parents[2] / "observability" / "rules" / "alerts.yml"
HEAD: Final = """\
# Runbooks

What to look at and what to do when one of the alerts of `observability/rules/alerts.yml` fires, a page for each. Made from the
alerts by `make schema`. A page wakes somebody up; a ticket waits for the morning.

"""


def page() -> str:
    """Return the page as Markdown."""
    rows = [(alert["alert"], alert["labels"]["severity"], _says(alert), _leads(alert)) for alert in _alerts()]
    return HEAD + table(("alert", "is a", "says", "runbook"), rows)


def _alerts() -> Iterator[dict[str, Any]]:
    for group in YAML(typ="safe").load(RULES)["groups"]:
        yield from group["rules"]


def _says(alert: dict[str, Any]) -> str:
    """Return the summary with words in place of what is filled in."""
    summary = re.sub(r"\{\{ \$labels\.(\w+) \}\}", lambda found: found[1].upper(), alert["annotations"]["summary"])
    return re.sub(r"\{\{ \$value[^}]*\}\}", "N", summary)


def _leads(alert: dict[str, Any]) -> str:
    file = alert["annotations"]["runbook_url"].rsplit("/", 1)[1]
    return f"[{file.removesuffix('.md')}]({file})"
