"""The rules of the house, as tests whose messages say what to do instead."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import tidegate

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "platform" / "tidegate"
MODULES = sorted(path for path in SOURCE.rglob("*.py"))

LAYERS = {
    0: (
        "errors",
        "jobs",
        "lifecycle",
        "backoff",
        "failure",
        "events",
        "event_bus",
        "listeners",
        "plurals",
        "records",
        "redaction",
        "settings",
        "handlers",
        "pipelines",
    ),
    1: ("circuit", "fingerprint", "scaling", "spans", "stages", "supervision"),
    2: ("store",),
    3: ("notifications", "runtime"),
    4: ("client", "dead_letters", "introspection"),
    5: ("benchmark", "observe", "cli", "testing", "demo", "__main__"),
}
LAYER = {name: layer for layer, names in LAYERS.items() for name in names}
LIMIT = 350  # lines; a longer module has not found its subject
NAMES_OF_NOTHING = {"utils", "common", "helpers", "managers", "base", "misc", "core"}
TASK_MAKERS = {"create_task", "ensure_future"}

BANNED_CALLS = {
    "time.time": "durations come from the running loop's time(), dates from the database",
    "datetime.now": "dates come from the database's clock (statement_timestamp())",
    "datetime.utcnow": "dates come from the database's clock (statement_timestamp())",
    "datetime.datetime.now": "dates come from the database's clock (statement_timestamp())",
    "asyncio.wait_for": "it does not return while a task swallows its cancellation; use asyncio.wait(timeout=) or asyncio.timeout()",
    "pickle.loads": "nothing in the table may execute code; arguments are JSON",
    "pickle.load": "nothing in the table may execute code; arguments are JSON",
    "eval": "nothing in the table may execute code",
    "exec": "nothing in the table may execute code",
}
RANDOM_FUNCTIONS = {"random", "randint", "uniform", "choice", "choices", "shuffle", "sample", "gauss", "getrandbits", "randrange"}
WORDS_OF_LATER = ("TO" + "DO", "FIX" + "ME", "X" + "XX", "raise Not" + "Implemented" + "Error")


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"), filename=str(path))


def home(path: Path) -> str:
    """The top-level name under tidegate that a module belongs to."""
    first = path.relative_to(SOURCE).parts[0]
    return first.removesuffix(".py")


def dotted(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def imports(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            if node.module == "tidegate":
                yield from ((node.lineno, f"tidegate.{alias.name}") for alias in node.names)
            else:
                yield node.lineno, node.module


def calls(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Call):
            yield node.lineno, dotted(node.func)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_imports_only_from_its_own_layer_and_those_below(path: Path) -> None:
    if path == SOURCE / "__init__.py":
        return
    own = LAYER.get(home(path))
    assert own is not None, f"{name_of(path)} has no layer: give it one in docs/ARCHITECTURE.md and here"
    upward = []
    for line, module in imports(path):
        parts = module.split(".")
        if parts[0] == "tidegate" and len(parts) > 1:
            layer = LAYER.get(parts[1])
            if layer is None and parts[1] == "__version__":
                continue
            if layer is None or layer > own:
                upward.append(f"{name_of(path)}:{line} imports {module}")
    assert not upward, f"upward imports; hand the thing in instead, or move the module: {upward}"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_calls_nothing_that_is_banned(path: Path) -> None:
    found = [f"{name_of(path)}:{line} {called}: {BANNED_CALLS[called]}" for line, called in calls(path) if called in BANNED_CALLS]
    assert not found, found


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_chance_comes_from_the_nodes_own_generator(path: Path) -> None:
    found = [
        f"{name_of(path)}:{line} {called}" for line, called in calls(path) if called in {f"random.{f}" for f in RANDOM_FUNCTIONS}
    ]
    assert not found, f"module-level chance cannot be replayed; take a random.Random as an argument: {found}"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_tasks_are_made_by_supervision_only(path: Path) -> None:
    if home(path) in {"supervision", "testing"}:
        return
    found = [f"{name_of(path)}:{line} {called}" for line, called in calls(path) if called.rsplit(".", 1)[-1] in TASK_MAKERS]
    assert not found, f"use tidegate.supervision.spawn, which keeps a reference and an empty context: {found}"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_broad_excepts_say_why(path: Path) -> None:
    lines = path.read_text("utf-8").splitlines()
    broad = []
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.ExceptHandler):
            caught = {
                dotted(item) for item in (node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]) if item is not None
            }
            reraises = any(isinstance(inner, ast.Raise) for inner in ast.walk(node))
            logs = any(dotted(inner.func).endswith(".exception") for inner in ast.walk(node) if isinstance(inner, ast.Call))
            if (
                (not caught or caught & {"Exception", "BaseException"})
                and not reraises
                and not logs
                and "noqa: BLE001 - " not in lines[node.lineno - 1]
            ):
                broad.append(f"{name_of(path)}:{node.lineno}")
    assert not broad, f"catch what you can answer; where a user's code is called, say so in a `# noqa: BLE001 - why`: {broad}"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_users_input_is_not_validated_by_assert(path: Path) -> None:
    found = [f"{name_of(path)}:{node.lineno}" for node in ast.walk(tree_of(path)) if isinstance(node, ast.Assert)]
    assert not found, f"asserts vanish under -O; raise an error that states the facts: {found}"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_nothing_is_left_for_later(path: Path) -> None:
    found = [word for word in WORDS_OF_LATER if word in path.read_text("utf-8")]
    assert not found, f"{name_of(path)} says {found}; finish it, or say in the docs that it is not there"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_has_one_subject(path: Path) -> None:
    lines = len(path.read_text("utf-8").splitlines())
    assert lines <= LIMIT, f"{name_of(path)} has {lines} lines; find the second subject in it"
    assert path.stem not in NAMES_OF_NOTHING, f"{name_of(path)}: name it after its subject"


@pytest.mark.parametrize("path", [path for path in MODULES if path.stat().st_size], ids=name_of)
def test_a_module_opens_with_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(tree_of(path)), f"{name_of(path)} has no docstring"


def test_the_source_root_does_not_shadow_the_standard_library() -> None:
    assert not (ROOT / "platform" / "__init__.py").exists(), (
        "platform/__init__.py would hide the standard library's module platform"
    )
    assert not (ROOT / "platform.py").exists(), "platform.py would hide the standard library's module platform"
    found = subprocess.run(
        [sys.executable, "-c", "import platform; print(platform.system())"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip()


def test_all_sql_lives_in_the_store() -> None:
    verbs = ("select ", "insert into ", "update ", "delete from ")
    found = [
        f"{name_of(path)}:{node.lineno}"
        for path in MODULES
        if home(path) not in {"store", "demo"}
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if node.value.lstrip().lower().startswith(verbs) and "tidegate." in node.value
    ]
    assert not found, f"one statement a file, in store/sql: {found}"


def test_every_statement_is_used_and_says_what_it_is_for() -> None:
    source = "\n".join(path.read_text("utf-8") for path in MODULES)
    for file in sorted((SOURCE / "store" / "sql").glob("*.sql")):
        text = file.read_text("utf-8")
        assert text.startswith(f"-- {file.name}"), f"{file.name} must open with a comment `-- {file.name}: what it does`"
        assert f'"{file.stem}"' in source or f"'{file.stem}'" in source, f"nothing uses {file.name}"


def test_the_reference_pages_are_current() -> None:
    done = subprocess.run([sys.executable, "docs/build.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"they are made from code; `make schema` writes them: {done.stderr}"


def test_importing_tidegate_loads_nothing_heavy() -> None:
    heavy = {"sqlalchemy", "pydantic", "pydantic_settings", "psycopg", "click", "rich", "starlette", "uvicorn", "prometheus_client"}
    code = "import sys, tidegate; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not heavy & set(loaded), f"import it where it is used: {heavy & set(loaded)}"


def test_the_decorator_is_not_hidden_by_a_module() -> None:
    code = "import tidegate.client, tidegate.runtime.node; from tidegate import job; assert callable(job)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", [name for name in tidegate.__all__ if name != "__version__"])
def test_public_names_load_and_are_documented(name: str) -> None:
    value = getattr(tidegate, name)
    assert value.__doc__, f"tidegate.{name} has no docstring"


def test_every_module_imports() -> None:
    names = [module.name for module in pkgutil.walk_packages([str(SOURCE)], "tidegate.") if not module.name.endswith("__main__")]
    assert [name for name in names if importlib.import_module(name) is None] == []
