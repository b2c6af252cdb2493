"""The recording rules and alerts as files; tests/integration/observe runs them in a real Prometheus."""

import re
import subprocess
from pathlib import Path

import click
import pytest
from ruamel.yaml import YAML
from tests.integration.observe.conftest import found

from tidegate.cli.program import program
from tidegate.observe.catalogue import CATALOGUE

ROOT = Path(__file__).resolve().parents[3]
OBSERVABILITY = ROOT / "observability"
RUNBOOKS = ROOT / "docs" / "runbooks"
READ = YAML(typ="safe")
RULES = [
    rule
    for file in sorted((OBSERVABILITY / "rules").glob("*.yml"))
    for group in READ.load(file)["groups"]
    for rule in group["rules"]
]
RECORDED = {rule["record"]: rule for rule in RULES if "record" in rule}
ALERTS = {rule["alert"]: rule for rule in RULES if "alert" in rule}
TESTS = sorted((OBSERVABILITY / "tests").glob("*.yml"))
CASES = [case for file in TESTS for test in READ.load(file)["tests"] for case in test["alert_rule_test"]]
LABELS = {metric.name.removesuffix("_total"): {*metric.labels, "instance", "job"} for metric in CATALOGUE}


def flat(expr):
    return " ".join(expr.split())


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.get("alert") or rule["record"])
def test_a_rule_asks_for_metrics_that_exist_by_labels_that_they_have(rule):
    expr = flat(rule["expr"])
    for name, matchers in re.findall(r"(?<!:)\b(tidegate_\w+?)(?:_total|_bucket|_sum|_count)?(?:\{([^}]*)\})?(?![\w{:])", expr):
        if not re.search(rf"\w:{name}", expr):
            assert name in LABELS, f"{name} is not in the catalogue"
            assert set(re.findall(r"(\w+)\s*[=!]", matchers)) - {"le"} <= LABELS[name], expr
    for name in re.findall(r"\b\w+:\w+:\w+\b", expr):
        assert name in RECORDED, f"{name} is not recorded"


@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_name_tells_level_metric_and_operations(name):
    level, metric, operations = name.split(":")
    assert level in {"queue", "kind"}
    assert metric.startswith("tidegate_")
    assert re.fullmatch(r"(ratio_)?rate(5m|30m|1h|6h|3d)", operations)


def test_every_recorded_series_is_asked_for():
    asked = " ".join(flat(rule["expr"]) for rule in RULES)
    shown = "".join(file.read_text("utf-8") for file in sorted((ROOT / "grafana" / "dashboards").glob("*.json")))
    assert [name for name in RECORDED if name not in asked and name not in shown] == []


@pytest.mark.parametrize("alert", ALERTS.values(), ids=ALERTS)
def test_an_alert_says_what_is_wrong_how_bad_and_where_to_read_on(alert):
    assert alert["alert"].startswith("Tidegate")
    assert alert["labels"] in ({"severity": "page"}, {"severity": "ticket"})
    annotations = alert["annotations"]
    assert set(annotations) == {"summary", "description", "runbook_url"}
    assert annotations["description"].endswith(".")
    page = annotations["runbook_url"].removeprefix("https://tidegate.example/docs/runbooks/")
    text = (RUNBOOKS / page).read_text("utf-8")
    assert alert["alert"] in text.split("\n", 1)[0], f"{page} does not name {alert['alert']} in its title"


def test_every_runbook_belongs_to_an_alert():
    known = {alert["annotations"]["runbook_url"].rsplit("/", 1)[1] for alert in ALERTS.values()}
    assert {file.name for file in RUNBOOKS.glob("*.md")} - {"README.md"} == known


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_has_a_test_in_which_it_fires_and_a_near_miss(name):
    mine = [bool(case["exp_alerts"]) for case in CASES if case["alertname"] == name]
    assert (True in mine, False in mine) == (True, True)


@pytest.mark.parametrize("file", sorted(RUNBOOKS.glob("*.md")), ids=lambda file: file.stem)
def test_a_runbook_names_commands_and_pages_that_exist(file):
    text = file.read_text("utf-8")
    for line in re.findall(r"^tidegate (.*)$", text, re.MULTILINE) + re.findall(r"`tidegate ([a-z][^`]*)`", text):
        words, command = line.split("#")[0].split(), program
        with click.Context(program) as context:
            while isinstance(command, click.Group):
                name = words.pop(0)
                command = command.get_command(context, name)
                assert command is not None, f"no command `tidegate {line}`"
            options = {each for parameter in command.params for each in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= options, f"`tidegate {line}`"
    for page in re.findall(r"\]\(([\w-]+\.md)\)", text):
        assert (RUNBOOKS / page).exists(), page
    boards = "".join(
        (ROOT / "grafana" / "dashboards" / f"{name}.json").read_text() for name in ("overview", "queue", "reliability", "database")
    )
    for board in re.findall(r"\*(Tidegate [^*]+)\*", text):
        assert f'"title": "{board}"' in boards, board


def test_promtool_accepts_rules_and_configuration():
    promtool = found("promtool")
    for what, files in (("rules", sorted((OBSERVABILITY / "rules").glob("*.yml"))), ("config", [OBSERVABILITY / "prometheus.yml"])):
        done = subprocess.run([promtool, "check", what, *files], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("file", TESTS, ids=lambda file: file.stem)
def test_the_alerts_fire_where_they_should_and_nowhere_else(file):
    done = subprocess.run([found("promtool"), "test", "rules", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_composed_prometheus_differs_from_the_other_in_addresses_only():
    def without_addresses(file):
        text = re.sub(r'targets: \["[^"]*"\].*', "targets", re.sub(r"^#.*\n", "", file.read_text("utf-8"), flags=re.MULTILINE))
        return text.strip()

    assert without_addresses(OBSERVABILITY / "compose" / "prometheus.yml") == without_addresses(OBSERVABILITY / "prometheus.yml")


def test_what_compose_mounts_is_there():
    services = READ.load(OBSERVABILITY / "compose.yml")["services"]
    mounts = [mount.split(":")[0] for service in services.values() for mount in service.get("volumes", ())]
    assert mounts
    assert [mount for mount in mounts if not (OBSERVABILITY / mount).exists()] == []
    copied = re.findall(r"^\s*COPY (.*) \S+$", services["tidegate"]["build"]["dockerfile_inline"], re.MULTILINE)
    assert [name for line in copied for name in line.split() if not (ROOT / name).exists()] == []


def test_the_collectors_pipeline_uses_what_is_configured():
    config = READ.load(OBSERVABILITY / "otel-collector.yml")
    for pipeline in config["service"]["pipelines"].values():
        for part in ("receivers", "processors", "exporters"):
            assert set(pipeline[part]) == set(config[part])
