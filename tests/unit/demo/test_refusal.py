import pytest

from tidegate.demo.customers import address
from tidegate.demo.postbox import refusal


@pytest.mark.parametrize("tries", [1, 2, 10])
def test_a_friendly_server_takes_every_letter(tries):
    assert refusal(address(1), tries) is None


def test_a_greylisting_server_takes_the_second_try():
    assert (refusal(address(7), 1)[:3], refusal(address(7), 2)) == ("451", None)


@pytest.mark.parametrize("tries", [1, 2, 10])
def test_a_full_mailbox_refuses_every_try_for_now(tries):
    assert refusal(address(55), tries).startswith("452")


@pytest.mark.parametrize("tries", [1, 2, 10])
def test_an_unknown_user_is_refused_for_good(tries):
    assert refusal(address(13), tries).startswith("550")


def test_a_stranger_is_taken_in():
    assert refusal("someone@elsewhere.example", 1) is None
