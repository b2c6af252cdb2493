"""The service: while its node leads, it decides what is told and has it sent.

Every second it takes what happened, in one transaction with what is to be sent for it; then each channel that has something due
sends one after the other, apart from the others, so that one that is slow or gone holds up nothing but itself. A try that fails is
made again after growing pauses; one that was the last is given up: kept, logged, counted, and shown. Two leaders for a moment do no
harm: deciding is serialised by the channels' rows, and a notification is claimed for longer than a try may take.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any, Final

from tidegate.backoff import exponential
from tidegate.errors import DatabaseUnreachable
from tidegate.events import DatabaseFailed, Event, NotificationTried
from tidegate.notifications.channels import Channel
from tidegate.notifications.decision import Limits, Memory, decide
from tidegate.notifications.delivery import deliver
from tidegate.notifications.lateness import Lateness
from tidegate.notifications.undelivered import Undelivered
from tidegate.store.alerts import Alerts, Happening, Outgoing, Standing, Trial, Verdict
from tidegate.store.protocol import QueueCounts
from tidegate.supervision import FunctionChild, Reason, Shutdown, spawn

__all__ = ["Notifications", "judge"]

logger = logging.getLogger("tidegate.notifications")

LOOK_EVERY: Final = 1.0  # seconds
KNOW_EVERY: Final = 600.0
PRUNE_EVERY: Final = 3_600.0
AGAIN: Final = exponential(base=5, factor=2, cap=600)  # ten tries within 52 minutes
SETTLED_WITHIN: Final = 30.0  # seconds beyond the timeout of a try before anybody else makes it


class Notifications(FunctionChild):
    """Tells what happened, through the channels of the settings, while `leading()`."""

    def __init__(
        self,
        channels: Sequence[Channel],
        alerts: Alerts,
        *,
        leading: Callable[[], bool],
        node: Callable[[], str],
        queues: Callable[[], Sequence[QueueCounts]],
        targets: Mapping[str, float],
        emit: Callable[[Event], None],
        rng: Random,
    ) -> None:
        super().__init__(self._run, name="notifications")
        self._channels = {channel.name: channel for channel in channels}
        self._alerts = alerts
        self._leading = leading
        self._node = node
        self._queues = queues
        self._emit = emit
        self._rng = rng
        self._late = [Lateness(channel, targets) for channel in channels if "queue_late" in channel.events]
        self._couriers: dict[str, asyncio.Task[None]] = {}
        self._due: dict[str, float] = {}
        self._failing = False

    def __repr__(self) -> str:
        return f"<Notifications channels={','.join(self._channels)} sending={','.join(self._couriers)}>"

    def describe(self) -> Mapping[str, object]:
        """Return the channels, and those that are sending now."""
        return {"channels": list(self._channels), "sending": list(self._couriers)}

    async def stop(self, reason: Reason = Shutdown(), timeout: float | None = None) -> None:  # noqa: B008 - frozen
        """Stop; what is being sent is cut off, and sent again by the next leader."""
        await super().stop(reason, timeout)
        couriers = list(self._couriers.values())
        for courier in couriers:
            courier.cancel()
        if couriers:
            await asyncio.wait(couriers, timeout=1.0)

    async def _run(self) -> None:
        while True:
            if self._leading():
                try:
                    await self._turn()
                except DatabaseUnreachable as error:
                    self._weather(error)
                else:
                    self._failing = False
            self._reap()
            await asyncio.sleep(LOOK_EVERY * self._rng.uniform(0.8, 1.2))

    async def _turn(self) -> None:
        names = list(self._channels)
        if self._is_due("know", KNOW_EVERY):
            await self._alerts.know(names)
            self._done("know", KNOW_EVERY)
        for late in self._late:
            for queue, facts in late.look(self._queues()):
                await self._alerts.note("queue_late", queue, late.channel.name, facts)
        while await self._alerts.decide(names, lambda now, standings, found: judge(self._channels, now, standings, found)):
            pass
        for name in await self._alerts.due(names):
            if name not in self._couriers:
                self._couriers[name] = spawn(self._send(self._channels[name]), name=f"courier of {name}")
        if self._is_due("prune", PRUNE_EVERY):
            await self._alerts.prune()
            self._done("prune", PRUNE_EVERY)

    async def _send(self, channel: Channel) -> None:
        """Send what is due, one after the other. After a failure the rest waits for the next turn."""
        try:
            while trial := await self._alerts.claim(
                channel.name, node=self._node(), patience=channel.rule.timeout + SETTLED_WITHIN
            ):
                if trial.attempt > channel.rule.attempts:
                    await self._give_up(channel, trial, "whoever sent it did not live to tell what came of it")
                elif not await self._try(channel, trial):
                    return
        except DatabaseUnreachable as error:
            self._weather(error)

    async def _try(self, channel: Channel, trial: Trial) -> bool:
        try:
            await deliver(channel, trial.body)
        except Undelivered as error:
            await self._failed(channel, trial, error)
            return False
        self._emit(NotificationTried(channel.name, trial.event, "sent"))
        await self._alerts.settle(trial, "sent")
        return True

    async def _failed(self, channel: Channel, trial: Trial, error: Undelivered) -> None:
        if trial.attempt >= channel.rule.attempts:
            await self._give_up(channel, trial, str(error))
            return
        delay = max(AGAIN.delay(trial.attempt, self._rng), error.retry_after)
        logger.warning("channel %s: notification %d was not taken (%s); again in %.0f s", channel.name, trial.id, error, delay)
        self._emit(NotificationTried(channel.name, trial.event, "retried"))
        await self._alerts.settle(trial, "pending", error=str(error), delay=delay)

    async def _give_up(self, channel: Channel, trial: Trial, why: str) -> None:
        tries, title = channel.rule.attempts, trial.body.get("title")
        logger.error("channel %s: notification %d is given up after %d tries (%s): %s", channel.name, trial.id, tries, why, title)
        self._emit(NotificationTried(channel.name, trial.event, "failed"))
        await self._alerts.settle(trial, "failed", error=why)

    def _reap(self) -> None:
        """Let go of couriers that are through; one that crashed is a bug, and crashes this child."""
        for name, courier in list(self._couriers.items()):
            if courier.done():
                del self._couriers[name]
                courier.result()

    def _weather(self, error: DatabaseUnreachable) -> None:
        if not self._failing:
            logger.warning("notifications wait for the database (%s)", error)
        self._failing = True
        self._emit(DatabaseFailed("notifications", str(error)))

    def _is_due(self, task: str, pace: float) -> bool:
        return asyncio.get_running_loop().time() >= self._due.get(task, -pace)

    def _done(self, task: str, pace: float) -> None:
        self._due[task] = asyncio.get_running_loop().time() + pace


def judge(
    channels: Mapping[str, Channel], now: float, standings: Mapping[str, Standing], happenings: Sequence[Happening]
) -> Verdict:
    """Decide for each channel what it is told of what happened since it came to be."""
    outgoing: list[Outgoing] = []
    memories: dict[str, Mapping[str, Any]] = {}
    for name, standing in standings.items():
        channel = channels[name]
        memory = Memory.read(standing.memory)
        wanted = [each for each in happenings if each.at >= standing.since and channel.wants(each)]
        rule = channel.rule
        after, bodies = decide(memory, wanted, Limits(rule.repeat, rule.rate, rule.digest), now)
        outgoing += [Outgoing(name, each["event"], each["group"], each) for each in bodies]
        if after != memory:
            memories[name] = after.written()
    return Verdict(outgoing, memories)
