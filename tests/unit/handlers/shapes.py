"""Types of a user's own, for the tests of round trips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import InitVar, dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import Enum, Flag, IntEnum, IntFlag, StrEnum, auto
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, NotRequired, Required, TypedDict, TypeVar, Union
from uuid import UUID, uuid4

import pydantic
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, RootModel, field_validator
from pydantic_core import core_schema
from typing_extensions import TypeAliasType
from typing_extensions import TypedDict as PydanticTypedDict

T = TypeVar("T")
U = TypeVar("U")
UserId = NewType("UserId", int)


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class Size(StrEnum):
    S = "s"
    L = "l"


class Planet(Enum):
    EARTH = (5.97e24, 6.37e6)
    MARS = (6.4e23, 3.39e6)


class Mixed(Enum):
    NOTHING = None
    ONE = 1
    HALF = 0.5
    NAME = "name"
    NO = False


class Odd(Enum):
    NAN = float("nan")
    ONE = 1.0


class Mode(Flag):
    READ = auto()
    WRITE = auto()


class Bits(IntFlag):
    A = 1
    B = 2


@dataclass
class Point:
    x: int
    y: int


@dataclass
class Vector:
    x: int
    y: int


@dataclass
class Line:
    x: int
    y: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    id: UUID
    placed: date | datetime
    total: Decimal
    lines: list[tuple[str, int]] = field(default_factory=list)
    tags: frozenset[str] = frozenset()
    note: str | None = None


@dataclass
class Node:
    name: str
    children: list[Node] = field(default_factory=list)
    parent: Node | None = None


@dataclass
class Box(Generic[T]):
    item: T
    more: list[T] = field(default_factory=list)


@dataclass
class DateBox(Box[date]):
    label: str = ""


@dataclass
class Pair(Box[T], Generic[T, U]):
    second: U | None = None


@dataclass
class Clamped:
    value: int

    def __post_init__(self) -> None:
        self.value = min(self.value, 10)


@dataclass
class Doubling:
    value: int

    def __post_init__(self) -> None:
        self.value *= 2


@dataclass
class Picky:
    value: int

    def __post_init__(self) -> None:
        if self.value < 0:
            raise ValueError("negative")


@dataclass
class Priced:
    price: float

    def __post_init__(self) -> None:
        if self.price < 0:
            raise ValueError("negative")


@dataclass
class Summed:
    a: int
    b: int
    total: int = field(init=False)

    def __post_init__(self) -> None:
        self.total = self.a + self.b


@dataclass
class Asking:
    a: int
    b: InitVar[int]


class Movie(TypedDict):
    title: str
    released: date
    rating: NotRequired[Decimal]


class Loose(TypedDict, total=False):
    a: Required[int]
    b: bytes


class Sequel(Movie, total=False):
    number: int


class Slot(TypedDict, Generic[T]):
    item: T


class Place(NamedTuple):
    lat: float
    lon: float
    name: str | None = None


class GenericPlace(NamedTuple, Generic[T]):
    at: T


class Address(BaseModel):
    street: str
    city: str | None = None


class Person(BaseModel):
    id: UUID | str
    born: date | datetime | str
    worth: Decimal | float
    home: Address
    others: dict[str, Address] = {}
    level: Level = Level.LOW
    raw: bytes = b""
    seen: set[int] = set()
    span: tuple[int, ...] | list[int] = ()


class Patch(BaseModel):
    name: str | None = None
    email: str | None = None


class Stamped(BaseModel):
    id: UUID = Field(default_factory=uuid4)
    items: list[int] = Field(default_factory=list)


class Aliased(BaseModel):
    user_id: int = Field(alias="userId")


class Extra(BaseModel):
    model_config = ConfigDict(extra="allow")
    a: int


class Strict(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")
    a: int
    b: float = 0.0


class ByValue(BaseModel):
    model_config = ConfigDict(use_enum_values=True)
    colour: Colour


class Positive(BaseModel):
    n: int = Field(gt=0)


class Shouting(BaseModel):
    text: str

    @field_validator("text")
    @classmethod
    def shout(cls, text: str) -> str:
        return text + "!"


class Broken(BaseModel):
    a: int

    @field_validator("a")
    @classmethod
    def check(cls, a: int) -> int:
        raise LookupError("no such thing")


class Private(BaseModel):
    a: int
    _hidden: int = PrivateAttr(default=0)


class Cat(BaseModel):
    kind: Literal["cat"] = "cat"
    lives: int = 9


class Dog(BaseModel):
    kind: Literal["dog"] = "dog"
    lives: int = 1


class Puppy(Dog):
    pass


class Kennel(BaseModel):
    animal: Annotated[Cat | Dog, Field(discriminator="kind")]


class Tree(BaseModel):
    value: date | str
    left: Tree | None = None
    branches: list[Tree] = []


class Wrapper(BaseModel, Generic[T]):
    item: T


class Numbers(RootModel[list[int]]):
    pass


class Dates(RootModel[dict[date, date | datetime]]):
    pass


class PydanticMovie(PydanticTypedDict):
    title: str
    when: date


class Holder(BaseModel):
    movie: PydanticMovie
    place: Place
    order: Point


@pydantic.dataclasses.dataclass
class Checked:
    n: Annotated[int, Field(gt=0)]
    when: date | str = ""


class Custom:
    """A type that tells pydantic how to read and write it."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.text!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Custom) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        read = core_schema.no_info_plain_validator_function(lambda value: value if isinstance(value, cls) else cls(value))
        return {**read, "serialization": core_schema.to_string_ser_schema()} if cls is not Mute else read

    def __str__(self) -> str:
        return self.text


class Cursed(Custom):
    """Cannot even be compared."""

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("do not compare me")

    __hash__ = Custom.__hash__


class Mute(Custom):
    """Does not say how it is written."""


@dataclass
class Endless(Generic[T]):
    item: T
    more: Endless[list[T]] | None = None


class Plain:
    """No data: nobody could write it as JSON."""


Json = Union[None, bool, int, float, str, list["Json"], dict[str, "Json"]]  # noqa: UP007 - it mentions itself
Tagged = TypeAliasType("Tagged", Union[dict[str, "Tagged"], list["Tagged"], date, datetime, str, int])  # noqa: UP007 - it mentions itself
PairOf = TypeAliasType("PairOf", tuple[T, T], type_params=(T,))

Positive_ = Annotated[int, Field(gt=0)]
Short = Annotated[str, pydantic.StringConstraints(max_length=3)]
Documented = Annotated[int, "what it is for"]
AnyThings = Sequence[Any]
