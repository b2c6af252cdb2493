"""`tidegate init`."""

from click.testing import CliRunner

from tidegate.cli.init import FILES
from tidegate.cli.program import program
from tidegate.settings import Settings


def run(*args):
    return CliRunner().invoke(program, args)


def test_a_folder_is_written_whose_settings_hold(tmp_path):
    ran = run("init", str(tmp_path / "new" / "shop"))
    assert ran.exit_code == 0
    assert {path.name for path in (tmp_path / "new" / "shop").iterdir()} == set(FILES)
    assert Settings.load(tmp_path / "new" / "shop" / "queues.yaml", environ={}).queue_names == ("default", "slow")


def test_the_variables_of_the_example_hold(tmp_path):
    run("init", str(tmp_path))
    lines = [line for line in (tmp_path / ".env.example").read_text().splitlines() if not line.startswith("#")]
    environ = dict(line.split("=", 1) for line in lines)
    assert Settings.load(tmp_path / "queues.yaml", environ=environ).drain_timeout == 30


def test_what_is_there_is_not_touched(tmp_path):
    (tmp_path / "jobs.py").write_text("mine")
    ran = run("init", str(tmp_path))
    assert ran.exit_code == 4
    assert f"{tmp_path} has jobs.py already" in ran.stderr
    assert (tmp_path / "jobs.py").read_text() == "mine"
    assert not (tmp_path / "queues.yaml").exists()


def test_a_name_with_spaces_is_quoted_in_what_to_do_next(tmp_path):
    assert f"cd '{tmp_path / 'my shop'}'" in run("init", str(tmp_path / "my shop")).stderr


def test_a_folder_that_cannot_be_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    ran = run("init", str(tmp_path / "file" / "below"))
    assert ran.exit_code == 1
    assert ran.stderr == f"error: cannot write to {tmp_path / 'file' / 'below'}: not a directory\n"
