"""The script that brings what tests need, in a world where only stand-ins of the system's programs are on the path."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = (Path(__file__).resolve().parents[3] / "scripts" / "install-test-tools").read_text("utf-8")
TOOLS = dict(re.findall(r"^(\S+) +(\S+)(?: +\S+)?$", SCRIPT.split('tools="')[1].split('"')[0], re.MULTILINE))
"""Command -> the Debian package that brings it."""


@pytest.fixture
def world(tmp_path):
    """Make a PATH with bash's few needs and what a test adds; return a function that runs the script there."""
    for name in ("awk", "sort", "bash", "dirname"):
        (tmp_path / name).symlink_to(shutil.which(name))
    script = tmp_path / "clone" / "scripts" / "install-test-tools"
    script.parent.mkdir(parents=True)
    script.write_text(SCRIPT.replace("/usr/sbin:/usr/local/sbin", str(tmp_path)))

    def run(**programs):
        for name, lines in programs.items():
            file = tmp_path / ("apt-get" if name == "apt_get" else name)
            file.write_text(f"#!{shutil.which('bash')}\n{lines}\n")
            file.chmod(0o755)
        return subprocess.run([tmp_path / "bash", script], env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False)

    return run


def told(found):
    return found.returncode, found.stdout, found.stderr


def test_where_everything_is_there_it_says_and_does_nothing(world):
    assert told(world(**dict.fromkeys(TOOLS, "exit 0"), id="exit 1")) == (0, "", "")


def test_it_installs_as_root_and_is_quiet(world, tmp_path):
    packages = " ".join(sorted(set(TOOLS.values())))
    made = f"""if [[ "$*" == *" install "*" {packages}" ]]; then for made in {" ".join(TOOLS)}; do
        echo > {tmp_path}/$made; {shutil.which("chmod")} +x {tmp_path}/$made; done; fi"""
    assert told(world(id="echo 0", apt_get=made)) == (0, "", "")
    assert all((tmp_path / tool).exists() for tool in TOOLS)


@pytest.mark.parametrize(
    ("programs", "why"),
    [
        ({"id": "echo 1000", "apt_get": "exit 0"}, "not root"),
        ({"id": "echo 0"}, "no apt-get"),
        ({"id": "echo 0", "apt_get": "exit 100"}, "apt-get failed"),
        ({"id": "echo 0", "apt_get": "exit 0"}, "its package does not bring it"),
    ],
)
def test_what_it_cannot_install_it_names_and_goes_on(world, programs, why):
    code, out, said = told(world(**programs))
    assert (code, out) == (0, "")
    for tool, package in TOOLS.items():
        assert f"not installed: {tool} ({why}); its tests are skipped. By hand: apt-get install {package}\n" in said
