"""What is done to a dead letter before it goes back: mended, compared, debugged, moved to another database."""

from __future__ import annotations

import json
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.integration.cli.shop import Shop, environment
from tests.integration.cli.test_letters import KNOWN, jobs_of, letter, open_letters
from tidegate.dead_letters import Redrives, Wanted
from tidegate.dead_letters.editing import Correction
from tidegate.errors import InvalidArguments, UsageError
from tidegate.handlers import Signature
from tidegate.store.connection import connect

SIGN_IN = {"kind": "shopjobs:sign_in", "args": '{"args":["ada","hunter2"],"kwargs":{"shoe_size":44444,"note":"hunter2 it is"}}'}
DEBUGGING = ("--config", "debugging.yaml")


@pytest.fixture
def editor(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Make a Python program the editor, which has what it is to edit as `text` and leaves in `text` what is saved."""

    def make(program: str) -> Path:
        seen, script = shop.folder / "seen", shop.folder / "editor"
        script.write_text(
            f"#!/usr/bin/env python3\nimport os, pathlib, sys\nfile = pathlib.Path(sys.argv[1])\ntext = file.read_text()\n"
            f"pathlib.Path({str(seen)!r}).write_text(text)\n{program}\nfile.write_text(text)\nos.utime(file, (1, 1))\n"
        )
        script.chmod(stat.S_IRWXU)
        monkeypatch.delenv("VISUAL", raising=False)
        monkeypatch.setenv("EDITOR", str(script))
        return seen

    return make


def stored(shop: Shop, number: int) -> Any:
    [row] = shop.rows("SELECT args FROM tidegate.dead_letters WHERE id = %s", number)
    return row["args"]


class TestEditing:
    def test_what_an_editor_saves_is_stored_and_audited_by_name_only(self, shop: Shop, editor: Callable[[str], Path]) -> None:
        number = letter(shop)
        seen = editor("text = text.replace('Ada', 'Grace')")
        assert shop.run("dlq", "edit", str(number), "--why", "a typo").exit_code == 0
        assert "# The arguments of dead letter" in seen.read_text()
        assert "name: str" in seen.read_text()
        assert stored(shop, number) == {"kwargs": {"name": "Grace"}}
        [entry] = shop.json("dlq", "audit")
        assert (entry["action"], entry["subject"], entry["why"]) == ("dlq.edit", {"letter": number, "changed": ["name"]}, "a typo")
        job_id = shop.json("dlq", "retry", str(number))["jobs"][0]["job_id"]
        assert shop.rows("SELECT args FROM tidegate.jobs WHERE id = %s", job_id) == [{"args": {"kwargs": {"name": "Grace"}}}]

    def test_secrets_are_neither_seen_nor_lost(self, shop: Shop, editor: Callable[[str], Path]) -> None:
        number = letter(shop, job=SIGN_IN)
        seen = editor("""text = text.replace('"ada"', '"bob"')""")
        assert shop.json("dlq", "edit", str(number)) == {"id": number, "changed": ["user"]}
        assert "hunter2" not in seen.read_text()
        assert "44444" not in seen.read_text()
        assert stored(shop, number) == {"args": ["bob", "hunter2"], "kwargs": {"shoe_size": 44_444, "note": "hunter2 it is"}}

    def test_they_are_seen_where_that_is_asked_for(self, shop: Shop, editor: Callable[[str], Path]) -> None:
        number = letter(shop, job=SIGN_IN)
        seen = editor("text = text.replace('hunter2', 'swordfish')")
        assert shop.json("dlq", "edit", str(number), "--with-secrets")["changed"] == ["password", "note"]
        assert "hunter2" in seen.read_text()
        assert stored(shop, number)["args"] == ["ada", "swordfish"]

    @pytest.mark.parametrize("program", ["", "text = ''", "text = '# nothing'"])
    def test_nothing_saved_changes_nothing(self, shop: Shop, editor: Callable[[str], Path], program: str) -> None:
        number = letter(shop)
        editor(program)
        ended = shop.run("dlq", "edit", str(number))
        assert (ended.exit_code, ended.stderr.endswith("nothing was changed\n")) == (0, True)  # the jobs modules may talk
        assert shop.json("dlq", "audit") == []

    @pytest.mark.parametrize(
        ("call", "says"),
        [
            ('{"kwargs": {"name": 7}}', "name: expected"),
            ('{"kwargs": {"nam": "x"}}', "did you mean 'name'"),
            ("{}", "missing argument 'name'"),
            ("[1]", "are an object with the array"),
            ('{"args": {}}', "is an array"),
            ("{", "are not JSON"),
            ("[" * 100_000, "nested too deeply"),
            ('{"kwargs": {"name": "[redacted]"}}', "name holds [redacted]"),
            (json.dumps({"kwargs": {"name": "x" * 2**20}}), "max_args is 1,048,576"),
        ],
    )
    def test_what_does_not_fit_is_refused_and_changes_nothing(self, shop: Shop, call: str, says: str) -> None:
        number = letter(shop)
        ended = shop.run("dlq", "edit", str(number), "--call", "-", stdin=call)
        assert (ended.exit_code, says in ended.stderr) == (2, True), ended.stderr
        assert stored(shop, number) == {"kwargs": {"name": "Ada"}}

    def test_on_a_terminal_it_may_be_tried_again(
        self, shop: Shop, editor: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        number = letter(shop)
        editor("text = text.replace(': 7', ': \"seven\"') if ': 7' in text else text.replace('\"Ada\"', '7')")
        monkeypatch.setattr("tidegate.cli.letters_editing.is_interactive", lambda: True)
        assert shop.run("dlq", "edit", str(number), stdin="n\n").exit_code == 4
        number = letter(shop)
        assert shop.run("dlq", "edit", str(number), stdin="y\n").exit_code == 0
        assert stored(shop, number) == {"kwargs": {"name": "seven"}}

    def test_without_an_editor_and_a_terminal_it_says_how(self, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("EDITOR", "VISUAL"):
            monkeypatch.delenv(name, raising=False)
        ended = shop.run("dlq", "edit", str(letter(shop)))
        assert (ended.exit_code, "--call" in ended.stderr) == (2, True)

    def test_a_kind_that_is_gone_needs_no_check(self, shop: Shop) -> None:
        number = letter(shop, job={"kind": "else:where", "args": '{"args":[1]}'})
        assert shop.run("dlq", "edit", str(number), "--call", '{"args": [2]}').exit_code == 2
        assert shop.json("dlq", "edit", str(number), "--call", '{"args": [2]}', "--no-check")["changed"] == ["argument 1"]

    def test_a_letter_that_somebody_else_changed_meanwhile_is_left(self, shop: Shop, editor: Callable[[str], Path]) -> None:
        number = letter(shop)
        editor(
            "text = text.replace('Ada', 'Grace')\nimport subprocess\n"
            f"subprocess.run([{sys.executable!r}, '-m', 'tidegate', 'dlq', 'edit', '{number}', '--call',"
            ' \'{"kwargs": {"name": "Bob"}}\'], check=True)'
        )
        ended = shop.run("dlq", "edit", str(number))
        assert (ended.exit_code, "changed by somebody else" in ended.stderr) == (4, True)
        assert stored(shop, number) == {"kwargs": {"name": "Bob"}}

    def test_what_is_not_in_our_form_can_be_replaced(self, shop: Shop) -> None:
        number = letter(shop, job={"args": "[1, 2]"})
        assert shop.json("dlq", "edit", str(number), "--call", '{"args": ["Ada"]}')["changed"] == ["name"]
        assert stored(shop, number) == {"args": ["Ada"]}


class TestCorrection:
    SIGNATURE = Signature.unchecked("k")

    def test_a_value_inside_keeps_its_secret_when_its_neighbour_changes(self) -> None:
        correction = Correction('{"kwargs":{"a":[{"token":"t","n":1}]}}', {"kwargs": {"a": [{"token": "[redacted]", "n": 1}]}})
        found = correction.corrected('{"kwargs":{"a":[{"token":"[redacted]","n":2,"m":3}]}}', self.SIGNATURE)
        assert (json.loads(found.args), found.changed) == ({"kwargs": {"a": [{"token": "t", "n": 2, "m": 3}]}}, ["a"])

    def test_a_list_of_another_length_must_be_written_in_full(self) -> None:
        correction = Correction('{"args":[["t"]]}', {"args": [["[redacted]"]]})
        with pytest.raises(UsageError, match=r"args\[0\] holds \[redacted\]"):
            correction.corrected('{"args":[["[redacted]", 1]]}', self.SIGNATURE)

    def test_true_is_not_one(self) -> None:
        found = Correction('{"args":[1]}', {"args": [1]}).corrected('{"args":[true]}', self.SIGNATURE)
        assert (found.args, found.changed) == (b'{"args":[true]}', ["argument 1"])

    def test_the_meta_is_part_of_it_and_stays_where_it_is_left_out(self) -> None:
        correction = Correction("{}", {}, meta='{"tenant":7,"token":"t"}', shown_meta={"tenant": 7, "token": "[redacted]"})
        assert json.loads(correction.text) == {"meta": {"tenant": 7, "token": "[redacted]"}}
        for text, meta, changed in (
            ("{}", {"tenant": 7, "token": "t"}, []),
            ('{"meta": {"tenant": 8, "token": "[redacted]"}}', {"tenant": 8, "token": "t"}, ["meta"]),
        ):
            found = correction.corrected(text, self.SIGNATURE)
            assert (json.loads(found.meta or b""), found.changed) == (meta, changed)
        assert correction.corrected('{"meta": {}}', self.SIGNATURE).meta is None
        with pytest.raises(UsageError, match='"meta" is an object'):
            correction.corrected('{"meta": [1]}', self.SIGNATURE)

    def test_a_meta_that_came_without_its_secrets_is_written_in_full_before_it_runs(self) -> None:
        correction = Correction("{}", {}, meta='{"token":"[redacted]"}', shown_meta={"token": "[redacted]"})
        for text in ("{}", '{"args": []}', '{"meta": {"token": "[redacted]"}}'):
            with pytest.raises(UsageError, match=r"meta.token holds \[redacted\]"):
                correction.corrected(text, self.SIGNATURE)
        assert correction.corrected('{"meta": {"token": "t"}}', self.SIGNATURE).meta == b'{"token":"t"}'

    def test_it_acts_on_no_terminal(self) -> None:
        text = Correction("{}", {"args": ["\x1b[31m\u202e\x9bü"]}).text
        assert not set(text) & {"\x1b", "\u202e", "\x9b"}
        assert json.loads(text) == {"args": ["\x1b[31m\u202e\x9bü"]}

    def test_misfits_are_told_in_the_words_of_the_signature(self) -> None:
        with pytest.raises(InvalidArguments, match="unexpected argument 'a'"):
            Correction("{}", {}).corrected('{"kwargs":{"a":1}}', Signature("k", ()))


class TestComparing:
    def test_it_shows_where_two_letters_differ(self, shop: Shop) -> None:
        other = {**KNOWN, "versions": {**KNOWN["versions"], "app": "5a5a"}}
        first = letter(shop)
        second = letter(shop, forensics=other, error_message="bad luck", job={"args": '{"kwargs":{"name":"Bob"}}'})
        told = shop.json("dlq", "diff", str(first), str(second))
        assert {"path": "kwargs.name", "first": "Ada", "second": "Bob"} in told
        assert {"path": "forensics.versions.app", "first": "4f2c", "second": "5a5a"} in told
        assert {each["path"] for each in told} == {"error.message", "kwargs.name", "forensics.versions.app"}
        shown = shop.run("dlq", "diff", str(first), str(second)).stdout
        assert "kwargs.name" in shown
        assert f'{first:>8}  "Ada"' in shown

    def test_tracebacks_are_compared_line_by_line(self, shop: Shop) -> None:
        first, second = letter(shop), letter(shop)
        shop.execute(
            "UPDATE tidegate.dead_letters SET attempts = replace(attempts::text, 'Traceback ...', 'Traceback\\nhere')::json WHERE id = %s",
            second,
        )
        assert "+here" in shop.run("dlq", "diff", str(first), str(second)).stdout

    def test_two_deaths_alike_differ_in_nothing_that_matters(self, shop: Shop) -> None:
        first, second = letter(shop), letter(shop, forensics={**KNOWN, "process": {"pid": 8}})
        ended = shop.run("dlq", "diff", str(first), str(second))
        assert (ended.stdout, ended.stderr.endswith("they differ in nothing but their ids and times\n")) == ("", True)
        assert "forensics.process.pid" in shop.run("dlq", "diff", str(first), str(second), "--all").stdout
        assert shop.run("dlq", "diff", str(first), "77").exit_code == 3


class TestMoving:
    @pytest.fixture
    def elsewhere(self, database: str, monkeypatch: pytest.MonkeyPatch, shop: Shop) -> Shop:
        """The same shop on another database."""
        return Shop(shop.folder, database)

    def there(self, shop: Shop, *args: str, stdin: str | None = None) -> Any:
        return shop.run("--database", shop.database, *args, stdin=stdin)

    def test_they_arrive_whole_with_their_secrets(self, shop: Shop, elsewhere: Shop) -> None:
        for job in (SIGN_IN, {"priority": 7, "args": '{"args":[12345678901234567890, 1.10, 1e400]}'}):
            letter(shop, job=job)
        told = shop.run("dlq", "export", "--with-secrets", "--why", "moving")
        assert told.exit_code == 0
        assert [entry["action"] for entry in shop.json("dlq", "audit")] == ["dlq.export"]
        assert self.there(elsewhere, "dlq", "import", "-", stdin=told.stdout).exit_code == 0
        same = "SELECT queue, kind, priority, args::text, meta::text, died_at, reason, fingerprint, attempts::text, forensics::text, redacted"
        query = f"{same} FROM tidegate.dead_letters ORDER BY id"
        assert elsewhere.rows(query) == shop.rows(query)
        assert open_letters(shop) != []

    def test_twice_is_once_and_home_again_is_nothing(self, shop: Shop, elsewhere: Shop) -> None:
        letter(shop)
        lines = shop.run("dlq", "export").stdout
        for expected in ({"imported": 1, "known": 0, "redacted": 0}, {"imported": 0, "known": 1, "redacted": 0}):
            told = self.there(elsewhere, "dlq", "import", "--json", stdin=lines + "\n")
            assert json.loads(told.stdout) == expected
        back = self.there(elsewhere, "dlq", "export").stdout
        assert json.loads(shop.run("dlq", "import", "--json", stdin=back).stdout)["imported"] == 0
        assert json.loads(self.there(elsewhere, "dlq", "import", "--json", stdin=back).stdout)["imported"] == 0

    def test_without_secrets_they_are_marked_and_run_once_they_have_them(self, shop: Shop, elsewhere: Shop) -> None:
        letter(shop, job=SIGN_IN)
        letter(shop)
        told = shop.run("dlq", "export")
        assert "hunter2" not in told.stdout
        assert "44444" not in told.stdout
        assert "2 dead letters exported, 1 of them without their secrets" in told.stderr
        said = self.there(elsewhere, "dlq", "import", stdin=told.stdout)
        assert "1 came without their secrets" in said.stderr
        first, second = (row["id"] for row in elsewhere.rows("SELECT id FROM tidegate.dead_letters ORDER BY id"))
        assert self.there(elsewhere, "dlq", "retry", str(first)).exit_code == 4
        assert self.there(elsewhere, "dlq", "debug", str(first), "--no-pdb").exit_code == 4
        assert self.there(elsewhere, "dlq", "retry", str(second)).exit_code == 0
        half = '{"args": ["ada", "[redacted]"], "kwargs": {"shoe_size": 1}}'
        assert self.there(elsewhere, "dlq", "edit", str(first), "--call", half).exit_code == 2
        whole = '{"args": ["ada", "swordfish"], "kwargs": {"shoe_size": 1}}'
        assert self.there(elsewhere, "dlq", "edit", str(first), "--call", whole).exit_code == 0
        assert self.there(elsewhere, "dlq", "retry", str(first)).exit_code == 0

    def test_a_meta_without_its_secrets_does_not_run_either(self, shop: Shop, elsewhere: Shop) -> None:
        letter(shop, meta='{"tenant":7,"api_token":"hunter2"}')
        told = shop.run("dlq", "export")
        assert "hunter2" not in told.stdout
        self.there(elsewhere, "dlq", "import", stdin=told.stdout)
        [row] = elsewhere.rows("SELECT id FROM tidegate.dead_letters")
        edit = ("dlq", "edit", str(row["id"]), "--call")
        assert self.there(elsewhere, "dlq", "retry", str(row["id"])).exit_code == 4
        assert self.there(elsewhere, *edit, '{"kwargs": {"name": "Ada"}}').exit_code == 2
        mended = {"kwargs": {"name": "Ada"}, "meta": {"tenant": 7, "api_token": "swordfish"}}
        assert self.there(elsewhere, *edit, json.dumps(mended)).exit_code == 0
        assert self.there(elsewhere, "dlq", "retry", str(row["id"])).exit_code == 0
        assert elsewhere.rows("SELECT meta FROM tidegate.jobs") == [{"meta": {"tenant": 7, "api_token": "swordfish"}}]

    def test_a_choice_is_exported(self, shop: Shop) -> None:
        letter(shop)
        number = letter(shop, job={"queue": "ml"})
        assert [each["id"] for each in shop.json("dlq", "export", "--queue", "ml")] == [number]
        assert [each["id"] for each in shop.json("dlq", "export", str(number))] == [number]
        assert shop.run("dlq", "export", "77").exit_code == 3

    @pytest.mark.parametrize(
        ("change", "says"),
        [
            ({"format": "other"}, "line 2 is not a dead letter: format"),
            ({"queue": None}, "queue: "),
            ({"attempts": "["}, "JSONDecodeError"),
            ({"attempts": "[{}]"}, "KeyError"),
            ({"args": "["}, "JSONDecodeError"),
            ({"origin": "here"}, "origin"),
            ({"died_at": "2026-01-01"}, "died_at"),
            ({"priority": 4_000}, "priority"),
        ],
    )
    def test_a_line_that_does_not_read_lets_none_in(self, shop: Shop, change: dict[str, Any], says: str) -> None:
        letter(shop)
        line = shop.run("dlq", "export").stdout
        shop.execute("DELETE FROM tidegate.dead_letters")
        ended = shop.run("dlq", "import", stdin=line + json.dumps({**json.loads(line), **change}) + "\n")
        assert (ended.exit_code, says in ended.stderr) == (2, True), ended.stderr
        assert open_letters(shop) == []
        assert shop.json("dlq", "audit") == []

    def test_what_is_no_json_at_all_is_refused(self, shop: Shop) -> None:
        assert shop.run("dlq", "import", stdin="\x00\n").exit_code == 2
        assert shop.run("dlq", "import", "nosuch.ndjson").exit_code == 2
        assert shop.run("dlq", "import", stdin="").exit_code == 0

    def test_what_a_database_does_not_take_is_written_out(self, shop: Shop) -> None:
        letter(shop)
        line = json.loads(shop.run("dlq", "export").stdout) | {"error_message": "a\x00b", "origin": "x 1 2026-01-01T00:00:00Z"}
        assert shop.run("dlq", "import", stdin=json.dumps(line)).exit_code == 0
        assert shop.json("dlq", "list")[0]["error"]["message"] == "a\\x00b"


def debugged(shop: Shop, number: int, typed: str) -> subprocess.CompletedProcess[str]:
    """Debug a letter in a process of its own, whose standard input is this."""
    return subprocess.run(
        [sys.executable, "-m", "tidegate", *DEBUGGING, "dlq", "debug", str(number)],
        cwd=shop.folder,
        env=environment(TIDEGATE_DATABASE=shop.database),
        input=typed,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


class TestDebugging:
    ORDER = '{"args":[{"customer":"ada","items":[]}]}'

    def test_the_debugger_stands_where_it_was_raised(self, shop: Shop) -> None:
        number = letter(shop, job={"kind": "debugjobs:total", "queue": "slow", "args": self.ORDER})
        before = shop.rows("SELECT * FROM tidegate.dead_letters")
        ended = debugged(shop, number, "p net, tax\np order.customer\nq\n")
        assert ended.returncode == 1
        assert "ZeroDivisionError" in ended.stderr
        assert "(0, 20)" in ended.stdout
        assert "'ada'" in ended.stdout
        assert shop.rows("SELECT * FROM tidegate.dead_letters") == before
        assert shop.rows("SELECT id FROM tidegate.jobs") == []

    def test_plainly_it_tells_what_it_raised(self, shop: Shop) -> None:
        number = letter(shop, job={"kind": "debugjobs:total", "queue": "slow", "args": self.ORDER})
        ended = shop.run(*DEBUGGING, "dlq", "debug", str(number), "--no-pdb")
        assert (ended.exit_code, ended.stdout) == (1, "")
        assert "ZeroDivisionError" in ended.stderr
        assert "another failure than the one that it died of" in ended.stderr

    @pytest.mark.parametrize("kind", ["write", "note"])
    def test_what_it_writes_through_its_connection_is_rolled_back(self, shop: Shop, kind: str) -> None:
        number = letter(shop, job={"kind": f"debugjobs:{kind}"}, attempt=4)
        ended = shop.run(*DEBUGGING, "dlq", "debug", str(number))
        assert (ended.exit_code, "it returned" in ended.stderr) == (0, True), ended.stderr
        assert ("Ada 4 False" in ended.stderr) is (kind == "write")
        assert shop.json("dlq", "audit") == []

    @pytest.mark.long
    def test_an_async_handler_is_debugged_as_well(self, shop: Shop) -> None:
        number = letter(shop, job={"kind": "debugjobs:write", "args": '{"args":["nobody"]}'})
        ended = debugged(shop, number, "p name\nq\n")
        assert (ended.returncode, "'nobody'" in ended.stdout) == (1, True)
        assert shop.json("dlq", "audit") == []

    def test_a_batch_handler_gets_a_batch_of_one(self, shop: Shop) -> None:
        number = letter(shop, job={"kind": "debugjobs:several", "args": '{"kwargs":{"customer":"ada","items":[]}}'})
        ended = shop.run(*DEBUGGING, "dlq", "debug", str(number))
        assert (ended.exit_code, "it ended by raising Dead(reason='1 of ada')" in ended.stderr) == (1, True), ended.stderr

    def test_an_exit_is_a_failure(self, shop: Shop) -> None:
        number = letter(shop, job={"kind": "debugjobs:leave", "args": "{}"})
        assert shop.run(*DEBUGGING, "dlq", "debug", str(number), "--no-pdb").exit_code == 1

    def test_secrets_are_not_told(self, shop: Shop) -> None:
        number = letter(shop, job=SIGN_IN)
        ended = shop.run("dlq", "debug", str(number))
        assert ended.exit_code == 0
        assert "hunter2" not in ended.output

    def test_what_cannot_run_says_why(self, shop: Shop) -> None:
        assert shop.run("dlq", "debug", "77").exit_code == 3
        assert shop.run("dlq", "debug", str(letter(shop, job={"kind": "else:where"}))).exit_code == 2
        ended = shop.run("dlq", "debug", str(letter(shop, job={"args": "[1]"})))
        assert (ended.exit_code, "do not decode" in ended.stderr) == (1, True)

    def test_a_letter_that_was_retried_can_still_be_debugged(self, shop: Shop) -> None:
        number = letter(shop, died_at=datetime(2026, 1, 1, tzinfo=UTC))
        shop.run("dlq", "retry", str(number))
        assert jobs_of(shop)
        assert shop.run("dlq", "debug", str(number)).exit_code == 0


class TestTwoAtOnce:
    def test_two_retries_of_everything_bring_each_back_once(self, shop: Shop) -> None:
        for _ in range(4):
            letter(shop)
        shop.execute(
            "INSERT INTO tidegate.dead_letters (job_id, queue, kind, priority, attempt, lease, crashes, enqueued_at, run_at, reason, args,"
            " attempts) SELECT nextval('tidegate.job_id'), queue, kind, priority, attempt, lease, crashes, enqueued_at, run_at, reason,"
            " args, attempts FROM tidegate.dead_letters, generate_series(1, 499)"
        )

        def drive(_: int) -> int:
            with connect(shop.database) as connection:
                redrives = Redrives(connection)
                return redrives.drive(redrives.begin(Wanted(), rate=20_000)).done

        with ThreadPoolExecutor(2) as pool:
            done = list(pool.map(drive, range(2)))
        made = jobs_of(shop)
        assert sum(done) == len(made) == len(set(made.values())) == 2_000
        assert shop.rows("SELECT count(*) AS n FROM tidegate.jobs") == [{"n": 2_000}]

    def test_ctrl_c_leaves_a_retry_that_can_be_gone_on_with(self, shop: Shop) -> None:
        for _ in range(6):
            letter(shop)
        with shop.started("dlq", "retry", "--all", "--rate", "0.5") as started:
            shop.until(lambda: jobs_of(shop), what="the first to come back")
            started.signal(signal.SIGINT)
            assert started.ends() == 130
            assert "go on: tidegate dlq retry --resume" in started.words
        [redrive] = shop.json("dlq", "redrives")
        assert redrive["done"] == len(jobs_of(shop)) < 6
        shop.execute("UPDATE tidegate.redrives SET rate = NULL")
        assert shop.json("dlq", "retry", "--resume", str(redrive["id"]))["count"] == 6
        assert len(set(jobs_of(shop).values())) == 6
