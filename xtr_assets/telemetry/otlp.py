"""Spans to a collector by OpenTelemetry's standard variables; without them nothing is imported.

`OTEL_EXPORTER_OTLP_ENDPOINT` (or `..._TRACES_ENDPOINT`) turns it on. Headers, timeout, compression, sampler, service
name and resource are read from their variables by the SDK itself. `OTEL_SDK_DISABLED=true` and
`OTEL_TRACES_EXPORTER=none` turn it off. A provider that the host application configured is never replaced.
"""

import logging
import os
from threading import Lock

log = logging.getLogger(__name__)

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
SERVICE = "OTEL_SERVICE_NAME"
DEFAULT_SERVICE = "xtr-assets"

_guard = Lock()
# Whether there is a provider of ours; None before it was tried.
_made: bool | None = None


def wanted() -> bool:
    """Whether the environment names a collector and nothing there turns it off."""
    off = os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    exporter = os.environ.get("OTEL_TRACES_EXPORTER", "otlp").strip().lower()
    return not off and exporter == "otlp" and any(os.environ.get(name, "").strip() for name in ENDPOINTS)


def configured() -> bool:
    """Whether this process has a provider of ours, made by the first call; where it cannot be, the log says why."""
    global _made
    with _guard:
        if _made is None:
            _made = wanted() and _configure()
        return _made


def _configure() -> bool:
    try:
        from opentelemetry import trace
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        log.warning("%s is set, but spans go nowhere (%s); install xtr-assets[otlp]", " or ".join(ENDPOINTS), error)
        return False
    # The SDK's own default is "unknown_service"; what the environment says goes before ours.
    named = {} if os.environ.get(SERVICE) else {"service.name": DEFAULT_SERVICE}
    provider = TracerProvider(resource=Resource.create(named))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    return True
