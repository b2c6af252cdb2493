"""Tells a downstream that is short of something from jobs that have become bigger, by an experiment.

When service times grow while everybody is busy and jobs wait too long, either more consumers make it worse (they fight over a
database, a disk, a rate limit) or there is simply more to do in each job. Latency alone cannot tell, and the wrong guess is
expensive both ways. So:

    free -> confirm       the suspicion is looked at with fresh jobs: the first one was picked because it looked bad
         -> cut           concurrency is cut. Jobs become quicker by it: contention -> held (or cut deeper)
         -> restored      not clearly: back to where it was. Jobs become slower by that: contention after all -> held
         -> watch         neither: jobs are bigger. Their length is usual now; twice the size while that stays healthy -> free
    held                  grows back by steps for as long as jobs stay quick, and steps back once they do not

Experiments on queues are spoilt by the jobs that are still under way: those of the old concurrency end last, and the longest of
them last of all. So they are passed over, and as long as what follows still moves, it is not believed.
"""

from __future__ import annotations

import math
from typing import Final, Literal

from tidegate.scaling.policy import Observation
from tidegate.scaling.usual import HEALTHY, RECENT, Sample, Usual, doubt

__all__ = ["Limiter", "Phase"]

SUSPICIOUS: Final = math.log(1.6)  # above the usual service time
CROWD: Final = 4  # busy consumers from which on they can be in each other's way
CUT: Final = 0.4  # of the concurrency: deep, so that few jobs settle the question
DEEPER: Final = 0.6
CONTENTION: Final = 0.5  # d log(service time) / d log(concurrency) above which more consumers do more harm than good
FEWEST: Final = 8  # completions that say anything
ENOUGH: Final = 120  # completions that settle a question, however unclear
LONGEST: Final = 15.0  # seconds that a phase of an experiment may take, or four service times
REGROW: Final = 10.0  # seconds from one step up to the next
FAST: Final = 4.0  # likewise, while they succeed
SLOWEST: Final = 40.0  # likewise, while they fail
REFRACTORY: Final = 60.0  # seconds of peace after a false alarm
STUCK: Final = 60.0  # seconds of waiting far too long after which an experiment is made without any other sign
FAR_TOO_LONG: Final = 2.5  # times the patience
ASK_AGAIN: Final = 300.0  # seconds

Phase = Literal["free", "confirm", "cut", "restored", "watch", "held"]


class Limiter:
    """Call `see` at each tick; it returns the most consumers that the downstream bears, None while nothing is known against it."""

    def __init__(self, *, late: float) -> None:
        self.limit: int | None = None
        self.phase: Phase = "free"
        self._late = late
        self._usual = Usual()
        self._began = 0.0
        self._quiet_until = self._ask_at = -math.inf
        self._late_since = math.inf
        self._sample = self._slow = Sample()
        self._window: Sample | None = None
        self._high = self._low = 0
        self._fallback: int | None = None  # the limit to go back to where the experiment, or the last step up, fails
        self._step, self._pause = 1, REGROW

    def __repr__(self) -> str:
        return f"<Limiter {self.phase} limit={self.limit} stretch={math.exp(self._usual.stretch):.2f}>"

    def see(self, now: float, seen: Observation) -> int | None:
        """Take in a tick."""
        if seen.completed:
            self._learn(seen)
        match self.phase:
            case "free":
                self._suspect(now, seen)
            case "confirm":
                self._confirm(now, seen)
            case "cut" | "restored":
                self._compare(now)
            case "watch":
                self._watch(now)
            case "held":
                self._regrow(now, seen)
        return self.limit

    def _learn(self, seen: Observation) -> None:
        self._usual.see(seen)
        self._sample.add(seen)
        late = seen.oldest_age > self._late
        roomy = self.limit is not None and seen.busy <= 0.7 * self.limit
        if self.phase == "free" or (self.phase == "held" and roomy and not late):
            self._usual.adapt(seen, late=late)

    # Is something wrong?

    def _suspect(self, now: float, seen: Observation) -> None:
        crowded = seen.busy >= max(CROWD, 0.9 * seen.alive) and seen.ready > seen.alive and seen.oldest_age > self._late
        stuck = crowded and seen.oldest_age > FAR_TOO_LONG * self._late
        self._late_since = min(self._late_since, now) if stuck else math.inf
        if not crowded or now < self._quiet_until:
            return
        if self._stretched and self._affordable(seen.busy):
            size = seen.alive + seen.starting
            self.limit = max(math.ceil(1.5 * size), size + 2)
            self._enter("confirm", now)
        elif now - self._late_since >= STUCK and now >= self._ask_at:
            self._ask_at = now + ASK_AGAIN
            self._slow = self._present()
            self._cut(now, seen.busy, CUT)

    @property
    def _stretched(self) -> bool:
        return self._usual.stretch > max(SUSPICIOUS, self._usual.noise)

    def _affordable(self, busy: int) -> bool:
        """Tell whether jobs are short enough for an experiment not to do more harm than what it is about."""
        low = max(CUT * busy, 2.0)
        return math.exp(self._usual.recent) * (1 + 2 * max(FEWEST, low) / low) < LONGEST

    def _present(self) -> Sample:
        return Sample(count=RECENT, total=RECENT * self._usual.recent)

    def _confirm(self, now: float, seen: Observation) -> None:
        sample = self._sample
        excess = sample.mean - (self._usual.level or 0.0) - SUSPICIOUS
        if sample.count >= FEWEST and excess > self._doubt(sample):
            self._slow = sample
            self._cut(now, max(seen.busy, 2), CUT)
        elif (sample.count >= FEWEST and excess < -self._doubt(sample)) or sample.count >= ENOUGH or self._over(now):
            self._stand_down(now)

    # The experiment.

    def _cut(self, now: float, high: int, share: float) -> None:
        self._high = high
        self._low = self.limit = min(max(math.ceil(share * high), 2), high - 1)
        self._enter("cut", now, skip=high)

    def _compare(self, now: float) -> None:
        """Judge by the change from the high to the low concurrency, or back, as soon as it is clear or does not move any more."""
        sample = self._sample
        if self.phase == "cut" and (passed := sample.take_passed()) is not None:
            self._slow = self._slower(passed)
        settled = self._settled()
        if settled is not None:
            sample = settled
        enough = sample.count >= FEWEST and self._slow.count > 0
        excess = self._change(sample) - self._bound
        unsure = self._doubt(sample, self._slow)
        if enough and excess > unsure:
            self._found(now, sample if self.phase == "cut" else self._slow)
        elif self._over(now) or (settled is not None and (excess < 0 or sample.count >= ENOUGH)):
            self._deny(now, sample, clearly=sample.count > 0 and self._slow.count > 0 and excess < -unsure / 2)

    def _slower(self, passed: Sample) -> Sample:
        """Jobs under way at the cut ran at the high concurrency all along: where they say more, only they count."""
        if passed.count >= FEWEST and passed.mean > self._slow.mean + self._doubt(passed, self._slow) / 2:
            return passed
        return passed.joined(self._slow)

    def _settled(self) -> Sample | None:
        """Return this window and the one before as one, where the second does not go on moving away from the other concurrency."""
        window = self._sample
        if window.count < max(FEWEST, self._low):
            return None
        before, self._window, self._sample = self._window, window, Sample()
        if before is None or self._direction * (before.mean - window.mean) >= self._doubt(before, window) / 2:
            return None
        self._window = before.joined(window)
        return self._window

    @property
    def _direction(self) -> int:
        return 1 if self.phase == "cut" else -1

    def _change(self, sample: Sample) -> float:
        return self._direction * (self._slow.mean - sample.mean)

    @property
    def _bound(self) -> float:
        return CONTENTION * math.log(self._high / self._low)

    def _doubt(self, *samples: Sample) -> float:
        return doubt(self._usual.spread, *samples)

    def _over(self, now: float) -> bool:
        return now - self._began >= max(LONGEST, 4 * math.exp(self._usual.recent))

    def _found(self, now: float, quick: Sample) -> None:
        self._usual.recent, self.limit = quick.mean, self._low
        if self._usual.stretch > HEALTHY and self._low > 2:
            self._slow = quick
            self._cut(now, self._low, DEEPER)
        else:
            self._fallback, self._step, self._pause = None, 1, REGROW
            self._enter("held", now, skip=self._low)

    def _deny(self, now: float, sample: Sample, *, clearly: bool) -> None:
        if self.phase == "cut" and not clearly:
            self._slow, self.limit = sample, self._high
            self._enter("restored", now, skip=self._low)
            return
        self._usual.settle(sample)
        self._quiet_until = now + REFRACTORY
        if self._fallback is not None:
            self._stand_down(now)
        else:
            self.limit = 2 * self._high
            self._enter("watch", now, skip=self._high)

    def _watch(self, now: float) -> None:
        sample, limit = self._sample, self.limit or 1
        if now >= self._quiet_until:
            self._stand_down(now)
        elif sample.count >= max(FEWEST, limit):
            excess = sample.mean - (self._usual.level or 0.0) - HEALTHY
            if abs(excess) < self._doubt(sample) and sample.count < ENOUGH:
                return
            if excess > 0:
                self._slow = sample
                self._cut(now, limit, CUT)
            else:
                self.limit = 2 * limit
                self._enter("watch", now, skip=limit)

    def _stand_down(self, now: float) -> None:
        self.limit = self._fallback
        self._enter("free" if self.limit is None else "held", now)

    # Growing back.

    def _regrow(self, now: float, seen: Observation) -> None:
        limit, sample = self.limit or 1, self._sample
        bound = seen.busy >= 0.9 * limit and seen.ready > 0
        experiment = bound and limit > 2 and now >= self._quiet_until
        in_flight = now - self._began <= 2 * math.exp(self._usual.recent)
        if experiment and seen.ready > seen.alive and self._stretched and not in_flight:
            self._fallback, self._slow = self._fallback or limit, self._present()
            self._cut(now, max(seen.busy, 2), DEEPER)
            return
        if now - self._began < self._pause or sample.count < FEWEST:
            return
        if sample.mean < (self._usual.level or 0.0) - self._doubt(sample):
            self._usual.level = sample.mean
        excess = sample.mean - (self._usual.level or 0.0) - HEALTHY
        if abs(excess) < self._doubt(sample) and sample.count < ENOUGH:
            return
        if excess > 0 and self._fallback is not None:
            self.limit, self._fallback = self._fallback, None
            self._step, self._pause = 1, min(max(self._pause, REGROW) * 2, SLOWEST)
            self._enter("held", now, skip=limit)
        elif excess > 0 and experiment:
            self._fallback, self._slow = limit, sample
            self._cut(now, limit, DEEPER)
        elif excess < 0 and bound:
            if self._fallback is not None:
                self._step, self._pause = self._step * 2, FAST
            self._fallback, self.limit = limit, limit + self._step
            self._enter("held", now, skip=limit)
        elif sample.count >= ENOUGH:
            if excess > 0 and bound and now >= self._ask_at:  # slow at every size: what is usual must have been a mistake
                self._usual.level, self._ask_at = sample.mean, now + ASK_AGAIN
            self._sample = Sample()

    def _enter(self, phase: Phase, now: float, *, skip: int = 0) -> None:
        self.phase, self._began = phase, now
        self._sample, self._window = Sample(skip=skip), None
