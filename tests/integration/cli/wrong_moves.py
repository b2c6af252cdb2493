"""Wrong moves: what people type when they are mistaken, and the one sentence that it costs them.

Each row is a command line as it is shown on the page, its exit code, and the words that make the sentence right; the page has the
whole sentences. `where` names the situation that the command is typed in, `apart` runs it in a process of its own.
"""

from __future__ import annotations

from typing import NamedTuple

REFUSING = "postgresql://127.0.0.1:1/shop"
UNKNOWN_HOST = "postgresql://db.invalid/shop"
WRONG_PASSWORD = "postgresql://app:wrong@db.example/shop"
WRONG_USER = "postgresql://nobody@db.example/shop"
NO_DATABASE = "postgresql://guest@db.example/nosuch"
OLD_SERVER = "postgresql://old.example/shop"
NO_POSTGRESQL = "postgresql://web.example/shop"
TAKEN_PORT = "18464"
LEAST_ROLE = "postgresql://guest@db.example/shop"


class Move(NamedTuple):
    command: str
    code: int
    says: str
    where: str = "shop"
    apart: bool = False


TOPICS: dict[str, list[Move]] = {
    "Commands and options": [
        Move("jbos list", 2, "there is no command `jbos`; did you mean `jobs`?"),
        Move("start", 2, "there is no command `start`"),
        Move("jobs lst", 2, "there is no command `jobs lst`; did you mean `jobs list`?"),
        Move("queues delete email", 2, "there is no command `queues delete`"),
        Move("scale email three", 2, "expected a number of consumers from 0 to 1,000,000, or auto; got 'three'"),
        Move("jobs explain three", 2, "'three' is not the id of a job"),
        Move("--debug", 2, "missing command"),
        Move("jobs list --limt 3", 2, "there is no option --limt; did you mean --limit?"),
        Move("jobs list -n 3", 2, "there is no option -n"),
        Move("queues list --watch", 2, "there is no option --watch"),
        Move("jobs list --limit", 2, "--limit needs a value"),
        Move("jobs list --json=yes", 2, "--json takes no value"),
        Move("jobs list 3", 2, "got unexpected extra argument (3)"),
        Move("jobs show", 2, "ID is missing"),
        Move("queues pause", 2, "QUEUE... is missing"),
        Move("enqueue", 2, "KIND is missing"),
        Move("completion tcsh", 2, "'tcsh' is not one of 'bash', 'zsh', 'fish'"),
        Move("help exitcodes", 2, "there is no help on `exitcodes`"),
    ],
    "Numbers, times and states": [
        Move("jobs list --limit 0", 2, "--limit: a limit is a whole number from 1 to 100,000; got '0'"),
        Move("jobs list --limit ten", 2, "got 'ten'"),
        Move("jobs list --state done", 2, "--state: 'done' is not one of"),
        Move("jobs list --after last", 2, "--after: 'last' is not the id of a job"),
        Move("jobs show abc", 2, "'abc' is not the id of a job, which is a number such as 42"),
        Move("jobs show -- -1", 2, "'-1' is not the id of a job"),
        Move("jobs show 99999999999999999999", 2, "is not the id of a job"),
        Move("jobs cancel 3 x", 2, "'x' is not the id of a job"),
        Move("enqueue shopjobs:add a=1 b=2 --delay soon", 2, "--delay: expected a time such as 30"),
        Move("enqueue shopjobs:add a=1 b=2 --delay -5", 2, "--delay: "),
        Move("enqueue shopjobs:add a=1 b=2 --at tomorrow", 2, "--at: expected a time such as 2030-12-24T18:00Z"),
        Move("enqueue shopjobs:add a=1 b=2 --at 2030-12-24T18:00", 2, "has no time zone"),
        Move("enqueue shopjobs:add a=1 b=2 --at 2030-02-30T18:00Z", 2, "--at: expected a time"),
        Move(
            "enqueue shopjobs:add a=1 b=2 --delay 5 --at 2030-12-24T18:00Z",
            2,
            "--delay and --at are both given, and a job is due once",
        ),
        Move("enqueue shopjobs:add a=1 b=2 --priority high", 2, "--priority: a priority is a whole number from -100 to 100"),
        Move("enqueue shopjobs:add a=1 b=2 --priority 500", 2, "--priority: a priority is a whole number from -100 to 100"),
        Move("enqueue shopjobs:add a=1 b=2 --timeout 5", 2, "--timeout is for --wait"),
        Move("up --metrics-port 70000", 2, "--metrics-port: a port is a whole number from 0 to 65,535"),
        Move("up --drain-timeout long", 2, "--drain-timeout: expected a time"),
        Move("demo --rate 0", 2, "--rate: a rate is a whole number from 1 to 10,000"),
    ],
    "Kinds and arguments": [
        Move("enqueue shopjobs:gret name=Ada", 2, "no handler for job kind 'shopjobs:gret'; did you mean 'shopjobs:greet'?"),
        Move("enqueue greet name=Ada", 2, "no handler for job kind 'greet'"),
        Move("enqueue os:system command=ls", 2, "no handler for job kind 'os:system'"),
        Move("enqueue shopjobs:add a=1", 2, "shopjobs:add: missing argument 'b'"),
        Move("enqueue shopjobs:greet nam=Ada", 2, "unexpected argument 'nam'; did you mean 'name'?"),
        Move("enqueue shopjobs:add a=one b=2", 2, "a: expected"),
        Move("enqueue shopjobs:bill day=someday total=9.90 lines=[]", 2, "day: "),
        Move("enqueue shopjobs:greet Ada", 2, "'Ada' is not name=value"),
        Move("enqueue shopjobs:greet name=Ada name=Bob", 2, "name is given twice"),
        Move("enqueue shopjobs:greet --name Ada", 2, "there is no option --name"),
        Move("enqueue shopjobs:add --args [1,2", 2, "--args is not JSON"),
        Move("enqueue shopjobs:add --args 5", 2, "--args is a JSON array"),
        Move("enqueue shopjobs:add --kwargs [1]", 2, "--kwargs is a JSON object"),
        Move("enqueue shopjobs:add --args @nosuch.json", 2, "--args: nosuch.json cannot be read: No such file or directory"),
        Move("enqueue shopjobs:add --args [1,2,3]", 2, "takes at most 2 arguments by position, got 3"),
    ],
    "Queues": [
        Move("queues show emial", 3, "there is no queue 'emial'; did you mean 'email'?"),
        Move("queues pause nosuch", 3, "there is no queue 'nosuch'"),
        Move('queues purge "" --yes', 2, "it is empty, which would mean anything"),
        Move("queues purge nosuch --yes", 3, "there is no queue 'nosuch'"),
        Move("queues purge email", 2, "purging email cancels every job that waits in it"),
        Move("enqueue shopjobs:add a=1 b=2 --queue emial", 2, "no queue named 'emial'; did you mean 'email'?"),
        Move("up --queues emial", 2, "no queue named 'emial'; did you mean 'email'?", apart=True),
        Move("up --queues ,", 2, "--queues: expected names of queues such as email,ml"),
    ],
    "Jobs": [
        Move("jobs show 77", 3, "there is no job 77"),
        Move("jobs cancel 77", 3, "there is no job 77"),
        Move("jobs cancel 1 2", 4, "these were over already: 1 (completed), 2 (dead)"),
        Move("jobs retry 77", 3, "there is no job 77"),
        Move("jobs retry 1", 4, "job 1 is completed"),
        Move("jobs retry 3", 4, "job 3 is ready already"),
        Move("jobs retry 4", 4, "job 4 is running"),
        Move("jobs retry 5", 4, "job 5 was retried already, as job 6"),
    ],
    "Dead letters and errors": [
        Move("dlq show 77", 3, "there is no dead letter 77"),
        Move("dlq retry", 2, "which dead letters? none is named"),
        Move("dlq retry 77", 3, "there is no dead letter 77"),
        Move("dlq retry --all --kind shopjobs:greet", 2, "--all and a choice are both given"),
        Move("dlq retry --all --rate 0", 2, "--rate: a rate is a number a second above 0"),
        Move("dlq retry --all --queue emial", 2, "no queue named 'emial'; did you mean 'email'?"),
        Move("dlq retry --resume 77", 3, "there is no redrive 77"),
        Move("dlq retry --group nosuch", 3, "there is no group nosuch"),
        Move("dlq discard --all", 2, "this discards 1 dead letter"),
        Move("dlq list --older-than long", 2, "--older-than: expected a time"),
        Move("errors show nosuch", 3, "there is no error nosuch"),
        Move("errors mute", 2, "FINGERPRINT... is missing"),
        Move('errors mute ""', 2, "it is empty, which would mean anything; is a variable of the shell not set?"),
        Move('dlq retry --group ""', 2, "--group: it is empty, which would mean anything"),
        Move('dlq discard --text "" --yes', 2, "--text: it is empty"),
    ],
    "Settings": [
        Move("jobs list", 2, "there is no queues.yaml here, and no database was named", where="nowhere"),
        Move("up", 2, "no queues are declared", where="nowhere", apart=True),
        Move("config check", 2, "there is no queues.yaml here", where="nowhere"),
        Move("up --config nosuch.yaml", 2, "nosuch.yaml: there is no such file", apart=True),
        Move('jobs list --database ""', 2, "--database: it is empty; is a variable of the shell not set?"),
        Move("queues list --config .", 2, ".: cannot be read: Is a directory"),
        Move("config check", 2, "queues.yaml:2:11: queues.email.timuot: unknown key; did you mean timeout?", where="typing errors"),
        Move("up", 2, "queues.yaml:2:11: queues.email.timuot", where="typing errors", apart=True),
        Move("config check", 2, "there is no jobs module 'shopjbos'", where="a missing module"),
        Move("config check", 2, "the jobs module 'shaky' cannot be imported", where="a module that raises"),
        Move("config check", 2, "no queue named 'emial'; did you mean 'email'?", where="a @job of an undeclared queue"),
        Move(
            "jobs list", 2, "environment TIDEGATE_POL: unknown variable; did you mean TIDEGATE_POLL?", where="TIDEGATE_POL=1 is set"
        ),
        Move(
            "jobs list",
            2,
            "environment TIDEGATE_CONFIG: nosuch.yaml: there is no such file",
            where="TIDEGATE_CONFIG=nosuch.yaml is set",
        ),
        Move("init", 4, "this folder has queues.yaml already"),
        Move("init queues.yaml", 1, "cannot write to queues.yaml: "),
    ],
    "The database": [
        Move(f"jobs list --database {REFUSING}", 6, f"cannot reach the database {REFUSING}: Connection refused"),
        Move(f"jobs list --database {UNKNOWN_HOST}", 6, f"cannot reach the database {UNKNOWN_HOST}: "),
        Move(
            f"queues list --database {WRONG_PASSWORD}", 6, 'app:***@db.example/shop: password authentication failed for user "app"'
        ),
        Move(f"queues list --database {WRONG_USER}", 6, 'role "nobody" does not exist'),
        Move(f"queues list --database {NO_DATABASE}", 6, 'database "nosuch" does not exist'),
        Move(f"enqueue shopjobs:add a=1 b=2 --database {REFUSING}", 6, "cannot reach the database"),
        Move(f"up --database {REFUSING}", 6, "cannot reach the database", apart=True),
        Move(f"db status --database {REFUSING}", 6, "cannot reach the database"),
        Move(f"db migrate --database {REFUSING}", 6, "cannot reach the database"),
        Move(f"jobs list --database {LEAST_ROLE}", 1, "permission denied"),
        Move(f"db status --database {LEAST_ROLE}", 1, "permission denied"),
        Move(f"jobs list --database {OLD_SERVER}", 2, "PostgreSQL 13.16 is too old: Tidegate needs 14 or newer"),
        Move(f"up --database {OLD_SERVER}", 2, "PostgreSQL 13.16 is too old", apart=True),
        Move(f"db migrate --database {OLD_SERVER}", 2, "PostgreSQL 13.16 is too old"),
        Move(f"jobs list --database {NO_POSTGRESQL}", 6, f"cannot reach the database {NO_POSTGRESQL}: "),
        Move(f"db migrate --database {LEAST_ROLE}", 1, "permission denied"),
        Move(f"up --database {LEAST_ROLE}", 1, "the database refuses: permission denied", apart=True),
        Move(
            "jobs list --database mysql://db.example/shop",
            2,
            "--database: Tidegate works on PostgreSQL only; got a mysql:// address",
        ),
        Move(
            "jobs list --database shop", 2, '--database: expected embedded or postgresql://user:password@host:port/name; got "shop"'
        ),
        Move("jobs list", 7, "the database's schema is at version 0", where="a database that was not migrated"),
        Move("enqueue shopjobs:add a=1 b=2", 7, "the database's schema is at version 0", where="a database that was not migrated"),
        Move("jobs list", 7, "at version 9000, newer than", where="a database of a newer Tidegate"),
    ],
    "Ports": [
        Move(
            "up --metrics-port 18464", 1, "cannot listen on 127.0.0.1:18464: it is taken", where="port 18464 is taken", apart=True
        ),
    ],
}
