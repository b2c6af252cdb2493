"""What only a process of its own shows: pipes, terminals, completion, errors that nobody expected."""

from __future__ import annotations

import os
import pty
import re
import shlex
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from tests.integration.cli.shop import Shop, environment


def on_terminal(shop: Shop, *args: str, columns: int = 120, **env: str) -> str:
    """Run a command on a terminal so wide, and return what it wrote there."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (40, columns))
    words = [sys.executable, "-m", "tidegate", *args]
    kept = {name: value for name, value in environment().items() if name not in {"NO_COLOR", "COLUMNS", "LINES", "TERM", "CI"}}
    process = subprocess.Popen(
        words,
        cwd=shop.folder,
        env={**kept, "TERM": "xterm", "TIDEGATE_DATABASE": shop.database, **env},
        stdout=theirs,
        stderr=theirs,
        stdin=theirs,
    )
    os.close(theirs)
    written = b""
    while True:
        try:
            part = os.read(ours, 65_536)
        except OSError:  # Linux says so when the last writer is gone
            break
        if not part:
            break
        written += part
    os.close(ours)
    assert process.wait(30) == 0
    return written.decode().replace("\r\n", "\n")


class TestTerminals:
    def test_a_terminal_gets_a_table_with_a_bold_head(self, shop: Shop) -> None:
        shop.insert()
        written = on_terminal(shop, "jobs", "list")
        assert "\x1b[1m" in written
        assert "shopjobs:greet" in written

    @pytest.mark.parametrize("env", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
    def test_colours_can_be_declined(self, shop: Shop, env: dict[str, str]) -> None:
        shop.insert()
        written = on_terminal(shop, "queues", "list", **env)
        assert "\x1b[3" not in written
        assert "QUEUE" in written

    def test_a_long_kind_is_cut_to_the_width(self, shop: Shop) -> None:
        shop.insert(kind="long:" + "x" * 300)
        written = on_terminal(shop, "jobs", "list", columns=130)
        lines = re.sub("\x1b\\[[0-9;]*m", "", written).splitlines()
        assert max(map(len, lines)) <= 130
        assert "…" in lines[-1]

    def test_a_narrow_terminal_gets_one_record_after_the_other(self, shop: Shop) -> None:
        job_id = shop.insert()
        lines = on_terminal(shop, "jobs", "list", columns=40).splitlines()
        assert f"id:       {job_id}" in lines
        assert "kind:     shopjobs:greet" in lines

    def test_markup_in_a_value_is_text(self, shop: Shop) -> None:
        shop.insert(kind="[red]x[/red]:smile:")
        assert "[red]x[/red]:smile:" in on_terminal(shop, "jobs", "list")


class TestPipes:
    def test_a_reader_that_leaves_is_no_failure(self, shop: Shop) -> None:
        for _ in range(50):
            shop.insert(kind="k:" + "x" * 5_000)
        command = f"{shlex.quote(sys.executable)} -m tidegate jobs list --limit 50 --json"
        ran = subprocess.run(
            ["bash", "-c", f"set -o pipefail; {command} | head -n 1"],
            cwd=shop.folder,
            env=environment(TIDEGATE_DATABASE=shop.database),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (ran.returncode, ran.stdout) == (0, "[\n")
        assert ran.stderr.strip() == "shopjobs is imported"

    def test_what_an_encoding_does_not_have_is_escaped(self, shop: Shop) -> None:
        job_id = shop.insert(args='{"args": ["漢"]}')
        ran = shop.call("jobs", "show", str(job_id), env={"PYTHONIOENCODING": "latin-1"})
        assert ran.returncode == 0, ran.stderr
        assert 'args:     ["\\u6f22"]' in ran.stdout


class TestTheUnexpected:
    @pytest.fixture
    def broken(self, shop: Shop) -> Shop:
        (shop.folder / "sitecustomize.py").write_text("import tidegate.cli.wording as w\nw.moment = lambda at: 1 / 0\n")
        shop.insert()
        return shop

    def test_it_costs_one_sentence(self, broken: Shop) -> None:
        ran = broken.call("jobs", "list", env={"PYTHONPATH": str(broken.folder)})
        assert ran.returncode == 1
        assert "Traceback" not in ran.stderr
        assert "error: this should not have happened: ZeroDivisionError: division by zero\n\nhint: with --debug" in ran.stderr

    def test_debug_shows_where(self, broken: Shop) -> None:
        ran = broken.call("jobs", "list", "--debug", env={"PYTHONPATH": str(broken.folder)})
        assert ran.returncode == 1
        assert "Traceback (most recent call last)" in ran.stderr


def completed(shop: Shop, shell: str, *words: str) -> list[str]:
    """Return what a shell would offer for the last of the words."""
    env = {"_TIDEGATE_COMPLETE": f"{shell}_complete", "COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
    ran = shop.call(env=env)
    assert ran.stderr == ""
    return [line.split(",", 1)[1] for line in ran.stdout.splitlines() if line]


class TestCompletion:
    @pytest.mark.parametrize(
        ("words", "offered"),
        [
            (["tidegate", "que"], ["queues"]),
            (["tidegate", "queues", "pa"], ["pause"]),
            (["tidegate", "queues", "show", ""], ["email", "slow", "ml"]),
            (["tidegate", "queues", "pause", "email", "s"], ["slow"]),
            (["tidegate", "up", "--queues", "email,s"], ["email,slow"]),
            (["tidegate", "jobs", "list", "--state", "comp"], ["completed"]),
            (["tidegate", "enqueue", "shopjobs:gi"], ["shopjobs:give_up"]),
            (["tidegate", "enqueue", "shopjobs", ":", "gi"], ["give_up"]),
            (
                ["tidegate", "enqueue", "shopjobs", ":"],
                [
                    "greet",
                    "bill",
                    "fail",
                    "give_up",
                    "call_off",
                    "nap",
                    "nap_until",
                    "block",
                    "talk",
                    "talk_in_a_thread",
                    "sign_in",
                    "hog",
                    "add",
                ],
            ),
            (["tidegate", "--config", "nosuch.yaml", "queues", "show", ""], []),
        ],
    )
    def test_a_shell_is_offered_what_fits(self, shop: Shop, words: list[str], offered: list[str]) -> None:
        assert completed(shop, "bash", *words) == offered

    @pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
    def test_each_shell_gets_a_script(self, shop: Shop, shell: str) -> None:
        ran = shop.call("completion", shell)
        assert ran.returncode == 0
        assert f"_TIDEGATE_COMPLETE={shell}_complete" in ran.stdout

    def test_bash_takes_the_script(self, shop: Shop, tmp_path: Path) -> None:
        script = tmp_path / "completion.bash"
        script.write_text(shop.call("completion", "bash").stdout)
        ran = subprocess.run(
            ["bash", "-c", f"source '{script}' && complete -p tidegate"], capture_output=True, text=True, check=True
        )
        assert "_tidegate_completion" in ran.stdout


class TestStarter:
    def test_a_new_folder_runs_as_it_is(self, shop: Shop, tmp_path: Path) -> None:
        place = tmp_path / "new folder"
        assert shop.call("init", str(place)).returncode == 0
        new = Shop(place, shop.database)
        tested = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "."],
            cwd=place,
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert "2 passed" in tested.stdout, tested.stdout
        greeted = int(new.call("enqueue", "jobs:greet", "name=Ada").stdout)
        counted = int(new.call("enqueue", "jobs:count_primes", "below=100").stdout)
        ran = new.call("up", "--until-empty", "--metrics-port", "0")
        assert ran.returncode == 0, ran.stderr
        assert (new.state(greeted), new.state(counted)) == ("completed", "completed")
