"""Real processes: what they end with, and that none is left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tidegate.supervision import (
    AlreadyStarted,
    ChildSpec,
    Crash,
    FailedToStart,
    Killed,
    NoProc,
    Normal,
    NotReady,
    ProcessChild,
    ProcessDied,
    Shutdown,
    StartTimeout,
    Supervisor,
)
from tidegate.supervision.reaping import peak_rss

LIMIT = 60  # seconds after which a test has failed; nothing here takes more than one or two

TARGETS = '''
import asyncio, json, os, signal, subprocess, sys, time

def note(path, *words):
    with open(path, "w") as file:
        json.dump(words, file)

def leave(code=0):
    sys.exit(code)

def fail():
    raise ValueError("boom")

def die_of(number):
    if number != signal.SIGKILL:
        signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)

def hold(ready, fifo):
    """Hold the pipe open: its reader hears of the end of this process, and of all that inherited it."""
    file = open(fifo, "w")
    ready()
    time.sleep(1000)

def hold_deaf(ready, fifo):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    hold(ready, fifo)

def hold_with_family(ready, fifo):
    file = open(fifo, "w")
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"], pass_fds=[file.fileno()])
    ready()
    time.sleep(1000)

def hold_with_family_and_die(ready, fifo):
    file = open(fifo, "w")
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"], pass_fds=[file.fileno()])
    ready()
    os.abort()

def hold_but_never_ready(ready, fifo):
    file = open(fifo, "w")
    time.sleep(1000)

def tidy(ready, path):
    try:
        ready()
        time.sleep(1000)
    finally:
        note(path, "tidied up")

async def tidy_async(ready, path):
    try:
        ready()
        await asyncio.sleep(1000)
    finally:
        await asyncio.sleep(0)
        note(path, "tidied up")

def hasty(ready):
    pass

def hopeless(ready):
    os.abort()

def number():
    return 7

value = 7

def echo(channel, greeting):
    channel.ready(greeting=greeting)
    while (message := channel.receive()) is not None:
        if message == b"waiting?":
            before = channel.waiting()
            channel.send(str(before).encode())
            while not channel.waiting():
                time.sleep(0.01)
            message = b"now it waits"
        channel.send(message)

def converse_until(channel, how):
    channel.ready()
    channel.receive()
    if how == "die":
        os._exit(3)
    if how == "deaf":
        signal.pause()
    if how == "close":
        os.closerange(3, 256)
        time.sleep(1000)

def write(channel):
    channel.ready()
    while (message := channel.receive()) is not None:
        print("out", message.decode())
        print("err", message.decode(), file=sys.stderr)
        subprocess.run(["sh", "-c", "echo from a child"])
        os.write(1, b"x" * int(message))
        channel.send(b"written")

def crash(channel):
    import ctypes
    channel.ready()
    channel.receive()
    print("before it crashed")
    ctypes.string_at(0)

def grow(channel, megabytes):
    channel.ready()
    bytearray(megabytes * 2**20)
    channel.receive()

def hold_the_lock(channel, fifo):
    """Run C code that never lets other threads run, with a member of the family that holds the pipe, too."""
    import re
    file = open(fifo, "w")
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"], pass_fds=[file.fileno()])
    channel.ready()
    channel.receive()
    sys.setswitchinterval(1000)
    re.match(r"(a+)+$", "a" * 60 + "b")
'''


@pytest.fixture(autouse=True)
def targets(tmp_path, monkeypatch):
    (tmp_path / "tidegate_process_targets.py").write_text(TARGETS)
    monkeypatch.syspath_prepend(tmp_path)


class Line:
    """A pipe by name, of which one hears when nobody holds its other end any more."""

    def __init__(self, folder: Path) -> None:
        self.path = str(folder / "line")
        os.mkfifo(self.path)
        self._end = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)

    async def silent(self) -> bool:
        reader = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(self._end, "rb")
        )
        async with asyncio.timeout(LIMIT):
            left = await reader.read()
        transport.close()
        return left == b""


@pytest.fixture
def line(tmp_path):
    return Line(tmp_path)


def child(function, *args, **given):
    return ProcessChild(f"tidegate_process_targets:{function}", *args, **given)


async def ended(function, *args):
    process = child(function, *args)
    await process.start()
    async with asyncio.timeout(LIMIT):
        return await process.join()


# How a process ended


async def test_a_function_that_returns_has_ended_normally():
    assert await ended("number") == Normal()


async def test_exit_code_zero_is_a_normal_end():
    assert await ended("leave", 0) == Normal()


async def test_another_exit_code_is_a_crash():
    reason = await ended("leave", 3)
    assert isinstance(reason, Crash)
    assert isinstance(reason.error, ProcessDied)
    assert (reason.error.returncode, reason.error.signal) == (3, None)
    assert str(reason.error).endswith("(tidegate_process_targets:leave) ended with exit code 3")


async def test_an_exception_is_a_crash_with_exit_code_one(capfd):
    reason = await ended("fail")
    assert reason.error.returncode == 1
    assert "ValueError: boom" in capfd.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL, signal.SIGTERM])
async def test_a_signal_that_nobody_asked_for_is_a_crash(number):
    reason = await ended("die_of", int(number))
    assert reason.error.signal == number.name
    assert f"was ended by {number.name}" in str(reason)


async def test_its_arguments_travel_as_json(tmp_path):
    args = ["päckchen", 7, 1.5, None, True, {"a": [1, {"b": "c"}]}, "x" * 500_000]
    assert await ended("note", str(tmp_path / "args"), *args) == Normal()
    assert (tmp_path / "args").stat().st_size > 500_000


def test_an_argument_that_is_not_json_is_refused_at_once():
    with pytest.raises(TypeError, match=r"the arguments of a:b must be JSON: Object of type object is not JSON serializable"):
        ProcessChild("a:b", object())


async def test_a_process_that_never_ran_is_not_there():
    process = child("number")
    process.kill()
    await process.stop()
    assert await process.join() == NoProc()


# Asked to end


@pytest.mark.parametrize("function", ["tidy", "tidy_async"])
async def test_sigterm_lets_it_tidy_up_and_is_a_shutdown(function, tmp_path):
    process = child(function, str(tmp_path / "note"), signals_ready=True)
    await process.start()
    await process.stop(timeout=LIMIT)
    assert await process.join() == Shutdown()
    assert (tmp_path / "note").read_text() == '["tidied up"]'


async def test_stop_ends_it_with_the_reason_given(line):
    process = child("hold", line.path, signals_ready=True)
    await process.start()
    await process.stop(Normal(), LIMIT)
    assert (await process.join(), process.alive) == (Normal(), False)


async def test_one_that_does_not_hear_sigterm_is_killed_after_the_timeout(line):
    process = child("hold_deaf", line.path, signals_ready=True)
    await process.start()
    await process.stop(timeout=0.1)
    assert await process.join() == Killed()
    assert await line.silent()


async def test_kill_takes_the_whole_group(line):
    process = child("hold_with_family", line.path, signals_ready=True)
    await process.start()
    process.kill()
    assert await process.join() == Killed()
    assert await line.silent()


async def test_a_crash_leaves_nothing_of_its_family(line):
    process = child("hold_with_family_and_die", line.path, signals_ready=True)
    await process.start()
    assert (await process.join()).error.signal == "SIGABRT"
    assert await line.silent()


async def test_stopping_what_has_ended_changes_nothing():
    process = child("leave", 0)
    await process.start()
    await process.join()
    await process.stop(timeout=1)
    process.kill()
    assert await process.join() == Normal()


# Ready


async def test_it_is_ready_when_it_says_so(line):
    process = child("hold", line.path, signals_ready=True)
    await process.start()
    assert process.alive
    process.kill()
    assert await line.silent()


async def test_one_that_is_not_ready_in_time_is_killed(line):
    process = child("hold_but_never_ready", line.path, signals_ready=True, ready_timeout=1.0)
    with pytest.raises(
        StartTimeout, match=r"process \d+ \(tidegate_process_targets:hold_but_never_ready\) was not ready within 1 s"
    ):
        await process.start()
    assert not process.alive
    assert await line.silent()


async def test_one_that_ends_before_it_was_ready_has_not_started():
    with pytest.raises(NotReady, match="ended before it was ready"):
        await child("hasty", signals_ready=True).start()


async def test_one_that_dies_before_it_was_ready_has_not_started():
    with pytest.raises(ProcessDied, match="was ended by SIGABRT"):
        await child("hopeless", signals_ready=True).start()


@pytest.mark.parametrize(("target", "why"), [
    ("tidegate_no_such_module:f", "ModuleNotFoundError: No module named 'tidegate_no_such_module'"),
    ("tidegate_process_targets:nobody", "AttributeError: module 'tidegate_process_targets' has no attribute 'nobody'"),
    ("tidegate_process_targets:value", "TypeError: tidegate_process_targets:value is no function, but int"),
    ("tidegate_process_targets", "ValueError: a target is written package.module:function; got 'tidegate_process_targets'"),
])  # fmt: skip
async def test_a_target_that_cannot_be_found_says_why(target, why):
    with pytest.raises(NotReady) as refusal:
        await ProcessChild(target).start()
    assert why in str(refusal.value)
    assert "Traceback" in refusal.value.__notes__[0]


async def test_a_start_that_is_cancelled_leaves_no_process(line):
    process = child("hold_but_never_ready", line.path, signals_ready=True)
    starting = asyncio.ensure_future(process.start())
    opened = asyncio.get_running_loop().run_in_executor(
        None, lambda: Path(line.path).open().close()
    )  # returns once the process has opened it
    async with asyncio.timeout(LIMIT):
        await opened
    starting.cancel()
    await asyncio.wait({starting})
    assert starting.cancelled()
    assert await process.join() == Killed()
    assert await line.silent()


async def test_it_starts_once():
    process = child("number")
    await process.start()
    with pytest.raises(AlreadyStarted):
        await process.start()
    await process.join()


# Conversing


async def conversation(function, *args):
    process = child(function, *args, converses=True)
    await process.start()
    return process


async def test_messages_go_both_ways_whatever_their_size():
    process = await conversation("echo", "good morning")
    assert process.facts == {"greeting": "good morning"}
    for message in (b"", b"\x00\xff\n", b"x" * 3_000_000):
        process.channel.send(message)
        assert await process.channel.receive() == message
    process.channel.send(b"waiting?")
    assert await process.channel.receive() == b"False"
    process.channel.send(b"second")
    assert [await process.channel.receive(), await process.channel.receive()] == [b"now it waits", b"second"]
    process.channel.close()
    assert await process.join() == Normal()


async def test_a_process_says_where_it_stands_and_goes_on():
    process = await conversation("echo", "good morning")
    assert process.look()
    assert "most recent call first" in await asyncio.to_thread(process.seen, 20)
    for message in (b"x" * 3_000_000, b"y"):  # which arrives although signals interrupt it
        process.channel.send(message)
        for _ in range(3):
            process.look()
            await asyncio.to_thread(process.seen, 20)
        assert await process.channel.receive() == message
    process.channel.close()
    assert await process.join() == Normal()
    assert not process.look()
    assert process.seen(20) == ""


async def test_a_process_that_does_not_converse_cannot_be_looked_at():
    process = child("number")
    assert (process.look(), process.seen(20)) == (False, "")
    await process.start()
    assert (process.look(), process.seen(20)) == (False, "")
    await process.join()


async def test_the_end_of_a_conversation_is_heard():
    process = await conversation("converse_until", "die")
    process.channel.send(b"go on")
    assert await process.channel.receive() is None
    assert (await process.join()).error.returncode == 3
    assert not process.channel.undelivered
    assert await process.channel.receive() is None


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
async def test_what_a_process_never_read_is_told_as_undelivered():
    process = await conversation("converse_until", "deaf")
    process.channel.send(b"one")
    process.channel.send(b"two")
    await asyncio.sleep(0.1)  # it is deaf from here on, or earlier: either way it has not read the second
    process.kill()
    assert await process.channel.receive() is None
    assert process.channel.undelivered


async def test_what_is_sent_to_a_process_that_has_ended_is_undelivered():
    process = await conversation("converse_until", "die")
    process.kill()
    await process.join()
    assert await process.channel.receive() is None
    process.channel.send(b"too late")
    assert process.channel.undelivered


async def test_a_process_that_closes_what_it_does_not_own_is_heard_of_and_can_be_killed():
    process = await conversation("converse_until", "close")
    process.channel.send(b"go on")
    assert await process.channel.receive() is None
    assert process.alive
    process.kill()
    assert await process.join() == Killed()


def test_one_that_was_not_started_has_neither_channel_nor_capture():
    for name in ("channel", "capture"):
        with pytest.raises(NotReady, match="not started"):
            getattr(child("number"), name)


# What it writes


async def test_both_streams_of_a_conversing_process_are_kept_down_to_those_of_its_children():
    process = await conversation("write")
    process.channel.send(b"0")
    await process.channel.receive()
    taken = process.capture.take()
    assert sorted(taken.output.splitlines()) == ["err 0", "from a child", "out 0"]
    assert (taken.stderr, taken.words) == ("err 0\n", "")
    assert process.capture.take().output == ""
    process.kill()
    await process.join()


async def test_with_echo_what_it_writes_appears_among_what_its_parent_writes(capfdbinary):
    process = child("write", converses=True, echo=True)
    await process.start()
    process.channel.send(b"0")
    await process.channel.receive()
    assert process.capture.take().stderr == "err 0\n"
    process.kill()
    await process.join()
    written = capfdbinary.readouterr()
    assert sorted(written.out.split(b"\n")) == [b"", b"from a child", b"out 0"]
    assert written.err == b"err 0\n"


async def test_only_the_last_of_much_output_is_kept_and_what_went_is_counted():
    process = await conversation("write")
    process.channel.send(b"5000000")
    await process.channel.receive()
    output = process.capture.take().output
    first, _, rest = output.partition("\n")
    assert len(rest) == 64 * 1024
    assert set(rest) == {"x"}
    assert first == f"[... {5_000_000 + len('out 5000000err 5000000from a child') + 3 - 64 * 1024} bytes dropped ...]"
    process.kill()
    await process.join()


async def test_the_last_words_of_a_crash_are_kept_apart_from_its_output():
    process = await conversation("crash")
    process.channel.send(b"go on")
    await process.join()
    taken = process.capture.take()
    assert taken.output == "before it crashed\n"
    assert "Fatal Python error: Segmentation fault" in taken.words
    assert "in crash" in taken.words


async def test_sigterm_has_it_say_where_it_stands():
    process = await conversation("converse_until", "deaf")
    process.channel.send(b"go on")
    await process.stop(timeout=LIMIT)
    assert "in converse_until" in process.capture.take().words


# How much memory it used


async def test_the_peak_of_its_memory_is_known_once_it_has_ended():
    own = peak_rss() // 2**20  # of this very process, below which a child's cannot be told
    process = await conversation("grow", own + 200)
    assert process.peak_rss is None
    process.channel.close()
    await process.join()
    assert own + 200 < process.peak_rss / 2**20 < own + 800


async def test_a_peak_below_that_of_its_parent_is_not_known(monkeypatch):
    process = await conversation("grow", 1)
    process.carried_over = 2**40
    process.kill()
    await process.join()
    assert process.peak_rss is None


async def test_its_end_is_heard_of_where_there_are_no_process_descriptors(monkeypatch):
    monkeypatch.delattr(os, "pidfd_open")
    assert (await ended("leave", 3)).error.returncode == 3


async def test_an_end_that_somebody_else_has_reaped_is_an_end(monkeypatch):
    process = child("leave", 3)
    monkeypatch.setattr(os, "wait4", lambda pid, options: os.waitpid(pid, 0) and os.waitpid(pid, 0))
    await process.start()
    async with asyncio.timeout(LIMIT):
        assert (await process.join()).error.returncode == 255


# The parent's end

PARENT = """
import asyncio, os, sys, time
from tidegate.supervision import ProcessChild

async def main():
    if "busy" in sys.argv:
        child = ProcessChild("tidegate_process_targets:hold_the_lock", sys.argv[1], converses=True)
    else:
        child = ProcessChild("tidegate_process_targets:hold", sys.argv[1], signals_ready=True)
    await child.start()
    if "busy" in sys.argv:
        child.channel.send(b"go on")
    if "fork" in sys.argv and os.fork() == 0:
        os.close(1)
        time.sleep(3)
        os._exit(0)
    print("ready", flush=True)
    if "return" not in sys.argv:
        await asyncio.sleep(1000)

sys.path.insert(0, sys.argv[2])
asyncio.run(main())
"""


async def parent(line, tmp_path, *how):
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PARENT, line.path, str(tmp_path), *how, stdout=subprocess.PIPE
    )
    async with asyncio.timeout(LIMIT):
        assert await process.stdout.readline() == b"ready\n"
    return process


async def test_it_dies_with_a_parent_that_is_killed(line, tmp_path):
    process = await parent(line, tmp_path)
    process.kill()
    await process.wait()
    assert await line.silent()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux sends a signal when a pipe ends")
async def test_it_dies_with_its_parent_even_while_c_code_holds_the_lock_and_its_family_with_it(line, tmp_path):
    process = await parent(line, tmp_path, "busy")
    process.kill()
    await process.wait()
    assert await line.silent()


async def test_it_dies_with_its_parent_although_a_fork_of_the_parent_lives_on(line, tmp_path):
    process = await parent(line, tmp_path, "fork")
    process.kill()
    await process.wait()
    assert await line.silent()


async def test_it_dies_with_the_loop_that_it_was_started_on(line, tmp_path):
    process = await parent(line, tmp_path, "return")
    async with asyncio.timeout(LIMIT):
        assert await process.wait() == 0
    assert await line.silent()


# Supervised


async def test_a_process_that_crashes_is_replaced_by_another_one(line):
    restarted = asyncio.Event()
    spec = ChildSpec("p", lambda: child("hold", line.path, signals_ready=True))
    async with Supervisor([spec], on_restart=lambda _: restarted.set()) as supervisor:
        first = supervisor.child("p")
        os.kill(first.pid, signal.SIGSEGV)
        async with asyncio.timeout(LIMIT):
            await restarted.wait()
        second = supervisor.child("p")
        assert (first.pid != second.pid, str(await first.join()).endswith("SIGSEGV")) == (True, True)
        assert supervisor.tree().children[0].detail == {"pid": second.pid, "target": "tidegate_process_targets:hold"}
    assert await second.join() == Shutdown()
    assert await line.silent()


async def test_a_supervisor_that_is_killed_kills_its_processes(line):
    supervisor = await Supervisor([ChildSpec("p", lambda: child("hold_deaf", line.path, signals_ready=True))]).start()
    process = supervisor.child("p")
    supervisor.kill()
    assert (await supervisor.join(), await process.join(), supervisor.zombies) == (Killed(), Killed(), 0)
    assert await line.silent()


async def test_a_process_that_cannot_start_is_a_start_failure():
    with pytest.raises(FailedToStart, match="No module named 'tidegate_no_such_module'"):
        await Supervisor([ChildSpec("p", lambda: ProcessChild("tidegate_no_such_module:f"))]).start()
