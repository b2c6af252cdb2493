"""Where things lie: pure rules, and what the file system says about a folder."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from tidegate.errors import ConfigurationError
from tidegate.store.embedded.accounts import ENTER, Account, account_of, may
from tidegate.store.embedded.places import LIMIT, SOCKET, claim_socket_folder, fits, socket_folder
from tidegate.store.embedded.site import Running, open_site

ME = account_of(os.geteuid())


def mode(bits: int, *, uid: int = 1, gid: int = 1) -> os.stat_result:
    return os.stat_result((bits, 0, 0, 1, uid, gid, 0, 0, 0, 0))


@pytest.mark.parametrize(
    ("found", "granted"),
    [
        (mode(0o700, uid=7), True),
        (mode(0o077, uid=7), False),  # the owner has the owner's bits, and no others
        (mode(0o010, gid=8), True),
        (mode(0o707, gid=8), False),
        (mode(0o001), True),
        (mode(0o770), False),
    ],
)
def test_mode_grants_by_owner_then_group_then_others(found: os.stat_result, granted: bool):
    assert may(Account(7, 8, "seven"), found, ENTER) is granted


def test_folder_fits_while_its_sockets_path_and_a_random_ending_do():
    longest = LIMIT - len("/") - len(SOCKET) - len("-12345678")
    assert fits(Path("/" + "x" * (longest - 1)))
    assert not fits(Path("/" + "x" * longest))


def test_length_of_a_socket_path_is_counted_in_bytes():
    assert not fits(Path("/" + "ü" * 50))


def test_socket_goes_to_the_private_runtime_folder():
    with tempfile.TemporaryDirectory(dir="/tmp") as runtime:
        assert socket_folder("tidegate-0", ME, {"XDG_RUNTIME_DIR": runtime}) == Path(runtime) / "tidegate-0"


@pytest.mark.parametrize("permissions", [0o755, 0o770])
def test_runtime_folder_that_others_can_enter_is_not_used(tmp_path, permissions: int):
    runtime = tmp_path / "run"
    runtime.mkdir()
    runtime.chmod(permissions)
    assert socket_folder("tidegate-0", ME, {"XDG_RUNTIME_DIR": str(runtime)}) == Path("/tmp/tidegate-0")


def test_runtime_folder_with_a_path_too_long_for_a_socket_is_not_used(tmp_path):
    runtime = tmp_path / ("x" * 100)
    runtime.mkdir(mode=0o700)
    assert socket_folder("tidegate-0", ME, {"XDG_RUNTIME_DIR": str(runtime)}) == Path("/tmp/tidegate-0")


def test_name_too_long_for_every_place_is_an_error_with_a_way_out():
    with pytest.raises(ConfigurationError, match="no room for the socket") as caught:
        socket_folder("x" * 100, ME, {})
    assert "XDG_RUNTIME_DIR" in (caught.value.hint or "")


def test_claimed_socket_folder_is_closed_to_others(tmp_path):
    assert claim_socket_folder(tmp_path / "s", ME).stat().st_mode & 0o777 == 0o700


def test_socket_folder_left_by_a_crash_is_used_again(tmp_path):
    first = claim_socket_folder(tmp_path / "s", ME)
    assert claim_socket_folder(tmp_path / "s", ME) == first


def test_socket_folder_that_others_could_enter_is_left_alone(tmp_path):
    (tmp_path / "s").mkdir()
    (tmp_path / "s").chmod(0o777)
    claimed = claim_socket_folder(tmp_path / "s", ME)
    assert claimed != tmp_path / "s"
    assert claimed.stat().st_mode & 0o777 == 0o700


def test_link_in_place_of_the_socket_folder_is_not_followed(tmp_path):
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "s").symlink_to(tmp_path / "elsewhere")
    assert claim_socket_folder(tmp_path / "s", ME) not in {tmp_path / "s", tmp_path / "elsewhere"}


def test_site_is_made_private_and_invisible_to_git(tmp_path):
    site = open_site(tmp_path / ".tidegate")
    assert site.folder.stat().st_mode & 0o777 == 0o700
    assert (site.folder / ".gitignore").read_text() == "*\n"


def test_site_that_exists_keeps_its_permissions(tmp_path):
    (tmp_path / ".tidegate").mkdir()
    (tmp_path / ".tidegate").chmod(0o755)
    assert open_site(tmp_path / ".tidegate").folder.stat().st_mode & 0o777 == 0o755


def test_one_folder_by_two_paths_is_one_site(tmp_path):
    site = open_site(tmp_path / ".tidegate")
    (tmp_path / "link").symlink_to(site.folder)
    assert open_site(tmp_path / "link") == site


def test_file_in_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / ".tidegate").write_text("")
    with pytest.raises(ConfigurationError, match="is not a folder"):
        open_site(tmp_path / ".tidegate")


def test_missing_project_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="nowhere does not exist"):
        open_site(tmp_path / "nowhere" / ".tidegate")


def test_what_is_published_is_read_back_until_it_is_withdrawn(tmp_path):
    site = open_site(tmp_path / ".tidegate")
    running = Running(1, 2, Path("/tmp/a b"), Path("/data"))
    site.publish(running)
    assert site.running() == running
    site.withdraw()
    assert site.running() is None


def test_half_a_file_is_no_server(tmp_path):
    site = open_site(tmp_path / ".tidegate")
    (site.folder / "server.json").write_text('{"keeper": 1, "postm')
    assert site.running() is None


def test_folder_that_was_removed_and_made_again_is_another_site(tmp_path):
    folder = tmp_path / ".tidegate"
    site = open_site(folder)
    with site.lock.open("w"):
        before = site.name
        site.lock.rename(tmp_path / "still held")  # its number stays taken
        site.lock.write_text("")
    assert site.name != before
