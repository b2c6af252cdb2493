"""Looking where a process stands: the parent's end."""

import os
import threading

from tidegate.supervision import glimpse as module
from tidegate.supervision.glimpse import Glimpse


def test_what_is_written_up_to_the_end_mark_is_read():
    glimpse = Glimpse()
    os.write(glimpse.theirs, b"where it stands\0")
    assert glimpse.read(20) == "where it stands"
    glimpse.close()


def test_what_an_earlier_look_left_behind_is_forgotten():
    glimpse = Glimpse()
    os.write(glimpse.theirs, b"stale\0")
    glimpse.clear()
    os.write(glimpse.theirs, b"fresh\0")
    assert glimpse.read(20) == "fresh"
    glimpse.close()


def test_where_the_end_mark_does_not_come_what_is_there_is_told(monkeypatch):
    monkeypatch.setattr(module, "SETTLED", 0.02)
    glimpse = Glimpse()
    os.write(glimpse.theirs, b"only C speaks")
    assert glimpse.read(20) == "only C speaks"
    glimpse.close()


def test_a_process_that_says_nothing_is_not_waited_for_longer_than_said():
    glimpse = Glimpse()
    assert glimpse.read(0.02) == ""
    glimpse.close()


def test_a_process_that_has_ended_says_nothing_and_neither_does_a_closed_end():
    glimpse = Glimpse()
    glimpse.begin()
    assert glimpse.read(20) == ""
    glimpse.close()
    glimpse.close()
    assert glimpse.read(20) == ""


def test_closing_ends_a_look_that_is_under_way():
    glimpse, said = Glimpse(), []
    looking = threading.Thread(target=lambda: said.append(glimpse.read(60)))
    looking.start()
    glimpse.close()
    looking.join(20)
    assert said == [""]
