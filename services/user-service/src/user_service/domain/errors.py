"""The errors of user-service, each with its HTTP status and problem type.

::

    UserServiceError
    ├── UserNotFoundError             404
    ├── StaleVersionError             412
    ├── ExternalIdTakenError          409
    ├── BirthInFutureError            422
    ├── AnniversaryNotFoundError      404
    ├── AnniversaryInFutureError      422
    ├── TooManyAnniversariesError     409
    ├── ImportNotFoundError           404
    ├── ImportFormatError             415
    ├── ImportHeaderError             422
    ├── ImportBodyChangedError        422
    ├── ImportTakenOverError          409
    ├── ImportNotSyncError            409
    ├── MissingUsersChangedError      409
    └── ErasureNotFoundError          404
"""


class UserServiceError(Exception):
    """Base of the tree; ``str(error)`` is the problem's detail."""

    status: int = 500
    slug: str = "internal"
    title: str = "Internal error"
    field: str | None = None


class UserNotFoundError(UserServiceError):
    """No user with this id, or with this external id."""

    status = 404
    slug = "user-not-found"
    title = "User not found"

    def __init__(self, detail: str, field: str = "userId") -> None:
        super().__init__(detail)
        self.field = field


class StaleVersionError(UserServiceError):
    """The user has changed since the client read it (RFC 9110 §13.1.1)."""

    status = 412
    slug = "stale-version"
    title = "Changed in the meantime"
    field = "If-Match"


class ExternalIdTakenError(UserServiceError):
    """Another user has this external id."""

    status = 409
    slug = "external-id-taken"
    title = "External id taken"
    field = "externalId"


class BirthInFutureError(UserServiceError):
    """A date of birth that has not come yet where the user lives."""

    status = 422
    slug = "birth-in-future"
    title = "Date of birth in the future"
    field = "dateOfBirth"


class AnniversaryNotFoundError(UserServiceError):
    """The user has no anniversary with this id."""

    status = 404
    slug = "anniversary-not-found"
    title = "Anniversary not found"
    field = "anniversaryId"


class AnniversaryInFutureError(UserServiceError):
    """The first day of an anniversary has not come yet where the user lives."""

    status = 422
    slug = "anniversary-in-future"
    title = "Anniversary in the future"

    def __init__(self, detail: str, field: str) -> None:
        super().__init__(detail)
        self.field = field


class TooManyAnniversariesError(UserServiceError):
    """The user has as many anniversaries as one may have."""

    status = 409
    slug = "too-many-anniversaries"
    title = "Too many anniversaries"
    field = "anniversaries"


class ImportNotFoundError(UserServiceError):
    """No import with this id."""

    status = 404
    slug = "import-not-found"
    title = "Import not found"
    field = "importId"


class ImportFormatError(UserServiceError):
    """The body of an import is neither CSV nor NDJSON, or it is compressed."""

    status = 415
    slug = "import-format"
    title = "Format not supported"
    field = "Content-Type"


class ImportHeaderError(UserServiceError):
    """The first line of a CSV file does not name its columns as it should."""

    status = 422
    slug = "import-header"
    title = "Header not valid"
    field = "header"


class ImportBodyChangedError(UserServiceError):
    """A request that should go on with an import brings another body than the one that was read so far."""

    status = 422
    slug = "import-body-changed"
    title = "Another body than before"
    field = "body"


class ImportTakenOverError(UserServiceError):
    """A later request with the same key goes on with the import."""

    status = 409
    slug = "import-taken-over"
    title = "Taken over by a later request"
    field = "Idempotency-Key"


class ImportNotSyncError(UserServiceError):
    """Who is missing is known only of a completed import with ``mode=sync`` none of whose lines were refused."""

    status = 409
    slug = "import-not-sync"
    title = "Nothing known of who is missing"
    field = "importId"


class MissingUsersChangedError(UserServiceError):
    """More or fewer users are missing than the client expects."""

    status = 409
    slug = "missing-users-changed"
    title = "Not as many as expected"
    field = "expected"


class ErasureNotFoundError(UserServiceError):
    """No user with this id was deleted, or it was too long ago."""

    status = 404
    slug = "erasure-not-found"
    title = "Erasure not found"
    field = "userId"
