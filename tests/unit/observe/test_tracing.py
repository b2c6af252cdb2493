"""What the OTEL_ variables ask for."""

import logging
import sys

import pytest

from tidegate.errors import ConfigurationError
from tidegate.observe.tracing import exported
from tidegate.spans import sdk
from tidegate.spans.sdk import exporters_named

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}


@pytest.mark.parametrize(
    ("environ", "names"),
    [
        ({}, ()),
        ({"OTEL_SERVICE_NAME": "shop"}, ()),
        (ENDPOINT, ("otlp_proto_http",)),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4318/v1/traces"}, ("otlp_proto_http",)),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, ("otlp_proto_http",)),
        ({"OTEL_TRACES_EXPORTER": "console, otlp"}, ("console", "otlp_proto_http")),
        ({**ENDPOINT, "OTEL_TRACES_EXPORTER": "none"}, ()),
        ({**ENDPOINT, "OTEL_TRACES_EXPORTER": " "}, ("otlp_proto_http",)),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, ()),
        ({**ENDPOINT, "OTEL_SDK_DISABLED": "true"}, ()),
        ({**ENDPOINT, "OTEL_SDK_DISABLED": "false"}, ("otlp_proto_http",)),
        ({**ENDPOINT, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, ("otlp_proto_grpc",)),
        (
            {**ENDPOINT, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf"},
            ("otlp_proto_http",),
        ),
    ],
)
def test_the_variables_name_the_exporters(environ, names):
    assert exporters_named(environ) == names


def test_a_protocol_that_nobody_knows_is_an_error():
    with pytest.raises(ConfigurationError, match="the OTLP protocol carrier pigeon is not known"):
        exporters_named({**ENDPOINT, "OTEL_EXPORTER_OTLP_PROTOCOL": "carrier pigeon"})


@pytest.mark.parametrize(
    ("name", "hint"), [("consol", "did you mean console?"), ("zipkin", "installed are console, otlp_proto_http")]
)
def test_an_exporter_that_is_not_there_is_an_error_with_the_way_out(name, hint):
    with pytest.raises(ConfigurationError) as refused, exported({"OTEL_TRACES_EXPORTER": name}):
        pass
    assert str(refused.value) == f"no exporter of traces is called {name}"
    assert refused.value.hint.startswith(hint)


def test_the_exporter_of_a_known_protocol_that_is_not_there_is_named_with_its_package():
    with pytest.raises(ConfigurationError) as refused, exported({**ENDPOINT, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}):
        pass
    assert refused.value.hint == "pip install opentelemetry-exporter-otlp-proto-grpc"


def test_where_nothing_is_asked_for_nothing_is_set_up():
    with exported({}) as is_exported:
        assert is_exported is False


def test_without_the_packages_a_line_says_so_and_the_program_goes_on(monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with exported(ENDPOINT) as is_exported:
        assert is_exported is False
    assert "pip install 'tidegate[otel]'" in caplog.text


def test_spans_that_nobody_takes_do_not_hold_up_the_end(monkeypatch, caplog):
    class Stubborn:
        def shutdown(self):
            released.wait(60)

    import threading

    released = threading.Event()
    monkeypatch.setattr(sdk, "SEND_WITHIN", 0.01)
    caplog.set_level(logging.WARNING)
    sdk.send_the_rest(Stubborn())
    released.set()
    assert "the last spans could not be sent within 0.01 s" in caplog.text
