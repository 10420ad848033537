"""How a command runs: its coroutine to the end, and its errors as one line."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import typer
from rich.console import Console

from almanac_client import AlmanacError

T = TypeVar("T")
console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)

FAILED = 1
"""The exit status of a command that found differences, or whose lines were refused."""
UNUSABLE = 2
"""The exit status of a command that could not do its work."""


def run(work: Coroutine[Any, Any, T], *expected: type[Exception]) -> T:
    """Run a command's work. An API's error, or one that is expected, ends the process with a line that says why."""
    try:
        return asyncio.run(work)
    except Exception as error:
        if not isinstance(error, (AlmanacError, *expected)):
            raise
        errors.print(f"[red]{type(error).__name__}[/]: {error}", soft_wrap=True)
        raise typer.Exit(UNUSABLE) from None
