"""What is printed for variables of the environment, and for arguments, that cannot hold."""

from __future__ import annotations

import pytest

from tidegate.errors import ConfigurationError
from tidegate.settings import InvalidSettings, Settings

TIME = "expected a time such as 30, 30s, 1.5s, 250ms, 5m, 2h, 1d or 1h30m; got"

FILE = "queues:\n  email: {}\n  big-data: {}\n  web_hooks: {}\n"

# fmt: off
CASES = {
    "unknown, near": ("TIDEGATE_DATABSE", "embedded", "unknown variable; did you mean TIDEGATE_DATABASE?"),
    "unknown, far": ("TIDEGATE_XYZZYPLUGH", "1", "unknown variable"),
    "unknown and empty": ("TIDEGATE_LAESE", "", "unknown variable; did you mean TIDEGATE_LEASE?"),
    "near one that others read": ("TIDEGATE_CONFG", "x", "unknown variable; did you mean TIDEGATE_CONFIG?"),
    "unknown in small letters": ("tidegate_databse", "embedded", "unknown variable; did you mean TIDEGATE_DATABASE?"),
    "an undeclared queue, near": ("TIDEGATE_QUEUES__EMIAL__TIMEOUT", "5", "sets a queue that is not declared; did you mean TIDEGATE_QUEUES__EMAIL__TIMEOUT?"),
    "an undeclared queue, far": ("TIDEGATE_QUEUES__Z__Q", "5", "sets a queue that is not declared; declared are email, big-data and web_hooks"),
    "an unknown key of a queue": ("TIDEGATE_QUEUES__EMAIL__TIMEUOT", "5", "unknown variable; did you mean TIDEGATE_QUEUES__EMAIL__TIMEOUT?"),
    "an unknown key of defaults": ("TIDEGATE_DEFAULTS__TIMEUOT", "5", "unknown variable; did you mean TIDEGATE_DEFAULTS__TIMEOUT?"),
    "a single underscore": ("TIDEGATE_RETENTION_DEAD", "5", "unknown variable; did you mean TIDEGATE_RETENTION__DEAD?"),
    "a group": ("TIDEGATE_RETENTION", "5", "retention is a group of keys; set them one by one, such as TIDEGATE_RETENTION__COMPLETED"),
    "defaults as a whole": ("TIDEGATE_DEFAULTS", "{}", "defaults is a group of keys; set them one by one, such as TIDEGATE_DEFAULTS__EXECUTOR"),
    "a queue as a whole": ("TIDEGATE_QUEUES__EMAIL", "{}", "queues.email is a group of keys; set them one by one, such as TIDEGATE_QUEUES__EMAIL__EXECUTOR"),
    "all queues": ("TIDEGATE_QUEUES", "{}", "queues is a group of keys; set them one by one, such as TIDEGATE_QUEUES__EMAIL__EXECUTOR"),
    "a time": ("TIDEGATE_QUEUES__EMAIL__TIMEOUT", "soon", f'queues.email.timeout: {TIME} "soon"'),
    "a queue with a dash": ("TIDEGATE_QUEUES__BIG_DATA__TIMEOUT", "soon", f'queues.big-data.timeout: {TIME} "soon"'),
    "a queue with an underscore": ("TIDEGATE_QUEUES__WEB_HOOKS__TIMEOUT", "soon", f'queues.web_hooks.timeout: {TIME} "soon"'),
    "a whole number": ("TIDEGATE_DEFAULTS__MAX_ATTEMPTS", "3.5", 'defaults.max_attempts: expected a whole number, got "3.5"'),
    "consumers": ("TIDEGATE_QUEUES__EMAIL__CONSUMERS", "many", 'queues.email.consumers: expected a number or a mapping such as {min: 1, max: 5}, got "many"'),
    "consumers above the built-in max": ("TIDEGATE_QUEUES__EMAIL__CONSUMERS__MIN", "11", "queues.email.consumers: min 11 is above max 10; say both, for one of them is inherited"),
    "an executor": ("TIDEGATE_DEFAULTS__EXECUTOR", "thred", 'defaults.executor: unknown executor "thred"; did you mean thread?'),
    "a later executor": ("TIDEGATE_DEFAULTS__EXECUTOR", "ray", "defaults.executor: ray does not exist in this version (Ray as an executor); choose async, thread or process"),
    "alerts that are no list": ("TIDEGATE_NOTIFICATIONS", "ops", 'notifications[0]: expected a mapping such as {on: dead_letter, webhook: "${ALERT_URL:-}"}, got "ops"'),
    "a circuit that is not declared": ("TIDEGATE_CIRCUITS__SMTP__FAILURE_RATE", "30", "sets a circuit that is not declared; no circuit is declared"),
    "a circuit by a number": ("TIDEGATE_QUEUES__EMAIL__CIRCUIT", "5", 'queues.email.circuit.name: a circuit\'s name has 1 to 63 letters, digits, - and _, and begins with a letter; got "5"'),
    "a circuit above 100%": ("TIDEGATE_DEFAULTS__CIRCUIT__FAILURE_RATE", "101", 'defaults.circuit.failure_rate: must be at most 100, got "101"'),
    "a module": ("TIDEGATE_JOBS", "shop.jobs, shop-jobs", 'jobs[1]: expected the dotted name of a module such as myshop.jobs, got "shop-jobs"'),
    "a database": ("TIDEGATE_DATABASE", "sqlite:///x", "database: Tidegate works on PostgreSQL only; got a sqlite:// address"),
    "another's database": ("DATABASE_URL", "mysql://root:secret@db/x", "database: Tidegate works on PostgreSQL only; got a mysql:// address"),
    "the default queue": ("TIDEGATE_DEFAULTS__QUEUE", "emial", "defaults.queue: no queue named emial; did you mean email?"),
}
# fmt: on


@pytest.mark.parametrize(("name", "value", "sentence"), CASES.values(), ids=CASES.keys())
def test_a_wrong_variable_is_told_by_its_name(name, value, sentence, tmp_path):
    file = tmp_path / "queues.yaml"
    file.write_text(FILE, encoding="utf-8")
    with pytest.raises(InvalidSettings) as caught:
        Settings.load(file, environ={name: value})
    assert str(caught.value) == f"environment {name}: {sentence}"


def test_two_queues_with_one_variable_are_fine_until_it_is_set(tmp_path):
    file = tmp_path / "queues.yaml"
    file.write_text("queues: {my-q: {}, my_q: {}}\n", encoding="utf-8")
    assert Settings.load(file, environ={}).queue_names == ("my-q", "my_q")
    with pytest.raises(InvalidSettings) as caught:
        Settings.load(file, environ={"TIDEGATE_QUEUES__MY_Q__TIMEOUT": "5"})
    assert str(caught.value) == (
        "environment TIDEGATE_QUEUES__MY_Q__TIMEOUT: could mean queues.my-q.timeout or queues.my_q.timeout; rename one of the queues"
    )


def test_a_wrong_number_of_consumers_is_told_even_where_its_max_is_set_as_well(tmp_path):
    file = tmp_path / "queues.yaml"
    file.write_text(FILE, encoding="utf-8")
    environ = {"TIDEGATE_QUEUES__EMAIL__CONSUMERS": "many", "TIDEGATE_QUEUES__EMAIL__CONSUMERS__MAX": "5"}
    with pytest.raises(InvalidSettings, match=r'queues\.email\.consumers: expected a number or a mapping .*, got "many"'):
        Settings.load(file, environ=environ)


def test_a_queues_variable_without_any_queue_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidSettings) as caught:
        Settings.load(environ={"TIDEGATE_QUEUES__EMAIL__TIMEOUT": "5"})
    assert (
        str(caught.value) == "environment TIDEGATE_QUEUES__EMAIL__TIMEOUT: sets a queue that is not declared; no queue is declared"
    )


def test_a_file_named_by_the_environment_must_exist(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError) as caught:
        Settings.load(environ={"TIDEGATE_CONFIG": "shop.yaml"})
    assert str(caught.value) == "environment TIDEGATE_CONFIG: shop.yaml: there is no such file"


ARGUMENTS = {
    "an unknown one": ({"databse": "embedded"}, "databse: unknown key; did you mean database?"),
    "a time": ({"drain_timeout": "soon"}, f'drain_timeout: {TIME} "soon"'),
    "a nested one": ({"queues": {"email": {"timeout": []}}}, f"queues.email.timeout: {TIME} a list"),
    "a strange object": ({"poll": object()}, f"poll: {TIME} object"),
}


@pytest.mark.parametrize(("arguments", "sentence"), ARGUMENTS.values(), ids=ARGUMENTS.keys())
def test_a_wrong_argument_is_told_as_one(arguments, sentence, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidSettings) as caught:
        Settings.load(environ={}, **arguments)
    assert str(caught.value) == f"argument: {sentence}"
