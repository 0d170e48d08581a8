"""OpenTelemetry spans at the seams, and next to nothing where nobody configured a provider.

Without a provider a span costs about 1.5 us here, a third of the API's own no-op tracer, and the API (30 ms) is not
imported until somebody else imported it or asked for a provider by the environment (docs/metrics.md, "Spans").
"""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from time import time_ns
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

Attribute = str | bool | int | float

# Set by OpenTelemetry's own auto-instrumentation before the process starts: a provider will be made by the first span.
# Read once: a look into the environment takes a third of a silent span.
PROVIDER_VARIABLE = "OTEL_PYTHON_TRACER_PROVIDER"
_PROVIDER_ASKED = PROVIDER_VARIABLE in os.environ


class Span(Protocol):
    """What a seam may do with its span."""

    def set(self, **attributes: Attribute) -> None:
        """Add attributes known only at the end, such as counts."""


class _Silent:
    """The span of nobody: reusable and re-entrant, since it holds nothing."""

    def set(self, **attributes: Attribute) -> None:  # noqa: ARG002 (a Span)
        return None

    def __enter__(self) -> "_Silent":
        return self

    def __exit__(self, *_: object) -> None:
        return None


class _Recording:
    def __init__(self, span: Any) -> None:
        self._span = span

    def set(self, **attributes: Attribute) -> None:
        self._span.set_attributes({f"xtr_assets.{name}": value for name, value in attributes.items()})


# What `span` gives where nobody listens: who would count much for a span compares with it first.
SILENT = _Silent()


def span(name: str, **attributes: Attribute) -> AbstractContextManager[Span]:
    """A span around a seam; attributes get the prefix `xtr_assets.`. An exception is recorded on it and raised on."""
    tracer = _tracer()
    return SILENT if tracer is None else _recorded(tracer, name, attributes)


def phases(seconds: Mapping[str, float], **attributes: Attribute) -> None:
    """Spans, named and measured already, that followed one another and end now, below the current one."""
    tracer = _tracer()
    if tracer is None:
        return
    prefixed = {f"xtr_assets.{key}": value for key, value in attributes.items()}
    started = time_ns() - round(sum(seconds.values()) * 1e9)
    for name, taken in seconds.items():
        ended = started + round(taken * 1e9)
        tracer.start_span(name, attributes=prefixed, start_time=started).end(ended)
        started = ended


@contextmanager
def _recorded(tracer: "Tracer", name: str, attributes: dict[str, Attribute]) -> Iterator[Span]:
    prefixed = {f"xtr_assets.{key}": value for key, value in attributes.items()}
    with tracer.start_as_current_span(name, attributes=prefixed) as recording:
        yield _Recording(recording)


def _tracer() -> "Tracer | None":
    """The tracer of the configured provider; None as long as there is none."""
    trace: Any = sys.modules.get("opentelemetry.trace")
    if trace is None:
        if not _PROVIDER_ASKED:
            return None
        from opentelemetry import trace
    provider = trace.get_tracer_provider()
    if isinstance(provider, trace.ProxyTracerProvider):
        return None
    tracer: Tracer = provider.get_tracer("xtr_assets")
    return tracer
