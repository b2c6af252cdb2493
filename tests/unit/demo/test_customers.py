from collections import Counter

from tidegate.demo.customers import Domain, address, domain


def test_the_last_two_digits_decide_where_a_mailbox_lives():
    assert domain(1_013) is domain(13) is Domain.GONE


def test_an_address_tells_the_customer_and_the_domain():
    assert address(13) == "customer-13@gone.example"


def test_of_a_hundred_customers_ninety_three_have_no_trouble_with_their_mail():
    shares = Counter(domain(user_id) for user_id in range(500, 600))
    assert shares == {Domain.FRIENDLY: 93, Domain.GREYLISTING: 5, Domain.FULL: 1, Domain.GONE: 1}
