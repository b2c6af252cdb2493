"""The script that brings Prometheus, in a world where only stand-ins of the system's programs are on the path."""

import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[3] / "scripts" / "install-test-tools"


@pytest.fixture
def world(tmp_path):
    """Make a PATH with bash's few needs and what a test adds; return a function that runs the script there."""
    for name in ("awk", "sort", "bash"):
        (tmp_path / name).symlink_to(shutil.which(name))

    def run(**programs):
        for name, lines in programs.items():
            file = tmp_path / name.replace("_", "-")
            file.write_text(f"#!{shutil.which('bash')}\n{lines}\n")
            file.chmod(0o755)
        return subprocess.run([tmp_path / "bash", SCRIPT], env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False)

    return run


def told(found):
    return found.returncode, found.stdout, found.stderr


def test_where_everything_is_there_it_says_and_does_nothing(world):
    assert told(world(promtool="exit 0", id="exit 1")) == (0, "", "")


def test_it_installs_as_root_and_is_quiet(world, tmp_path):
    made = f"""echo "$*" >&2; if [[ "$*" == *" install "*prometheus ]]; then
        echo > {tmp_path}/promtool; {shutil.which("chmod")} +x {tmp_path}/promtool; fi"""
    assert told(world(id="echo 0", apt_get=made)) == (0, "", "")
    assert (tmp_path / "promtool").exists()


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
    said = f"not installed: promtool ({why}); its tests are skipped. By hand: apt-get install prometheus\n"
    assert told(world(**programs)) == (0, "", said)
