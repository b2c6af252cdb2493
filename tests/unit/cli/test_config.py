"""`tidegate config`, on files."""

import json

import pytest
from click.testing import CliRunner
from ruamel.yaml import YAML

from tidegate.cli.program import program

GOOD = """\
database: postgresql://app:secret@db.example/shop
jobs: [config_jobs]
queues:
  email: {timeout: 30}
  analytics: {demand: {max: 10}}
"""
JOBS = """\
from tidegate import Job, job
print("imported")

@job(queue="analytics", batch=100)
async def tally(jobs: list[Job]) -> None: ...
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(__import__("sys").modules, "config_jobs", raising=False)
    (tmp_path / "queues.yaml").write_text(GOOD)
    (tmp_path / "config_jobs.py").write_text(JOBS)
    return tmp_path


def run(*args):
    return CliRunner().invoke(program, args)


def test_a_sound_file_is_said_to_be_one_with_what_is_probably_not_meant(folder):
    ran = run("config", "check")
    assert (ran.exit_code, ran.stdout) == (0, "")
    assert "config_jobs:tally takes batches of up to 100" in ran.stderr
    assert f"{folder / 'queues.yaml'}: 2 queues, 1 kind of job: all is well" in ran.stderr


def test_what_modules_print_does_not_spoil_the_json(folder):
    told = json.loads(run("config", "check", "--json").stdout)
    assert told["ok"] is True
    assert told["kinds"] == ["config_jobs:tally"]
    assert told["queues"] == ["email", "analytics"]


def test_every_problem_is_told_with_its_place(folder):
    (folder / "queues.yaml").write_text("queues:\n  email: {timuot: 3}\n  ml: {consumers: none}\n")
    ran = run("config", "check", "--json")
    told = json.loads(ran.stdout)
    assert ran.exit_code == 2
    assert [(problem["line"], problem["key"]) for problem in told["problems"]] == [
        (2, "queues.email.timuot"),
        (3, "queues.ml.consumers"),
    ]
    assert told["ok"] is False
    assert "queues.yaml:2:11: queues.email.timuot" in ran.stderr


def test_a_module_that_does_not_import_is_a_problem_too(folder):
    (folder / "queues.yaml").write_text("jobs: [nosuch_module]\nqueues: {email: {}}\n")
    ran = run("config", "check", "--json")
    assert ran.exit_code == 2
    assert json.loads(ran.stdout)["problems"][0]["message"] == "there is no jobs module 'nosuch_module'"


def test_what_is_shown_is_yaml_that_means_the_same(folder):
    ran = run("config", "show")
    shown = YAML(typ="safe", pure=True).load(ran.stdout)
    assert ran.exit_code == 0
    assert shown["queues"]["email"]["timeout"] == 30
    assert shown["jobs"] == ["config_jobs"]
    assert shown == json.loads(run("config", "show", "--json").stdout)


def test_names_that_yaml_would_take_for_something_else_are_quoted(folder):
    (folder / "queues.yaml").write_text('queues: {"null": {}, "true": {}}\n')
    shown = YAML(typ="safe", pure=True).load(run("config", "show").stdout)
    assert list(shown["queues"]) == ["null", "true"]


def test_passwords_are_not_shown(folder):
    for args in (
        ["config", "show"],
        ["config", "show", "--origin"],
        ["config", "show", "--json"],
        ["config", "show", "--origin", "--json"],
    ):
        ran = run(*args)
        assert "secret" not in ran.output
        assert "app:***@db.example" in ran.output


def test_each_value_tells_where_it_comes_from(folder, monkeypatch):
    monkeypatch.setenv("TIDEGATE_LEASE", "20")
    told = {each["key"]: each for each in json.loads(run("config", "show", "--origin", "--json").stdout)}
    assert told["queues.email.timeout"] == {"key": "queues.email.timeout", "value": 30, "origin": "queues.yaml:4"}
    assert told["lease"]["origin"] == "environment TIDEGATE_LEASE"
    assert told["poll"]["origin"] == "default"


def test_the_database_of_the_line_beats_the_one_of_the_environment(folder, monkeypatch):
    monkeypatch.setenv("TIDEGATE_DATABASE", "postgresql://env.example/x")
    shown = json.loads(run("config", "show", "--json", "--database", "postgresql://line.example/x").stdout)
    assert shown["database"] == "postgresql://line.example/x"


def test_shared_options_may_stand_before_the_command(folder):
    shown = json.loads(run("--database", "postgresql://a.example/x", "config", "show", "--json").stdout)
    assert shown["database"] == "postgresql://a.example/x"
    nearer = run("--database", "postgresql://a.example/x", "config", "show", "--json", "--database", "postgresql://b.example/x")
    assert json.loads(nearer.stdout)["database"] == "postgresql://b.example/x"


def test_the_schema_is_one_json_value():
    assert json.loads(run("config", "schema").stdout)["title"] == "queues.yaml of Tidegate"
