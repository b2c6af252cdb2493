"""The pages are true: all that README, tutorial and how-tos tell a reader to type is typed, and shows what they say."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.conftest import unavailable
from tests.support.pages import ROOT, Block, Reader, blocks, matches
from tidegate.cli.program import TARGETS

README = ROOT / "README.md"
TUTORIALS = sorted((ROOT / "docs" / "tutorial").glob("*.md"))
READ_ONLY = re.compile(r"^<!-- read only: .+ -->$", re.MULTILINE)  # such a page tells why it cannot be followed from nothing
ALL_HOW_TOS = sorted((ROOT / "docs" / "how-to").glob("*.md"))
HOW_TOS = [page for page in ALL_HOW_TOS if not READ_ONLY.search(page.read_text("utf-8"))]
PAGES = sorted(page for page in (README, ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")))
LINK = re.compile(r"(?<!!)\[[^\]]*\]\((?P<target>[^)\s]+)\)|!\[[^\]]*\]\((?P<picture>[^)\s]+)\)")

SIGN_UPS = """
import asyncio
from signup import sign_up
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from tidegate import Tidegate

async def main():
    async with Tidegate.connect() as tide, AsyncSession(tide.engine) as session:
        await sign_up(session, 7)
        await session.commit()
        await sign_up(session, 8)
        await session.rollback()

asyncio.run(main())
"""


A_PAGE = """\
Write `a/b.py`:

```python
x = 1
```

Then add to
`a/b.py`:

```python
y = 2
```

`c.yaml`, beside `a`. It holds:

```yaml
z: 3
```

<!-- until: true -->

1. then, by `ls`,
   ```sh
   ls
   ```
"""


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.fixture
def clone(tmp_path: Path) -> Callable[[str], Path]:
    """Clone the repository as it is committed, into a folder by that name; its path has spaces."""

    def make(name: str) -> Path:
        if not (ROOT / ".git").exists():
            pytest.skip("what lies here was not cloned with git, so that it cannot be cloned again")
        folder = tmp_path / "a new machine" / name
        folder.parent.mkdir(exist_ok=True)
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
        return folder

    return make


@pytest.mark.long
def test_the_readmes_ten_lines_run(tmp_path: Path) -> None:
    folder = tmp_path / "read me"
    folder.mkdir()
    with Reader(folder) as reader:
        reader.follow(README, without="make ")
        (folder / "sign_ups.py").write_text(SIGN_UPS, "utf-8")
        reader.does("python sign_ups.py")
        reader.waits("tidegate jobs list --state completed --json | grep -c send_welcome | grep -x 2")
        reader.does("tidegate jobs show 2", "...", 'kwargs:   {"user_id": 7}', "...")
        reader.does("tidegate jobs show 3", "...", "state:    scheduled", "...")
        reader.does("tidegate jobs show 4", "error: there is no job 4", "...")
        reader.does("tidegate jobs show 5", "...", "state:    scheduled", "...")  # the other one did not join the session


@pytest.mark.long
@pytest.mark.timeout(900)
def test_the_readmes_two_commands_work_in_a_fresh_clone(clone: Callable[[str], Path]) -> None:
    folder = clone("tidegate")
    with Reader(folder) as reader:
        reader.does("make demo SECONDS=3")
        reader.does("make -n test test-all", "...")  # what these do is what runs this test
        reader.does("git status --porcelain", "")


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", TUTORIALS, ids=name_of)
def test_a_tutorial_works_from_nothing(page: Path, clone: Callable[[str], Path]) -> None:
    with Reader(clone("tidegate").parent) as reader:
        reader.follow(page)


@pytest.mark.long
@pytest.mark.parametrize("page", HOW_TOS, ids=name_of)
def test_a_how_to_works_on_a_real_database(page: Path, empty_database: str, tmp_path: Path) -> None:
    if "psql " in page.read_text("utf-8") and not shutil.which("psql"):
        unavailable("no psql: apt-get install postgresql-client")
    folder = tmp_path / "how to"
    folder.mkdir()
    with Reader(folder, DATABASE_URL=empty_database) as reader:
        reader.follow(page, without="pip ")


@pytest.mark.parametrize("page", [page for page in ALL_HOW_TOS if page not in HOW_TOS], ids=name_of)
def test_what_is_only_read_is_code_and_names_commands_that_there_are(page: Path) -> None:
    found = list(blocks(page))
    assert found
    for block in found:
        if block.language == "python":
            compile(block.text, f"{page.name}:{block.line}", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        elif block.language == "yaml":
            assert list(YAML(typ="safe").load_all(block.text))
        for name in re.findall(r"^(?:\$ )?tidegate ([a-z]+)", block.text, re.MULTILINE):
            assert name in TARGETS, f"{page.name}:{block.line} names `tidegate {name}`"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    dead = []
    for found in LINK.finditer(re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text("utf-8"), flags=re.DOTALL)):
        target = found["target"] or found["picture"]
        path, _, heading = target.partition("#")
        there = page if not path else page.parent / path
        if "://" in target:
            continue
        if not there.exists() or (heading and heading not in headings(there)):
            dead.append(target)
    assert not dead, f"{name_of(page)} links to what is not there: {dead}"


def test_every_page_is_reached_from_the_list_of_pages() -> None:
    reached, ahead = set[Path](), [ROOT / "docs" / "README.md"]
    while ahead:
        page = ahead.pop()
        if page in reached or not page.is_relative_to(ROOT / "docs"):
            continue
        reached.add(page)
        for found in LINK.finditer(page.read_text("utf-8")):
            there = (page.parent / (found["target"] or "").partition("#")[0]).resolve()
            ahead += there.glob("*.md") if there.is_dir() else [there] if there.suffix == ".md" and there.exists() else []
    alone = sorted(name_of(page) for page in ROOT.glob("docs/**/*.md") if page not in reached)
    assert not alone, f"no link leads from docs/README.md to {', '.join(alone)}"


def test_each_rule_of_the_protocol_has_a_test_that_names_it_and_the_code_names_no_other() -> None:
    rules = re.findall(r"^\*\*([A-Z]\d)\*\* ", (ROOT / "docs" / "explanation" / "protocol.md").read_text("utf-8"), re.MULTILINE)
    tests = "\n".join(page.read_text("utf-8") for page in ROOT.glob("tests/**/*.py"))
    assert [rule for rule in rules if not re.search(rf"_{rule.lower()}_|\b{rule}\b", tests)] == []
    package = [*ROOT.glob("platform/tidegate/**/*.py"), *ROOT.glob("platform/tidegate/**/*.sql")]
    named = {rule for page in package for rule in re.findall(r"protocol ([A-Z]\d)\b", page.read_text("utf-8"))}
    assert named - set(rules) == set()


def headings(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize(
    ("shown", "came"),
    [
        (["ID  STATE", " 1  ready"], "ID   STATE\n  1  ready\n"),
        (["took 2 ms on laptop-1-abc123 at 2026-11-24 08:00:51Z"], "took 1 min 3.5 s on vm-77-0f0f0f at 2031-01-01 00:00:00Z\n"),
        (["one", "...", "three"], "one\ntwo\ntwo and a half\nthree\n"),
        (["one", "...", "three"], "one\nthree\n"),
        (["in .../shop"], "in /tmp/a folder/shop\n"),
    ],
)
def test_what_may_differ_from_the_page_may_differ(shown: list[str], came: str) -> None:
    assert matches(shown, came)


@pytest.mark.parametrize(
    ("shown", "came"),
    [(["1  ready"], "1  dead"), (["one", "three"], "one\ntwo\nthree"), (["2 jobs"], "3 jobs"), (["one"], "one\ntwo")],
)
def test_what_may_not_differ_from_the_page_may_not(shown: list[str], came: str) -> None:
    assert not matches(shown, came)


def test_a_page_is_read_block_by_block(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(A_PAGE, "utf-8")
    assert list(blocks(page)) == [
        Block("python", "x = 1\n", 3, "a/b.py"),
        Block("python", "y = 2\n", 10, "a/b.py", added=True),
        Block("yaml", "z: 3\n", 16, "c.yaml"),
        Block("until", "true", 20),
        Block("sh", "ls\n", 23),
    ]
