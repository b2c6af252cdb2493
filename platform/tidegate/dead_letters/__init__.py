"""Dead letters: jobs that will not be tried again, why, and the way back.

`DeadLetterQueue` lists, groups, shows, discards and mends them; `Redrives` brings them back, one or a million; `ErrorGroups` are
the failures, dying or not, that look alike. All work over one autocommit connection (`store.connection.connect`), as `Inspector`
does.
"""

from tidegate.dead_letters.audit import Audit, AuditEntry, whoami
from tidegate.dead_letters.comparing import Difference, compare
from tidegate.dead_letters.error_groups import ErrorGroup, ErrorGroups
from tidegate.dead_letters.letters import Group, Letter, LetterDetail, Statistics
from tidegate.dead_letters.moving import Imported, Mover
from tidegate.dead_letters.queue import DeadLetterQueue
from tidegate.dead_letters.redrives import Canary, Redrive, Redrives
from tidegate.dead_letters.wanted import REASONS, Wanted

__all__ = [
    "REASONS",
    "Audit",
    "AuditEntry",
    "Canary",
    "DeadLetterQueue",
    "Difference",
    "ErrorGroup",
    "ErrorGroups",
    "Group",
    "Imported",
    "Letter",
    "LetterDetail",
    "Mover",
    "Redrive",
    "Redrives",
    "Statistics",
    "Wanted",
    "compare",
    "whoami",
]
