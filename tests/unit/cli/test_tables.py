"""Rows for people, off a terminal and on narrow ones."""

from tidegate.cli.tables import Column, plain_table, show_record, show_table, widths_within

COLUMNS = (Column("ID", right=True), Column("KIND", cut=True), Column("STATE"))


def test_columns_are_aligned_and_numbers_stand_to_the_right():
    assert plain_table(COLUMNS, [["7", "shop:mail", "ready"], ["1,024", "x", "dead"]]) == [
        "   ID  KIND       STATE",
        "    7  shop:mail  ready",
        "1,024  x          dead",
    ]


def test_wide_characters_take_two_cells_and_combining_ones_none():
    lines = plain_table(COLUMNS, [["1", "漢字", "ready"], ["2", "e\u0301", "ready"], ["3", "abcd", "ready"]])
    assert lines[1:] == ["1 ".rjust(3) + " 漢字  ready", " 2  e\u0301     ready", " 3  abcd  ready"]


def test_what_may_be_cut_gives_way_to_a_narrow_terminal():
    cells = [["1", "a" * 200, "ready"]]
    assert widths_within(COLUMNS, cells, 300) == [2, 200, 5]
    assert widths_within(COLUMNS, cells, 60) == [2, 49, 5]
    assert widths_within(COLUMNS, cells, 23) == [2, 12, 5]


def test_a_table_that_would_cut_what_must_not_be_cut_does_not_fit():
    assert widths_within(COLUMNS, [["1", "a" * 200, "ready"]], 22) is None
    assert widths_within(COLUMNS, [["1", "a", "ready"]], 14) is None


def test_off_a_terminal_nothing_is_cut(capsys):
    show_table(COLUMNS, [["1", "a" * 300, "ready"]], empty="none")
    assert "a" * 300 in capsys.readouterr().out


def test_control_characters_do_not_reach_a_table(capsys):
    show_table(COLUMNS, [["1", "\x1b[2Jgone\n", "ready"]], empty="none")
    assert "\\x1b[2Jgone\\n" in capsys.readouterr().out


def test_no_rows_are_said_in_words(capsys):
    show_table(COLUMNS, [], empty="no jobs")
    assert capsys.readouterr() == ("", "no jobs\n")


def test_a_record_has_a_field_a_line_and_indents_long_ones(capsys):
    show_record([("id", "1"), ("traceback", "line 1\nline 2\x1b"), ("node", "")])
    assert capsys.readouterr().out == "id:        1\ntraceback:\n  line 1\n  line 2\\x1b\nnode:\n"
