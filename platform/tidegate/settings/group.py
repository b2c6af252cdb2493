"""What all groups of keys have in common, and how whole numbers and numbers are read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, WithJsonSchema, model_validator

from tidegate.settings.words import shown

__all__ = ["Flag", "Frozen", "Number", "Whole", "flag", "number", "whole"]


def whole(value: Any) -> int:
    """Return a whole number, written as such or as its digits; raise ValueError for anything else."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 18:
        return int(value)
    raise ValueError(f"expected a whole number, got {shown(value)}")


def number(value: Any) -> float:
    """Return a number, written as such or as its digits; raise ValueError for anything else."""
    try:
        if not isinstance(value, bool) and float(value) == float(value):  # NaN is not
            return float(value)
    except (TypeError, ValueError, OverflowError):
        pass
    raise ValueError(f"expected a number, got {shown(value)}")


Whole = Annotated[int, BeforeValidator(whole)]
Number = Annotated[float, BeforeValidator(number)]


def flag(value: Any) -> bool:
    """Return a truth value, written as such or, in the environment, as a word; raise ValueError for anything else."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in {"true", "false"}:
        return value.lower() == "true"
    raise ValueError(f"expected true or false, got {shown(value)}")


Flag = Annotated[bool, BeforeValidator(flag), WithJsonSchema({"enum": [True, False, "true", "false"]})]


class Frozen(BaseModel):
    """A group of keys. `form` says how one is written; `spread` turns a shorthand for it, as `shorthand` describes it, into it."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, use_attribute_docstrings=True)
    form: ClassVar[str] = "a mapping"
    shorthand: ClassVar[Mapping[str, Any] | None] = None

    @classmethod
    def spread(cls, value: Any) -> Any:
        """Return the mapping that `value` stands for; a group with nothing in it is an empty one."""
        return {} if value is None else value

    @model_validator(mode="before")
    @classmethod
    def _spread(cls, value: Any) -> Any:
        return cls.spread(value)

    def said(self) -> dict[str, Any]:
        """Return what was written, without any default."""
        return self.model_dump(exclude_unset=True)
