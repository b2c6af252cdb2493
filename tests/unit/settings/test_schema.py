"""The JSON Schema: current, a schema, and of one mind with the loader."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from tidegate.errors import ConfigurationError
from tidegate.settings import Settings
from tidegate.settings.schema import SCHEMA_FILE, json_schema, schema_text

VALIDATOR = jsonschema.Draft7Validator(json_schema())

GOOD = {
    "empty groups": {"queues": None, "defaults": None, "jobs": None, "retention": None},
    "the promised keys": {
        "database": "embedded",
        "jobs": ["tidegate.demo.jobs"],
        "defaults": {
            "max_attempts": 3,
            "timeout": 60,
            "backoff": {"kind": "exponential", "base": 1, "factor": 2, "cap": 3600, "jitter": 0.1},
        },
        "queues": {
            "email": {"executor": "async", "consumers": {"min": 1, "max": 5}, "demand": {"max": 1}, "timeout": 30},
            "analytics": {"consumers": 3, "demand": {"max": 100}},
            "ml": None,
        },
        "retention": {"completed": "1d", "cancelled": "7d", "dead": "30d"},
        "lease": 30,
        "poll": 1,
        "snapshot": 2,
        "drain_timeout": 30,
    },
    "times in words": {"lease": "1m30s", "poll": "250ms", "queues": {"a": {"timeout": "1.5h"}}},
    "sizes in words": {"defaults": {"max_args": "64KiB", "max_result": 1024}},
    "references": {
        "database": "${DB:-embedded}",
        "lease": "${L:-30}",
        "queues": {"a": {"consumers": "${N:-3}", "executor": "${E:-async}"}},
    },
    "truth values": {"defaults": {"forensics": {"locals": True}}, "queues": {"a": {"forensics": {"locals": "${L:-false}"}}}},
    "a version": {"app_version": "1.4.2"},
    "a version as a number": {"app_version": 1.4},
    "a default queue": {"defaults": {"queue": "a"}, "queues": {"a": {}}},
    "an address": {"database": "postgresql+asyncpg://me:pw@db/shop"},
}

BAD = {
    "a list": [],
    "an unknown key": {"queus": {}},
    "an unknown key of a queue": {"queues": {"a": {"timeuot": 5}}},
    "an unknown key of a group": {"queues": {"a": {"consumers": {"most": 5}}}},
    "a queue's name": {"queues": {"1a": {}}},
    "queues as a list": {"queues": ["a"]},
    "an executor": {"defaults": {"executor": "fibre"}},
    "a later executor": {"defaults": {"executor": "ray"}},
    "a policy that there is not": {"queues": {"a": {"scaling": {"policy": "stepz"}}}},
    "a time": {"lease": "soon"},
    "a time by the clock": {"queues": {"a": {"timeout": "1:30"}}},
    "no time": {"queues": {"a": {"timeout": 0}}},
    "a negative time": {"poll": -1},
    "a size": {"defaults": {"max_args": "10k"}},
    "no attempts": {"defaults": {"max_attempts": 0}},
    "half an attempt": {"defaults": {"max_attempts": 1.5}},
    "no truth value": {"defaults": {"forensics": {"locals": "perhaps"}}},
    "a version that is none": {"app_version": ["1"]},
    "no consumers": {"queues": {"a": {"consumers": 0}}},
    "a truth value": {"defaults": {"max_attempts": True}},
    "a kind of backoff": {"defaults": {"backoff": {"kind": "random"}}},
    "a factor": {"defaults": {"backoff": {"factor": 0.5}}},
    "jobs as a text": {"jobs": "shop"},
    "a job module": {"jobs": ["shop jobs"]},
    "a database": {"database": "sqlite:///x"},
}


def loads(tree) -> bool:
    try:
        Settings.load(environ={}, **tree)
    except ConfigurationError:
        return False
    return True


def test_the_shipped_schema_is_current():
    assert SCHEMA_FILE.read_text(encoding="utf-8") == schema_text(), "run `python -m tidegate.settings.schema`"


def test_the_module_writes_the_file_without_a_word(tmp_path):
    file = tmp_path / "queues.schema.json"
    command = [sys.executable, "-W", "error", "-m", "tidegate.settings.schema", file]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr, file.read_text(encoding="utf-8")) == ("", "", schema_text())


def test_it_is_a_schema():
    jsonschema.Draft7Validator.check_schema(json_schema())
    assert json.loads(schema_text())["title"] == "queues.yaml of Tidegate"


def descriptions(schema):
    for name, key in schema.get("properties", {}).items():
        yield name, key.get("description")
    for inner in [*schema.get("definitions", {}).values(), *schema.get("anyOf", [])]:
        yield from descriptions(inner)


def test_every_key_has_a_description():
    found = list(descriptions(json_schema()))
    assert len(found) == 16 + 6 + 16 + 18 + 17 + 18 + 20 + 8 + 7 + 2 + 2 + 5 + 3 + 1 + 2 + 1
    assert [name for name, text in found if not text] == []


@pytest.mark.parametrize("tree", GOOD.values(), ids=GOOD.keys())
def test_a_right_file_passes(tree, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert list(VALIDATOR.iter_errors(tree)) == []
    (tmp_path / "queues.yaml").write_text(json.dumps(tree), encoding="utf-8")
    assert Settings.load(environ={}).path == tmp_path / "queues.yaml"


@pytest.mark.parametrize("tree", BAD.values(), ids=BAD.keys())
def test_a_wrong_file_does_not_pass(tree, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert not VALIDATOR.is_valid(tree)
    (tmp_path / "queues.yaml").write_text(json.dumps(tree), encoding="utf-8")
    with pytest.raises(ConfigurationError):
        Settings.load(environ={})


VALUES = st.sampled_from(
    [
        None,
        True,
        0,
        1,
        2,
        5,
        1.5,
        -1,
        10_000,
        10_001,
        "",
        "5s",
        "1h30m",
        "1MiB",
        "64KiB",
        "10k",
        "async",
        "thread",
        "linear",
        "embedded",
        [],
        ["a.b"],
        {},
    ]
)
QUEUES = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(
        ["executor", "demand", "timeout", "max_attempts", "backoff", "poison_after", "max_args", "max_result", "timeuot", "memory"],
        VALUES,
    ),
)
TREES = st.fixed_dictionaries(
    {},
    optional={
        "lease": VALUES,
        "jobs": VALUES,
        "database": VALUES,
        "defaults": QUEUES,
        "queues": st.dictionaries(st.sampled_from(["a", "1a"]), QUEUES),
    },
)


@given(TREES)
def test_what_loads_passes_the_schema(tmp_path_factory, tree):
    folder = tmp_path_factory.getbasetemp()
    file = folder / "tree.yaml"
    file.write_text(json.dumps(tree), encoding="utf-8")
    try:
        Settings.load(file, environ={})
    except ConfigurationError:
        return
    assert list(VALIDATOR.iter_errors(tree)) == []


def test_the_projects_own_file_passes():
    file = Path(__file__).parents[3] / "queues.yaml"
    tree = YAML(typ="safe", pure=True).load(file)
    assert list(VALIDATOR.iter_errors(tree)) == []
    assert Settings.load(file, environ={}).queue_names == tuple(tree["queues"])
