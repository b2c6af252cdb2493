"""The words for a process that took its job with it."""

import signal

import pytest

from tidegate.jobs import Failure, State, Word
from tidegate.lifecycle import Ack
from tidegate.runtime.processes import verdicts
from tidegate.runtime.processes.verdicts import Death, explained, failure_of, size, where
from tidegate.runtime.processes.wire import LOST_CHANNEL
from tidegate.supervision.capture import Captured

QUIET = Captured("", "", "")


def death(returncode=1, *, peak_rss=0, exact=True, captured=QUIET, memory=0, oom_kill=False, fault=""):
    return Death(returncode, peak_rss, exact, captured, memory, oom_kill, fault)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        (death(3), "its process ended with exit code 3"),
        (death(-signal.SIGSEGV), "its process was ended by SIGSEGV (Segmentation fault)"),
        (death(-signal.SIGKILL), "its process was ended by SIGKILL (Killed), which its node did not send"),
        (death(-signal.SIGKILL, oom_kill=True), "out of memory: its process was ended by SIGKILL (Killed), by the kernel"),
        (death(-signal.SIGSEGV, oom_kill=True), "its process was ended by SIGSEGV (Segmentation fault)"),
        (death(-77), "its process was ended by signal 77"),
        (death(LOST_CHANNEL), "its process closed the channel to its node"),
        (death(-9, fault="its process said what is no answer"), "its process said what is no answer"),
        (death(1, peak_rss=2**27, exact=False), "its process ended with exit code 1; peak memory at most 128 MiB"),
        (death(1, peak_rss=3 * 2**29, memory=2**31), "its process ended with exit code 1; peak memory 1.5 GiB; allowed 2 GiB"),
    ],
)
def test_a_crash_says_how_the_process_ended(how, message):
    assert failure_of(how) == Failure("Crashed", message, "")


@pytest.mark.parametrize("words", ["MemoryError\n", "what():  std::bad_alloc\n", "OSError: [Errno 12] Cannot allocate memory"])
def test_what_it_said_last_may_tell_that_memory_was_why(words):
    assert failure_of(death(-6, captured=Captured(words, words, ""))).message.startswith(
        "out of memory: its process was ended by SIGABRT"
    )
    assert failure_of(death(0, captured=Captured(words, words, ""))).message == "its process ended with exit code 0"


def test_a_crash_keeps_the_stack_and_what_was_said_on_stderr():
    captured = Captured(
        "all of it",
        "oh no\n",
        'Fatal Python error: Aborted\n\nCurrent thread 0x1 (most recent call first):\n  File "shop.py", line 3 in f\n',
    )
    assert failure_of(death(-6, captured=captured)).traceback == (
        'Fatal Python error: Aborted\n\nCurrent thread 0x1 (most recent call first):\n  File "shop.py", line 3 in f\n'
        "The last of its stderr:\noh no\n"
    )


def test_what_is_ours_is_left_out_of_a_stack():
    ours = verdicts.OURS[0]
    words = "\n".join(
        [
            "Thread 0x1 (most recent call first):",
            f'  File "{verdicts.OURS[2]}lifeline.py", line 3 in _die_with_parent',
            "",
            "Current thread 0x2 (most recent call first):",
            '  File "shop.py", line 3 in f',
            f'  File "{ours}runner.py", line 9 in run',
            '  File "<frozen runpy>", line 198 in _run_module_as_main',
        ]
    )
    assert where(words) == 'Current thread 0x2 (most recent call first):\n  File "shop.py", line 3 in f'


def failed(kind, message=""):
    return Ack(1, 1, State.SCHEDULED, Word.FAILED, failure=Failure(kind, message))


def test_a_memory_error_is_put_into_words():
    assert (
        explained(failed("MemoryError"), 2**31).failure.message == "out of memory: an allocation failed; its process may use 2 GiB"
    )
    array = failed("numpy._core._exceptions._ArrayMemoryError", "Unable to allocate 8 GiB")
    assert explained(array, 0).failure.message == "out of memory: Unable to allocate 8 GiB"


def test_another_error_and_one_that_was_explained_stay():
    for ack in (failed("ValueError", "x"), Ack(1, 1, State.COMPLETED, Word.DONE), explained(failed("MemoryError"), 0)):
        assert explained(ack, 5) is ack


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 bytes"), (2**10, "1 KiB"), (3 * 2**19, "1.5 MiB"), (2**31, "2 GiB"), (2**41, "2048 GiB")]
)
def test_sizes_are_for_people(number, text):
    assert size(number) == text


def test_how_often_the_kernel_killed_is_known_or_not(monkeypatch, tmp_path):
    assert verdicts.oom_kills() is None or verdicts.oom_kills() >= 0
    monkeypatch.setattr(verdicts, "VMSTAT", tmp_path / "vmstat")
    assert verdicts.oom_kills() is None
    (tmp_path / "vmstat").write_text("nr_free_pages 5\noom_kill 3\n")
    assert verdicts.oom_kills() == 3
    (tmp_path / "vmstat").write_text("nr_free_pages 5\n")
    assert verdicts.oom_kills() is None
