"""From what came of a run to what the table is told: one queue's rules, looked up kind by kind, and its results as JSON.

The decision itself is `lifecycle.settle`; here is what it needs to know. Used by the node, and by a consumer's process for the
handlers whose own transaction commits their ack.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from random import Random
from typing import Any, Protocol

from tidegate.backoff import Backoff
from tidegate.circuit.judge import Judge
from tidegate.errors import UnknownKind
from tidegate.fingerprint import Application
from tidegate.handlers import Handler, Handlers, InvalidResult
from tidegate.jobs import Done, Failed, Invalid, Job, Outcome, RateLimited, State, Word
from tidegate.lifecycle import Ack, Policy, completed, settle
from tidegate.redaction import Redactor
from tidegate.runtime.coroner import Coroner
from tidegate.runtime.describing import Account, Describer
from tidegate.runtime.runs import Run

__all__ = ["Rules", "Settlement"]


class Rules(Protocol):
    """What settling needs of a queue's settings."""

    @property
    def timeout(self) -> float:
        """Seconds."""

    @property
    def kill_after(self) -> float:
        """Seconds."""

    @property
    def max_attempts(self) -> int:
        """How often a job is run."""

    @property
    def backoff(self) -> Backoff:
        """How long it waits in between."""

    @property
    def poison_after(self) -> int:
        """How many processes it may take down."""

    @property
    def max_result(self) -> int:
        """Bytes of JSON."""

    @property
    def max_log(self) -> int:
        """Characters of what a run logs that are kept; 0: none."""


class Settlement:
    """Settles the jobs of one queue."""

    def __init__(
        self,
        rules: Rules,
        handlers: Handlers,
        rng: Random,
        describer: Describer | None = None,
        coroner: Coroner | None = None,
        *,
        judge: Judge | None = None,
    ) -> None:
        self._judge = judge or Judge()
        self._rules = rules
        self._handlers = handlers
        self._rng = rng
        self._describer = describer or Describer(Application())
        self._coroner = coroner
        self._policies: dict[str, Policy] = {}

    def batches(self, jobs: Sequence[Job[bytes]]) -> list[list[Job[bytes]]]:
        """Cut delivered jobs, in order, into what is run in one call: batches of one kind, single jobs of all others.

        A job that has been in a crash runs alone: that tells the one that caused it from those that were beside it (L8).
        """
        cut: list[list[Job[bytes]]] = []
        room = 0
        for job in jobs:
            if room and cut[-1][0].kind == job.kind and not job.crashes:
                cut[-1].append(job)
                room -= 1
            else:
                cut.append([job])
                room = 0 if job.crashes else self._batch_size(job.kind) - 1
        return cut

    def call(self, handler: Handler, jobs: Sequence[Job[bytes]], started: float) -> Run:
        """Return the run of `handler` that starts now, with the time that it may take."""
        rules = self._rules
        return Run(jobs, started, handler.spec.timeout or rules.timeout, rules.kill_after, log_limit=rules.max_log)

    def account(self, jobs: Sequence[Job[bytes]], handler: Handler | None = None) -> Account:
        """Return what puts into words whatever goes wrong in the call of these jobs, without their secrets."""
        kind = jobs[0].kind
        if handler is None:
            with suppress(UnknownKind):
                handler = self._handlers.resolve(kind)
        return self._describer.account(kind, handler, jobs)

    def ack(
        self,
        job: Job[bytes],
        outcome: Outcome,
        *,
        ended: float,
        duration: float | None = None,
        handler: Handler | None = None,
        account: Callable[[], Account] | None = None,
        output: str | None = None,
    ) -> Ack:
        """Settle one job. A result is encoded by its `handler`; one that cannot be stored is a failure.

        `account` gives that of the whole call, where there is one; `output` is what is kept of what it logged.
        """
        if isinstance(outcome, Done):
            result: bytes | None = None
            if outcome.result is not None and handler is not None:
                result, outcome = self._stored(handler, outcome)
            if isinstance(outcome, Done):
                health = "ignore" if duration is None else self._judge(job, Word.DONE, outcome)
                return completed(job, result=result, duration=duration, ended=ended, output=output, health=health)
        tell = self.account([job]) if account is None else account()
        ack = settle(job, outcome, self._policy(job.kind), self._rng, tell)
        if duration is None or isinstance(outcome, Invalid):
            return replace(ack, ended=ended, output=output)
        pause = outcome.retry_after if isinstance(outcome, RateLimited) else None
        health = self._judge(job, ack.word, outcome)
        return replace(ack, duration=duration, ended=ended, output=output, health=health, retry_after=pause)

    def _stored(self, handler: Handler, done: Done) -> tuple[bytes | None, Outcome]:
        """Return a result as JSON, or the failure that it is where it cannot be stored."""
        try:
            result = handler.signature.encode_result(done.result)
        except InvalidResult as error:
            return None, Failed(error)
        if result is not None and len(result) > self._rules.max_result:
            return None, Failed(_too_large(handler.kind, len(result), self._rules.max_result))
        return result, done

    async def examined(self, job: Job[bytes], ack: Ack) -> Ack:
        """Return `ack` with the forensics, where it is a death and somebody here can tell them."""
        if ack.state is not State.DEAD or self._coroner is None or ack.forensics is not None:
            return ack
        return replace(ack, forensics=await self._coroner.examine(job, self._facts(job)))

    async def all_examined(self, jobs: Sequence[Job[bytes]], acks: list[Ack]) -> list[Ack]:
        """Return the acks of a call, examined."""
        for ack in acks:
            if ack.state is State.DEAD:
                break
        else:
            return acks
        return [await self.examined(job, ack) for job, ack in zip(jobs, acks, strict=True)]

    def _facts(self, job: Job[bytes]) -> Mapping[str, Any]:
        """Return what held for the job: the settings in force, and which of its arguments are secrets."""
        rules, policy = self._rules, self._policy(job.kind)
        try:
            handler = self._handlers.resolve(job.kind)
        except UnknownKind:
            handler = None
        settings = {
            "executor": getattr(rules, "executor", None),
            "timeout": (handler and handler.spec.timeout) or rules.timeout,
            "max_attempts": job.max_attempts or policy.max_attempts,
            "backoff": asdict(policy.backoff),
            "poison_after": policy.poison_after,
            "kill_after": rules.kill_after,
        }
        redactor = handler.redactor if handler is not None else Redactor()
        return {"settings": settings, "arguments": {"positional": redactor.positional, "redact": sorted(redactor.names)}}

    def _policy(self, kind: str) -> Policy:
        policy = self._policies.get(kind)
        if policy is None:
            policy = self._policies[kind] = self._policy_of(kind)
        return policy

    def _policy_of(self, kind: str) -> Policy:
        rules = self._rules
        try:
            spec = self._handlers.resolve(kind).spec
        except UnknownKind:
            return Policy(rules.max_attempts, rules.backoff, poison_after=rules.poison_after)
        return Policy(
            spec.max_attempts or rules.max_attempts, spec.backoff or rules.backoff, spec.on_error or {}, rules.poison_after
        )

    def _batch_size(self, kind: str) -> int:
        try:
            return self._handlers.resolve(kind).batch or 1
        except UnknownKind:
            return 1


def _too_large(kind: str, size: int, limit: int) -> str:
    return f"{kind} returned a result of {size} bytes; max_result is {limit}"
