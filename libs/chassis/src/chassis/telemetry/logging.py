"""JSON logs with trace ids, for our own and for every library's loggers."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, Literal

import structlog

from chassis.telemetry.redaction import redact_event
from chassis.telemetry.tracing import current_trace_id


def start_logging(service: str, *, level: str, format: Literal["json", "console"]) -> None:
    """Send everything to standard output, one event a line. ``structlog.contextvars`` bind ids for a piece of work."""

    def identify(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["service"] = service
        if trace_id := current_trace_id():
            event.setdefault("trace_id", trace_id)
        return event

    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        identify,
    ]
    # Behind all others: what libraries log by their own loggers goes through it too.
    ending: list[structlog.types.Processor] = [
        redact_event,
        structlog.processors.JSONRenderer() if format == "json" else structlog.dev.ConsoleRenderer(),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *ending],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        library = logging.getLogger(name)
        library.handlers.clear()
        library.propagate = True
    # Spans and metrics tell of each request; a line for each would tell it twice. So it is with each socket, whose
    # address may be what opens it.
    for name in ("uvicorn.access", "uvicorn.error"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for noisy in ("botocore", "aiobotocore", "urllib3", "httpx", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
