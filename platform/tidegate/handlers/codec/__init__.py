"""Values of annotated types as standard JSON, and back: the same types, the same values."""

from tidegate.handlers.codec.build import Unstorable, codec_for
from tidegate.handlers.codec.contract import Codec, Mismatch, dumps, loads
from tidegate.handlers.codec.exact import same
from tidegate.handlers.codec.records import Record
from tidegate.handlers.codec.scalars import ANY

__all__ = ["ANY", "Codec", "Mismatch", "Record", "Unstorable", "codec_for", "dumps", "loads", "same"]
