"""Several users of one folder: one keeper, one server, and the last one closes the door."""

from __future__ import annotations

import os
import threading

import pytest
from tests.integration.embedded.people import answers, ask, until

from tidegate.errors import UsageError
from tidegate.store.embedded import EmbeddedPostgres

STARTED = "SELECT pg_postmaster_start_time()"


def test_second_user_joins_the_server_of_the_first(project):
    first, second = project.user(), project.user()
    assert ask(first.ready(), STARTED) == ask(second.ready(), STARTED)
    first.leave()
    second.leave()
    assert project.empty()


def test_server_outlives_the_user_that_started_it(project):
    first = project.user()
    conninfo = first.ready()
    second = project.user()
    assert second.ready() == conninfo
    started = ask(conninfo, STARTED)
    first.leave()
    assert ask(conninfo, STARTED) == started
    second.leave()
    assert project.empty()


def test_user_that_is_not_the_last_does_not_wait_for_the_server_to_end(own_project):
    first, second = own_project.user(), own_project.user()
    first.ready()
    conninfo = second.ready()
    first.leave()  # returns, though nobody else leaves
    assert own_project.postmaster.is_running()
    second.leave()
    assert not answers(conninfo)


def test_ten_users_starting_at_once_get_one_server(project):
    users = [project.user() for _ in range(10)]
    addresses = {user.ready() for user in users}
    assert len(addresses) == 1
    assert project.log().count("ready to accept connections") == 1
    for user in users:
        user.leave()
    assert project.empty()


def test_users_leaving_at_once_leave_nothing(own_project):
    users = [own_project.user() for _ in range(5)]
    for user in users:
        user.ready()
    for user in users:
        user.process.stdin.write("\n")
        user.process.stdin.flush()
    assert [user.said() for user in users] == [{"left": True}] * 5
    assert own_project.site.running() is None
    assert [user.close() for user in users] == [0] * 5
    assert own_project.empty()


def test_user_that_comes_while_the_server_ends_gets_the_next_one(own_project):
    for _ in range(5):
        leaving = own_project.user()
        leaving.ready()
        leaving.process.stdin.write("\n")
        leaving.process.stdin.flush()
        coming = own_project.user()
        assert ask(coming.ready(), "SELECT 1") == 1
        leaving.close()
        coming.leave()
    assert own_project.empty()


def test_instances_in_one_process_are_one_user(own_project):
    with EmbeddedPostgres(own_project.tidegate) as outer:
        with EmbeddedPostgres(own_project.tidegate) as inner:
            assert inner.conninfo == outer.conninfo
        assert ask(outer.conninfo, "SELECT 1") == 1
    assert own_project.empty()


def test_instance_that_is_open_is_not_opened_again(own_project):
    with EmbeddedPostgres(own_project.tidegate) as server:
        with pytest.raises(UsageError, match="is open already"):
            server.__enter__()
        assert answers(server.conninfo)
    assert own_project.empty()


def test_threads_that_enter_at_once_share_one_server(own_project):
    found: list[object] = []
    all_in = threading.Barrier(5)

    def use() -> None:
        with EmbeddedPostgres(own_project.tidegate) as server:
            found.append(ask(server.conninfo, STARTED))
            all_in.wait(60)

    threads = [threading.Thread(target=use) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 5
    assert len(set(found)) == 1
    assert own_project.empty()


def test_two_paths_to_one_folder_are_one_user(own_project):
    link = own_project.folder / "link"
    link.symlink_to(own_project.tidegate)
    with EmbeddedPostgres(own_project.tidegate) as outer:
        with EmbeddedPostgres(link) as inner:
            assert inner.conninfo == outer.conninfo
        assert ask(outer.conninfo, "SELECT 1") == 1


def test_what_a_forked_child_does_is_none_of_its_parents_business(own_project):
    with EmbeddedPostgres(own_project.tidegate) as server:
        started = ask(server.conninfo, STARTED)
        child = os.fork()
        if child == 0:
            server.__exit__(None, None, None)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert ask(server.conninfo, STARTED) == started
    assert own_project.empty()


def test_forked_child_that_enters_keeps_the_server_when_its_parent_leaves(own_project):
    entered, leave = os.pipe(), os.pipe()
    with EmbeddedPostgres(own_project.tidegate) as server:
        child = os.fork()
        if child == 0:
            with EmbeddedPostgres(own_project.tidegate):
                os.write(entered[1], b"x")
                os.read(leave[0], 1)
            os._exit(0)
        os.read(entered[0], 1)
    assert ask(server.conninfo, "SELECT 1") == 1
    os.write(leave[1], b"x")
    assert os.waitpid(child, 0)[1] == 0
    until(own_project.empty)
    for end in (*entered, *leave):
        os.close(end)
