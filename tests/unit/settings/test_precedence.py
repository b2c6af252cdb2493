"""Whose word counts: arguments > TIDEGATE_* > file > what is built in; and which file is read at all."""

from __future__ import annotations

import pytest

from tidegate.settings import Consumers, Settings


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(folder, text, name="queues.yaml"):
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def test_what_nobody_says_is_built_in(folder):
    write(folder, "queues: {email: {}}")
    assert Settings.load(environ={}).lease == 30.0


def test_the_file_beats_what_is_built_in(folder):
    write(folder, "lease: 31")
    assert Settings.load(environ={}).lease == 31.0


def test_the_environment_beats_the_file(folder):
    write(folder, "lease: 31")
    assert Settings.load(environ={"TIDEGATE_LEASE": "32"}).lease == 32.0


def test_an_argument_beats_the_environment(folder):
    write(folder, "lease: 31")
    assert Settings.load(environ={"TIDEGATE_LEASE": "32"}, lease=33).lease == 33.0


def test_an_argument_that_is_none_says_nothing(folder):
    write(folder, "lease: 31")
    assert Settings.load(environ={}, lease=None, database=None).lease == 31.0


DATABASES = [
    (
        "postgresql://a/a",
        {"TIDEGATE_DATABASE": "postgresql://t/t", "DATABASE_URL": "postgresql://u/u"},
        "database: postgresql://f/f",
        "postgresql://a/a",
    ),
    (
        None,
        {"TIDEGATE_DATABASE": "postgresql://t/t", "DATABASE_URL": "postgresql://u/u"},
        "database: postgresql://f/f",
        "postgresql://t/t",
    ),
    (None, {"DATABASE_URL": "postgresql://u/u"}, "database: postgresql://f/f", "postgresql://u/u"),
    (None, {"DATABASE_URL": ""}, "database: postgresql://f/f", "postgresql://f/f"),
    (None, {"TIDEGATE_DATABASE": "", "DATABASE_URL": "postgresql://u/u"}, "database: postgresql://f/f", "postgresql://u/u"),
    (None, {"TIDEGATE_DATABASE": "embedded", "DATABASE_URL": "mysql://of/another"}, "database: postgresql://f/f", "embedded"),
    (None, {}, "database: postgresql://f/f", "postgresql://f/f"),
    (None, {}, "lease: 30", "embedded"),
]


@pytest.mark.parametrize(("argument", "environ", "text", "expected"), DATABASES)
def test_the_database_is_the_first_of_argument_own_variable_common_variable_and_file(folder, argument, environ, text, expected):
    write(folder, text)
    assert Settings.load(environ=environ, database=argument).database == expected


def test_sources_are_merged_key_by_key(folder):
    write(folder, "queues: {email: {timeout: 1, max_attempts: 2, consumers: {min: 1, max: 5}}}")
    environ = {"TIDEGATE_QUEUES__EMAIL__MAX_ATTEMPTS": "3", "TIDEGATE_QUEUES__EMAIL__CONSUMERS__MAX": "8"}
    email = Settings.load(environ=environ, queues={"email": {"poison_after": 9}}).queue("email")
    assert (email.timeout, email.max_attempts, email.poison_after, email.consumers) == (1.0, 3, 9, Consumers(min=1, max=8))


def test_a_queue_in_the_file_beats_defaults_from_the_environment(folder):
    write(folder, "queues: {email: {timeout: 1}, ml: {}}")
    settings = Settings.load(environ={"TIDEGATE_DEFAULTS__TIMEOUT": "9"})
    assert (settings.queue("email").timeout, settings.queue("ml").timeout) == (1.0, 9.0)


def test_half_a_range_may_be_changed_over_a_fixed_pool(folder):
    write(folder, "queues: {email: {consumers: 5}}")
    assert Settings.load(environ={"TIDEGATE_QUEUES__EMAIL__CONSUMERS__MAX": "8"}).queue("email").consumers == Consumers(
        min=5, max=8
    )


def test_a_fixed_pool_may_replace_a_range(folder):
    write(folder, "queues: {email: {consumers: {min: 1, max: 5}}}")
    assert Settings.load(environ={"TIDEGATE_QUEUES__EMAIL__CONSUMERS": "3"}).queue("email").consumers == Consumers(min=3, max=3)


def test_the_longer_of_two_variables_is_the_more_exact(folder):
    write(folder, "queues: {email: {}}")
    environ = {"TIDEGATE_QUEUES__EMAIL__CONSUMERS__MAX": "8", "TIDEGATE_QUEUES__EMAIL__CONSUMERS": "3"}
    assert Settings.load(environ=environ).queue("email").consumers == Consumers(min=3, max=8)


def test_a_value_that_is_overridden_is_not_judged(folder):
    write(folder, "lease: soon")
    assert Settings.load(environ={"TIDEGATE_LEASE": "32"}).lease == 32.0


EVERY_KEY = {
    "TIDEGATE_DATABASE": ("postgresql://db/x", lambda s: s.database, "postgresql://db/x"),
    "TIDEGATE_JOBS": ("shop.jobs, shop.more", lambda s: s.jobs, ("shop.jobs", "shop.more")),
    "TIDEGATE_LEASE": ("1m", lambda s: s.lease, 60.0),
    "TIDEGATE_POLL": ("250ms", lambda s: s.poll, 0.25),
    "TIDEGATE_SNAPSHOT": ("5", lambda s: s.snapshot, 5.0),
    "TIDEGATE_DRAIN_TIMEOUT": ("0", lambda s: s.drain_timeout, 0.0),
    "TIDEGATE_RETENTION__COMPLETED": ("2d", lambda s: s.retention.completed, 172_800.0),
    "TIDEGATE_RETENTION__CANCELLED": ("2d", lambda s: s.retention.cancelled, 172_800.0),
    "TIDEGATE_RETENTION__DEAD": ("2d", lambda s: s.retention.dead, 172_800.0),
    "TIDEGATE_DEFAULTS__QUEUE": ("Big-Data", lambda s: s.default_queue, "Big-Data"),
    "TIDEGATE_DEFAULTS__EXECUTOR": ("thread", lambda s: s.queue("email").executor, "thread"),
    "TIDEGATE_DEFAULTS__BACKOFF__KIND": ("linear", lambda s: s.queue("email").backoff.kind, "linear"),
    "TIDEGATE_QUEUES__EMAIL__TIMEOUT": ("10", lambda s: s.queue("email").timeout, 10.0),
    "TIDEGATE_QUEUES__EMAIL__EXECUTOR": ("thread", lambda s: s.queue("email").executor, "thread"),
    "TIDEGATE_QUEUES__EMAIL__DEMAND__MAX": ("7", lambda s: s.queue("email").demand.max, 7),
    "TIDEGATE_QUEUES__EMAIL__BACKOFF__JITTER": ("0.5", lambda s: s.queue("email").backoff.jitter, 0.5),
    "TIDEGATE_QUEUES__EMAIL__MAX_ARGS": ("2MiB", lambda s: s.queue("email").max_args, 2 * 2**20),
    "TIDEGATE_QUEUES__EMAIL__MAX_RESULT": ("2MiB", lambda s: s.queue("email").max_result, 2 * 2**20),
    "TIDEGATE_QUEUES__EMAIL__MAX_LOG": ("1KiB", lambda s: s.queue("email").max_log, 2**10),
    "TIDEGATE_QUEUES__EMAIL__POISON_AFTER": ("7", lambda s: s.queue("email").poison_after, 7),
    "TIDEGATE_QUEUES__BIG_DATA__TIMEOUT": ("10", lambda s: s.queue("Big-Data").timeout, 10.0),
    "tidegate_queues__email__timeout": (" 10 ", lambda s: s.queue("email").timeout, 10.0),
}


@pytest.mark.parametrize(("name", "value", "read", "expected"), [(name, *rest) for name, rest in EVERY_KEY.items()], ids=EVERY_KEY)
def test_every_key_has_a_variable(folder, name, value, read, expected):
    write(folder, "queues: {email: {}, Big-Data: {}}")
    assert read(Settings.load(environ={name: value})) == expected


def test_an_empty_variable_says_nothing(folder):
    write(folder, "queues: {email: {timeout: 7}}")
    assert (
        Settings.load(
            environ={"TIDEGATE_QUEUES__EMAIL__TIMEOUT": "", "TIDEGATE_LEASE": " ", "TIDEGATE_QUEUES__EMAIL__CONSUMERS": ""}
        )
        .queue("email")
        .timeout
        == 7.0
    )


def test_a_variable_of_somebody_else_is_left_alone(folder):
    assert Settings.load(environ={"TIDE": "1", "MY_TIDEGATE_LEASE": "5", "LEASE": "5"}).lease == 30.0


def test_the_environment_is_that_of_the_process_unless_it_is_given(folder, monkeypatch):
    monkeypatch.setenv("TIDEGATE_LEASE", "77")
    assert Settings.load().lease == 77.0


def test_references_come_from_the_same_environment(folder):
    write(folder, "queues: {email: {timeout: '${T:-30}', consumers: '${N}'}}\nlease: ${T:-40}\n")
    settings = Settings.load(environ={"N": "4"})
    assert (settings.queue("email").timeout, settings.queue("email").consumers, settings.lease) == (
        30.0,
        Consumers(min=4, max=4),
        40.0,
    )


def test_without_any_file_there_are_no_queues(folder):
    settings = Settings.load(environ={})
    assert (settings.queue_names, settings.default_queue, settings.path, settings.folder) == ((), None, None, folder)


def test_queues_yaml_of_the_working_directory_is_read_unasked(folder):
    file = write(folder, "lease: 31")
    settings = Settings.load(environ={})
    assert (settings.lease, settings.path, settings.folder) == (31.0, file, folder)


def test_a_file_named_by_the_environment_is_read_instead(folder):
    write(folder, "lease: 31")
    write(folder, "lease: 32", "other.yaml")
    assert Settings.load(environ={"TIDEGATE_CONFIG": "other.yaml"}).lease == 32.0


def test_a_file_named_by_the_caller_is_read_before_all_others(folder):
    write(folder, "lease: 32", "other.yaml")
    write(folder, "lease: 33", "third.yaml")
    assert Settings.load("third.yaml", environ={"TIDEGATE_CONFIG": "other.yaml"}).lease == 33.0


def test_the_folder_stays_where_the_file_is_whatever_becomes_of_the_working_directory(folder, monkeypatch):
    (folder / "etc").mkdir()
    write(folder / "etc", "lease: 31")
    settings = Settings.load("etc/queues.yaml", environ={})
    monkeypatch.chdir("/")
    assert settings.folder == folder / "etc"


def test_a_byte_order_mark_is_no_part_of_the_file(folder):
    (folder / "queues.yaml").write_bytes(b"\xef\xbb\xbflease: 31\n")
    assert Settings.load(environ={}).lease == 31.0


def test_queues_may_be_declared_by_arguments_alone(folder):
    environ = {"TIDEGATE_QUEUES__EMAIL__TIMEOUT": "5"}
    assert Settings.load(environ=environ, queues={"email": None}).queue("email").timeout == 5.0
