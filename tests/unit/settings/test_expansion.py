"""`${NAME}` in a text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.settings.expansion import expand

ENVIRON = {"NAME": "value", "EMPTY": "", "NESTED": "${NAME}", "_x1": "small"}

CASES = {
    "no reference": "no reference",
    "${NAME}": "value",
    "a${NAME}b${NAME}c": "avaluebvaluec",
    "${_x1}": "small",
    "${EMPTY}": "",
    "${NAME:-other}": "value",
    "${UNSET:-other}": "other",
    "${EMPTY:-other}": "other",
    "${UNSET:-}": "",
    "${UNSET:-a:-b $ {c}": "a:-b $ {c",
    "${NESTED}": "${NAME}",
    "$${NAME}": "${NAME}",
    "$${UNSET}": "${UNSET}",
    "$$${NAME}": "$${NAME}",
    "$NAME": "$NAME",
    "$": "$",
    "{NAME}": "{NAME}",
}


@pytest.mark.parametrize(("text", "result"), CASES.items(), ids=CASES)
def test_a_reference_is_replaced(text, result):
    assert expand(text, ENVIRON) == result


@pytest.mark.parametrize("text", ["${", "${}", "${1X}", "${NAME", "${NAME-x}", "${NAME:x}", "${ NAME}", "${NAME }", "a ${é} b"])
def test_a_malformed_reference_is_refused_with_the_right_form(text):
    with pytest.raises(ValueError, match=r"write \$\{NAME\} or \$\{NAME:-default\}"):
        expand(text, ENVIRON)


def test_an_unset_variable_is_named():
    with pytest.raises(ValueError, match="the environment variable UNSET is not set"):
        expand("x${UNSET}", ENVIRON)


@given(st.text())
def test_a_text_with_every_reference_escaped_stands_for_itself(text):
    assert expand(text.replace("${", "$${"), {}) == text
