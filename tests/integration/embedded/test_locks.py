"""The record locks: who holds what, seen from another process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Self

import pytest
from tests.integration.embedded.people import PACKAGE

from tidegate.store.embedded import locks

HOLD = """
import sys
from pathlib import Path
from tidegate.store.embedded import locks
fd = locks.descriptor(Path(sys.argv[1]))
print(getattr(locks, sys.argv[2])(fd, int(sys.argv[3])), flush=True)
sys.stdin.readline()
"""


class Other:
    """Another process that tries a lock, and holds it while this is open."""

    def __init__(self, path: Path, verb: str, byte: int) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-c", HOLD, str(path), verb, str(byte)],
            env={**os.environ, "PYTHONPATH": str(PACKAGE)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.got = self.process.stdout.readline().strip() == "True"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.communicate("\n")


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "lock"


@pytest.fixture
def lock(path) -> int:
    return locks.descriptor(path)


def test_users_share(path, lock):
    assert locks.share(lock, locks.USERS)
    with Other(path, "share", locks.USERS) as other:
        assert other.got


def test_e1_keeper_does_not_get_the_users_lock_while_there_is_one(path, lock):
    assert locks.share(lock, locks.USERS)
    with Other(path, "take", locks.USERS) as other:
        assert not other.got


def test_user_waits_outside_while_the_keeper_has_the_users_lock(path, lock):
    with Other(path, "take", locks.USERS) as other:
        assert other.got
        assert not locks.share(lock, locks.USERS)


def test_bytes_are_independent(path, lock):
    assert locks.take(lock, locks.SETUP)
    with Other(path, "take", locks.KEEPER) as other:
        assert other.got


def test_holder_is_told_with_its_pid_and_kind(path, lock):
    with Other(path, "take", locks.KEEPER) as keeper, Other(path, "share", locks.USERS) as user:
        assert locks.holder(lock, locks.KEEPER) == locks.Holder(keeper.process.pid, exclusive=True)
        assert locks.holder(lock, locks.USERS) == locks.Holder(user.process.pid, exclusive=False)


def test_nobody_holds_what_was_released(path, lock):
    with Other(path, "take", locks.KEEPER):
        pass
    assert locks.holder(lock, locks.KEEPER) is None


def test_holder_asks_only_after_others(lock):
    assert locks.take(lock, locks.KEEPER)
    assert locks.holder(lock, locks.KEEPER) is None


def test_lock_of_a_killed_process_is_free_at_once(path, lock):
    with Other(path, "take", locks.KEEPER) as other:
        other.process.kill()
        other.process.wait()
        assert locks.take(lock, locks.KEEPER)


def test_process_has_one_descriptor_of_a_file_by_whatever_path(path, lock, tmp_path):
    (tmp_path / "link").symlink_to(path)
    assert locks.descriptor(tmp_path / "link") == lock


def test_asking_for_the_descriptor_again_loses_no_lock(path, lock):
    assert locks.share(lock, locks.USERS)
    locks.descriptor(path)
    with Other(path, "take", locks.USERS) as other:
        assert not other.got


def test_e1_forked_child_holds_nothing_of_its_parents(lock):
    assert locks.take(lock, locks.KEEPER)
    child = os.fork()
    if child == 0:
        os._exit(0 if locks.holder(lock, locks.KEEPER) == locks.Holder(os.getppid(), exclusive=True) else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_forked_child_that_ends_takes_no_lock_of_its_parent_with_it(path, lock):
    assert locks.share(lock, locks.USERS)
    child = os.fork()
    if child == 0:
        os.close(lock)
        os._exit(0)
    os.waitpid(child, 0)
    with Other(path, "take", locks.USERS) as other:
        assert not other.got


def test_descriptor_names_its_file_until_that_is_replaced(path, lock):
    assert locks.names(lock, path)
    path.unlink()
    assert not locks.names(lock, path)
    path.touch()
    assert not locks.names(lock, path)
