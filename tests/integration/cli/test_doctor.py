"""`tidegate doctor`: each trouble is planted on a real database, and found; what `--fix` can mend is mended."""

from __future__ import annotations

import json
from collections.abc import Iterator

import psycopg
import pytest

from tests.integration.cli.shop import Shop
from tests.integration.cli.test_explaining import knows, serving
from tests.integration.cli.test_reading import node
from tidegate.introspection.doctor import CHECKS, Finding, examine
from tidegate.introspection.doctor.checks import Facts, bloat, server
from tidegate.introspection.doctor.machines import disk, tables
from tidegate.introspection.doctor.upkeep import swollen, vacuum, wraparound
from tidegate.settings import Settings
from tidegate.store.connection import connect


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine may keep a notification for longer than the doctor waits."""
    monkeypatch.setattr("tidegate.introspection.doctor.examination.PATIENCE", 60.0)


def findings(shop: Shop) -> list[dict[str, object]]:
    result = shop.run("doctor", "--json")
    found: list[dict[str, object]] = json.loads(result.stdout)
    assert result.exit_code == (5 if found else 0)
    return found


def checks(shop: Shop) -> list[str]:
    """Return what is found; the test server does not sync, which is true, and not what is asked."""
    return [str(finding["check"]) for finding in findings(shop) if finding["check"] != "durability"]


@pytest.fixture
def healthy(shop: Shop) -> Shop:
    """A shop with a live node that leads and knows its kind."""
    settings = Settings.load(shop.folder / "queues.yaml")
    pools = {name: {"alive": 1, "busy": 0, "target": 1, "min": 1, "max": 1} for name in settings.queue_names}
    node(shop, "n1", serves=settings.queue_names, queues=pools, config=settings.fingerprint)
    shop.execute("INSERT INTO tidegate.leader (node, expires) VALUES ('n1', clock_timestamp() + interval '1 hour')")
    knows(shop)
    return shop


def test_a_healthy_platform_has_nothing_wrong(healthy: Shop) -> None:
    assert checks(healthy) == []
    with connect(healthy.database) as connection:
        assert [each.check for each in examine(connection, healthy.database) if each.check not in ("durability", "config")] == []


def test_a_schema_that_is_behind_is_found_and_mended(bare_shop: Shop, empty_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEGATE_DATABASE", empty_database)
    assert checks(bare_shop) == ["schema"]
    told = bare_shop.run("doctor", "--fix")
    assert "migrations were applied" in told.stderr
    assert "schema" not in checks(bare_shop)


def test_missing_partitions_are_found_and_mended(bare_shop: Shop) -> None:
    assert "partitions" in checks(bare_shop)
    told = bare_shop.run("doctor", "--fix")
    assert "partitions were made" in told.stderr
    assert "partitions" not in checks(bare_shop)


def test_a_missing_and_an_invalid_index_are_found(bare_shop: Shop) -> None:
    bare_shop.execute("DROP INDEX tidegate.jobs_scheduled")
    bare_shop.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'tidegate.jobs_running'::regclass")
    what = [finding["what"] for finding in findings(bare_shop) if finding["check"] == "indexes"]
    assert what == ["the index jobs_scheduled is missing", "the index jobs_running is invalid"]


def test_no_node_no_leader_and_jobs_of_a_node_that_is_gone(shop: Shop) -> None:
    assert checks(shop) == ["nodes"]
    serving(shop)
    shop.insert(state="running", node="gone", claimed_at="2026-01-01", lease=1, attempt=1)
    assert [check for check in checks(shop) if check != "config"] == ["leader", "orphans"]


def test_a_broken_queue_and_a_loop_that_lags(healthy: Shop) -> None:
    healthy.execute('UPDATE tidegate.nodes SET status = status::jsonb || \'{"broken": ["email"], "loop_lag": 3.5}\'')
    assert checks(healthy) == ["broken", "loop_lag"]


def test_versions_and_settings_that_differ(healthy: Shop) -> None:
    healthy.execute("UPDATE tidegate.nodes SET version = '0.0.9', status = status::jsonb || '{\"config\": \"another\"}'")
    assert checks(healthy) == ["versions", "config"]


def test_a_circuit_that_nodes_judge_by_different_numbers(healthy: Shop) -> None:
    said = '{"unlike": {"smtp": "minimum 7 (elsewhere 5)"}}'
    healthy.execute("UPDATE tidegate.nodes SET status = status::jsonb || %s", said)
    [found] = [each for each in findings(healthy) if each["check"] == "circuit_numbers"]
    assert found["what"].startswith("circuit smtp has other numbers on ")
    assert found["what"].endswith(" than elsewhere: minimum 7 (elsewhere 5)")


def test_a_kind_without_a_handler_and_a_queue_without_a_node(healthy: Shop) -> None:
    healthy.insert(kind="shopjobs:gone")
    assert checks(healthy) == ["kinds"]
    healthy.execute("DELETE FROM tidegate.jobs")
    healthy.insert(queue="orphaned")
    assert checks(healthy) == ["unserved"]


def test_a_queue_that_was_paused_by_mistake_and_one_that_is_late(healthy: Shop) -> None:
    healthy.insert(run_at="2026-01-01")
    assert checks(healthy) == ["latency"]
    healthy.run("queues", "pause", "email")
    [finding] = [each for each in findings(healthy) if each["check"] == "paused"]
    assert finding["mend"] == "tidegate queues resume email"


@pytest.fixture
def held_open(shop: Shop) -> Iterator[int]:
    with psycopg.connect(shop.database) as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        connection.execute("SELECT count(*) FROM tidegate.jobs")
        yield connection.info.backend_pid


def test_a_transaction_that_was_left_open_is_found_with_what_it_ran(shop: Shop, held_open: int) -> None:
    with connect(shop.database) as connection:
        found = [each for each in examine(connection, shop.database, old_transaction=0.0) if each.check == "transactions"]
    assert [each.mend for each in found] == [f"SELECT pg_terminate_backend({held_open})"]
    assert "SELECT count(*) FROM tidegate.jobs" in found[0].what


def test_notifications_that_do_not_arrive(healthy: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tidegate.introspection.doctor.examination.PATIENCE", 0.0)
    monkeypatch.setattr("tidegate.introspection.doctor.examination.statement", deaf)
    assert checks(healthy) == ["listen"]


def deaf(name: str) -> str:
    """A pooler in transaction mode: LISTEN goes to a connection that is another one a moment later."""
    from tidegate.store.statements import statement

    return "SELECT 1" if name == "doctor_listen" else statement(name)


def facts(**changes: object) -> Facts:
    well = {
        "connections": 1,
        "max_connections": 100,
        "autovacuum": True,
        "fsync": True,
        "read_only": False,
        "reserved": 3,
        "others": 0,
    }
    known: dict[str, object] = {
        "schema_version": 1, "expected_version": 1, "server": well, "transactions": (), "tables": (), "indexes": (),
        "expected_indexes": (), "fleet": {}, "days_ahead": 7, "notified": True, "nodes": (), "queues": (),
    }  # fmt: skip
    return Facts(**{**known, **changes})  # type: ignore[arg-type]


def test_a_server_that_is_not_fit_for_a_queue() -> None:
    ill = {"connections": 95, "max_connections": 100, "autovacuum": False, "fsync": False, "read_only": True}
    assert [each.check for each in server(facts(server=ill))] == ["connections", "autovacuum", "durability", "read_only"]


def test_a_table_full_of_dead_rows_is_vacuumed(healthy: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    full = {"name": "jobs", "live_tuples": 10, "dead_tuples": 150_000}
    [found] = bloat(facts(tables=[full, {**full, "dead_tuples": 9}]))
    assert "150,000 dead rows" in found.what
    monkeypatch.setattr("tidegate.introspection.doctor.checks.DEAD_ROWS", -1)
    healthy.insert()
    healthy.execute("DELETE FROM tidegate.jobs")
    healthy.execute("ANALYZE tidegate.jobs")
    with connect(healthy.database) as connection:
        connection.execute("SELECT pg_stat_force_next_flush()")
    told = healthy.run("doctor", "--fix")
    assert "jobs was vacuumed" in told.stderr or "bloat" not in told.stdout


def test_people_read_what_why_and_how(healthy: Shop) -> None:
    healthy.run("queues", "pause", "email")
    healthy.insert(run_at="2026-01-01")
    told = healthy.run("doctor")
    assert told.exit_code == 5
    assert "warning: queue email is paused, and 1 job waits" in told.stdout
    assert "  to mend it: tidegate queues resume email" in told.stdout


def test_every_check_says_what_it_holds() -> None:
    assert all(check.__doc__ for check in CHECKS)
    assert Finding("a", "error", "b", "c", "d").as_json()["fixable"] is False


def test_a_table_that_is_missing_or_may_not_be_read(bare_shop: Shop) -> None:
    bare_shop.execute("DROP TABLE tidegate.circuit_events")
    bare_shop.execute("ALTER TABLE tidegate.circuits RENAME TO hidden")
    found = findings(bare_shop)
    assert [(each["check"], each["what"]) for each in found] == [
        ("tables", "the table circuit_events is missing"),
        ("tables", "the table circuits is missing"),
    ]
    [told] = tables(facts(unreadable={"circuits": True}))
    assert told.what == "the table circuits may not be read by this role"


def test_a_disk_that_is_nearly_full(healthy: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tidegate.introspection.doctor.machines.LOW", 2**80)
    assert checks(healthy) == ["disk"]
    assert list(disk(facts(disk_free=None))) == []


def test_a_disk_that_cannot_be_seen_from_here_is_not_spoken_of(healthy: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def elsewhere(folder: str) -> None:
        raise PermissionError(folder)

    monkeypatch.setattr("tidegate.introspection.doctor.examination.shutil.disk_usage", elsewhere)
    monkeypatch.setattr("tidegate.introspection.doctor.machines.LOW", 2**80)
    assert checks(healthy) == []


def test_a_node_whose_clock_is_wrong(healthy: Shop) -> None:
    wall = "status::jsonb || jsonb_build_object('wall', extract(epoch FROM clock_timestamp()) + %s), said_at = clock_timestamp()"
    healthy.execute(f"UPDATE tidegate.nodes SET status = {wall}", 100)
    assert checks(healthy) == ["clock"]
    [found] = [each for each in findings(healthy) if each["check"] == "clock"]
    assert found["what"] == "the clock of web1 (n1) differs by +100 s from the database's"
    healthy.execute(f"UPDATE tidegate.nodes SET status = {wall}", 0)
    assert checks(healthy) == []


def test_a_node_that_was_lost_with_what_it_held(healthy: Shop) -> None:
    node(healthy, "frozen", lease=-1, dead=True)
    healthy.insert(state="running", node="frozen", attempt=1, lease=1, claimed_at="2026-01-01")
    found = [each for each in findings(healthy) if each["check"] in {"lost", "orphans"}]
    assert [each["check"] for each in found] == ["orphans", "lost"]
    assert "it held 1 job, 1 of which wait to be rescued" in str(found[1]["what"])
    assert found[1]["mend"] == "tidegate workers list --lost"


def test_a_node_that_beats_and_says_nothing_of_itself(healthy: Shop) -> None:
    healthy.execute("UPDATE tidegate.nodes SET said_at = clock_timestamp() - interval '1 minute'")
    assert checks(healthy) == ["loop_blocked"]
    [found] = [each for each in findings(healthy) if each["check"] == "loop_blocked"]
    assert found["mend"] == "tidegate workers stacks n1"


def test_the_age_of_a_transaction_that_is_worth_a_word_can_be_said(healthy: Shop, held_open: int) -> None:
    found = json.loads(healthy.run("doctor", "--json", "--old-transaction", "0").stdout)
    assert [each["mend"] for each in found if each["check"] == "transactions"] == [f"SELECT pg_terminate_backend({held_open})"]


def test_a_queue_over_its_own_target_is_late_before_others_are(healthy: Shop) -> None:
    healthy.execute(
        "INSERT INTO tidegate.jobs (queue, kind, state, args, priority, seq, run_at)"
        " SELECT queue, 'shopjobs:greet', 'ready', '{\"args\": [], \"kwargs\": {}}', 0, 1, clock_timestamp() - interval '30 s'"
        " FROM unnest('{email,ml}'::text[]) AS queue"
    )
    [found] = [each for each in findings(healthy) if each["check"] == "latency"]
    assert str(found["what"]).startswith("the oldest job of queue email has waited for ")
    assert str(found["what"]).endswith("; its target is 5 s (scaling.target_latency)")
    assert found["mend"] == "tidegate queues explain email"


def test_a_circuit_that_holds_jobs_back_is_told_with_what_opened_it(healthy: Shop) -> None:
    healthy.run("circuits", "open", "shopjobs:greet", "--reason", "maintenance")
    healthy.insert()
    assert checks(healthy) == ["circuit"]
    [found] = [each for each in findings(healthy) if each["check"] == "circuit"]
    assert "circuit shopjobs:greet is open since it was done by hand" in str(found["what"])
    assert str(found["why"]).startswith("1 job waits")
    assert found["mend"] == "tidegate circuits show shopjobs:greet"


def test_autovacuum_that_is_switched_off_for_a_table(bare_shop: Shop) -> None:
    bare_shop.execute("ALTER TABLE tidegate.jobs SET (autovacuum_enabled = off)")
    [found] = [each for each in findings(bare_shop) if each["check"] == "autovacuum"]
    assert found["what"] == "autovacuum is switched off for jobs"
    bare_shop.execute(str(found["mend"]))
    assert "autovacuum" not in checks(bare_shop)


def test_autovacuum_that_does_not_come_and_rows_that_are_too_old() -> None:
    upkeep = {"awaited": 5_000.0, "age": 10, "most_age": 200, "watched_for": 90_000.0}
    well = {"name": "jobs", "dead_tuples": 9_000, "vacuumed_ago": None, **upkeep}
    late = {**well, "dead_tuples": 40_000, "vacuumed_ago": 7_200.0}
    busy = {**late, "vacuumed_ago": 60.0}
    never = {**late, "vacuumed_ago": None, "name": "history"}
    new = {**never, "watched_for": 60.0}  # dead rows of a table that autovacuum has had no time for
    told = facts(vacuums=[well, late, busy, never, new, {**well, "age": 300}])
    first, second = vacuum(told)
    assert first.what == "jobs has 40,000 dead rows and was last vacuumed 2.0 h ago, though autovacuum should come at 5,000"
    assert "history has 40,000 dead rows and was never vacuumed" in second.what
    assert (first.fix, second.fix) == ("vacuum", None)
    [old] = wraparound(told)
    assert (old.severity, old.what) == ("error", "the oldest row of jobs is 300 transactions old; a vacuum was due at 200")


def test_an_index_that_is_far_larger_than_what_is_in_it(healthy: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tidegate.introspection.doctor.upkeep.SWOLLEN", 8_000)
    monkeypatch.setattr("tidegate.introspection.doctor.upkeep.PER_ROW", 0)
    found = [each for each in findings(healthy) if each["check"] == "index_bloat"]
    assert "REINDEX INDEX CONCURRENTLY tidegate.jobs_pkey" in [each["mend"] for each in found]
    full = {"name": "jobs_ready", "valid": True, "bytes": 2**28, "rows": 10_000_000.0}
    monkeypatch.undo()
    assert [each.what for each in swollen(facts(indexes=[full, {**full, "rows": 9.0}]))] == [
        "the index jobs_ready has 256 MiB for 9 rows"
    ]


def test_nodes_that_may_need_more_connections_than_there_are(healthy: Shop) -> None:
    [(most, reserved)] = [tuple(row.values()) for row in healthy.rows(
        "SELECT current_setting('max_connections')::int AS most, current_setting('superuser_reserved_connections')::int AS reserved"
    )]  # fmt: skip
    node(
        healthy,
        "wide",
        serves=tuple(f"q{n}" for n in range(most)),
        config=Settings.load(healthy.folder / "queues.yaml").fingerprint,
    )
    [found] = [each for each in findings(healthy) if each["check"] == "connection_budget"]
    assert str(found["what"]).startswith(f"2 nodes may need up to {most + 3 + 24} connections")
    assert f"{most} less {reserved} for superusers" in str(found["what"])


def test_processes_count_as_connections_where_the_settings_say_that_a_queue_has_them(healthy: Shop) -> None:
    (healthy.folder / "queues.yaml").write_text(
        "jobs: [shopjobs]\nqueues:\n  email: {executor: process, consumers: 1}\n  slow: {}\n  ml: {}\n", "utf-8"
    )
    healthy.execute(
        "UPDATE tidegate.nodes SET status = jsonb_set(status::jsonb, '{queues,email,max}',"
        " to_jsonb(current_setting('max_connections')::int))"
    )
    assert "connection_budget" in checks(healthy)
