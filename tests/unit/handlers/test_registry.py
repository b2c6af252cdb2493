"""Which functions may run as jobs, and that nothing else ever does."""

from __future__ import annotations

import importlib
import sys
from itertools import count
from textwrap import dedent

import pytest

from tidegate.errors import ConfigurationError, UnknownKind, UnknownQueue
from tidegate.handlers import Handler, Handlers

SERIAL = count()

SHOP = """
    import os
    import os.path as path
    from os import system
    from shutil import rmtree
    from dataclasses import dataclass
    from tidegate.handlers import job

    @job(queue="email", aliases=["old.shop:send"])
    async def send(user_id: int) -> None: ...

    @job(kind="resize", queue="images")
    def resize_image(path: str) -> None: ...

    @job
    def _private_job() -> None: ...

    def plain(a: int = 1) -> int:
        return a

    async def plain_async() -> None: ...

    def _helper() -> None: ...

    def generator():
        yield 1

    def unstorable(handle: os.DirEntry) -> None: ...

    nameless = lambda: None
    also_plain = plain

    @dataclass
    class Thing:
        a: int = 1

        def method(self) -> None: ...

        @staticmethod
        def static() -> None: ...
"""


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Return a function that writes a module of a fresh name into the jobs folder, and gives the name back."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    written: list[str] = []

    def write(source: str, name: str | None = None) -> str:
        name = name or f"shop_{next(SERIAL)}"
        file = tmp_path.joinpath(*name.split(".")).with_suffix(".py")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(dedent(source))
        written.append(name)
        return name

    yield write
    for name in written:
        sys.modules.pop(name, None)


@pytest.fixture
def shop(write, tmp_path) -> tuple[str, Handlers]:
    name = write(SHOP)
    return name, Handlers([name], path=tmp_path)


def test_kinds_are_jobs_with_their_aliases_and_public_functions(shop):
    name, handlers = shop
    assert handlers.kinds() == (
        f"{name}:send",
        "old.shop:send",
        "resize",
        f"{name}:_private_job",
        f"{name}:plain",
        f"{name}:plain_async",
    )


def test_every_kind_resolves_to_the_handler_behind_it(shop):
    name, handlers = shop
    assert {kind: handlers.resolve(kind).kind for kind in handlers.kinds()} == {
        f"{name}:send": f"{name}:send",
        "old.shop:send": f"{name}:send",
        "resize": "resize",
        f"{name}:_private_job": f"{name}:_private_job",
        f"{name}:plain": f"{name}:plain",
        f"{name}:plain_async": f"{name}:plain_async",
    }


def test_a_handler_is_the_same_each_time(shop):
    name, handlers = shop
    assert handlers.resolve("old.shop:send") is handlers.resolve(f"{name}:send")


def test_a_resolved_function_runs(shop):
    name, handlers = shop
    handler = handlers.resolve(f"{name}:plain")
    assert isinstance(handler, Handler)
    assert handler.invoke((7,), {}) == 7


@pytest.mark.parametrize(
    "kind",
    [
        "{}:os.system",
        "{}:os",
        "{}:path.join",
        "{}:system",
        "{}:rmtree",
        "{}:Thing",
        "{}:Thing.method",
        "{}:Thing.static",
        "{}:dataclass",
        "{}:job",
        "{}:_helper",
        "{}:generator",
        "{}:nameless",
        "{}:<lambda>",
        "{}:also_plain",
        "{}:__builtins__",
        "{}:__builtins__.eval",
        "{}:__import__",
        "{}:send.__wrapped__",
        "{}:send.call",
        "{}:plain.__globals__",
        "{}:resize_image",
        "{}:",
        "{}",
        ":plain",
        "plain",
        "",
        "os:system",
        "subprocess:run",
        "builtins:eval",
        "{}.os:system",
        "{}:plain:plain",
        " {}:plain",
    ],
)
def test_nothing_but_a_kind_resolves(shop, kind):
    name, handlers = shop
    with pytest.raises(UnknownKind) as caught:
        handlers.resolve(kind.format(name))
    assert caught.value.known == handlers.kinds()


def test_a_kind_of_another_module_imports_nothing(shop, write):
    _, handlers = shop
    other = write("raise SystemExit('imported')")
    with pytest.raises(UnknownKind) as caught:
        handlers.resolve(f"{other}:anything")
    assert other not in sys.modules
    assert caught.value.hint == f"{other} is not among the modules that `jobs:` in queues.yaml allows: {handlers.modules[0]}"


def test_a_submodule_of_an_allowed_module_is_another_module(write, tmp_path):
    package = f"package_{next(SERIAL)}"
    write("", f"{package}.__init__")
    write("def run(): ...", f"{package}.inner")
    handlers = Handlers([package], path=tmp_path)
    with pytest.raises(UnknownKind):
        handlers.resolve(f"{package}.inner:run")
    assert f"{package}.inner" not in sys.modules


def test_an_unknown_kind_is_answered_with_the_nearest(shop):
    name, handlers = shop
    with pytest.raises(UnknownKind, match=rf"no handler for job kind '{name}:sned'; did you mean '{name}:send'\?"):
        handlers.resolve(f"{name}:sned")


@pytest.mark.parametrize(
    ("kind", "hint"),
    [
        ("{}:resize_image", "its @job names it 'resize'; @job(aliases=['{}:resize_image']) keeps the old name alive"),
        ("{}:_helper", "{} defines no public function '_helper' at its top level that could run as a job"),
        ("rezise", "registered kinds: "),
    ],
)
def test_an_unknown_kind_knows_the_way_out(shop, kind, hint):
    name, handlers = shop
    with pytest.raises(UnknownKind) as caught:
        handlers.resolve(kind.format(name))
    assert caught.value.hint.startswith(hint.format(name, name))


def test_a_plain_function_whose_arguments_cannot_be_stored_is_no_kind_and_says_why(shop):
    name, handlers = shop
    with pytest.raises(UnknownKind) as caught:
        handlers.resolve(f"{name}:unstorable")
    assert "it cannot be a job: " in caught.value.hint
    assert "parameter 'handle' cannot be stored: DirEntry is neither" in caught.value.hint


def test_a_job_imported_from_elsewhere_is_found_under_its_own_kind(write, tmp_path):
    inner = write("from tidegate.handlers import job\n@job\ndef send(): ...")
    outer = write(f"from {inner} import send as renamed")
    assert Handlers([outer], path=tmp_path).kinds() == (f"{inner}:send",)


def test_a_job_found_in_two_modules_is_one(write, tmp_path):
    inner = write("from tidegate.handlers import job\n@job\ndef send(): ...")
    outer = write(f"from {inner} import send")
    assert Handlers([outer, inner, inner], path=tmp_path).kinds() == (f"{inner}:send",)


@pytest.mark.parametrize(
    "source",
    [
        '@job(kind="same")\ndef one(): ...\n@job(kind="same")\ndef two(): ...',
        '@job(kind="same")\ndef one(): ...\n@job(aliases=["same"])\ndef two(): ...',
        '@job(aliases=["same"])\ndef one(): ...\n@job(aliases=["same"])\ndef two(): ...',
    ],
)
def test_two_functions_that_claim_one_kind_are_both_named(write, tmp_path, source):
    name = write("from tidegate.handlers import job\n" + source)
    with pytest.raises(ConfigurationError) as caught:
        Handlers([name], path=tmp_path)
    file = tmp_path / f"{name}.py"
    assert str(caught.value) == f"two functions claim the job kind 'same': {name}:one ({file}:2) and {name}:two ({file}:4)"
    assert caught.value.hint == "give one of them another name with @job(kind=...)"


def test_a_job_may_not_take_the_name_of_a_plain_function(write, tmp_path):
    name = f"shop_{next(SERIAL)}"
    write(f'from tidegate.handlers import job\n@job(kind="{name}:plain")\ndef one(): ...\ndef plain(): ...', name)
    with pytest.raises(ConfigurationError, match=f"two functions claim the job kind '{name}:plain'"):
        Handlers([name], path=tmp_path)


def test_a_job_whose_own_kind_is_among_its_aliases_is_one(write, tmp_path):
    name = write('from tidegate.handlers import job\n@job(kind="a", aliases=["a", "b"])\ndef one(): ...')
    assert Handlers([name], path=tmp_path).kinds() == ("a", "b")


def test_a_missing_module_is_a_configuration_error_that_says_where_it_was_looked_for(tmp_path):
    with pytest.raises(ConfigurationError, match=r"there is no jobs module 'nowhere\.jobs'") as caught:
        Handlers(["nowhere.jobs"], path=tmp_path)
    assert caught.value.hint == f"it was looked for in {tmp_path} or on the Python path"


BREAKING: list[tuple[str, str]] = [
    ("import nowhere_at_all", "ModuleNotFoundError: No module named 'nowhere_at_all'"),
    ("def f():\n    raise ValueError('boom')\nf()", "ValueError: boom"),
    ("import sys\nsys.exit(3)", "SystemExit: 3"),
    ("def broken(:\n    pass", "SyntaxError: "),
    ("try:\n    1 / 0\nexcept ZeroDivisionError as error:\n    raise ValueError('boom') from error", "ValueError: boom"),
    ("from tidegate.handlers import job\n@job(timeout=0)\ndef f(): ...", "ConfigurationError: @job of "),
]


@pytest.mark.parametrize(("source", "last"), BREAKING)
def test_a_module_that_does_not_import_tells_its_authors_story_only(write, tmp_path, source, last):
    name = write(source)
    with pytest.raises(ConfigurationError) as caught:
        Handlers([name], path=tmp_path)
    first, *story = str(caught.value).splitlines()
    assert first == f"the jobs module {name!r} cannot be imported:"
    assert last in story[-1]
    files = [line.strip() for line in story if line.strip().startswith("File ")]
    assert files
    assert all(line.startswith(f'File "{tmp_path / name}.py"') for line in files)


def test_an_error_of_ours_in_a_module_keeps_its_hint(write, tmp_path):
    name = write("from tidegate.handlers import job\njob(lambda: None)")
    with pytest.raises(ConfigurationError) as caught:
        Handlers([name], path=tmp_path)
    assert caught.value.hint == "define it at the top level of a module, and pass what it closes over as arguments"


def test_a_job_whose_signature_cannot_hold_is_an_error_of_the_configuration(write, tmp_path):
    name = write("import os\nfrom tidegate.handlers import job\n@job\ndef send(handle: os.DirEntry): ...")
    with pytest.raises(ConfigurationError, match=f"^{name}:send .*: parameter 'handle' cannot be stored"):
        Handlers([name], path=tmp_path)


def test_the_folder_comes_first_on_the_path_and_once(write, tmp_path):
    name = write("def plain(): ...")
    Handlers([name], path=tmp_path)
    Handlers([name], path=tmp_path)
    assert sys.path[0] == str(tmp_path)
    assert sys.path.count(str(tmp_path)) == 1


def test_a_module_written_a_moment_ago_is_found(write, tmp_path):
    Handlers([write("def plain(): ...")], path=tmp_path)
    name = write("def later(): ...")
    assert Handlers([name], path=tmp_path).kinds() == (f"{name}:later",)


def test_modules_need_no_folder():
    assert "textwrap:dedent" in Handlers(["textwrap"]).kinds()


def test_declared_queues_pass(shop):
    _, handlers = shop
    assert handlers.check_queues(["email", "images"]) is None


def test_an_undeclared_queue_names_function_place_and_the_nearest(shop, tmp_path):
    name, handlers = shop
    with pytest.raises(UnknownQueue) as caught:
        handlers.check_queues(["emails", "images"])
    line = 1 + next(number for number, line in enumerate(dedent(SHOP).splitlines()) if "@job(queue=" in line)
    assert str(caught.value) == f"{tmp_path / name}.py:{line}: @job of {name}:send: no queue named 'email'; did you mean 'emails'?"


def test_its_repr_counts(shop):
    name, handlers = shop
    assert repr(handlers) == f"<Handlers 6 kinds of {name}>"


def test_jobs_are_resolved_by_attribute_lookup_in_the_module_never_by_its_getattr(write, tmp_path):
    name = write("def __getattr__(name):\n    raise SystemExit(name)\ndef plain(): ...")
    handlers = Handlers([name], path=tmp_path)
    with pytest.raises(UnknownKind):
        handlers.resolve(f"{name}:made_up")
    assert importlib.import_module(name).plain is handlers.resolve(f"{name}:plain").function
