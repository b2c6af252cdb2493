"""The real server on a real port; the node behind it is a stand-in."""

import asyncio
import logging
import signal
import socket

import httpx
import pytest
from tests.support.ports import free_port
from tests.unit.observe.stage import Queue, Session, Stage

from tidegate.errors import TidegateError
from tidegate.events import JobsRescued
from tidegate.observe.http import PortTaken, exporter, http_child
from tidegate.supervision import ChildState, Crash, FailedToStart, Supervisor

MINUTE = 60.0


@pytest.fixture
def taken():
    """A port on which somebody else listens."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


class Served:
    """A node with its port open: `async with Served(stage) as served: await served.get("/metrics")`."""

    def __init__(self, stage=None, **options):
        self.urls = []
        self.stage = stage or Stage()
        self.child = http_child(self.stage, **{"port": 0, **options}, on_listening=self.urls.append).start()

    async def __aenter__(self):
        await self.child.start()
        return self

    async def __aexit__(self, *_):
        await self.child.stop(timeout=3)

    @property
    def url(self):
        return self.urls[-1]

    @property
    def port(self):
        return int(self.url.rsplit(":", 1)[1])

    async def get(self, path, **headers):
        async with httpx.AsyncClient() as client:
            return await client.get(self.url + path, headers=headers)


async def test_metrics_are_served_in_the_text_format():
    async with Served() as served:
        answer = await served.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "tidegate_build_info{" in answer.text


async def test_metrics_are_served_as_openmetrics_to_those_who_ask_for_it():
    async with Served() as served:
        answer = await served.get("/metrics", accept="application/openmetrics-text;version=1.0.0,text/plain;q=0.5")
    assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert answer.text.endswith("# EOF\n")


async def test_a_process_that_answers_is_alive_whatever_it_lacks():
    stage = Stage()
    stage.managers.clear()
    async with Served(stage) as served:
        assert (await served.get("/healthz")).status_code == 200


async def test_a_node_that_works_is_ready():
    async with Served() as served:
        answer = await served.get("/readyz")
    assert (answer.status_code, answer.json()["ready"]) == (200, True)


async def test_a_node_with_a_broken_queue_is_not_ready_and_names_it():
    stage = Stage("email", "ml")
    del stage.managers["ml"]
    async with Served(stage) as served:
        answer = await served.get("/readyz")
    assert (answer.status_code, answer.json()["broken"]) == (503, ["ml"])


async def test_a_node_whose_database_is_away_is_not_ready():
    stage = Stage()
    stage.managers["email"] = Queue(inner=Session(connected=False))
    async with Served(stage) as served:
        answer = await served.get("/readyz")
    assert (answer.status_code, answer.json()["database"]) == (503, "down")


async def test_a_node_that_drains_is_not_ready():
    stage = Stage()
    stage.managers["email"] = Queue(inner=Session(draining=True))
    async with Served(stage) as served:
        answer = await served.get("/readyz")
    assert (answer.status_code, answer.json()["draining"]) == (503, True)


async def test_nothing_else_is_served():
    async with Served() as served:
        assert (await served.get("/")).status_code == 404


async def test_nothing_can_be_written():
    async with Served() as served, httpx.AsyncClient() as client:
        assert (await client.post(served.url + "/metrics")).status_code == 405


async def test_many_scrapes_at_once_are_all_answered():
    async with Served() as served:
        answers = await asyncio.gather(*(served.get("/metrics") for _ in range(20)))
    assert {answer.status_code for answer in answers} == {200}


async def test_a_default_port_that_is_taken_is_replaced_and_reported(taken):
    async with Served(port=taken) as served:
        assert served.port != taken
        assert (await served.get("/healthz")).status_code == 200


def test_a_port_given_by_hand_and_taken_is_an_error_before_anything_runs(taken):
    with pytest.raises(PortTaken) as refused:
        http_child(Stage(), port=taken, strict=True)
    assert isinstance(refused.value, TidegateError)
    assert (str(refused.value), refused.value.exit_code) == (f"cannot listen on 127.0.0.1:{taken}: it is taken", 1)


async def test_a_port_given_by_hand_that_is_free_is_the_one():
    port = free_port()
    async with Served(port=port, strict=True) as served:
        assert served.port == port


async def test_a_port_given_by_hand_that_was_taken_meanwhile_is_an_error():
    port = free_port()
    spec = http_child(Stage(), port=port, strict=True)
    with socket.create_server(("127.0.0.1", port)), pytest.raises(FailedToStart) as failed:
        await Supervisor([spec]).start()
    assert isinstance(failed.value.reason, Crash)
    assert isinstance(failed.value.reason.error, PortTaken)


def test_an_address_that_is_not_this_machines_is_an_error_not_a_free_port():
    for strict in (True, False):
        with pytest.raises(PortTaken) as refused:
            http_child(Stage(), host="192.0.2.1", port=9464, strict=strict)
        assert refused.value.args[0] == "cannot listen on 192.0.2.1:9464: Cannot assign requested address"
        assert "an address of this machine" in refused.value.hint


def test_a_host_that_nobody_knows_is_an_error_before_anything_runs():
    with pytest.raises(PortTaken, match=r"cannot listen on nosuch.invalid:9464: "):
        http_child(Stage(), host="nosuch.invalid")


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 on this machine")
async def test_the_address_of_an_ipv6_port_can_be_opened():
    async with Served(host="::1") as served:
        assert served.url.startswith("http://[::1]:")
        assert (await served.get("/healthz")).status_code == 200


async def test_after_a_crash_it_is_back_under_the_same_address():
    urls, back = [], asyncio.Event()

    def listening(url):
        urls.append(url)
        if len(urls) == 2:
            back.set()

    spec = http_child(Stage(), port=free_port(), on_listening=listening)
    async with Supervisor([spec]) as supervisor:
        supervisor.child("metrics").kill()
        await back.wait()
        async with httpx.AsyncClient() as client:
            assert (await client.get(f"{urls[0]}/healthz")).status_code == 200
    assert urls[0] == urls[1]


async def test_the_counts_survive_a_crash_of_the_port():
    stage, urls = Stage(), []
    [spec] = exporter(stage, port=0, on_listening=urls.append)
    stage.events.emit(JobsRescued("email", 3))
    for _ in range(2):
        child = spec.start()
        await child.start()
        async with httpx.AsyncClient() as client:
            text = (await client.get(f"{urls[-1]}/metrics")).text
        await child.stop()
        assert 'tidegate_jobs_rescued_total{queue="email"} 3.0' in text


async def test_what_the_watchdog_measured_is_served():
    stage, urls = Stage(), []
    stage.lag.measured(1.0, 0.25)
    async with Supervisor(exporter(stage, port=0, on_listening=urls.append)) as supervisor:
        assert {info.id: info.state for info in supervisor.which_children()} == {"metrics": ChildState.UP}
        async with httpx.AsyncClient() as client:
            text = (await client.get(f"{urls[0]}/metrics")).text
    assert "\ntidegate_event_loop_lag_seconds 0.25" in text


async def test_signals_stay_with_the_program():
    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    async with Served():
        assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == before


async def test_no_access_lines_are_written_and_the_programs_access_log_is_left_alone(caplog):
    log = logging.getLogger("uvicorn.access")
    log.addHandler(caplog.handler)
    caplog.set_level(logging.DEBUG, "uvicorn.access")
    try:
        async with Served() as served:
            await served.get("/metrics")
        assert (caplog.handler in log.handlers, log.propagate) == (True, True)
    finally:
        log.removeHandler(caplog.handler)
    assert [record for record in caplog.records if record.name == "uvicorn.access"] == []


async def test_it_ends_soon_although_clients_hold_on():
    async with httpx.AsyncClient() as client, Served() as served:
        await client.get(served.url + "/healthz")  # and keeps the connection
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)  # and says nothing
        started = asyncio.get_running_loop().time()
        await served.child.stop(timeout=MINUTE)
        assert asyncio.get_running_loop().time() - started < MINUTE / 2
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()


async def test_it_leaves_nothing_behind():
    before = asyncio.all_tasks()
    async with Served(port=free_port()) as served:
        await served.get("/metrics")
    assert asyncio.all_tasks() == before
    with socket.create_server(("127.0.0.1", served.port)):
        pass
