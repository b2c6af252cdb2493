"""Takes the picture of README: runs `tidegate demo` in a terminal and draws what the terminal showed as docs/pictures/demo.svg.

python docs/pictures/demo.py [seconds]
"""  # noqa: INP001 - a script

from __future__ import annotations

import fcntl
import io
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
from pathlib import Path

from rich.console import Console
from rich.text import Text

COLUMNS = 104
PICTURE = Path(__file__).with_name("demo.svg")
ERASED = re.compile(r".*(?:\r|\x1b\[2K)", re.DOTALL)
FONTS = re.compile(r"\s*@font-face \{.*?\}", re.DOTALL)  # they would be fetched from elsewhere


def shown(words: list[str], folder: Path) -> bytes:
    """Run a command in a terminal and return all that the terminal was sent."""
    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 60, COLUMNS, 0, 0))
    environ = {**os.environ, "TERM": "xterm-256color"}
    with subprocess.Popen(  # noqa: S603 - our own command
        words, cwd=folder, env=environ, stdin=slave, stdout=slave, stderr=slave, start_new_session=True
    ) as process:
        os.close(slave)
        came = b""
        try:
            while piece := os.read(master, 65_536):
                came += piece
        except OSError:  # the other end was closed
            pass
        if process.wait():
            sys.exit(f"{words} ended with {process.returncode}:\n{came.decode(errors='replace')}")
    return came


def last_screen(came: bytes) -> list[str]:
    """Return the lines that stay: what was written over, or erased by going up, is gone."""
    lines: list[str] = []
    for line in came.decode("utf-8", "replace").split("\r\n"):
        for _ in range(line.count("\x1b[1A")):
            lines.pop()
        kept = ERASED.sub("", line).replace("\x1b[?25h", "").replace("\x1b[?25l", "")
        lines.append(kept)
    return lines


def main() -> None:
    """Take the picture."""
    seconds = sys.argv[1] if sys.argv[1:] else "15"
    folder = Path(tempfile.gettempdir()) / "shop"
    folder.mkdir()
    try:
        came = shown([sys.executable, "-m", "tidegate", "demo", "--seconds", seconds], folder)
    finally:
        shutil.rmtree(folder)
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), color_system="truecolor")
    console.print(Text(f"$ make demo SECONDS={seconds}", style="bold"))
    for line in last_screen(came):
        console.print(
            Text(Text.from_ansi(line).plain), soft_wrap=False
        )  # one piece a line: whatever the font, columns stay columns
    PICTURE.write_text(FONTS.sub("", console.export_svg(title="Tidegate", unique_id="demo")), "utf-8")


if __name__ == "__main__":
    main()
