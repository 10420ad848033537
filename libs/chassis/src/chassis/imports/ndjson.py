"""Lines of NDJSON as models, or the errors of each."""

from collections.abc import AsyncIterator, Callable
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from chassis.core.errors import broken_rule
from chassis.imports.errors import ImportBodyChangedError
from chassis.imports.jobs import Fault, Mark
from chassis.imports.lines import MAX_LINE_BYTES, LineReader
from chassis.imports.runner import Batch, Entry

MAX_FAULTS = 10
"""Of one line that are kept."""

M = TypeVar("M", bound=BaseModel)
T = TypeVar("T")


async def read_entries(
    reader: LineReader[Mark], mark: Mark, model: type[M], build: Callable[[M], T]
) -> AsyncIterator[Batch[T]]:
    """All that comes behind ``mark``, blank lines left out, each line a ``model`` of which ``build`` makes the content.

    A ValueError of ``build`` refuses its line; where it has a ``field``, that is at fault.

    Raises:
        ImportBodyChangedError: the text before it differs from the part read before.
        ImportInterruptedError: see LineReader.
    """
    if not await reader.skip_to(mark):
        raise ImportBodyChangedError(f"the first {mark.position} bytes are not those of the request before")
    async for batch in reader.batches():
        numbered = enumerate(batch.lines, batch.first)
        entries = [_entry(number, line, model, build) for number, line in numbered if line is None or line.strip()]
        yield Batch(entries, batch.mark)


def _entry(number: int, line: bytes | None, model: type[M], build: Callable[[M], T]) -> Entry[T]:
    if line is None:
        return Entry(number, (Fault("line", f"longer than {MAX_LINE_BYTES} bytes"),))
    try:
        return Entry(number, build(model.model_validate_json(line)))
    except ValidationError as error:
        return Entry(number, _faults(error))
    except ValueError as error:
        # Of `build`: what the model cannot tell by itself.
        return Entry(number, (Fault(getattr(error, "field", None) or "line", str(error)),))


def _faults(error: ValidationError) -> tuple[Fault, ...]:
    return tuple(
        Fault(
            ".".join(map(str, each["loc"])).encode(errors="replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")
            or "line",
            broken_rule(str(each["msg"])).replace("\0", "\N{REPLACEMENT CHARACTER}"),
        )
        for each in error.errors(include_url=False, include_context=False, include_input=False)[:MAX_FAULTS]
    )
