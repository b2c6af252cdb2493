"""`config show --origin`: every value that holds, and where it was written."""

from __future__ import annotations

import pytest

from tidegate.settings import Settings, as_tree


@pytest.fixture
def settings(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "queues.yaml").write_text(
        """\
database: postgresql://me:s3cret@db/shop?sslpassword=s3cret
jobs: [shop.jobs]
defaults:
  timeout: 20
queues:
  email:
    consumers: 4
    max_attempts: ${ATTEMPTS:-7}
  ml: {}
""",
        encoding="utf-8",
    )
    environ = {"TIDEGATE_QUEUES__ML__DEMAND__MAX": "9", "TIDEGATE_DEFAULTS__POISON_AFTER": "5"}
    return Settings.load("queues.yaml", environ=environ, drain_timeout=5)


CIRCUIT = 20  # keys of a circuit
OBSERVING = ["metrics", "tracing"]
EXPECTED = {
    "database": ("postgresql://me:***@db/shop?sslpassword=***", "queues.yaml:1"),
    "jobs": (["shop.jobs"], "queues.yaml:2"),
    "defaults.timeout": (20.0, "queues.yaml:4"),
    "defaults.max_attempts": (3, "default"),
    "defaults.queue": (None, "default"),
    "queues.email.consumers.min": (4, "queues.yaml:7"),
    "queues.email.consumers.max": (4, "queues.yaml:7"),
    "queues.email.max_attempts": (7, "queues.yaml:8"),
    "queues.email.timeout": (20.0, "queues.yaml:4 (defaults)"),
    "queues.email.poison_after": (5, "environment TIDEGATE_DEFAULTS__POISON_AFTER (defaults)"),
    "queues.email.executor": ("async", "default"),
    "queues.ml.demand.max": (9, "environment TIDEGATE_QUEUES__ML__DEMAND__MAX"),
    "queues.ml.demand.min": (0, "default"),
    "queues.ml.backoff.kind": ("exponential", "default"),
    "retention.dead": (2_592_000.0, "default"),
    "lease": (30.0, "default"),
    "drain_timeout": (5.0, "argument"),
}


@pytest.mark.parametrize(("key", "value", "where"), [(key, *rest) for key, rest in EXPECTED.items()], ids=EXPECTED)
def test_a_value_knows_where_it_was_written(settings, key, value, where):
    [origin] = [origin for origin in settings.origins() if origin.key == key]
    assert (origin.value, origin.where) == (value, where)


def test_every_key_of_every_queue_is_told_once(settings):
    keys = [origin.key for origin in settings.origins()]
    assert len(keys) == len(set(keys)) == 10 + (22 + CIRCUIT) + 2 * (21 + CIRCUIT) + 3 * 14 + 2 + 3 + 6


def test_the_database_of_another_variable_is_told_by_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = Settings.load(environ={"DATABASE_URL": "postgres://me:s3cret@db/shop"})
    assert settings.origins()[0].value == "postgresql://me:***@db/shop"
    assert settings.origins()[0].where == "environment DATABASE_URL"


def test_no_password_is_in_what_is_shown(settings):
    assert "s3cret" not in str(settings.origins())


def test_the_tree_reads_as_the_file_does(settings):
    tree = as_tree(settings.origins())
    assert tree["queues"]["ml"]["demand"] == {"max": 9, "min": 0}
    assert list(tree) == [
        "database",
        "database_timeouts",
        "jobs",
        "defaults",
        "queues",
        "retention",
        "notifications",
        "app_version",
        "lease",
        "poll",
        "snapshot",
        "drain_timeout",
        *OBSERVING,
    ]


def test_the_tree_can_be_loaded_again(settings):
    tree = as_tree(settings.origins())
    assert Settings(**tree).queue("email") == settings.queue("email")


def test_settings_made_by_hand_are_all_default_or_argument():
    assert {origin.where for origin in Settings(queues={"a": {"timeout": 5}}).origins()} == {"argument", "default"}
