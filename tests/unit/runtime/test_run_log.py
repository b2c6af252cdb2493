from tidegate.runtime.run_log import LIMIT, RunLog, share


def logged(*lines, limit=LIMIT):
    log = RunLog(limit)
    for line in lines:
        log.add(line)
    return log.text()


def test_lines_are_kept_in_order():
    assert logged("one", "two") == "one\ntwo\n"


def test_a_run_that_logs_nothing_has_no_log():
    assert logged() == ""


def test_the_oldest_lines_make_room_and_are_told_of():
    assert logged("aaaa", "bbbb", "cccc", limit=10) == "[... 1 line dropped ...]\nbbbb\ncccc\n"
    assert logged(*"abcdef", limit=4) == "[... 4 lines dropped ...]\ne\nf\n"


def test_a_line_that_is_longer_than_all_room_is_cut():
    assert logged("a" * 100, limit=10) == "a" * 9 + "\n"


def test_what_is_not_to_be_kept_is_not():
    assert logged("one", limit=0) == ""
    assert share("what a process wrote", 1, 0) is None


def test_one_job_keeps_everything_up_to_the_limit():
    assert share("", 1, 10) is None
    assert share("x" * LIMIT, 1, LIMIT) == "x" * LIMIT
    assert share("[... 3 lines dropped ...]\n" + "x" * LIMIT, 1, LIMIT) == "[... 3 lines dropped ...]\n" + "x" * LIMIT
    assert share("a" * 500 + "b" * 10, 1, 10) == "[... cut ...]\n" + "b" * 10


def test_the_output_of_a_batch_is_shared_by_its_jobs():
    assert share("x" * 100, 100, LIMIT) == "x" * 100
    shared = share("a" * 5_000 + "b" * 1_024, 100, LIMIT)
    assert shared == "[... cut, for it is that of 100 jobs ...]\n" + "b" * 1_024


def test_what_is_printed_in_pieces_is_kept_by_lines():
    log = RunLog(12)
    for piece in ("a", "b\n", "c\nd", ""):
        log.write(piece)
    assert log.text() == "ab\nc\nd\n"
    log.write("x" * 40)
    assert log.text().endswith(f"c\n{'x' * 12}\n")
