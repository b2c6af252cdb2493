"""What the stages raise on purpose: an option that cannot hold, a stage that is no longer there, a callback that broke its word."""

from __future__ import annotations

from tidegate.errors import Refused, TidegateError, UsageError

__all__ = ["BadOption", "BadReturn", "NotAProducer", "StageGone", "Unanswered"]


class BadOption(UsageError, ValueError):
    """An option has a value that it cannot have (G3, G12)."""

    def __init__(self, option: str, value: object, expected: str) -> None:
        super().__init__(f"expected {option} to be {expected}, got: {value!r}")
        self.option = option
        self.value = value


class BadReturn(TidegateError, TypeError):
    """A callback returned what it must not return (G2)."""

    def __init__(self, callback: str, value: object, expected: str) -> None:
        super().__init__(f"{callback} returned {value!r}; it must return {expected}")
        self.callback = callback
        self.value = value


class NotAProducer(UsageError, TypeError):
    """A consumer was told to subscribe to something that produces nothing (G14)."""

    def __init__(self, target: object) -> None:
        super().__init__(f"{target!r} is not a producer", hint="subscribe to a Producer, a ProducerConsumer or the name of one")
        self.target = target


class StageGone(TidegateError):
    """The stage that was called is not running, or ended before it answered (G14)."""

    def __init__(self, stage: object, reason: object) -> None:
        super().__init__(f"{stage!r} does not answer any more: {reason!r}", hint="resolve its name again: supervision replaces it")
        self.stage = stage
        self.reason = reason


class Unanswered(Refused):
    """The stage was called with something that it has no answer for."""

    def __init__(self, stage: object, request: object) -> None:
        super().__init__(f"{stage!r} has no handle_call and cannot answer {request!r}")
        self.stage = stage
        self.request = request
