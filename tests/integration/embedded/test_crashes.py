"""kill -9 of everybody, in every order: nothing is orphaned, nothing is lost, and the next one finds a server."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading

import psutil
import psycopg
import pytest
from tests.integration.embedded.people import Project, answers, ask, tell, until

from tidegate.store.embedded import cluster
from tidegate.store.embedded.accounts import account_of
from tidegate.store.embedded.binaries import find

ONLY_LINUX = "elsewhere a server outlives its killed keeper until the next start"


def used_once(project: Project) -> None:
    user = project.user()
    tell(user.ready(), "CREATE TABLE kept AS SELECT 42 AS answer")
    user.leave()


def check_data(project: Project) -> None:
    user = project.user()
    assert ask(user.ready(), "SELECT answer FROM kept") == 42
    user.leave()


def account(project: Project):
    return account_of(project.data.stat().st_uid)


def test_e1_killed_user_takes_the_server_with_it_and_the_next_start_is_clean(project):
    user = project.user()
    tell(user.ready(), "CREATE TABLE kept AS SELECT 42 AS answer")
    user.kill()
    until(project.empty)
    check_data(project)
    assert "not properly shut down" not in project.log()


def test_e1_every_user_killed_at_once_leaves_no_orphan(project):
    users = [project.user() for _ in range(4)]
    tell({user.ready() for user in users}.pop(), "CREATE TABLE kept AS SELECT 42 AS answer")
    for user in users:
        user.process.kill()
    until(project.empty)
    check_data(project)
    assert "not properly shut down" not in project.log()


@pytest.mark.parametrize("moment", ["creating", "starting"])
def test_user_killed_during_its_start_leaves_no_orphan(project, moment: str):
    user = project.user()
    user.until_progress(moment)
    user.kill()
    until(project.empty)
    used_once(project)
    assert list(project.data.parent.glob("data.new-*")) == []


def test_user_killed_while_others_wait_for_it_does_not_keep_them_out(own_project):
    first = own_project.user()
    first.until_progress("creating")
    others = [own_project.user() for _ in range(3)]
    first.kill()
    assert len({user.ready() for user in others}) == 1
    for user in others:
        user.leave()
    assert own_project.empty()


def test_e1_killed_postmaster_comes_back_at_the_same_address_with_all_that_was_committed(project):
    user = project.user()
    conninfo = user.ready()
    tell(conninfo, "CREATE TABLE kept AS SELECT 42 AS answer")
    postmaster = project.postmaster
    postmaster.kill()
    until(lambda: not postmaster.is_running())
    until(lambda: answers(conninfo))
    assert ask(conninfo, "SELECT answer FROM kept") == 42
    user.leave()
    assert project.empty()


def test_killed_postmaster_comes_back_though_a_query_of_the_old_one_is_busy(own_project):
    user = own_project.user()
    conninfo = user.ready()
    running = threading.Thread(target=count_for_ever, args=(conninfo,))
    running.start()
    counts = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%generate_series(1, 1e12)'"
    until(lambda: ask(conninfo, counts) == 1)
    own_project.postmaster.kill()
    running.join(60)
    assert not running.is_alive()
    until(lambda: answers(conninfo))
    user.leave()
    assert own_project.empty()


def count_for_ever(conninfo: str) -> None:
    with psycopg.connect(conninfo, autocommit=True) as connection, pytest.raises(psycopg.OperationalError):
        connection.execute("SELECT count(*) FROM generate_series(1, 1e12)")


def test_postmaster_killed_again_and_again_comes_back_each_time(own_project):
    user = own_project.user()
    conninfo = user.ready()
    for _ in range(5):
        postmaster = until(own_project.site.running).postmaster
        os.kill(postmaster, signal.SIGKILL)
        until(lambda killed=postmaster: (now := own_project.site.running()) and now.postmaster != killed)
        assert answers(conninfo)
    user.leave()
    assert own_project.empty()


def test_server_and_last_user_killed_at_once_leave_nothing(own_project):
    user = own_project.user()
    user.ready()
    own_project.postmaster.kill()
    user.kill()
    until(own_project.empty)
    used_once(own_project)


def test_e1_killed_keeper_is_replaced_at_the_same_address(project):
    user = project.user()
    conninfo = user.ready()
    keeper, postmaster = project.keeper, project.postmaster
    keeper.kill()
    until(lambda: (now := project.site.running()) and now.keeper != keeper.pid)
    assert not postmaster.is_running() or postmaster.status() == psutil.STATUS_ZOMBIE
    until(lambda: answers(conninfo))
    user.leave()
    assert project.empty()


def test_of_many_users_that_find_the_keeper_gone_one_starts_another(own_project):
    users = [own_project.user() for _ in range(4)]
    conninfo = {user.ready() for user in users}.pop()
    keeper = own_project.keeper
    keeper.kill()
    until(lambda: (now := own_project.site.running()) and now.keeper != keeper.pid)
    assert answers(conninfo)
    assert own_project.log().count("database system is ready to accept connections") == 2
    for user in users:
        user.leave()
    assert own_project.empty()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason=ONLY_LINUX)
def test_keeper_and_users_killed_at_once_leave_no_orphan(project):
    user = project.user()
    tell(user.ready(), "CREATE TABLE kept AS SELECT 42 AS answer")
    keeper = project.keeper
    user.process.send_signal(signal.SIGSTOP)  # so that it does not start another one first
    keeper.kill()
    user.kill()
    until(lambda: project.processes() == [])
    check_data(project)
    assert project.empty()


def test_e1_ctrl_c_does_not_reach_the_server_before_its_user_has_drained(own_project):
    user = own_project.user(drains=True)
    conninfo = user.ready()
    os.killpg(user.pid, signal.SIGINT)
    assert ask(conninfo, "SELECT 1") == 1
    user.leave()
    assert own_project.empty()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_keeper_that_is_told_to_end_waits_for_its_users(own_project, number: signal.Signals):
    user = own_project.user()
    conninfo = user.ready()
    keeper = own_project.keeper
    keeper.send_signal(number)
    assert ask(conninfo, "SELECT 1") == 1
    assert keeper.is_running()
    user.leave()
    assert own_project.empty()


def test_pid_file_whose_pid_is_now_somebody_elses_does_not_keep_the_server_down(project):
    used_once(project)
    who = account(project)
    other = {"user": who.uid, "group": who.gid, "extra_groups": []} if who.other else {}
    with subprocess.Popen(["sleep", "1000"], **other) as sleeper:
        (project.data / "postmaster.pid").write_text(f"{sleeper.pid}\n{project.data}\n1700000000\n5432\n/tmp\n\n\nready   \n")
        os.chown(project.data / "postmaster.pid", who.uid, who.gid)
        check_data(project)
        assert sleeper.poll() is None
        sleeper.kill()


def test_empty_pid_file_does_not_keep_the_server_down(project):
    used_once(project)
    (project.data / "postmaster.pid").write_text("")
    check_data(project)


def test_files_of_a_killed_keeper_do_no_harm(own_project):
    used_once(own_project)
    (own_project.tidegate / "server.json").write_text(
        '{"keeper": 1, "postmaster": 1, "socket": "/nowhere/at/all", "data": "/nowhere"}'
    )
    check_data(own_project)
    assert own_project.empty()


def test_server_that_was_started_by_hand_is_left_alone(own_project):
    used_once(own_project)
    who = account(own_project)
    words = cluster.command(find().folder, own_project.data, socket=own_project.data.parent, name="by-hand")
    with (own_project.folder / "log").open("wb") as log:
        server = cluster.start(words, who, log=log.fileno())
    until(lambda: (told := cluster.pid_file(own_project.data)) and told.ready)
    told = own_project.user().refused()
    assert 'lock file "postmaster.pid" already exists' in told["message"]
    assert server.poll() is None
    server.send_signal(signal.SIGINT)
    assert server.wait(30) == 0
    check_data(own_project)


def test_folder_that_is_removed_while_it_is_used_serves_the_next_user_afresh(project):
    first = project.user()
    first.ready()
    project.names()  # so that the project knows the first one's later
    data = project.data
    shutil.rmtree(project.tidegate, ignore_errors=True)
    second = project.user()
    conninfo = second.ready()
    first.leave()
    assert ask(conninfo, "SELECT 1") == 1
    second.leave()
    assert project.empty()
    shutil.rmtree(data.parent, ignore_errors=True)
