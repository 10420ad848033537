"""What an import is refused or interrupted with."""

from typing import ClassVar

from chassis.core.errors import ProblemError


class ImportNotFoundError(ProblemError):
    """No import with this id."""

    status = 404
    slug = "import-not-found"
    title = "Import not found"
    field = "importId"


class ImportFormatError(ProblemError):
    """The body of an import is not NDJSON, or it is compressed."""

    status = 415
    slug = "import-format"
    title = "Format not supported"
    field = "Content-Type"


class ImportInterruptedError(ProblemError):
    """The body of an import stopped coming. What had come is kept; the same request continues from there."""

    status = 408
    slug = "import-interrupted"
    title = "Body stopped coming"
    field = "body"


class ImportStoppedError(ProblemError):
    """The process stops. What was committed is kept; the same request, to another process, continues from there."""

    status = 503
    slug = "import-interrupted"
    title = "Interrupted"
    headers: ClassVar[dict[str, str]] = {"Retry-After": "1", "Connection": "close"}


class ImportBodyChangedError(ProblemError):
    """A request that should go on with an import brings another body than the one that was read so far."""

    status = 422
    slug = "import-body-changed"
    title = "Body differs from the first request"
    field = "body"


class ImportTakenOverError(ProblemError):
    """A later request with the same key continues the import."""

    status = 409
    slug = "import-taken-over"
    title = "Taken over by a later request"
    field = "Idempotency-Key"
