"""OpenTelemetry spans at the seams, and next to nothing where nobody configured a provider.

Without a provider a span costs about 1.5 us here, a third of the API's own no-op tracer, and the API (30 ms) is not
imported until somebody else imported it or asked for a provider by the environment (docs/metrics.md, "Spans").
"""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from time import time_ns
from typing import TYPE_CHECKING, Any, Protocol

from xtr_assets.telemetry import otlp

if TYPE_CHECKING:
    from opentelemetry.trace import Link, Tracer

Attribute = str | bool | int | float

# Set by OpenTelemetry's own auto-instrumentation before the process starts: a provider will be made by the first span.
# Read once: a look into the environment takes a third of a silent span.
PROVIDER_VARIABLE = "OTEL_PYTHON_TRACER_PROVIDER"
_PROVIDER_ASKED = PROVIDER_VARIABLE in os.environ or otlp.wanted()


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


def span(name: str, link: str | None = None, **attributes: Attribute) -> AbstractContextManager[Span]:
    """A span around a seam; attributes get the prefix `xtr_assets.`. An exception is recorded on it and raised on.

    link : the traceparent of what led to this some time ago, and is no parent of it.
    """
    tracer = _tracer()
    return SILENT if tracer is None else _recorded(tracer, name, attributes, () if link is None else (link,))


def listened() -> bool:
    """Whether spans reach anybody."""
    return _tracer() is not None


def traceparent() -> str | None:
    """The current span as W3C's header tells it to another process; None where nobody listens."""
    if _tracer() is None:
        return None
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return carrier.get("traceparent")


def below(parent: str | None) -> AbstractContextManager[None]:
    """Spans inside are below the one that a traceparent tells of; one that is none, or None, changes nothing."""
    return nullcontext() if parent is None or _tracer() is None else _below(parent)


def began(name: str, started: float, links: Sequence[str] = (), **attributes: Attribute) -> str | None:
    """A span of its own trace that began at `started` (seconds since the epoch) and ends now; its traceparent."""
    tracer = _tracer()
    if tracer is None:
        return None
    from opentelemetry import context, trace

    prefixed = {f"xtr_assets.{key}": value for key, value in attributes.items()}
    made = tracer.start_span(
        name, context.Context(), attributes=prefixed, links=_links(links), start_time=round(started * 1e9)
    )
    made.end()
    token = context.attach(trace.set_span_in_context(made))
    try:
        return traceparent()
    finally:
        context.detach(token)


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
def _recorded(
    tracer: "Tracer", name: str, attributes: dict[str, Attribute], links: Sequence[str] = ()
) -> Iterator[Span]:
    prefixed = {f"xtr_assets.{key}": value for key, value in attributes.items()}
    with tracer.start_as_current_span(name, attributes=prefixed, links=_links(links)) as recording:
        yield _Recording(recording)


@contextmanager
def _below(parent: str) -> Iterator[None]:
    from opentelemetry import context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    token = context.attach(TraceContextTextMapPropagator().extract({"traceparent": parent}))
    try:
        yield
    finally:
        context.detach(token)


def _links(parents: Sequence[str]) -> "list[Link]":
    """Links to what traceparents tell of; those that are none are left out."""
    if not parents:
        return []
    from opentelemetry import context, trace
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    read = TraceContextTextMapPropagator().extract
    told = [trace.get_current_span(read({"traceparent": one}, context.Context())).get_span_context() for one in parents]
    return [trace.Link(one) for one in told if one.is_valid]


def _tracer() -> "Tracer | None":
    """The tracer of the configured provider; None as long as there is none."""
    trace: Any = sys.modules.get("opentelemetry.trace")
    if trace is None:
        if not _PROVIDER_ASKED:
            return None
        from opentelemetry import trace
    provider = trace.get_tracer_provider()
    if isinstance(provider, trace.ProxyTracerProvider):
        if not (_PROVIDER_ASKED and otlp.configured()):
            return None
        provider = trace.get_tracer_provider()
    tracer: Tracer = provider.get_tracer("xtr_assets")
    return tracer
