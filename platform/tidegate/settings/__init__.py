"""The settings: queues.yaml, its environment variables and its defaults, read and checked in one place.

`Settings.load()` gives the whole or a ConfigurationError that tells everything that is wrong; `settings.queue(name)` gives what one
queue's part of the platform receives.
"""

from tidegate.settings.advice import warnings_for
from tidegate.settings.circuits import CircuitNumbers, CircuitOptions
from tidegate.settings.database_url import EMBEDDED, mask_url
from tidegate.settings.durations import Duration, Size, format_duration, format_size, parse_duration, parse_size
from tidegate.settings.model import Consumers, Demand, Forensics, QueueSettings, Retention
from tidegate.settings.origin import Origin, as_tree
from tidegate.settings.problems import InvalidSettings, Place, Problem
from tidegate.settings.root import Settings

__all__ = [
    "EMBEDDED",
    "CircuitNumbers",
    "CircuitOptions",
    "Consumers",
    "Demand",
    "Duration",
    "Forensics",
    "InvalidSettings",
    "Origin",
    "Place",
    "Problem",
    "QueueSettings",
    "Retention",
    "Settings",
    "Size",
    "as_tree",
    "format_duration",
    "format_size",
    "mask_url",
    "parse_duration",
    "parse_size",
    "warnings_for",
]
