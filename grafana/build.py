"""Makes the dashboards of grafana/dashboards: `python grafana/build.py`, or with `--check` says whether they are current.

A dashboard is data (overview.py and the others); the JSON is Grafana's classic model, which versions 10 to 13 take. Datasource,
queues, kinds and nodes are variables, nothing is bound to one installation. tests/integration/observe executes every expression.
"""  # noqa: INP001 - a script

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from database import DATABASE
from one_queue import ONE_QUEUE
from overview import OVERVIEW
from reliability import RELIABILITY
from words import Annotation, Dashboard, Panel, Query, Row, Variable

SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
COLUMNS: Final = 24
SCHEMA: Final = 39
DASHBOARDS: Final = {"overview": OVERVIEW, "queue": ONE_QUEUE, "reliability": RELIABILITY, "database": DATABASE}


def model(dashboard: Dashboard) -> dict[str, Any]:
    """Return a dashboard in Grafana's words."""
    return {
        "annotations": {"list": [_annotation(each) for each in dashboard.annotations]},
        "description": dashboard.description,
        "editable": True,
        "graphTooltip": 1,
        "id": None,
        "links": [_OTHERS],
        "panels": list(_panels(dashboard.rows)),
        "refresh": "10s",
        "schemaVersion": SCHEMA,
        "tags": ["tidegate"],
        "templating": {"list": [_datasource(), *(_variable(each) for each in dashboard.variables)]},
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "",
        "title": dashboard.title,
        "uid": dashboard.uid,
        "version": 1,
    }


def _panels(rows: tuple[Row, ...]) -> Iterator[dict[str, Any]]:
    number = y = 0
    for row in rows:
        number += 1
        yield {
            "id": number,
            "type": "row",
            "title": row.title,
            "collapsed": False,
            "gridPos": _place(0, y, COLUMNS, 1),
            "panels": [],
        }
        x, y, height = 0, y + 1, 0
        for panel in row.panels:
            if x + panel.width > COLUMNS:
                x, y, height = 0, y + height, 0
            number += 1
            yield {"id": number, "gridPos": _place(x, y, panel.width, panel.height), **_panel(panel)}
            x, height = x + panel.width, max(height, panel.height)
        y += height


def _place(x: int, y: int, width: int, height: int) -> dict[str, int]:
    return {"x": x, "y": y, "w": width, "h": height}


def _panel(panel: Panel) -> dict[str, Any]:
    thresholds = [{"color": "green", "value": None}, *({"color": colour, "value": value} for colour, value in panel.steps)]
    defaults: dict[str, Any] = {"unit": panel.unit, "thresholds": {"mode": "absolute", "steps": thresholds}}
    if panel.most is not None:
        defaults["max"] = panel.most
    if panel.links:
        defaults["links"] = [{"title": link.title, "url": link.url} for link in panel.links]
    if panel.values:
        shown = {f"{each.value:g}": {"text": each.text, "color": each.colour, "index": at} for at, each in enumerate(panel.values)}
        defaults["mappings"] = [{"type": "value", "options": shown}]
    options: dict[str, Any]
    match panel.type:
        case "timeseries":
            stacking = {"mode": "normal" if panel.stacked else "none", "group": "A"}
            defaults |= {"min": 0, "color": {"mode": "palette-classic"}}
            defaults["custom"] = {
                "drawStyle": "line",
                "fillOpacity": 25 if panel.stacked else 8,
                "showPoints": "never",
                "stacking": stacking,
                "thresholdsStyle": {"mode": "line" if panel.steps else "off"},
            }
            options = {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi", "sort": "desc"}}
        case "stat":
            defaults["color"] = {"mode": "thresholds"}
            options = {
                "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
                "colorMode": "value",
                "graphMode": "area",
            }
        case "state-timeline":
            defaults["color"] = {"mode": "thresholds"}
            options = {"mergeValues": True, "showValue": "auto", "rowHeight": 0.8, "legend": {"showLegend": False}}
        case "heatmap":
            options = {
                "calculate": False,
                "yAxis": {"unit": panel.unit},
                "color": {"mode": "scheme", "scheme": "Blues", "steps": 64},
            }
    return {
        "type": panel.type,
        "title": panel.title,
        "description": panel.description,
        "datasource": SOURCE,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": options,
        "targets": [_target(panel, letter, query) for letter, query in zip("ABCDEFGH", panel.queries, strict=False)],
    }


def _target(panel: Panel, letter: str, query: Query) -> dict[str, Any]:
    form = "heatmap" if panel.type == "heatmap" else "time_series"
    return {
        "refId": letter,
        "datasource": SOURCE,
        "expr": query.expr,
        "legendFormat": query.legend or "__auto",
        "format": form,
        "range": True,
        "exemplar": query.exemplars,
    }


_OTHERS: Final = {
    "title": "Tidegate",
    "type": "dashboards",
    "tags": ["tidegate"],
    "asDropdown": False,
    "includeVars": True,
    "keepTime": True,
}


def _annotation(annotation: Annotation) -> dict[str, Any]:
    return {
        "name": annotation.name,
        "datasource": SOURCE,
        "enable": True,
        "iconColor": annotation.colour,
        "expr": annotation.expr,
        "titleFormat": annotation.title,
        "step": "60s",
    }


def _datasource() -> dict[str, Any]:
    return {
        "name": "datasource",
        "label": "Data source",
        "type": "datasource",
        "query": "prometheus",
        "hide": 0,
        "refresh": 1,
        "current": {},
    }


def _variable(variable: Variable) -> dict[str, Any]:
    return {
        "name": variable.name,
        "label": variable.label,
        "type": "query",
        "datasource": SOURCE,
        "definition": variable.query,
        "query": {"query": variable.query, "refId": f"{variable.name}-values"},
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": ["All"], "value": ["$__all"]},
    }


def main(arguments: list[str]) -> int:
    """Write the dashboards, or with --check only compare; return the exit code."""
    folder = Path(__file__).resolve().parent / "dashboards"
    stale = []
    for name, dashboard in DASHBOARDS.items():
        file, text = folder / f"{name}.json", json.dumps(model(dashboard), indent=2, ensure_ascii=False) + "\n"
        if "--check" not in arguments:
            file.write_text(text, encoding="utf-8")
        elif not file.exists() or file.read_text(encoding="utf-8") != text:
            stale.append(file.name)
    if stale:
        sys.stderr.write(f"error: not current: {', '.join(stale)}\n\nhint: python grafana/build.py\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
