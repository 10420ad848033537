"""How the errors of user-service are answered: HTTP status, problem type and title."""

from chassis.api.problems import Problems, ProblemType
from user_service.domain.errors import (
    AnniversaryInFutureError,
    AnniversaryNotFoundError,
    BirthInFutureError,
    ErasureNotFoundError,
    ExternalIdTakenError,
    ImportBodyChangedError,
    ImportFormatError,
    ImportHeaderError,
    ImportNotFoundError,
    ImportNotSyncError,
    ImportTakenOverError,
    MissingUsersChangedError,
    StaleVersionError,
    TooManyAnniversariesError,
    UserNotFoundError,
)

PROBLEMS: Problems = {
    UserNotFoundError: ProblemType(404, "user-not-found", "User not found"),
    StaleVersionError: ProblemType(412, "stale-version", "Changed in the meantime"),
    ExternalIdTakenError: ProblemType(409, "external-id-taken", "External id taken"),
    BirthInFutureError: ProblemType(422, "birth-in-future", "Date of birth in the future"),
    AnniversaryNotFoundError: ProblemType(404, "anniversary-not-found", "Anniversary not found"),
    AnniversaryInFutureError: ProblemType(422, "anniversary-in-future", "Anniversary in the future"),
    TooManyAnniversariesError: ProblemType(409, "too-many-anniversaries", "Too many anniversaries"),
    ImportNotFoundError: ProblemType(404, "import-not-found", "Import not found"),
    ImportFormatError: ProblemType(415, "import-format", "Format not supported"),
    ImportHeaderError: ProblemType(422, "import-header", "Header not valid"),
    ImportBodyChangedError: ProblemType(422, "import-body-changed", "Another body than before"),
    ImportTakenOverError: ProblemType(409, "import-taken-over", "Taken over by a later request"),
    ImportNotSyncError: ProblemType(409, "import-not-sync", "Nothing known of who is missing"),
    MissingUsersChangedError: ProblemType(409, "missing-users-changed", "Not as many as expected"),
    ErasureNotFoundError: ProblemType(404, "erasure-not-found", "Erasure not found"),
}
