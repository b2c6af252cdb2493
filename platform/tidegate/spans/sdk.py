"""An OpenTelemetry SDK for a process of Tidegate's own, set up from the standard OTEL_ variables.

OTLP over HTTP comes with tidegate[otel]; any other exporter that is installed may be named by OTEL_TRACES_EXPORTER. Sampler,
resource, limits, batches and propagators follow the variables that OpenTelemetry documents.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Final

from tidegate.errors import ConfigurationError, nearest

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

__all__ = ["exporters_named", "send_the_rest", "set_up"]

logger = logging.getLogger("tidegate.tracing")

WANTED: Final = ("OTEL_TRACES_EXPORTER", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOL: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
OTLP: Final = {"http/protobuf": "otlp_proto_http", "grpc": "otlp_proto_grpc"}
GROUP: Final = "opentelemetry_traces_exporter"
SEND_WITHIN: Final = 3.0  # seconds that the end of a program waits for the last spans to be sent


def exporters_named(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the exporters that the variables ask for, by the names of their entry points; none where none is asked for."""
    said = {name: value for name, value in environ.items() if value.strip()}
    if said.get("OTEL_SDK_DISABLED", "").lower() == "true" or not any(name in said for name in WANTED):
        return ()
    names = [name.strip() for name in said.get("OTEL_TRACES_EXPORTER", "otlp").split(",")]
    if "none" in names:
        return ()
    protocol = next((said[name] for name in PROTOCOL if name in said), "http/protobuf")
    if "otlp" in names and protocol not in OTLP:
        raise ConfigurationError(f"the OTLP protocol {protocol} is not known", hint=f"choose one of {', '.join(OTLP)}")
    return tuple(dict.fromkeys(OTLP[protocol] if name == "otlp" else name for name in names))


def send_the_rest(provider: TracerProvider) -> None:
    """End the export; in a thread, because it goes on trying where nobody answers."""
    sending = threading.Thread(target=provider.shutdown, name="tidegate-last-spans", daemon=True)
    sending.start()
    sending.join(SEND_WITHIN)
    if sending.is_alive():
        logger.warning("the last spans could not be sent within %g s; they are lost", SEND_WITHIN)


def set_up(environ: Mapping[str, str]) -> TracerProvider | None:
    """Configure this process's SDK where `environ` asks for an exporter; None, where it does not, or the packages are not there.

    Raises ConfigurationError where an exporter is asked for by a name that nobody knows. Once in a process.
    """
    names = exporters_named(environ)
    if not names:
        return None
    try:
        from opentelemetry import trace  # noqa: PLC0415 - an extra, and 70 ms of import
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - likewise
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - likewise
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - likewise
    except ModuleNotFoundError as error:
        logger.warning("the environment asks for traces, and the package %s is not there: pip install 'tidegate[otel]'", error.name)
        return None
    known = {found.name: found for found in entry_points(group=GROUP)}
    resource = Resource.create()
    if str(resource.attributes["service.name"]).startswith("unknown_service"):
        resource = resource.merge(Resource({"service.name": "tidegate"}))
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    for name in names:
        if name not in known:
            if name in OTLP.values():
                package = f"opentelemetry-exporter-{name.replace('_', '-')}"
                raise ConfigurationError(
                    f"traces are to be exported by {name}, and its package is not there", hint=f"pip install {package}"
                )
            close = nearest(name, known)
            hint = f"did you mean {close[0]}?" if close else f"installed are {', '.join(sorted(known))}; others come as packages"
            raise ConfigurationError(f"no exporter of traces is called {name}", hint=hint)
        provider.add_span_processor(BatchSpanProcessor(known[name].load()()))
    trace.set_tracer_provider(provider)
    return provider
