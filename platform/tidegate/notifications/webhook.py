"""The webhook: one POST of JSON. Redirects are not followed; of a refusal one sentence is read, of anything else nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from tidegate import __version__
from tidegate.notifications.trust import tls, why_no_tls
from tidegate.notifications.undelivered import Undelivered
from tidegate.notifications.wording import chat, line

if TYPE_CHECKING:
    import httpx

__all__ = ["payload", "post"]

READ: Final = 500  # bytes of a refusal
LONGEST_PAUSE: Final = 3_600.0  # seconds that another's Retry-After is followed


def payload(told: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is posted: `text` for chat programs, the rest for programs of one's own."""
    return {
        "text": chat(told),
        **{key: told[key] for key in ("event", "group", "title", "at", "count", "facts")},
        "source": "tidegate",
    }


async def post(url: str, told: Mapping[str, Any], *, token: str = "") -> None:
    """Post it; anything but an answer of 2xx is Undelivered."""
    import httpx  # noqa: PLC0415 - only who has a webhook pays for it

    trust = await tls()
    headers = {"user-agent": f"tidegate/{__version__}", **({"authorization": f"Bearer {token}"} if token else {})}
    try:
        async with (
            httpx.AsyncClient(timeout=None, follow_redirects=False, verify=trust) as client,  # noqa: S113 - the caller has a timeout for the whole
            client.stream("POST", url, json=payload(told), headers=headers) as answer,
        ):
            if not answer.is_success:
                raise Undelivered(await _refusal(answer), retry_after=_retry_after(answer))
    except (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError, ValueError) as error:
        raise Undelivered(_without(line(why_no_tls(error) or str(error) or type(error).__name__), url, token)) from None


async def _refusal(answer: httpx.Response) -> str:
    if answer.is_redirect:
        return f"the endpoint answered {answer.status_code}, a redirect, which is not followed: name the place itself"
    said = b""
    async for chunk in answer.aiter_raw(READ):
        said = chunk[:READ]
        break
    words = line(said.decode("utf-8", "replace"), 200)
    return f"the endpoint answered {answer.status_code}{f': {words}' if words else ''}"


def _retry_after(answer: httpx.Response) -> float:
    said = answer.headers.get("retry-after", "")
    return min(float(said), LONGEST_PAUSE) if said.isascii() and said.isdigit() and len(said) < 10 else 0.0


def _without(text: str, *secrets: str) -> str:
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***")
    return text
