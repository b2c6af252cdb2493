"""The model: its defaults, what a queue inherits, and that it is what it promises to be."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from tidegate.backoff import constant, exponential, linear
from tidegate.errors import UnknownQueue
from tidegate.settings import Consumers, Demand, Forensics, QueueSettings, Settings, warnings_for
from tidegate.settings.absent import EXECUTORS, QUEUE, TOP
from tidegate.settings.keys import keys_at
from tidegate.settings.scaling import Scaling

PROMISED = """\
# yaml-language-server: $schema=./platform/tidegate/queues.schema.json
database: embedded                   # or postgresql://...
jobs: [tidegate.demo.jobs]
defaults: {max_attempts: 3, timeout: 60, backoff: {kind: exponential, base: 1, factor: 2, cap: 3600, jitter: 0.1}, executor: async}
queues:
  email:                             # fast, light
    executor: async
    consumers: {min: 1, max: 5}
    demand: {max: 1}
    timeout: 30
  analytics: {consumers: {min: 1, max: 3}, demand: {max: 100}}
  ml: {executor: process, consumers: {min: 0, max: 1}, demand: {max: 1}, memory: 2GiB, timeout: 3600}
retention: {completed: 1d, cancelled: 7d, dead: 30d}
"""


@pytest.fixture
def promised(tmp_path):
    file = tmp_path / "queues.yaml"
    file.write_text(PROMISED, encoding="utf-8")
    return Settings.load(file, environ={})


def queue(**options) -> QueueSettings:
    return Settings(queues={"email": options}).queue("email")


def test_the_promised_file_is_read(promised):
    assert promised.queue_names == ("email", "analytics", "ml")
    assert promised.jobs == ("tidegate.demo.jobs",)


def test_a_queue_that_says_nothing_has_what_is_built_in():
    assert queue() == QueueSettings(
        name="email",
        executor="async",
        consumers=Consumers(min=1, max=10),
        demand=Demand(min=0, max=1),
        scaling=Scaling(policy="deadline", target_latency=5.0, tick=1.0, mode="act", preset="balanced", cooldown=60.0, reserve=0.1),
        timeout=60.0,
        kill_after=5.0,
        max_attempts=3,
        backoff=exponential(1.0, 2.0, 3600.0, jitter=0.1),
        poison_after=3,
        memory=0,
        max_jobs=0,
        max_memory=0,
        max_args=1024**2,
        max_result=1024**2,
        max_log=64 * 1024,
        forensics=Forensics(locals=False),
        lease=30.0,
        poll=1.0,
        drain_timeout=30.0,
    )


def test_the_node_has_what_is_built_in():
    settings = Settings()
    assert (settings.database, settings.jobs, settings.queues) == ("embedded", (), {})
    assert (settings.lease, settings.poll, settings.snapshot, settings.drain_timeout) == (30.0, 1.0, 2.0, 30.0)
    assert settings.retention.said() == {}
    assert (settings.retention.completed, settings.retention.cancelled, settings.retention.dead) == (86_400, 604_800, 2_592_000)


def test_a_queue_beats_defaults_and_defaults_beat_what_is_built_in(promised):
    assert [promised.queue(name).timeout for name in promised.queue_names] == [30.0, 60.0, 3600.0]
    changed = Settings(defaults={"timeout": 5}, queues={"a": {}, "b": {"timeout": 7}})
    assert (changed.queue("a").timeout, changed.queue("b").timeout) == (5.0, 7.0)


def test_a_group_is_inherited_key_by_key():
    settings = Settings(
        defaults={"consumers": {"min": 2, "max": 20}, "backoff": {"base": 3, "cap": 50}},
        queues={"a": {"consumers": {"max": 4}, "backoff": {"base": 7}}},
    )
    assert settings.queue("a").consumers == Consumers(min=2, max=4)
    assert settings.queue("a").backoff == exponential(7.0, 2.0, 50.0, jitter=0.1)


def test_one_number_of_consumers_is_a_fixed_pool():
    assert queue(consumers=4).consumers == Consumers(min=4, max=4)


def test_a_number_of_consumers_in_defaults_gives_way_key_by_key():
    settings = Settings(defaults={"consumers": 4}, queues={"a": {"consumers": {"min": 0}}})
    assert settings.queue("a").consumers == Consumers(min=0, max=4)


@pytest.mark.parametrize(
    ("options", "backoff"),
    [
        ({"kind": "exponential", "base": "2s", "factor": 3, "cap": "1m", "jitter": 0}, exponential(2.0, 3.0, 60.0, jitter=0.0)),
        ({"kind": "linear", "base": 5, "cap": "1h", "jitter": 0.5}, linear(5.0, 3600.0, jitter=0.5)),
        ({"kind": "constant", "base": "2h", "jitter": 0}, constant(7200.0, jitter=0.0)),
    ],
    ids=["exponential", "linear", "constant"],
)
def test_a_backoff_becomes_its_curve(options, backoff):
    assert queue(backoff=options).backoff == backoff


def test_a_linear_queue_may_stand_under_defaults_that_have_a_factor():
    settings = Settings(defaults={"backoff": {"kind": "exponential", "factor": 3}}, queues={"a": {"backoff": {"kind": "linear"}}})
    assert settings.queue("a").backoff == linear(1.0, 3600.0, jitter=0.1)


def test_a_queue_receives_what_it_needs_of_the_node():
    settings = Settings(lease="1m", poll="500ms", drain_timeout=5, queues={"a": {}})
    assert (settings.queue("a").lease, settings.queue("a").poll, settings.queue("a").drain_timeout) == (60.0, 0.5, 5.0)


def test_times_and_sizes_are_numbers_when_read():
    read = queue(timeout="1h30m", max_args="64KiB", max_result="1MB")
    assert (read.timeout, read.max_args, read.max_result) == (5400.0, 65_536, 1_000_000)


def test_the_default_queue_is_the_first_of_the_file_unless_it_is_named(promised):
    assert promised.default_queue == "email"
    assert Settings(defaults={"queue": "ml"}, queues={"email": {}, "ml": {}}).default_queue == "ml"
    assert Settings().default_queue is None


def test_an_undeclared_queue_is_told_with_the_nearest_name(promised):
    with pytest.raises(UnknownQueue, match="no queue named 'emial'; did you mean 'email'"):
        promised.queue("emial")


@pytest.mark.parametrize("name", ["a", "Email", "big-data", "web_hooks", "q1", "q" * 63])
def test_a_name_of_letters_digits_dashes_and_underscores_is_a_queues_name(name):
    assert Settings(queues={name: {}}).queue_names == (name,)


def test_empty_groups_say_nothing(tmp_path):
    file = tmp_path / "queues.yaml"
    file.write_text("jobs:\ndefaults:\nqueues:\n  email:\n  ml: {backoff: , consumers: }\nretention:\n", encoding="utf-8")
    settings = Settings.load(file, environ={})
    assert settings.queue("email") == dataclasses.replace(settings.queue("ml"), name="email")
    assert settings.queue("email") == queue()


def test_nothing_can_be_changed_afterwards(promised):
    with pytest.raises(ValidationError, match="frozen"):
        promised.lease = 5.0
    with pytest.raises(ValidationError, match="frozen"):
        promised.queue("email").consumers.min = 0
    with pytest.raises(dataclasses.FrozenInstanceError):
        promised.queue("email").timeout = 5.0


def test_settings_made_by_hand_depend_on_no_environment(monkeypatch):
    monkeypatch.setenv("TIDEGATE_LEASE", "99")
    monkeypatch.setenv("LEASE", "99")
    monkeypatch.setenv("DATABASE_URL", "postgresql://db/shop")
    assert (Settings().lease, Settings().database) == (30.0, "embedded")


def test_settings_made_by_hand_refuse_unknown_keys():
    with pytest.raises(ValidationError, match="timeuot"):
        Settings(queues={"email": {"timeuot": 5}})


def test_equal_files_give_equal_settings(promised):
    assert Settings.load(promised.path, environ={}) == promised


def test_no_password_is_shown_by_repr():
    settings = Settings(database="postgresql://me:s3cret@db/shop", queues={"a": {}})
    assert repr(settings) == "<Settings without a file queues=a database=postgresql://me:***@db/shop>"
    assert "s3cret" not in f"{settings} {settings!r}"


def test_a_key_of_a_later_version_is_no_key_of_this_one():
    assert not set(TOP) & set(keys_at(Settings, ()))
    assert not set(QUEUE) & set(keys_at(Settings, ("defaults",)))
    assert not set(EXECUTORS) & {"async", "thread"}


def test_a_batch_that_demand_cannot_fill_is_worth_a_warning(promised):
    assert warnings_for(promised, {"shop:process_events": ("analytics", 100)}) == ()
    first, second = warnings_for(promised, {"shop:letters": ("email", 10), "shop:process_events": ("analytics", 200)})
    assert first == (
        "queues.email.demand: shop:letters takes batches of up to 10, and max 1 - min 0 lets no more than 1 through at once; "
        "set demand.max to 10"
    )
    assert second.endswith("lets no more than 100 through at once; set demand.max to 200")


def test_min_demand_takes_room_from_a_batch():
    settings = Settings(queues={"a": {"demand": {"max": 100, "min": 50}}})
    [warning] = warnings_for(settings, {"shop:events": ("a", 51)})
    assert warning == (
        "queues.a.demand: shop:events takes batches of up to 51, and max 100 - min 50 lets no more than 50 through at once; "
        "set demand.max to 101"
    )


def test_importing_the_settings_brings_no_database_library():
    code = "import sys, tidegate.settings; print([name for name in ('sqlalchemy', 'psycopg', 'click', 'rich', 'starlette') if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parent
    )
    assert done.stdout.strip() == "[]"
