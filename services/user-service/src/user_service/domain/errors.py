"""The errors of user-service, as a tree. Their HTTP statuses are in ``api/problems.py``.

::

    UserServiceError
    ├── UserNotFoundError
    ├── StaleVersionError
    ├── ExternalIdTakenError
    ├── BirthInFutureError
    ├── AnniversaryNotFoundError
    ├── AnniversaryInFutureError
    ├── TooManyAnniversariesError
    ├── ImportNotFoundError
    ├── ImportFormatError
    ├── ImportHeaderError
    ├── ImportBodyChangedError
    ├── ImportTakenOverError
    ├── ImportNotSyncError
    ├── MissingUsersChangedError
    └── ErasureNotFoundError
"""


class UserServiceError(Exception):
    """Base of the tree; ``str(error)`` is the explanation."""

    field: str | None = None
    """The field at fault, as clients spell it, or None."""


class UserNotFoundError(UserServiceError):
    """No user with this id, or with this external id."""

    def __init__(self, detail: str, field: str = "userId") -> None:
        super().__init__(detail)
        self.field = field


class StaleVersionError(UserServiceError):
    """The user has changed since the client read it (RFC 9110 §13.1.1)."""

    field = "If-Match"


class ExternalIdTakenError(UserServiceError):
    """Another user has this external id."""

    field = "externalId"


class BirthInFutureError(UserServiceError):
    """A date of birth that has not come yet where the user lives."""

    field = "dateOfBirth"


class AnniversaryNotFoundError(UserServiceError):
    """The user has no anniversary with this id."""

    field = "anniversaryId"


class AnniversaryInFutureError(UserServiceError):
    """The first day of an anniversary has not come yet where the user lives."""

    def __init__(self, detail: str, field: str) -> None:
        super().__init__(detail)
        self.field = field


class TooManyAnniversariesError(UserServiceError):
    """The user has as many anniversaries as one may have."""

    field = "anniversaries"


class ImportNotFoundError(UserServiceError):
    """No import with this id."""

    field = "importId"


class ImportFormatError(UserServiceError):
    """The body of an import is neither CSV nor NDJSON, or it is compressed."""

    field = "Content-Type"


class ImportHeaderError(UserServiceError):
    """The first line of a CSV file does not name its columns as it should."""

    field = "header"


class ImportBodyChangedError(UserServiceError):
    """A request that should go on with an import brings another body than the one that was read so far."""

    field = "body"


class ImportTakenOverError(UserServiceError):
    """A later request with the same key continues the import."""

    field = "Idempotency-Key"


class ImportNotSyncError(UserServiceError):
    """Who is missing is known only of a completed import with ``mode=sync`` none of whose lines were refused."""

    field = "importId"


class MissingUsersChangedError(UserServiceError):
    """More or fewer users are missing than the client expects."""

    field = "expected"


class ErasureNotFoundError(UserServiceError):
    """No user with this id was deleted, or it was too long ago."""

    field = "userId"
