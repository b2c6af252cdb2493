"""How other systems size a pool, as scaling policies: models of their documented rules, not their code.

Each takes the defaults of its documentation; where a rule needs a target, it gets what the documentation recommends for a target
latency. Graceful shrinking is granted to all of them.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable

from tidegate.scaling import Decision, Observation

LEAST, MOST = 1, 40


class Learnt:
    """A mean service time, for the rules that need one: of all jobs so far."""

    def __init__(self) -> None:
        self.total, self.count = 0.0, 0

    def add(self, seen: Observation) -> float:
        self.total += seen.service_sum
        self.count += seen.completed
        return self.total / self.count if self.count else 0.5


class Every:
    """Looks every so many seconds, and lets things be in between."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.next = seconds, 0.0

    def decide(self, now: float, seen: Observation) -> Decision:
        self.note(now, seen)
        if now < self.next:
            return Decision(seen.target, "waits", float(seen.target))
        self.next = now + self.seconds
        want = self.want(now, seen)
        return Decision(min(max(math.ceil(want - 1e-9), LEAST), MOST), "rule", want)

    def note(self, now: float, seen: Observation) -> None:
        """What is taken in at each tick."""

    def want(self, now: float, seen: Observation) -> float:
        raise AssertionError


class Hpa(Every):
    """HPA's sync and behaviour under KEDA's metric: up by 100% or 4 in 15 s, down to the most wanted within the window."""

    def __init__(self, metric: Callable[[Observation, float], float], *, window: float) -> None:
        super().__init__(15.0)
        self.metric, self.window = metric, window
        self.learnt, self.service = Learnt(), 0.5
        self.wanted: deque[tuple[float, float]] = deque()

    def note(self, now: float, seen: Observation) -> None:
        self.service = self.learnt.add(seen)

    def want(self, now: float, seen: Observation) -> float:
        want = min(self.metric(seen, self.service), max(2 * seen.target, seen.target + 4))
        self.wanted.append((now, want))
        while self.wanted[0][0] < now - self.window:
            self.wanted.popleft()
        return max(want, min(max(size for _, size in self.wanted), seen.target))


def keda_ready(target: float, window: float) -> Hpa:
    return Hpa(lambda seen, service: seen.ready / max(target / service, 1), window=window)


def keda_running(window: float) -> Hpa:
    return Hpa(lambda seen, _service: float(seen.ready + seen.busy), window=window)


class Aws(Every):
    """Target tracking of the backlog per instance: out after three bad minutes, in after fifteen good ones."""

    def __init__(self, target: float) -> None:
        super().__init__(60.0)
        self.target, self.learnt, self.service = target, Learnt(), 0.5
        self.above = self.below = 0

    def note(self, now: float, seen: Observation) -> None:
        self.service = self.learnt.add(seen)

    def want(self, now: float, seen: Observation) -> float:
        ratio = seen.ready / max(seen.target, 1) / (self.target / self.service)
        self.above = self.above + 1 if ratio > 1 else 0
        self.below = self.below + 1 if ratio < 0.9 else 0
        if self.above >= 3 or self.below >= 15:
            self.above = self.below = 0
            return max(seen.target * ratio, seen.target - 1.0)
        return float(seen.target)


class Judoscale(Every):
    """The oldest job's age against a range; so many more every 10 s, one less after a calm while."""

    def __init__(self, target: float, *, up: int, calm: float) -> None:
        super().__init__(10.0)
        self.target, self.up, self.calm, self.calm_since = target, up, calm, 0.0

    def want(self, now: float, seen: Observation) -> float:
        if seen.oldest_age > self.target / 2:
            self.calm_since = now
            return seen.target + self.up
        if seen.oldest_age > self.target / 10:
            self.calm_since = now
        elif now - self.calm_since >= self.calm:
            self.calm_since = now
            return seen.target - 1
        return seen.target


class Celery(Every):
    """--autoscale: as many as there are jobs at once; down once the last growth is 30 s old."""

    def __init__(self) -> None:
        super().__init__(1.0)
        self.grown_at = 0.0

    def want(self, now: float, seen: Observation) -> float:
        jobs = min(max(seen.ready + seen.busy, LEAST), MOST)
        if jobs > seen.target:
            self.grown_at = now
        return float(jobs if jobs > seen.target or now - self.grown_at >= 30 else seen.target)


class Kpa(Every):
    """Knative's: the concurrency over 60 s, over 6 s while it is twice what is there; not down while in panic."""

    def __init__(self, target: float = 0.7, window: float = 60.0) -> None:
        super().__init__(2.0)
        self.target, self.window = target, window
        self.load: deque[tuple[float, float]] = deque()
        self.panic_until, self.panic_size = -1.0, 0.0

    def note(self, now: float, seen: Observation) -> None:
        self.load.append((now, float(seen.ready + seen.busy)))
        while self.load[0][0] < now - self.window:
            self.load.popleft()

    def want(self, now: float, seen: Observation) -> float:
        recent = [load for at, load in self.load if at > now - self.window / 10]
        stable = math.ceil(sum(load for _, load in self.load) / len(self.load) / self.target)
        panic = math.ceil(sum(recent) / max(len(recent), 1) / self.target)
        ready = max(seen.alive, 1)
        if panic / ready >= 2:
            self.panic_until = now + self.window
        if now < self.panic_until:
            self.panic_size = max(self.panic_size, panic, seen.target)
            return self.panic_size
        self.panic_size = 0.0
        return max(float(stable), ready // 2)


class Ray(Every):
    """Ray Serve: the mean of what is going on over 30 s, wanted for 30 s before it grows and for 600 s before it shrinks."""

    def __init__(self, target: float = 1.0) -> None:
        super().__init__(10.0)
        self.target = target
        self.load: deque[tuple[float, float]] = deque()
        self.up_since: float | None = None
        self.down_since: float | None = None

    def note(self, now: float, seen: Observation) -> None:
        self.load.append((now, float(seen.ready + seen.busy)))
        while self.load[0][0] < now - 30:
            self.load.popleft()

    def want(self, now: float, seen: Observation) -> float:
        want = math.ceil(sum(load for _, load in self.load) / len(self.load) / self.target)
        self.up_since = (self.up_since if self.up_since is not None else now) if want > seen.target else None
        self.down_since = (self.down_since if self.down_since is not None else now) if want < seen.target else None
        if self.up_since is not None and now - self.up_since >= 30:
            return want
        if self.down_since is not None and now - self.down_since >= 600:
            return want
        return seen.target
