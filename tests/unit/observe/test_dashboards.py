"""The dashboards as files; tests/integration/observe executes what they ask."""

import json
import re
import shutil
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tidegate.observe.catalogue import CATALOGUE

ROOT = Path(__file__).resolve().parents[3]
GRAFANA = ROOT / "grafana"
FILES = sorted((GRAFANA / "dashboards").glob("*.json"))
DASHBOARDS = {file.stem: json.loads(file.read_text("utf-8")) for file in FILES}
PANELS = {
    f"{name}: {panel['title']}": panel for name, board in DASHBOARDS.items() for panel in board["panels"] if panel["type"] != "row"
}
EXPRESSIONS = {target["expr"] for panel in PANELS.values() for target in panel["targets"]} | {
    each["expr"] for board in DASHBOARDS.values() for each in board["annotations"]["list"]
}
RECORDED = re.findall(r"record: (\S+)", (ROOT / "observability" / "rules" / "recording.yml").read_text("utf-8"))
LABELS = {metric.name.removesuffix("_total"): {*metric.labels, "instance"} for metric in CATALOGUE} | {
    name: {"queue", "kind"} if name.startswith("kind:") else {"queue"} for name in RECORDED
}


def build(folder, *arguments):
    return subprocess.run([sys.executable, folder / "build.py", *arguments], capture_output=True, text=True, check=False)


def test_the_files_are_what_the_generator_makes():
    found = build(GRAFANA, "--check")
    assert (found.returncode, found.stderr) == (0, "")


def test_a_file_that_was_changed_by_hand_is_noticed(tmp_path):
    copy = shutil.copytree(GRAFANA, tmp_path / "grafana")
    (copy / "dashboards" / "overview.json").write_text("{}")
    found = build(copy, "--check")
    assert (found.returncode, found.stderr) == (1, "error: not current: overview.json\n\nhint: python grafana/build.py\n")


def test_every_file_comes_from_the_generator(tmp_path):
    copy = shutil.copytree(GRAFANA, tmp_path / "grafana")
    for file in (copy / "dashboards").glob("*.json"):
        file.unlink()
    assert build(copy).returncode == 0
    assert [file.name for file in sorted((copy / "dashboards").glob("*.json"))] == [file.name for file in FILES]


def test_each_dashboard_has_an_address_of_its_own_that_stays():
    names = ("overview", "queue", "reliability", "database")
    assert {name: board["uid"] for name, board in DASHBOARDS.items()} == {name: f"tidegate-{name}" for name in names}


@pytest.mark.parametrize("board", DASHBOARDS.values(), ids=DASHBOARDS)
def test_a_dashboard_can_be_imported_anywhere(board):
    assert board["id"] is None
    assert board["schemaVersion"] >= 39
    assert [each["name"] for each in board["templating"]["list"] if each["type"] == "datasource"] == ["datasource"]


@pytest.mark.parametrize("board", DASHBOARDS.values(), ids=DASHBOARDS)
def test_no_data_source_is_named_but_by_the_variable(board):
    named = re.findall(r'"uid": "([^"]*)"', json.dumps({key: value for key, value in board.items() if key != "uid"}))
    assert set(named) == {"${datasource}"}


@pytest.mark.parametrize("board", DASHBOARDS.values(), ids=DASHBOARDS)
def test_panels_have_numbers_of_their_own(board):
    numbers = [panel["id"] for panel in board["panels"]]
    assert sorted(set(numbers)) == numbers


@pytest.mark.parametrize("board", DASHBOARDS.values(), ids=DASHBOARDS)
def test_panels_fit_the_grid_and_do_not_overlap(board):
    places = [panel["gridPos"] for panel in board["panels"]]
    assert all(place["x"] + place["w"] <= 24 for place in places)
    for a, b in combinations(places, 2):
        apart = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"] or a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]
        assert apart, (a, b)


@pytest.mark.parametrize("panel", PANELS.values(), ids=PANELS)
def test_a_panel_says_what_it_shows_and_in_which_unit(panel):
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["targets"]


@pytest.mark.parametrize("expr", sorted(EXPRESSIONS))
def test_an_expression_asks_for_metrics_that_exist_by_labels_that_they_have(expr):
    asked = re.findall(r"((?:\w+:)?tidegate_\w+?(?::\w+)?)(?:_total|_bucket|_sum|_count)?(?:\{([^}]*)\})?(?![\w{:])", expr)
    assert asked or "process_" in expr or "ALERTS" in expr
    for name, matchers in asked:
        assert name in LABELS, f"{name} is not in the catalogue"
        assert set(re.findall(r"(\w+)\s*[=!]", matchers)) - {"le"} <= LABELS[name], expr


def test_every_metric_is_on_a_panel():
    shown = " ".join(EXPRESSIONS)
    assert [metric.name for metric in CATALOGUE if metric.name not in shown] == []


@pytest.mark.parametrize("file", sorted((GRAFANA / "provisioning").rglob("*.yml")), ids=lambda file: file.stem)
def test_provisioning_is_of_the_version_that_grafana_reads(file):
    assert YAML(typ="safe").load(file)["apiVersion"] == 1
