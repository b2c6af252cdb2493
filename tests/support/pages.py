"""Pages that tell the truth: their files written, their commands typed into real terminals, what they show compared with what came.

A fenced block of a page is one of these, and a page with any other is refused:

    a file      whatever stands below a sentence that ends with "`name`:", or names a file and no other ("`name`, beside ...:");
                "add to `name`:" appends to it
    ```console  what is typed, after "$ ", and what comes; "..." is any text, alone on a line any lines; "^C" interrupts what goes on
    ```sh       what is typed; each command ends with 0
    ```text     a drawing

A comment `<!-- until: command -->`, which readers do not see, waits until that command ends well: "a moment later".

A command that goes on (a node, a web server) does so in a terminal of its own, until the page interrupts it or ends. Times, durations,
ids of nodes, ports and versions may differ from those on the page.
"""

from __future__ import annotations

import fcntl
import os
import re
import shlex
import shutil
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from tidegate.store.embedded.site import Site

ROOT = Path(__file__).resolve().parent.parent.parent
PATIENCE = 120.0
COLUMNS = 150
GOES_ON = {  # what goes on -> the words that tell that it is there
    "tidegate up": "Ctrl-C drains",
    "uvicorn": "Application startup complete",
    "python manage.py runserver": "Quit the server",
}
FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>\S*)[^\n]*\n(?P<text>.*?)^(?P=indent)```|^<!-- until: (?P<until>.*?) -->",
    re.MULTILINE | re.DOTALL,
)
UNTIL = "until"
NAMED = (  # how a paragraph before a block says that it is a file, and whether the block is to be added to it
    (re.compile(r"\badd to\s+`(?P<path>[\w./-]+)`:$", re.IGNORECASE), True),
    (re.compile(r"`(?P<path>[\w./-]+)`:$"), False),
    (re.compile(r"^`(?P<path>[\w/-]+\.\w+)`[^`].*:$", re.DOTALL), False),
)
ANY = "..."
ANY_LINES = r"(?:.*\n)*?"
DIFFERS = (
    (r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|\+00:00)?", r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d\S*"),
    (r"\b\d\d:\d\d:\d\d\b", r"\d\d:\d\d:\d\d"),
    (r"\b\d+(?:\.\d+)? (?:ms|s|min)\b", r"(?:\d+ min )?\d+(?:\.\d+)? (?:ms|s|min)"),
    (r"\b[\w-]+-\d+-[0-9a-f]{6}\b", r"[\w.-]+-\d+-[0-9a-f]{6}"),
    (r"127\.0\.0\.1:\d+", r"127\.0\.0\.1:\d+"),
    (r"\b\d+\.\d+(?:\.\d+)?\b", r"\d+\.\d+(?:\.\d+)?"),
    (r"schema \d+", r"schema \d+"),
    (r"^ +| {2,}", r" *"),
    (r"-{3,}", r"-+"),
    (r"={3,}", r"=+"),
    (r"\.\.\.", r".*"),
)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block of a page: a file where `path` says so."""

    language: str
    text: str
    line: int
    path: str | None = None
    added: bool = False

    def write(self, folder: Path) -> Path:
        """Write the file that it is, below `folder`."""
        path = folder / str(self.path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a" if self.added else "w", encoding="utf-8") as file:
            file.write(self.text)
        return path


def blocks(page: Path) -> Iterator[Block]:
    """Yield the fenced blocks of a page in order."""
    text = page.read_text("utf-8")
    for found in FENCE.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        if found["until"]:
            yield Block(UNTIL, found["until"], line)
            continue
        before = text[: found.start()].rstrip().rsplit("\n\n", 1)[-1]
        indent = found["indent"]
        body = "".join(line.removeprefix(indent) for line in found["text"].splitlines(keepends=True))
        yield Block(found["language"], body, line, *_named(before))


def _named(before: str) -> tuple[str | None, bool]:
    for form, added in NAMED:
        if found := form.search(before):
            return found["path"], added
    return None, False


class Reader:
    """Somebody who sits at a page, in a folder, and does what it says."""

    def __init__(self, folder: Path, *, home: Path | None = None, **variables: str) -> None:
        self.folder = folder
        self._state = folder.parent / f".{folder.name}.state"
        self._state.write_text(f"cd {shlex.quote(str(folder))}\n", "utf-8")
        self._environ = {**environment(home or folder.parent), **variables}
        self._going_on: list[Terminal] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, cls: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        for terminal in reversed(self._going_on):
            terminal.close()
        for site in self.folder.rglob(".tidegate"):  # as root the data of an embedded database lies elsewhere
            if place := Site(site).place():
                shutil.rmtree(place.parent, ignore_errors=True)

    def follow(self, page: Path, *, without: str = "") -> None:
        """Do all that a page says, but for lines that begin with `without`."""
        for block in blocks(page):
            where = f"{page.name}:{block.line}"
            if block.path is not None:
                block.write(self.here())
            elif block.language == UNTIL:
                self.waits(block.text, where=where)
            elif block.language == "sh":
                for line in block.text.splitlines():
                    if line and not line.startswith("#") and not (without and line.startswith(without)):
                        self._does(line, [], where)
            elif block.language == "console":
                for typed, shown in exchanges(block.text):
                    self._does(typed, shown, where)
            elif block.language != "text":
                raise AssertionError(
                    f"{where}: a block of {block.language or 'nothing'} that is no file; see tests/support/pages.py"
                )

    def does(self, typed: str, *shown: str, where: str = "then") -> None:
        """Type a command; it ends well (or badly, where an error is shown) and shows this, where anything is said."""
        self._does(typed, list(shown), where)

    def waits(self, command: str, *, where: str = "then") -> None:
        """Wait until a command ends well."""
        self._does(f"until {command} >/dev/null 2>&1; do sleep 0.1; done", [], where)

    def here(self) -> Path:
        """Return the folder that the reader is in by now."""
        for line in self._state.read_text("utf-8").splitlines():
            if line.startswith("cd "):
                return Path(shlex.split(line)[1])
        return self.folder

    def _does(self, typed: str, shown: list[str], where: str) -> None:
        if typed == "^C":
            self._going_on.pop().interrupt(shown, where)
            return
        terminal = Terminal(typed, self._state, self._environ)
        word = sign_of_life(typed)
        if word is None:
            terminal.ends(shown, where)
        else:
            self._going_on.append(terminal)
            terminal.says(word, shown, where)


class Terminal:
    """One command, typed into a terminal."""

    def __init__(self, typed: str, state: Path, environ: Mapping[str, str]) -> None:
        self.typed = typed
        quoted = shlex.quote(str(state))
        keep = f'code=$?; {{ echo cd "$(printf %q "$PWD")"; declare -px; }} > {quoted}.new && mv {quoted}.new {quoted}; exit $code'
        script = f". {quoted}\n{typed}\n" + (keep if sign_of_life(typed) is None else "")
        self._master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, COLUMNS, 0, 0))
        self.process = subprocess.Popen(
            ["bash", "--norc", "--noprofile", "-c", script],
            env=dict(environ),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)
        self._came = b""
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    @property
    def screen(self) -> str:
        """All that came, as a person sees it."""
        text = self._came.decode("utf-8", "replace").replace("\r\n", "\n")
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)

    def says(self, word: str, shown: list[str], where: str) -> None:
        """Wait until it is there, and has shown what the page shows."""
        deadline = time.monotonic() + PATIENCE
        while word not in self.screen or not matches(shown, self.screen, gaps=True):
            if self.process.poll() is not None or time.monotonic() > deadline:
                self._fail(where, shown)
            time.sleep(0.02)

    def ends(self, shown: list[str], where: str) -> None:
        """Wait until it has ended, well, and has shown what the page shows."""
        code = self.process.wait(PATIENCE * 3)
        self._finish()
        fails = any(line.startswith("error: ") for line in shown)
        if (code != 0) is not fails or not matches(shown, self.screen):
            self._fail(where, shown)

    def interrupt(self, shown: list[str], where: str) -> None:
        """Press Ctrl-C; what it shows from then on is what the page shows."""
        before = len(self.screen)
        os.killpg(self.process.pid, signal.SIGINT)
        self.process.wait(PATIENCE)
        self._finish()
        if not matches(shown, self.screen[before:], gaps=True):
            self._fail(where, shown)

    def close(self) -> None:
        """End it, whatever it does."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGINT)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        self._finish()

    def _read(self) -> None:
        try:
            while came := os.read(self._master, 65536):
                self._came += came
        except OSError:  # the other end of a terminal was closed
            pass

    def _finish(self) -> None:
        self._thread.join(10)
        if self._master >= 0:
            os.close(self._master)
            self._master = -1

    def _fail(self, where: str, shown: list[str]) -> None:
        expected = "\n".join(shown)
        raise AssertionError(
            f"{where}: `{self.typed}` ended with {self.process.poll()}.\n--- the page shows\n{expected}\n--- it was\n{self.screen}"
        )


def environment(home: Path) -> dict[str, str]:
    """Return the environment of a reader who has Tidegate installed and nothing of it set."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TIDEGATE_", "VIRTUAL_ENV", "PYTHON"))}
    kept.pop("DATABASE_URL", None)
    kept.pop("NO_COLOR", None)
    programs = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return {**kept, "PATH": programs, "HOME": str(home), "TERM": "xterm", "PYTHONDONTWRITEBYTECODE": "1"}


def exchanges(console: str) -> Iterator[tuple[str, list[str]]]:
    """Yield what is typed and the lines that are shown for it."""
    typed: str | None = None
    shown: list[str] = []
    for line in console.splitlines():
        if line.startswith("$ ") or line == "^C":
            if typed is not None:
                yield typed, shown
            typed, shown = line.removeprefix("$ "), []
        elif typed is None:
            raise AssertionError(f"a console block begins with `$ ` or `^C`, not with {line!r}")
        elif typed.endswith("\\"):
            typed = f"{typed}\n{line}"
        else:
            shown.append(line)
    if typed is not None:
        yield typed, shown


def sign_of_life(typed: str) -> str | None:
    """Return the words by which a command that goes on tells that it is there; None for one that ends."""
    if "--until-empty" in typed:
        return None
    return next((word for command, word in GOES_ON.items() if typed.startswith(command)), None)


def matches(shown: list[str], screen: str, *, gaps: bool = False) -> bool:
    """Tell whether a screen shows what a page says, with further lines in between where `gaps` are allowed."""
    lines = _trimmed(shown) if shown else [ANY]
    came = "".join(f"{line}\n" for line in _trimmed(screen.splitlines()))
    patterns = [ANY_LINES if line.strip() == ANY else f"{_line(line)}\n" for line in lines]
    between = ANY_LINES if gaps else ""
    return re.fullmatch(between + between.join(patterns) + between, came) is not None


def _trimmed(lines: list[str]) -> list[str]:
    return "\n".join(line.rstrip() for line in lines).strip("\n").split("\n")


def _line(line: str) -> str:
    whole = re.compile("|".join(f"({seen})" for seen, _ in DIFFERS))
    parts, at = [], 0
    for found in whole.finditer(line):
        parts += [re.escape(line[at : found.start()]), DIFFERS[(found.lastindex or 1) - 1][1]]
        at = found.end()
    return "".join([*parts, re.escape(line[at:])])
