"""Which failures are the same one: a fingerprint that does not change with the data, the machine or the line numbers.

Two failures are of one group when they have the same exceptions, chained ones and those of a group included, each of the same
class, raised at the same place of the application and saying the same, apart from what came from the data.

    found = fingerprint(error, kind="myshop.jobs:charge", application=Application(["myshop.jobs"]))
    found.id         # "5be51f6eb5d9ad4c": the group
    found.grounds    # what it was made of, for people: "ValueError at myshop/jobs:charge: no such card <str>"

Pure: nothing is stored and nothing is asked. It never raises and is bounded, whatever the exception does (`failure` says how).
"""

from tidegate.fingerprint.application import Application
from tidegate.fingerprint.grouping import Fingerprint, fingerprint, fingerprint_of_text
from tidegate.fingerprint.templates import template

__all__ = ["Application", "Fingerprint", "fingerprint", "fingerprint_of_text", "template"]
