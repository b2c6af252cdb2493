from concurrent.futures import ThreadPoolExecutor

import joblib
import pytest

from tidegate.demo.training import fit, store


@pytest.fixture(scope="module")
def trained():
    return fit(depth=6, seed=1)


def test_a_trained_model_reads_most_digits_that_it_has_not_seen(trained):
    assert 0.9 < trained.score <= 1.0


def test_the_same_depth_and_seed_train_the_same_model(trained):
    assert fit(depth=6, seed=1).score == trained.score


def test_a_deeper_forest_reads_better(trained):
    assert fit(depth=2, seed=1).score < trained.score


def test_a_stored_model_can_be_used_again(trained, tmp_path):
    store(trained.model, tmp_path / "models" / "digits.joblib")
    assert joblib.load(tmp_path / "models" / "digits.joblib").max_depth == 6


def test_many_that_store_at_once_leave_one_whole_model(trained, tmp_path):
    path = tmp_path / "digits.joblib"
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: store(trained.model, path), range(4)))
    assert [left.name for left in tmp_path.iterdir()] == ["digits.joblib"]
    assert joblib.load(path).max_depth == 6
