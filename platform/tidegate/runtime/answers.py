"""What a running node answers when it is asked: from a thread of its own, so that it answers although its event loop does not.

Three things make it look for requests: a notification, heard by the node's listener; that listener being deaf; the loop not
answering, for then the notification was not heard either. Otherwise it holds no connection and asks nothing.

An answer that is about what lives on the loop is computed there, so that nothing changes under it; where the loop does not come to
it within half a second, it is read from the thread, and says so.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import AbstractContextManager
from typing import Any, Final, NamedTuple, Protocol

from tidegate.errors import DatabaseUnreachable
from tidegate.store.requests import Request
from tidegate.supervision import FunctionChild, TreeNode

__all__ = ["Answer", "Answers", "RequestDesk", "Requesting", "tree_as_json"]

logger = logging.getLogger("tidegate.answers")

LOOK: Final = 0.4  # seconds between two looks at the loop: one that is blocked is noticed within twice that
PATIENCE: Final = 0.5  # seconds for the loop to compute an answer
TRIES: Final = 5  # a dict that changes while another thread reads it raises; the next try finds it at rest


class RequestDesk(Protocol):
    """What is asked, and where answers go; see store/requests.py."""

    def pending(self, node: str) -> list[Request]:
        """Return what is asked of `node` and not answered."""

    def answer(self, request: Request, value: Any = None, *, error: str | None = None) -> None:
        """Answer, with a value or with why there is none."""


class Requesting(Protocol):
    """Opens the desk; blocks."""

    def desk(self) -> AbstractContextManager[RequestDesk]:
        """Connect for as long as there is something to answer."""


class Answer(NamedTuple):
    """How something is answered: from its parameters, as a JSON object; `on_loop` where it is about what lives there."""

    call: Callable[[Mapping[str, Any]], Mapping[str, Any]]
    on_loop: bool = True


class Answers(FunctionChild):
    """Answers for the node that `node()` is at the moment."""

    def __init__(
        self, node: Callable[[], str], requests: Requesting, answers: Mapping[str, Answer], *, deaf: Callable[[], bool]
    ) -> None:
        super().__init__(self._run, name="answers")
        self._node = node
        self._requests = requests
        self._answers = dict(answers)
        self._deaf = deaf
        self._owing = False
        self._over = threading.Event()
        self._poked = threading.Event()
        self._at_rest = threading.Event()  # the loop answered the last look
        self._loop: asyncio.AbstractEventLoop | None = None

    def look(self) -> None:
        """Look for requests now; callable from any thread."""
        self._poked.set()

    async def _run(self) -> None:
        self._loop = loop = asyncio.get_running_loop()
        bug: asyncio.Future[None] = loop.create_future()
        self._at_rest.set()
        threading.Thread(target=self._work, args=(loop, bug), name="tidegate-answers", daemon=True).start()
        try:
            await bug
        finally:
            self._over.set()
            self._poked.set()

    # In the thread.

    def _work(self, loop: asyncio.AbstractEventLoop, bug: asyncio.Future[None]) -> None:
        try:
            while True:
                asked = self._poked.wait(LOOK)
                self._poked.clear()
                if self._over.is_set():
                    return
                if asked or self._is_blocked(loop) or self._deaf() or self._owing:
                    self._owing = not self._serve(loop)
        except BaseException as error:  # noqa: BLE001 - a bug of this thread ends the child, which is on the loop
            if not loop.is_closed():
                loop.call_soon_threadsafe(_fail, bug, error)

    def _is_blocked(self, loop: asyncio.AbstractEventLoop) -> bool:
        if not self._at_rest.is_set():
            return True
        self._at_rest.clear()
        loop.call_soon_threadsafe(self._at_rest.set)
        return False

    def _serve(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Answer what is asked; False where the database went away over it: what is asked is still there."""
        try:
            with self._requests.desk() as desk:
                for request in desk.pending(self._node()):
                    self._answer(loop, desk, request)
        except DatabaseUnreachable as error:
            logger.debug("a request could not be answered: %s", error)
            return False
        return True

    def _answer(self, loop: asyncio.AbstractEventLoop, desk: RequestDesk, request: Request) -> None:
        answer = self._answers.get(request.about)
        if answer is None:
            desk.answer(request, error=f"this node knows nothing of {request.about!r}; it answers {', '.join(self._answers)}")
            return
        try:
            value, state = self._compute(loop, answer, request.params)
        except Exception as error:
            logger.exception("the answer about %s failed", request.about)
            desk.answer(request, error=f"{type(error).__name__}: {error}")
        else:
            desk.answer(request, {"loop": state, **value})

    def _compute(self, loop: asyncio.AbstractEventLoop, answer: Answer, params: Mapping[str, Any]) -> tuple[Mapping[str, Any], str]:
        if answer.on_loop:
            computed: Future[Mapping[str, Any]] = Future()
            loop.call_soon_threadsafe(_fill, computed, answer.call, params)
            try:
                return computed.result(PATIENCE), "running"
            except TimeoutError:
                computed.cancel()
        for _ in range(TRIES - 1):
            try:
                return answer.call(params), self._state()
            except RuntimeError as error:
                logger.debug("read once more: %s", error)
        return answer.call(params), self._state()

    def _state(self) -> str:
        return "running" if self._at_rest.is_set() else "blocked"


def tree_as_json(node: TreeNode, now: float) -> dict[str, Any]:
    """Return a supervision tree as JSON; `now` is on the clock of its supervisors."""
    return {
        "name": node.name,
        "type": node.kind,
        "state": node.state.value,
        "restarts": node.restarts,
        "age": max(now - node.since, 0.0),
        "detail": dict(node.detail),
        "children": [tree_as_json(child, now) for child in node.children],
    }


def _fill(computed: Future[Mapping[str, Any]], call: Callable[[Mapping[str, Any]], Mapping[str, Any]], params: Any) -> None:
    if not computed.set_running_or_notify_cancel():
        return  # nobody waits for it any more
    try:
        computed.set_result(call(params))
    except Exception as error:  # noqa: BLE001 - it is told to whoever asked
        computed.set_exception(error)


def _fail(bug: asyncio.Future[None], error: BaseException) -> None:
    if not bug.done():
        bug.set_exception(error)
