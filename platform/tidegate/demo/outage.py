"""The outage that a demo has on purpose: the mail server is down for some seconds, and the letters' circuit shows what it does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Final

from tidegate.demo.postbox import Postbox
from tidegate.events import CircuitChanged, Event

__all__ = ["Outage"]

SHORTEST: Final = 15.0  # seconds of a run in which there is room for it
PART: Final = (0.35, 0.55)  # of a run; of one without end, of its first half minute
ENDLESS: Final = 30.0


class Outage:
    """Takes `postbox` down once in a run of `seconds` (0: without end), and keeps what circuits did meanwhile."""

    def __init__(self, postbox: Postbox, seconds: float, say: Callable[[str], None], clock: Callable[[], float]) -> None:
        length = seconds or ENDLESS
        self._down, self._up = (length * part if length >= SHORTEST else float("inf") for part in PART)
        self._postbox = postbox
        self._say = say
        self._clock = clock
        self._done = False
        self._open_since: dict[str, float] = {}
        self.opened: Counter[str] = Counter()
        self.seconds: dict[str, float] = {}
        """For how long each circuit did not let its jobs through freely."""

    def at(self, second: float) -> None:
        """Do what is due at `second` of the run."""
        if not self._postbox.away and not self._done and second >= self._down:
            self._say(f"{second:.0f} s: the mail server goes down, on purpose")
            self._postbox.down()
        elif self._postbox.away and second >= self._up:
            self.end()
            self._say(f"{second:.0f} s: the mail server is back")

    def end(self) -> None:
        """Have the server up again, whatever the time is."""
        if self._postbox.away:
            self._postbox.up()
            self._done = True

    def heard(self, event: Event) -> None:
        """Take note of what circuits do, and say it."""
        if not isinstance(event, CircuitChanged):
            return
        name = event.circuit
        self._say(f"circuit {name}: {event.from_state} -> {event.to_state} ({event.reason.replace('_', ' ')})".replace("_", "-"))
        if event.to_state == "open":
            self.opened[name] += 1
            self._open_since.setdefault(name, self._clock())
        elif event.to_state == "closed" and name in self._open_since:
            self.seconds[name] = self.seconds.get(name, 0.0) + self._clock() - self._open_since.pop(name)
