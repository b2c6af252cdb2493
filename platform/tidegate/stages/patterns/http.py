"""A consumer that posts to a URL."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

import httpx

from tidegate.stages.patterns.writing import BatchWriter
from tidegate.stages.subscription import StageRef, SubRef, Subscription

__all__ = ["HttpPoster"]

In = TypeVar("In")

PASSING: Final = frozenset({408, 425, 429, 500, 502, 503, 504})  # "later", in the words of HTTP


class HttpPoster(BatchWriter[In]):
    """Posts each batch as one JSON body, by `body(events)`: a list of the events, unless said.

    A server that is not there, or says "later" (408, 425, 429 and most 5xx), is weather: the batch is posted again, under the same
    `Idempotency-Key`. Any other refusal crashes it (httpx.HTTPStatusError) and the batch goes back. The client is the caller's to
    configure and to close.
    """

    def __init__(
        self,
        *subscribe_to: Subscription[In] | StageRef[In],
        client: httpx.AsyncClient,
        url: str,
        body: Callable[[Sequence[In]], Any] = list,
        headers: Mapping[str, str] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(*subscribe_to, retry_on=(httpx.TransportError,), **options)
        self._client = client
        self._url = url
        self._body = body
        self._headers = dict(headers or {})
        self._key = ""

    async def handle_events(self, events: Sequence[In], sub: SubRef) -> None:
        """Post one batch, if need be again."""
        self._key = f"{self._rng.getrandbits(128):032x}"
        await super().handle_events(events, sub)

    async def write(self, events: Sequence[In]) -> None:
        """Post one batch."""
        headers = {"Idempotency-Key": self._key, **self._headers}
        answer = await self._client.post(self._url, json=self._body(events), headers=headers)
        answer.raise_for_status()

    def is_weather(self, error: Exception) -> bool:
        """Tell whether the server may take the same batch later."""
        if isinstance(error, httpx.HTTPStatusError):
            return error.response.status_code in PASSING
        return super().is_weather(error)
