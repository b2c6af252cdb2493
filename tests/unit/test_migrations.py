"""Which migrations are due while nodes of another version live."""

import pytest

from tidegate.errors import MigrationNeeded
from tidegate.store.migrate import Migration, due, needed


def files(*names):
    return [Migration(n, name, "") for n, name in enumerate(names, 1)]


def names(found):
    return [each.name for each in found]


RELEASE = files("spine", "wide.pre", "narrow.post")


def test_with_no_others_everything_is_due():
    assert names(due(RELEASE, 1, [])) == ["wide.pre", "narrow.post"]
    assert names(due(RELEASE, 2, [])) == ["narrow.post"]
    assert due(RELEASE, 3, []) == []


def test_a_post_waits_for_the_end_of_the_others():
    assert names(due(RELEASE, 1, ["0.0.9"])) == ["wide.pre"]
    assert due(RELEASE, 2, ["0.0.9"]) == []


def test_a_release_works_without_its_own_posts():
    assert needed(RELEASE) == 2
    assert needed(files("spine")) == 1
    assert needed([]) == 0


def test_a_post_that_cannot_wait_is_refused_while_others_live():
    two_releases = files("spine", "wide.pre", "narrow.post", "wider.pre")
    with pytest.raises(MigrationNeeded, match=r"nodes of Tidegate 0\.0\.9 live, and migration 0003 would take"):
        due(two_releases, 1, ["0.0.9"])
    assert names(due(two_releases, 3, ["0.0.9"])) == ["wider.pre"]
    assert names(due(two_releases, 1, [])) == ["wide.pre", "narrow.post", "wider.pre"]
