"""Groups of failures on the command line: listed, shown, resolved, muted, and back again."""

from __future__ import annotations

import json

import pytest

from tests.integration.cli.shop import Shop
from tests.integration.cli.test_letters import letter


def error(shop: Shop, fingerprint: str = "a" * 16, **columns: object) -> str:
    row = {
        "type": "ValueError", "message": "no luck", "grounds": "ValueError at shop/jobs:fail: no luck", "count": 5, "deaths": 1,
        "kinds": ["shopjobs:fail"], "queues": ["email"], "nodes": ["n1"], "versions": ["1.0"], "jobs": [3, 2], **columns,
    }  # fmt: skip
    names, marks = ", ".join(row), ", ".join(["%s"] * len(row))
    seen = "statement_timestamp() - interval '2 hours', statement_timestamp()"
    shop.execute(
        f"INSERT INTO tidegate.errors (fingerprint, first_seen, last_seen, {names}) VALUES (%s, {seen}, {marks})",
        fingerprint,
        *row.values(),
    )
    shop.execute(
        "INSERT INTO tidegate.error_hours VALUES (%s, date_trunc('hour', now()), 3), (%s, date_trunc('hour', now() - interval '1 h'), 2)",
        *[fingerprint] * 2,
    )
    return fingerprint


def test_errors_are_listed_with_their_counts_and_marks(shop: Shop) -> None:
    error(shop)
    error(shop, "b" * 16, status="muted")
    error(shop, "c" * 16, regressed_at="2026-01-01T00:00:00Z", kinds=["shopjobs:bill"], message="other")
    told = {each["fingerprint"][0]: each for each in shop.json("errors", "list")}
    assert set(told) == {"a", "c"}
    assert (told["a"]["count"], told["a"]["last_day"], told["a"]["new"], told["a"]["regressed"]) == (5, 5, True, False)
    assert told["c"]["regressed"]
    assert told["a"]["error"] == {"type": "ValueError", "message": "no luck"}
    assert len(shop.json("errors", "list", "--all")) == 3
    assert [each["fingerprint"] for each in shop.json("errors", "list", "--status", "muted")] == ["b" * 16]
    assert [each["fingerprint"] for each in shop.json("errors", "list", "--kind", "shopjobs:bill")] == ["c" * 16]
    assert len(shop.json("errors", "list", "--queue", "ml")) == 0
    assert [each["fingerprint"] for each in shop.json("errors", "list", "--text", "OTHER")] == ["c" * 16]
    shown = shop.run("errors", "list", "--all").stdout
    assert all(word in shown for word in ("new", "muted", "regressed"))
    shop.execute("DELETE FROM tidegate.errors")
    assert shop.run("errors", "list").stderr == "no errors\n"


def test_one_error_has_its_hours_and_its_dead_letters(shop: Shop) -> None:
    error(shop, regressed_at="2026-01-01T00:00:00Z")
    letter(shop)
    told = shop.json("errors", "show", "aaa")
    assert [each["count"] for each in told["hours"]] == [2, 3]
    assert (told["dead_letters"], told["job_ids"], told["versions"]) == (1, [3, 2], ["1.0"])
    shown = shop.run("errors", "show", "a" * 16).stdout
    assert "told by:   ValueError at shop/jobs:fail: no luck" in shown
    assert "came back:" in shown
    assert "█" in shown


def test_resolved_muted_and_opened_again(shop: Shop) -> None:
    name = error(shop)
    assert shop.json("errors", "resolve", "aaa", "--why", "mended in 1.1", "--by", "ada") == [
        {"fingerprint": name, "status": "resolved"}
    ]
    told = shop.json("errors", "show", name)
    assert (told["status"], told["changed_by"], told["changed_why"]) == ("resolved", "ada", "mended in 1.1")
    assert shop.rows("SELECT resolved_versions FROM tidegate.errors") == [{"resolved_versions": ["1.0"]}]
    assert "mended in 1.1" in shop.run("errors", "show", name).stdout
    assert "1 error muted" in shop.run("errors", "mute", name).stderr
    assert "1 error open" in shop.run("errors", "reopen", name).stderr
    assert [each["action"] for each in shop.json("dlq", "audit")] == ["errors.reopen", "errors.mute", "errors.resolve"]


@pytest.mark.parametrize(
    ("command", "code", "says"),
    [
        ("errors show nosuch", 3, "there is no error nosuch"),
        ("errors resolve nosuch", 3, "there is no error nosuch"),
        ("errors mute", 2, "FINGERPRINT... is missing"),
        ("errors show a", 4, "beginning of several groups"),
        ("errors resolve only-a-letter", 3, "there is no error only-a-letter"),
        ("errors show only-a-letter", 3, "there is no error only-a-letter"),
        ("errors list --status gone", 2, "'gone' is not one of"),
    ],
)
def test_wrong_moves_cost_one_sentence(shop: Shop, command: str, code: int, says: str) -> None:
    error(shop, "ab" * 8)
    error(shop, "ac" * 8)
    letter(shop, fingerprint="only-a-letter")
    ended = shop.run(*command.split())
    assert (ended.exit_code, ended.stdout) == (code, "")
    assert says in ended.stderr
    assert json.dumps(shop.json("dlq", "audit")) == "[]"
