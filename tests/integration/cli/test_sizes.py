"""`scale` and `autoscaler`: sizes by hand, and what is told of decisions, on tables that say something."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.integration.cli.shop import Shop

PNG = b"\x89PNG"


def decide(shop: Shop, queue: str = "email", *, age: float = 0.0, **said: Any) -> None:
    """Put a decision into the tables as a leader would have."""
    row = {
        "acted": True, "from_size": 1, "to_size": 3, "need": 2.5, "reason": "backlog", "ready": 9, "busy": 1, "alive": 1,
        "oldest_age": 1.5, "seconds": 10.0, "arrived": 20, "completed": 10, "service_sum": 5.0, "service_sum_sq": 2.5,
    } | said  # fmt: skip
    columns = ", ".join(row)
    values = ", ".join(f"%({name})s" for name in row)
    tell(
        shop,
        f"INSERT INTO tidegate.scaling_decisions (queue, node, at, {columns}) "
        f"VALUES (%(queue)s, 'n1', clock_timestamp() - %(age)s * interval '1 s', {values})",
        {**row, "queue": queue, "age": age},
    )
    tell(
        shop,
        "INSERT INTO tidegate.queue_targets (queue, want, reason, need, shares, ready, service, node, decided_at) "
        "VALUES (%(queue)s, %(to_size)s, %(reason)s, %(need)s, '{\"n1\": 3}', %(ready)s, 0.5, 'n1', "
        "clock_timestamp() - %(age)s * interval '1 s') ON CONFLICT (queue) DO UPDATE SET reason = excluded.reason",
        {**row, "queue": queue, "age": age},
    )


def tell(shop: Shop, query: str, row: dict[str, Any]) -> None:
    with psycopg.connect(shop.database, autocommit=True) as connection:
        connection.execute(query, row)  # type: ignore[call-overload]


class TestScale:
    def test_a_size_by_hand_is_shown_and_taken_back(self, shop: Shop) -> None:
        ran = shop.run("scale", "email", "4", "--for", "30m")
        assert ran.exit_code == 0
        assert "queue email is to have 4 consumers until " in ran.stderr
        assert "undo: tidegate scale email auto" in ran.stderr
        [told] = [queue for queue in shop.json("queues", "list") if queue["queue"] == "email"]
        assert told["override"]["consumers"] == 4
        assert told["override"]["until"].endswith("Z")
        assert "scaled to 4" in shop.run("queues", "list").stdout
        assert "to 4 consumers by hand, until " in shop.run("queues", "show", "email").stdout
        assert shop.run("scale", "email", "auto").stderr == "queue email is scaled automatically\n"
        assert shop.json("queues", "show", "email")["override"] is None

    def test_a_size_whose_time_is_over_holds_no_more(self, shop: Shop) -> None:
        shop.run("scale", "email", "4", "--for", "30m")
        shop.execute("UPDATE tidegate.queue_controls SET scale_until = clock_timestamp()")
        assert shop.json("queues", "show", "email")["override"] is None

    def test_it_is_told_as_json(self, shop: Shop) -> None:
        assert shop.json("scale", "email", "2")["override"] == {"consumers": 2, "until": None}

    @pytest.mark.parametrize(
        ("words", "code", "says"),
        [
            (("email", "three"), 2, "expected a number of consumers from 0 to 1,000,000, or auto"),
            (("email", "auto", "--for", "5m"), 2, "--for is for a number"),
            (("email", "3", "--for", "0"), 2, "--for must be longer than 0 s"),
            (("email", "3", "--for", "soon"), 2, "expected a time such as 30"),
            (("emial", "3"), 3, "there is no queue 'emial'; did you mean 'email'?"),
        ],
    )
    def test_what_cannot_be_is_refused(self, shop: Shop, words: tuple[str, ...], code: int, says: str) -> None:
        ran = shop.run("scale", *words)
        assert ran.exit_code == code
        assert says in ran.stderr


class TestExplain:
    def test_before_any_decision_it_says_so(self, shop: Shop) -> None:
        assert "Nobody has decided anything yet" in shop.run("autoscaler", "explain", "email").stdout

    @pytest.mark.parametrize(
        ("reason", "says"),
        [
            ("backlog", "what waits would be late with fewer"),
            ("queue_max", "What would change it: raise consumers.max"),
            ("memory", "the memory of the host allows no more"),
            ("override", "What would change it: tidegate scale email auto."),
            ("mine", "the policy says mine"),
        ],
    )
    def test_it_says_why_and_what_would_change_it(self, shop: Shop, reason: str, says: str) -> None:
        decide(shop, reason=reason)
        told = shop.run("autoscaler", "explain", "email").stdout
        assert says in told
        assert "To start 95 of 100 jobs within 5 s, 2.5 consumers are needed." in told
        assert "20 jobs came (2/s) and 10 ended" in told

    def test_what_circuits_hold_back_is_named(self, shop: Shop) -> None:
        shop.execute("INSERT INTO tidegate.circuits (name, gates, state, kinds) VALUES ('smtp', true, 'forced_open', '{welcome}')")
        shop.insert(kind="welcome")
        decide(shop, reason="circuit")
        told = shop.run("autoscaler", "explain", "email").stdout
        assert "Circuits hold 1 job back, which is no demand" in told
        assert "tidegate circuits list" in told

    def test_a_decision_that_is_old_is_not_followed(self, shop: Shop) -> None:
        decide(shop, age=60)
        assert "is not followed any more" in shop.run("autoscaler", "explain", "email").stdout

    def test_it_is_told_as_json(self, shop: Shop) -> None:
        decide(shop)
        told = shop.json("autoscaler", "explain", "email")
        assert (told["want"], told["reason"], told["target_latency"], told["mode"]) == (3, "backlog", 5.0, "act")
        assert told["shares"] == {"n1": 3}


class TestHistory:
    def test_the_newest_decision_comes_first_in_the_promised_shape(self, shop: Shop) -> None:
        decide(shop, age=10, to_size=2)
        decide(shop)
        newest, oldest = shop.json("autoscaler", "history", "email")
        assert (newest["from"], newest["to"], oldest["to"]) == (1, 3, 2)
        promised = {"at", "queue", "from", "to", "need", "reason", "ready", "arrival_rate", "service_time", "oldest_age"}
        assert promised <= set(newest)
        assert (newest["arrival_rate"], newest["service_time"]) == (2.0, 0.5)

    def test_people_get_a_table(self, shop: Shop) -> None:
        decide(shop, acted=False, completed=0)
        assert "backlog (observed)" in shop.run("autoscaler", "history", "email").stdout
        assert "no decision on queue ml is on record" in shop.run("autoscaler", "history", "ml").stderr

    def test_it_is_drawn(self, shop: Shop) -> None:
        pytest.importorskip("matplotlib")
        decide(shop, age=10)
        decide(shop)
        ran = shop.run("autoscaler", "history", "email", "--plot", "sizes.png")
        assert (ran.exit_code, ran.stderr) == (0, "drawn: sizes.png\n")
        assert (shop.folder / "sizes.png").read_bytes().startswith(PNG)

    def test_nothing_cannot_be_drawn_and_a_picture_is_a_png(self, shop: Shop) -> None:
        pytest.importorskip("matplotlib")
        assert shop.run("autoscaler", "history", "email", "--plot", "a.png").exit_code == 1
        decide(shop)
        ran = shop.run("autoscaler", "history", "email", "--plot", "a.jpg")
        assert ran.exit_code == 2
        assert "a picture is a PNG file" in ran.stderr


class TestRecordAndSimulate:
    def test_what_was_recorded_can_be_replayed(self, shop: Shop) -> None:
        decide(shop, age=60)
        decide(shop, age=20, arrived=40)
        recorded = shop.run("autoscaler", "record", "email")
        assert recorded.stdout.splitlines()[0] == "timestamp,count,service,variation"
        (shop.folder / "trace.csv").write_text(recorded.stdout, "utf-8")
        [told] = shop.json("autoscaler", "simulate", "trace.csv")
        assert told["policy"] == "deadline"
        assert 20 < told["jobs"] < 120
        assert told["cost"] >= 1

    def test_nothing_on_record_is_a_trace_without_rows(self, shop: Shop) -> None:
        ran = shop.run("autoscaler", "record", "email")
        assert ran.stdout == "timestamp,count,service,variation\n"
        assert "no load of queue email is on record" in ran.stderr

    def test_policies_stand_side_by_side(self, trace: str) -> None:
        ran = run("autoscaler", "simulate", trace, "--policy", "deadline", "--policy", "steps", "--policy", "fixed", "--max", "5")
        assert [line.split()[0] for line in ran.stdout.splitlines()] == ["POLICY", "deadline", "steps", "fixed"]

    def test_they_are_drawn(self, trace: str, tmp_path: Path) -> None:
        pytest.importorskip("matplotlib")
        pictures = []
        for most in ("1", "9"):
            file = tmp_path / f"runs-{most}.png"
            assert run("autoscaler", "simulate", trace, "--policy", "fixed", "--max", most, "--plot", str(file)).exit_code == 0
            pictures.append(file.read_bytes())
        assert all(each.startswith(PNG) for each in pictures)
        assert pictures[0] != pictures[1], "what is drawn is what came of it"

    def test_a_trace_comes_from_standard_input_too(self, trace: str) -> None:
        ran = run("autoscaler", "simulate", "-", "--json", stdin=Path(trace).read_text("utf-8"))
        assert json.loads(ran.stdout)[0]["jobs"] == 20

    @pytest.mark.parametrize(
        ("words", "says"),
        [
            (("--policy", "deadlin"), "there is no scaling policy 'deadlin'; did you mean 'deadline'?"),
            (("--min", "5", "--max", "2"), "min_consumers 5 is above max_consumers 2"),
            (("--target-latency", "0"), "target_latency must be more than 0"),
            (("--tick", "0"), "tick must be more than 0"),
            (("--policy", "no_such:thing"), "the scaling policy no_such:thing cannot be loaded"),
        ],
    )
    def test_what_cannot_be_is_refused(self, trace: str, words: tuple[str, ...], says: str) -> None:
        ran = run("autoscaler", "simulate", trace, *words)
        assert ran.exit_code == 2
        assert says in ran.stderr

    def test_a_trace_that_cannot_be_read_names_its_line(self, tmp_path: Path) -> None:
        bad = tmp_path / "bad.csv"
        bad.write_text("arrival,service\n1,soon\n", "utf-8")
        ran = run("autoscaler", "simulate", str(bad))
        assert ran.exit_code == 2
        assert "line 2 of the trace" in ran.stderr
        bad.write_bytes(b"\xff\xfe")
        assert run("autoscaler", "simulate", str(bad)).exit_code == 2
        assert run("autoscaler", "simulate", str(tmp_path / "none.csv")).exit_code == 2


@pytest.fixture
def trace(tmp_path: Path) -> str:
    file = tmp_path / "trace.csv"
    file.write_text("arrival,service\n" + "".join(f"{n * 0.5},0.4\n" for n in range(20)), "utf-8")
    return str(file)


def run(*args: str, stdin: str | None = None) -> Any:
    return Shop(Path(), "").run(*args, stdin=stdin)
