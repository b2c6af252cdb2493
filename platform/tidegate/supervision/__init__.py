"""Supervision, as OTP has it, for asyncio tasks and processes.

A `Supervisor` starts children in order, restarts the one that ends by its `ChildSpec` and strategy, gives up past its restart
intensity, and stops in reverse order. Whatever fits `Child` can be one: a stage, a `FunctionChild`, a `ProcessChild`, another
supervisor. The decisions are pure (`strategy`, `intensity`); the shell around them is `slot` for one child and `supervisor`
for all. Every task of the platform is made in `tasks`.
"""

from tidegate.supervision.child import (
    BRUTAL,
    DEFAULT,
    IGNORE,
    START_TIMEOUT,
    AutoShutdown,
    Brutal,
    Child,
    ChildCounts,
    ChildInfo,
    ChildSpec,
    ChildState,
    Default,
    Ignore,
    Kind,
    Restart,
    Strategy,
    TreeNode,
)
from tidegate.supervision.dynamic import DynamicSupervisor
from tidegate.supervision.errors import (
    AlreadyPresent,
    AlreadyRegistered,
    AlreadyStarted,
    BadCombination,
    ChildDown,
    ChildNotFound,
    ChildRestarting,
    ChildRunning,
    DeadOwner,
    DuplicateChild,
    FailedToStart,
    MaxChildren,
    MaxIntensity,
    NotReady,
    NotRegistered,
    NotRunning,
    ProcessDied,
    StartTimeout,
    SystemExitInChild,
)
from tidegate.supervision.exits import Crash, Exit, Killed, NoProc, Normal, Reason, Shutdown, expected
from tidegate.supervision.function import FunctionChild
from tidegate.supervision.intensity import RestartIntensity
from tidegate.supervision.process import ProcessChild
from tidegate.supervision.registry import Entry, Owner, Registered, Registry, RegistryEvent, Unregistered
from tidegate.supervision.supervisor import Supervisor
from tidegate.supervision.tasks import contained, frames_of, spawn, stack_of

__all__ = [
    "BRUTAL",
    "DEFAULT",
    "IGNORE",
    "START_TIMEOUT",
    "AlreadyPresent",
    "AlreadyRegistered",
    "AlreadyStarted",
    "AutoShutdown",
    "BadCombination",
    "Brutal",
    "Child",
    "ChildCounts",
    "ChildDown",
    "ChildInfo",
    "ChildNotFound",
    "ChildRestarting",
    "ChildRunning",
    "ChildSpec",
    "ChildState",
    "Crash",
    "DeadOwner",
    "Default",
    "DuplicateChild",
    "DynamicSupervisor",
    "Entry",
    "Exit",
    "FailedToStart",
    "FunctionChild",
    "Ignore",
    "Killed",
    "Kind",
    "MaxChildren",
    "MaxIntensity",
    "NoProc",
    "Normal",
    "NotReady",
    "NotRegistered",
    "NotRunning",
    "Owner",
    "ProcessChild",
    "ProcessDied",
    "Reason",
    "Registered",
    "Registry",
    "RegistryEvent",
    "Restart",
    "RestartIntensity",
    "Shutdown",
    "StartTimeout",
    "Strategy",
    "Supervisor",
    "SystemExitInChild",
    "TreeNode",
    "Unregistered",
    "contained",
    "expected",
    "frames_of",
    "spawn",
    "stack_of",
]
