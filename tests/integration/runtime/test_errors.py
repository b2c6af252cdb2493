"""A node that fails: what it keeps of it is fingerprinted, without secrets, counted in the table, at no cost to the ack."""

from __future__ import annotations

from tests.support import jobs
from tests.support.stand import Stand, until
from tidegate.events import ErrorAppeared, Event


async def test_every_failed_attempt_is_counted_in_its_group(stand: Stand) -> None:
    stand.config.write_text(f"app_version: 1.4\n{stand.config.read_text('utf-8')}", "utf-8")
    seen: list[Event] = []
    async with stand.node() as node:
        node.events.subscribe(lambda event: seen.append(event) if isinstance(event, ErrorAppeared) else None)
        for n in range(5):
            await stand.end(await stand.tide.enqueue(jobs.fails_until, n, good_from=9))
        assert [error.type for error in node.supervisor.errors.recent_errors("tests.support.jobs:fails_until")] == [
            "ValueError"
        ] * 10
    [group] = stand.rows("SELECT * FROM tidegate.errors")
    assert (group["count"], group["deaths"], group["type"]) == (15, 5, "ValueError")
    assert group["kinds"] == ["tests.support.jobs:fails_until"]
    assert group["grounds"] == "ValueError at support/jobs:fails_until: not yet: attempt <*>"
    letters = stand.rows("SELECT DISTINCT fingerprint FROM tidegate.dead_letters")
    assert letters == [{"fingerprint": group["fingerprint"]}]
    assert [event.fingerprint for event in seen if isinstance(event, ErrorAppeared)] == [group["fingerprint"]]
    assert group["versions"] == ["1.4"]


async def test_no_secret_of_a_failing_job_is_stored_beside_its_arguments(stand: Stand) -> None:
    stand.config.write_text(
        stand.config.read_text("utf-8").replace("defaults: {", "defaults: {forensics: {locals: true}, "), "utf-8"
    )
    async with stand.node():
        job_id = await stand.tide.enqueue(jobs.leaks, "ada", "hunter2-and-more")
        await stand.end(job_id)
        await until(lambda: stand.rows("SELECT 1 AS one FROM tidegate.errors"))
    kept = "".join(str(stand.rows(f"SELECT * FROM tidegate.{table}")) for table in ("attempts", "errors")) + str(
        stand.rows("SELECT to_jsonb(d) - 'args' AS d FROM tidegate.dead_letters AS d")
    )
    assert "PermissionError" in kept
    assert "[redacted]" in kept
    assert "hunter2" not in kept
    assert "eyJhbGciOi" not in kept
    [letter] = stand.rows("SELECT args::text AS args, attempts FROM tidegate.dead_letters")
    assert "hunter2-and-more" in letter["args"]
    assert letter["attempts"][-1]["locals"][0]["variables"]["password"] == "[redacted]"
