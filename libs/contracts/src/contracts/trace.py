"""W3C Trace Context as it travels in messages (docs/architecture.md#traces-metrics-logs)."""

import re

MAX_TRACESTATE = 512
"""Characters that everyone has to carry (W3C Trace Context §3.3.1.5); a longer tracestate stays behind."""

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")


def trace_fields(traceparent: str | None, tracestate: str | None) -> dict[str, str]:
    """Those of the two that are worth sending: well-formed and not empty (AWS refuses empty attributes)."""
    fields: dict[str, str] = {}
    if traceparent and _TRACEPARENT.fullmatch(traceparent):
        fields["traceparent"] = traceparent
        if tracestate and len(tracestate) <= MAX_TRACESTATE:
            fields["tracestate"] = tracestate
    return fields


def trace_id(traceparent: str | None) -> str | None:
    """The 32 hex digits, or None where the header is absent or malformed (a trace is never a reason to refuse)."""
    match = _TRACEPARENT.fullmatch(traceparent or "")
    return match[1] if match else None
