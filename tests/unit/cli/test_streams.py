"""Whatever whoever starts a command has left of its streams, it says what it has to say, or ends with the truth."""

import shlex
import subprocess
import sys

import pytest


def run(words, redirected):
    command = f"{shlex.quote(sys.executable)} -m tidegate {words} {redirected}"
    return subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(("redirected", "shown"), [(">&-", False), ("2>&-", True), ("<&-", True), (">&- 2>&- <&-", False)])
def test_a_closed_stream_leads_nowhere(redirected, shown):
    ran = run("help exit-codes", redirected)
    assert (ran.returncode, ran.stderr, bool(ran.stdout)) == (0, "", shown)


def test_an_error_keeps_its_exit_code_without_any_stream():
    assert run("nosuch", ">&- 2>&- <&-").returncode == 2


def test_a_full_disk_is_a_failure_in_one_sentence():
    ran = run("help exit-codes", ">/dev/full")
    assert (ran.returncode, ran.stderr.splitlines()) == (
        1,
        [
            "error: standard output cannot be written to: No space left on device",
            "",
            "hint: is the disk full that it leads to?",
        ],
    )


def test_what_ends_with_a_code_of_its_own_does_not_hide_a_full_disk():
    assert run("--version", ">/dev/full").returncode == 1
