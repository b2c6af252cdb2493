"""The doctor: looks over database and fleet, and says of each finding what it is, why it matters and how to mend it."""

from tidegate.introspection.doctor.catalogue import CHECKS
from tidegate.introspection.doctor.checks import Finding
from tidegate.introspection.doctor.examination import examine, mend

__all__ = ["CHECKS", "Finding", "examine", "mend"]
