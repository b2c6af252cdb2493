"""A library that an application calls; the corpus loads it as if it were installed."""

from __future__ import annotations

from typing import Any


class DriverError(Exception):
    pass


class ConnectError(DriverError):
    pass


class StatusError(DriverError):
    def __init__(self, code: int, url: str) -> None:
        super().__init__(f"{code} Server Error for url: {url}")


class QueryError(DriverError):
    pass


def connect(host: str, port: int) -> None:
    try:
        raise ConnectionRefusedError(111, "Connection refused")
    except OSError as error:
        raise ConnectError(f"All connection attempts to {host}:{port} failed") from error


def get(url: str, code: int) -> None:
    _check(code, url)


def _check(code: int, url: str) -> None:
    if code >= 400:
        raise StatusError(code, url)


def execute(statement: str, params: tuple[Any, ...]) -> None:
    raise QueryError(
        f'duplicate key value violates unique constraint "users_email_key"\nDETAIL:  Key (email)=({params[0]}) exists.'
    )


def each(function: Any, items: list[Any]) -> list[Any]:
    return [function(item) for item in items]


class Model:
    def __init__(self, **fields: Any) -> None:
        wrong = [name for name, value in fields.items() if not isinstance(value, int)]
        if wrong:
            raise ValueError(f"{len(wrong)} validation errors\n" + "\n".join(f"{name}\n  got {fields[name]!r}" for name in wrong))
