"""How a benchmark of the whole stack begins and ends as a command."""

from __future__ import annotations

import sys
from collections.abc import Coroutine
from typing import Any

import httpx
import uvloop

from almanac_client import AlmanacError
from bench.pipeline.observation import PipelineError
from local_stack.child import StartupError
from local_stack.stack import StackRunningError


def launch(work: Coroutine[Any, Any, None]) -> None:
    """Run it on uvloop. What can go wrong with a stack ends the process with one line on stderr, and status 1."""
    try:
        uvloop.run(work)
    except (PipelineError, TimeoutError, StartupError, StackRunningError, AlmanacError, httpx.HTTPError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
