# /// script
# dependencies = ["opentelemetry-sdk", "opentelemetry-instrumentation-asyncio"]
# ///
"""spans of coroutines, by its asyncio instrumentation"""

import asyncio
import os

os.environ["OTEL_PYTHON_ASYNCIO_COROUTINE_NAMES_TO_TRACE"] = "cook"

from checks import check_loop  # noqa: E402
from opentelemetry import trace  # noqa: E402
from opentelemetry.instrumentation.asyncio import AsyncioInstrumentor  # noqa: E402
from opentelemetry.sdk.trace import TracerProvider  # noqa: E402
from opentelemetry.sdk.trace.export import SimpleSpanProcessor  # noqa: E402
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter  # noqa: E402

import fastloop  # noqa: E402

exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)
AsyncioInstrumentor().instrument()


async def cook():
    await asyncio.sleep(0.001)


async def main():
    check_loop()
    await asyncio.gather(cook(), cook())


fastloop.run(main())
assert [span.name for span in exporter.get_finished_spans()] == ["asyncio coro-cook"] * 2
