import subprocess
import sys
from datetime import UTC, datetime
from itertools import islice

from tidegate.demo.departures import FLIGHTS, Departure, departures, parse

ROW = {
    "time_hour": "2013-01-01T10:00:00Z",
    "minute": "15",
    "carrier": "UA",
    "flight": "1545",
    "origin": "EWR",
    "dest": "IAH",
    "dep_delay": "2",
}
FIRST = Departure(datetime(2013, 1, 1, 10, 15, tzinfo=UTC), "UA", 1545, "EWR", "IAH", 2)


def test_a_row_is_read_as_a_departure_in_universal_time():
    assert parse(ROW) == FIRST


def test_a_flight_that_never_left_has_no_delay():
    assert parse({**ROW, "dep_delay": "NA"}).delay is None


def test_the_first_departure_is_the_first_row_of_the_data_set():
    assert next(departures()) == FIRST


def test_departures_go_on_from_the_first_after_the_last():
    assert list(islice(departures(FLIGHTS - 1), 2))[1] == FIRST


def test_a_start_beyond_the_data_set_counts_round():
    assert next(departures(FLIGHTS)) == FIRST


def test_scheduled_time_carrier_and_number_identify_a_departure():
    day = list(islice(departures(), 5_000))
    assert len({(departure.scheduled, departure.carrier, departure.flight) for departure in day}) == len(day)


def test_reading_the_data_set_does_not_import_pandas():
    script = "import sys; from tidegate.demo.departures import departures; next(departures()); print('pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "False\n"
