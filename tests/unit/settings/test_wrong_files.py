"""What is printed for a queues.yaml that cannot hold: the whole message, place and sentence."""

from __future__ import annotations

import pytest

from tidegate.errors import ConfigurationError
from tidegate.settings import InvalidSettings, Settings

TIME = "expected a time such as 30, 30s, 1.5s, 250ms, 5m, 2h, 1d or 1h30m; got"
SIZE = "expected a size such as 1024, 64KiB, 1MiB, 2GiB or 1MB; got"
QUEUE_KEYS = "backoff, circuit, consumers, demand, executor, forensics, kill_after, max_args, max_attempts, max_jobs, max_log, max_memory, max_result, memory, poison_after, scaling and timeout"
TOP_KEYS = "app_version, circuits, database, database_timeouts, defaults, drain_timeout, jobs, lease, metrics, notifications, poll, queues, retention, snapshot and tracing"
NAME = "a queue's name has 1 to 63 letters, digits, - and _, and begins with a letter"
LATER = "does not exist in this version"


def queue(*keys: str) -> str:
    """A file with one queue; the first key stands in line 3, its value from column 5 on."""
    return "\n".join(["queues:", "  email:", *(f"    {key}" for key in keys)]) + "\n"


# fmt: off
CASES = {
    # --- the file as such
    "empty": ("", ["1:1: the file is empty; declare `queues:`"]),
    "only comments": ("# nothing\n# here\n", ["1:1: the file is empty; declare `queues:`"]),
    "only a document mark": ("---\n", ["1:1: the file is empty; declare `queues:`"]),
    "null": ("null\n", ["1:1: expected a mapping of settings (`queues:`, `jobs:`, ...), got nothing"]),
    "a list": ("- email\n- ml\n", ["1:1: expected a mapping of settings (`queues:`, `jobs:`, ...), got a list"]),
    "a text": ("queues\n", ['1:1: expected a mapping of settings (`queues:`, `jobs:`, ...), got "queues"']),
    "two documents": ("jobs: []\n---\njobs: []\n", ["2:1: a second document begins here; the file holds one"]),
    "a tab that indents": ("queues:\n\temail: {}\n", ["2:1: a tab cannot indent; use spaces"]),
    "a key too far in": ("lease: 30\n poll: 1\n", ["2:6: not valid YAML: no key can stand here; check the indentation, quote a text that holds `: `"]),
    "a key too far out": ("queues:\n    email: {}\n  ml: {}\n", ["3:3: not valid YAML: this does not fit what stands before it; check indentation and quotes"]),
    "a list among keys": ("lease: 1\n- poll\n", ["2:1: not valid YAML: this does not fit what stands before it; check indentation and quotes"]),
    "an open bracket": ("jobs: [a, b\n", ["2:1: not valid YAML: a bracket that is opened here or above is not closed"]),
    "an open quote": ('database: "embedded\n', ["2:1: not valid YAML: a quote that is opened here or above is not closed"]),
    "a text that needs quotes": ("database: @embedded\n", ["1:11: not valid YAML: a text that begins with @, ` or % must be quoted"]),
    "a reference in braces": ("queues: {email: {timeout: ${T}}}\n", ["1:28: not valid YAML: inside {...} and [...] a text that holds a brace, such as ${NAME}, must be quoted"]),
    "a control character": ("lease: 30\npoll: \x07\n", ["2:7: the character U+0007 is not allowed in YAML"]),
    "a tag": ("lease: !!int 30\n", ["1:8: tags (!!int) are not used here; write the value alone"]),
    "an object's tag": ("queues: !!python/object/apply:os.system [ls]\n", ["1:9: tags (!!python/object/apply:os.system) are not used here; write the value alone"]),
    "an alias of nothing": ("defaults: *shared\n", ["1:11: the alias *shared has no anchor &shared above it"]),
    "an alias inside itself": ("queues: &q\n  email: *q\n", ["2:10: the alias *q stands inside what it repeats"]),
    "a merge key": ("defaults: &d {timeout: 5}\nqueues:\n  email:\n    <<: *d\n", ["4:5: queues.email: merge keys (<<) are not part of YAML 1.2; write what queues share under `defaults`"]),
    "nested too deep": ("a: " + "[" * 30 + "]" * 30, ["1:23: nested more than 20 levels deep"]),
    # --- keys
    "an unknown top key, near": ("queus: {}\n", ["1:1: queus: unknown key; did you mean queues?"]),
    "an unknown top key, far": ("xyzzy: 1\n", [f"1:1: xyzzy: unknown key; known here are {TOP_KEYS}"]),
    "a key in another case": ("Database: embedded\n", ["1:1: Database: unknown key; did you mean database?"]),
    "an unknown key of a queue": (queue("timeuot: 5"), ["3:5: queues.email.timeuot: unknown key; did you mean timeout?"]),
    "an unknown key of a queue, far": (queue("xyzzy: 5"), [f"3:5: queues.email.xyzzy: unknown key; known here are {QUEUE_KEYS}"]),
    "a key that peers have": (queue("concurrency: 5"), ["3:5: queues.email.concurrency: unknown key; did you mean consumers?"]),
    "an unknown key of defaults": ("defaults: {retries: 3}\n", ["1:12: defaults.retries: unknown key; did you mean max_attempts?"]),
    "an unknown key of consumers": (queue("consumers: {mni: 1}"), ["3:17: queues.email.consumers.mni: unknown key; did you mean min?"]),
    "an unknown key of backoff": (queue("backoff: {fctor: 2}"), ["3:15: queues.email.backoff.fctor: unknown key; did you mean factor?"]),
    "an unknown key of retention": ("retention: {failed: 1d}\n", ["1:13: retention.failed: unknown key; did you mean dead?"]),
    "a queue's key at the top": ("timeout: 5\n", ["1:1: timeout: unknown key here; it belongs to a queue or to `defaults`"]),
    "a top key in a queue": (queue("lease: 5"), ["3:5: queues.email.lease: unknown key here; it belongs at the top of the file"]),
    "a key twice": ("lease: 30\npoll: 1\nlease: 40\n", ["3:1: lease: written twice; the first is in line 1"]),
    "a queue twice": ("queues:\n  email: {}\n  email: {timeout: 5}\n", ["3:3: queues.email: written twice; the first is in line 2"]),
    "a number as a key": ("queues:\n  1: {}\n", ["2:3: queues: a key must be text, got 1; quote it"]),
    "a truth value as a key": ("queues:\n  true: {}\n", ["2:3: queues: a key must be text, got true; quote it"]),
    "a list as a key": ("queues:\n  ? [a]\n  : {}\n", ["2:5: queues: a key must be text, got a list"]),
    "a queue's name with a dot": ("queues: {a.b: {}}\n", [f"1:10: queues.a.b: {NAME}"]),
    "a queue's name that is too long": (f"queues:\n  {'q' * 64}: {{}}\n", [f"2:3: queues.{'q' * 64}: {NAME}"]),
    "an empty name": ('queues: {"": {}}\n', [f"1:10: queues.: {NAME}"]),
    # --- groups
    "queues as a list": ("queues: [email]\n", ["1:9: queues: expected a mapping of names, each with its settings, got a list"]),
    "a queue as a number": ("queues: {email: 5}\n", ["1:17: queues.email: expected a mapping such as {consumers: 5, timeout: 30}, got 5"]),
    "defaults as a text": ("defaults: none\n", ['1:11: defaults: expected a mapping such as {consumers: 5, timeout: 30}, got "none"']),
    "demand as a number": (queue("demand: 5"), ["3:13: queues.email.demand: expected a mapping such as {max: 100, min: 0}, got 5"]),
    "consumers in words": (queue("consumers: five"), ['3:16: queues.email.consumers: expected a number or a mapping such as {min: 1, max: 5}, got "five"']),
    "backoff as a text": (queue("backoff: linear"), ['3:14: queues.email.backoff: expected a mapping such as {kind: exponential, base: 1, factor: 2, cap: 3600, jitter: 0.1}, got "linear"']),
    "retention as a time": ("retention: 7d\n", ['1:12: retention: expected a mapping such as {completed: 1d, cancelled: 7d, dead: 30d}, got "7d"']),
    # --- values
    "no consumers at all": (queue("consumers: 0"), ["3:16: queues.email.consumers.max: must be at least 1, got 0"]),
    "half a consumer": (queue("consumers: {max: 1.5}"), ["3:22: queues.email.consumers.max: expected a whole number, got 1.5"]),
    "a truth value as a number": (queue("max_attempts: true"), ["3:19: queues.email.max_attempts: expected a whole number, got true"]),
    "no attempts": (queue("max_attempts: 0"), ["3:19: queues.email.max_attempts: must be at least 1, got 0"]),
    "too many attempts": (queue("max_attempts: 1001"), ["3:19: queues.email.max_attempts: must be at most 1000, got 1001"]),
    "min over max": (queue("consumers: {min: 5, max: 2}"), ["3:16: queues.email.consumers: min 5 is above max 2"]),
    "min over the built-in max": (queue("consumers: {min: 20}"), ["3:16: queues.email.consumers: min 20 is above max 10; say both, for one of them is inherited"]),
    "demand's min at its max": (queue("demand: {max: 2, min: 2}"), ["3:13: queues.email.demand: min 2 must be below max 2"]),
    "an unknown executor": (queue("executor: fibre"), ['3:15: queues.email.executor: unknown executor "fibre"; choose async, thread or process']),
    "a misspelt executor": (queue("executor: asnyc"), ['3:15: queues.email.executor: unknown executor "asnyc"; did you mean async?']),
    "a list of executors": (queue("executor: [async]"), ["3:15: queues.email.executor: unknown executor a list; choose async, thread or process"]),
    "a time in words": (queue("timeout: soon"), [f'3:14: queues.email.timeout: {TIME} "soon"']),
    "a time by the clock": (queue("timeout: 1:30"), [f'3:14: queues.email.timeout: {TIME} "1:30"']),
    "a time with a blank": (queue("timeout: 30 s"), [f'3:14: queues.email.timeout: {TIME} "30 s"']),
    "a time with capitals": (queue("timeout: 5M"), [f'3:14: queues.email.timeout: {TIME} "5M"']),
    "no time": (queue("timeout:"), [f"3:5: queues.email.timeout: {TIME} nothing"]),
    "a time that is none": (queue("timeout: 0s"), ['3:14: queues.email.timeout: must be more than 0, got "0s"']),
    "a time that never ends": (queue("timeout: .inf"), [f'3:14: queues.email.timeout: {TIME} ".inf"']),
    "a negative time": ("drain_timeout: -1\n", ["1:16: drain_timeout: a time cannot be negative; got -1"]),
    "a time beyond sense": ("retention: {dead: 4000d}\n", ['1:19: retention.dead: a time cannot be longer than ten years; got "4000d"']),
    "a lease that is too short": ("lease: 100ms\n", ['1:8: lease: must be at least 1, got "100ms"']),
    "a size in words": (queue("max_args: big"), [f'3:15: queues.email.max_args: {SIZE} "big"']),
    "a size to be guessed": (queue("max_args: 10k"), ["3:15: queues.email.max_args: 10k could be read in two ways; write 10KB (powers of 1,000) or 10KiB (of 1,024)"]),
    "a size in bits": (queue("max_args: 10Mb"), ["3:15: queues.email.max_args: 10Mb could be read in two ways; write 10MB (powers of 1,000) or 10MiB (of 1,024)"]),
    "a size in unknown units": (queue("max_args: 3PiB"), ["3:15: queues.email.max_args: unknown unit PiB; write a size such as 1024, 64KiB, 1MiB, 2GiB or 1MB"]),
    "a size with half a byte": (queue("max_args: 0.3KiB"), ['3:15: queues.email.max_args: a size is a whole number of bytes; got "0.3KiB"']),
    "a size too large": (queue("max_result: 1GiB"), ["3:17: queues.email.max_result: must lie between 2 bytes and 128MiB, got 1GiB"]),
    "a kind of backoff": (queue("backoff: {kind: linaer}"), ['3:21: queues.email.backoff.kind: expected exponential, linear or constant, got "linaer"; did you mean linear?']),
    "a backoff that shrinks": (queue("backoff: {factor: 0.5}"), ["3:23: queues.email.backoff.factor: must be at least 1, got 0.5"]),
    "a backoff's jitter": (queue("backoff: {jitter: 10%}"), ['3:23: queues.email.backoff.jitter: expected a number, got "10%"']),
    "a jitter that is no number": (queue("backoff: {jitter: nan}"), ['3:23: queues.email.backoff.jitter: expected a number, got "nan"']),
    "base over cap": (queue("backoff: {base: 2h, cap: 1h}"), ["3:14: queues.email.backoff: base 7200 is above cap 3600"]),
    "base over the inherited cap": ("defaults: {backoff: {cap: 60}}\nqueues: {email: {backoff: {base: 90}}}\n", ["2:27: queues.email.backoff: base 90 is above cap 60; say both, for one of them is inherited"]),
    "a factor without a meaning": (queue("backoff: {kind: linear, factor: 3}"), ["3:37: queues.email.backoff.factor: has no meaning for the kind linear; leave it out"]),
    "a default queue that is not declared": ("defaults: {queue: emial}\nqueues: {email: {}}\n", ["1:19: defaults.queue: no queue named emial; did you mean email?"]),
    "a default queue far from all": ("defaults: {queue: x}\nqueues: {email: {}, ml: {}}\n", ["1:19: defaults.queue: no queue named x; declared are email, ml"]),
    "a default queue that is a number": ("defaults: {queue: 5}\n", ["1:19: defaults.queue: expected the name of a queue, got 5"]),
    "jobs as a text": ("jobs: myshop.jobs\n", ['1:7: jobs: expected a list of modules such as [myshop.jobs], got "myshop.jobs"']),
    "a job module by its path": ("jobs: [shop, myshop/jobs.py]\n", ['1:14: jobs[1]: expected the dotted name of a module such as myshop.jobs, got "myshop/jobs.py"']),
    "a job module that is a number": ("jobs:\n- 5\n", ["2:3: jobs[0]: expected the dotted name of a module such as myshop.jobs, got 5"]),
    "another database": ("database: mysql://root:secret@db/shop\n", ["1:11: database: Tidegate works on PostgreSQL only; got a mysql:// address"]),
    "a database as a number": ("database: 5\n", ["1:11: database: expected embedded or postgresql://user:password@host:port/name; got 5"]),
    "a database by keywords": ("database: host=db password=secret\n", ['1:11: database: expected embedded or postgresql://user:password@host:port/name; got "host=db password=***"']),
    "a database's port": ("database: postgresql://me:secret@db:port/shop\n", ["1:11: database: not a valid address (postgresql://me:***@db:port/shop); encode special characters of the password with %XX"]),
    "a memory without a process": (queue("memory: 2GiB"), ["3:13: queues.email.memory: bounds processes, and the executor is async; say executor: process, or leave it out"]),
    "max_jobs without any process": ("defaults: {max_jobs: 100}\nqueues: {email: {executor: thread}}\n", ["1:22: defaults.max_jobs: bounds processes, and the executor is thread; say executor: process, or leave it out"]),
    "max_memory beside an executor of its own": ("defaults: {executor: process}\nqueues: {email: {executor: async, max_memory: 1GiB}}\n", ["2:47: queues.email.max_memory: bounds processes, and the executor is async; say executor: process, or leave it out"]),
    "a memory for no interpreter": ("defaults: {executor: process, memory: 10MiB}\n", ["1:39: defaults.memory: must be at least 64MiB, for Python itself; got 10MiB"]),
    # --- the environment in the file
    "a variable that is not set": ("database: ${DB_URL}\n", ["1:11: database: the environment variable DB_URL is not set; set it, or write ${DB_URL:-default}"]),
    "a variable in a list": ("jobs: [shop, '${MODULE}']\n", ["1:14: jobs[1]: the environment variable MODULE is not set; set it, or write ${MODULE:-default}"]),
    "a reference without a name": ("database: postgresql://${}/shop\n", ["1:11: database: ${ without a name: write ${NAME} or ${NAME:-default}, and $${ for the characters themselves"]),
    "a default that is refused": (queue("timeout: ${T:-soon}"), [f'3:14: queues.email.timeout: {TIME} "soon"']),
    # --- circuits
    "a rate above 100": (queue("circuit: {failure_rate: 101}"), ["3:29: queues.email.circuit.failure_rate: must be at most 100, got 101"]),
    "more needed than probed": (queue("circuit: {probes: 2, needed: 3}"), ["3:14: queues.email.circuit: needed 3 is above probes 2"]),
    "fewer probes than are needed": (queue("circuit: {probes: 1}"), ["3:14: queues.email.circuit: needed 2 is above probes 1; say both, for one of them is inherited"]),
    "fewer probes of a shared circuit": ("circuits: {smtp: {probes: 1}}\n", ["1:18: circuits.smtp: needed 2 is above probes 1; say both, for one of them is inherited"]),
    "half an outcome": (queue("circuit: {window: count, window_size: 9.5}"), ["3:14: queues.email.circuit: window_size 9.5 is no whole number, and the window counts outcomes"]),
    "a circuit's name": (queue("circuit: the relay"), ["3:14: queues.email.circuit.name: a circuit's name has 1 to 63 letters, digits, - and _, and begins with a letter; got \"the relay\""]),
    "the name of a shared circuit": ("circuits: {9x: {}}\n", ["1:12: circuits.9x: a circuit's name has 1 to 63 letters, digits, - and _, and begins with a letter"]),
    "a list for a circuit": (queue("circuit: []"), ["3:14: queues.email.circuit: expected true, false, the name of a circuit, or a mapping such as {failure_rate: 50, open_for: 30}, got a list"]),
    "a flag that is none": (queue("circuit: {enabled: 5}"), ["3:24: queues.email.circuit.enabled: expected true or false, got 5"]),
    "one exception for a list": (queue("circuit: {ignore: TimeoutError}"), ['3:23: queues.email.circuit.ignore: expected a list of exceptions such as [TimeoutError, smtplib.SMTPDataError], got "TimeoutError"']),
    "no exception's name": (queue("circuit: {count: [5]}"), ["3:23: queues.email.circuit.count[0]: expected the name of an exception such as TimeoutError or smtplib.SMTPDataError, got 5"]),
    "one circuit, two numbers": (
        "queues:\n  a: {circuit: {name: smtp, failure_rate: 30}}\n  b: {}\n  c: {circuit: {name: smtp}}\n",
        [
            "2:16: queues.a.circuit: gives smtp other numbers than queues.c.circuit does; say them once, under circuits",
            "4:16: queues.c.circuit: gives smtp other numbers than queues.a.circuit does; say them once, under circuits",
        ],
    ),
    "a shared circuit and a queue's own": (
        "circuits: {smtp: {}}\nqueues:\n  a: {circuit: {name: smtp, failure_rate: 30}}\n  b: {circuit: smtp}\n",
        [
            "1:18: circuits.smtp: gives smtp other numbers than queues.a.circuit does; say them once, under circuits",
            "3:16: queues.a.circuit: gives smtp other numbers than circuits.smtp does; say them once, under circuits",
        ],
    ),
    # --- later versions
    "ray": ("defaults: {executor: ray}\n", [f"1:22: defaults.executor: ray {LATER} (Ray as an executor); choose async, thread or process"]),
    "a policy that there is not": (queue("scaling: {policy: stepz}"), ['3:23: queues.email.scaling.policy: unknown policy "stepz"; did you mean steps?']),
    "a policy that is no name": (queue("scaling: {policy: a.b:}"), ['3:23: queues.email.scaling.policy: unknown policy "a.b:"; choose deadline, steps or fixed, or name your own as module:function']),
    "a policy as a number": (queue("scaling: {policy: 5}"), ["3:23: queues.email.scaling.policy: expected the name of a policy, got 5"]),
    "no time to start in": (queue("scaling: {target_latency: 0}"), ["3:31: queues.email.scaling.target_latency: must be more than 0, got 0"]),
    "a target that is not a number": (queue("scaling: {target_latency: .nan}"), [f'3:31: queues.email.scaling.target_latency: {TIME} ".nan"']),
    "a tick that is too short": (queue("scaling: {tick: 1ms}"), ['3:21: queues.email.scaling.tick: must be at least 0.1, got "1ms"']),
    "a mode that there is not": (queue("scaling: {mode: obsrve}"), ['3:21: queues.email.scaling.mode: expected act or observe, got "obsrve"; did you mean observe?']),
    "thresholds out of order": (queue("scaling: {steps: {many: 5}}"), ["3:22: queues.email.scaling.steps: few 10, some 100 and many 5 must go upwards"]),
    "forensics without a truth value": (
        "defaults: {forensics: {locals: 1}}\n",
        ["1:32: defaults.forensics.locals: expected true or false, got 1"],
    ),
    "a version that is none": ("app_version: [1]\n", ["1:14: app_version: expected a version such as 1.4.2, of at most 100 characters; got a list"]),
}
# fmt: on


@pytest.mark.parametrize(("text", "lines"), CASES.values(), ids=CASES.keys())
def test_a_wrong_file_is_told_by_line_and_column(text, lines, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "queues.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(InvalidSettings) as caught:
        Settings.load("queues.yaml", environ={})
    assert str(caught.value).split("\n") == [f"queues.yaml:{line}" for line in lines]


def test_all_problems_of_a_file_are_told_at_once_in_its_order(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "queues.yaml").write_text(
        """\
databas: embedded
notifications: {}
queues:
  email:
    timeuot: 30
    consumers: {min: 5, max: 2}
    executor: ray
  ml:
    consumers: {min: 20}
    timeout: ${NOPE}
    timeout: 5
    demand: 5
  9x: {}
  list: []
defaults: {queue: emial}
jobs: [a-b, 5]
""",
        encoding="utf-8",
    )
    with pytest.raises(InvalidSettings) as caught:
        Settings.load("queues.yaml", environ={"TIDEGATE_POLL": "often", "TIDEGATE_LAESE": "3"})
    assert str(caught.value).split("\n") == [
        "queues.yaml:1:1: databas: unknown key; did you mean database?",
        "queues.yaml:2:16: notifications: expected a list such as [{on: dead_letter, webhook: ...}], got a mapping",
        "queues.yaml:5:5: queues.email.timeuot: unknown key; did you mean timeout?",
        "queues.yaml:6:16: queues.email.consumers: min 5 is above max 2",
        "queues.yaml:7:15: queues.email.executor: ray does not exist in this version (Ray as an executor); choose async, thread or process",
        "queues.yaml:9:16: queues.ml.consumers: min 20 is above max 10; say both, for one of them is inherited",
        "queues.yaml:10:14: queues.ml.timeout: the environment variable NOPE is not set; set it, or write ${NOPE:-default}",
        "queues.yaml:11:5: queues.ml.timeout: written twice; the first is in line 10",
        "queues.yaml:12:13: queues.ml.demand: expected a mapping such as {max: 100, min: 0}, got 5",
        "queues.yaml:13:3: queues.9x: a queue's name has 1 to 63 letters, digits, - and _, and begins with a letter",
        "queues.yaml:14:9: queues.list: expected a mapping such as {consumers: 5, timeout: 30}, got a list",
        "queues.yaml:15:19: defaults.queue: no queue named emial; did you mean email?",
        'queues.yaml:16:8: jobs[0]: expected the dotted name of a module such as myshop.jobs, got "a-b"',
        "queues.yaml:16:13: jobs[1]: expected the dotted name of a module such as myshop.jobs, got 5",
        "environment TIDEGATE_LAESE: unknown variable; did you mean TIDEGATE_LEASE?",
        f'environment TIDEGATE_POLL: poll: {TIME} "often"',
    ]


def test_a_refused_max_is_not_told_again_as_a_min_above_the_built_in_one(tmp_path):
    file = tmp_path / "queues.yaml"
    file.write_text("defaults: {consumers: {max: ten}}\nqueues: {email: {consumers: {min: 50}}}\n", encoding="utf-8")
    with pytest.raises(InvalidSettings) as caught:
        Settings.load(file, environ={})
    assert [problem.sentence for problem in caught.value.problems] == ['expected a whole number, got "ten"']


def test_what_is_written_twice_is_judged_all_the_same(tmp_path):
    file = tmp_path / "queues.yaml"
    file.write_text("lease: soon\nlease: 30\n", encoding="utf-8")
    with pytest.raises(InvalidSettings) as caught:
        Settings.load(file, environ={})
    assert [problem.place.line for problem in caught.value.problems] == [1, 2]


def test_a_queue_with_a_wrong_value_still_counts_as_declared(tmp_path):
    file = tmp_path / "queues.yaml"
    file.write_text("defaults: {queue: email}\nqueues: {email: 5}\n", encoding="utf-8")
    with pytest.raises(InvalidSettings) as caught:
        Settings.load(file, environ={})
    assert [problem.path for problem in caught.value.problems] == [("queues", "email")]


def test_wrong_defaults_are_told_once_not_for_every_queue(tmp_path):
    file = tmp_path / "queues.yaml"
    file.write_text("defaults: {consumers: {min: 20}}\nqueues: {email: {}, ml: {}, analytics: {}}\n", encoding="utf-8")
    with pytest.raises(InvalidSettings) as caught:
        Settings.load(file, environ={})
    assert [problem.path for problem in caught.value.problems] == [("defaults", "consumers")]


def test_the_error_ends_a_command_with_exit_code_2():
    assert issubclass(InvalidSettings, ConfigurationError)
    assert InvalidSettings.exit_code == 2


def test_a_refused_database_tells_no_password(tmp_path):
    file = tmp_path / "queues.yaml"
    file.write_text("database: postgresql://me:s3cr:et@/db:x@host:1:2/shop\n", encoding="utf-8")
    with pytest.raises(InvalidSettings) as caught:
        Settings.load(file, environ={})
    assert "s3cr" not in str(caught.value)


def test_a_missing_file_is_told_with_the_way_out(tmp_path):
    with pytest.raises(ConfigurationError) as caught:
        Settings.load(tmp_path / "nope.yaml", environ={})
    assert str(caught.value) == f"{tmp_path}/nope.yaml: there is no such file"
    assert caught.value.hint == "`tidegate init` writes a queues.yaml; `--config PATH` and TIDEGATE_CONFIG name another file"


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(ConfigurationError) as caught:
        Settings.load(tmp_path, environ={})
    assert str(caught.value) == f"{tmp_path}: cannot be read: Is a directory"


def test_a_file_that_is_not_utf_8_is_told_by_its_byte(tmp_path):
    file = tmp_path / "queues.yaml"
    file.write_bytes("queues: {}\n# Grüße\n".encode("latin-1"))
    with pytest.raises(ConfigurationError) as caught:
        Settings.load(file, environ={})
    assert str(caught.value) == f"{file}:2:5: the byte 0xfc is not UTF-8 text"


def test_a_file_that_is_too_large_is_not_read_to_its_end(tmp_path):
    file = tmp_path / "queues.yaml"
    file.write_bytes(b"#" * (256 * 1024 + 1))
    with pytest.raises(ConfigurationError) as caught:
        Settings.load(file, environ={})
    assert str(caught.value) == f"{file}: larger than 256 KiB, which no list of queues is"
