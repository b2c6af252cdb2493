import pytest

from tidegate.observe.labels import LONGEST, OTHER, STRANGERS, Kinds, Queues, child_label


def test_a_kind_is_its_own_label():
    assert Kinds()["mail:send"] == "mail:send"


def test_kinds_past_the_limit_share_one_label():
    kinds = Kinds(limit=2)
    assert [kinds[kind] for kind in ("a", "b", "c", "d")] == ["a", "b", OTHER, OTHER]


def test_a_kind_that_has_a_label_keeps_it():
    kinds = Kinds(limit=1)
    assert [kinds[kind] for kind in ("a", "b", "a")] == ["a", OTHER, "a"]


def test_strangers_cannot_crowd_out_the_kinds_of_this_node():
    kinds = Kinds(["mine"], limit=10, strangers=2)
    assert [kinds[kind] for kind in ("x", "y", "z", "mine")] == ["x", "y", OTHER, "mine"]


def test_what_is_kept_does_not_grow_past_the_limit():
    kinds = Kinds(limit=5)
    for number in range(1_000):
        kinds[str(number)]
    assert len(kinds) == 5


def test_a_name_without_end_is_cut_and_one_that_cannot_be_written_is_spelt():
    kinds = Kinds()
    assert kinds["k" * 1_000_000] == kinds["k" * 1_000_000] == "k" * (LONGEST - 1) + "…"
    assert kinds["\ud800"] == "\\ud800"


def test_declared_queues_keep_their_names_and_a_few_others_do():
    queues = Queues(f"q{number}" for number in range(500))
    assert sum(queues[f"x{number}"] != OTHER for number in range(1_000)) == STRANGERS
    assert all(queues[f"q{number}"] == f"q{number}" for number in range(500))


@pytest.mark.parametrize(
    ("child", "label"),
    [
        ("email.pool.consumer-17", "email.pool.consumer"),
        ("ml.process-3", "ml.process"),
        ("email.session", "email.session"),
        ("tier-1", "tier-1"),
        ("consumer-1", "consumer-1"),
        ("tier-1.pool.consumer-2", "tier-1.pool.consumer"),
    ],
)
def test_consumers_share_a_label_and_queues_keep_their_names(child, label):
    assert child_label(child) == label
