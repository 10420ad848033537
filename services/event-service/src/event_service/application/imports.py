"""What the stores of all imports share: the user of a line, and the handling of an invalid one."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar
from uuid import UUID

from chassis.database.database import Transaction
from chassis.imports.jobs import Counts, Fault, RefusedLine
from chassis.imports.runner import Stored
from contracts.identity import derive_id
from event_service.adapters import recipients
from event_service.domain.errors import EventServiceError
from event_service.domain.imported import Imported
from event_service.domain.recipients import Recipient

T = TypeVar("T")
Lines = Sequence[tuple[int, Imported[T]]]


@dataclass(slots=True)
class Outcome:
    """The results of a chunk's lines."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    refused: list[RefusedLine] = field(default_factory=list)

    def refuse(self, line: int, error: EventServiceError) -> None:
        self.refused.append(RefusedLine(line, (Fault(error.field or "line", str(error)),)))

    def stored(self) -> Stored:
        return Stored(Counts(self.created, self.updated, self.unchanged), self.refused)


def imported_id(kind: str, external_key: str) -> UUID:
    """The id of what an import brings: by its key alone, so that a second import finds it (ADR 36)."""
    return derive_id(f"import/{kind}", external_key)


async def lock_people(
    tx: Transaction, lines: Lines[T], outcome: Outcome
) -> tuple[dict[UUID, Recipient], list[tuple[int, Imported[T], UUID]]]:
    """The users whom the lines name, kept as they are, and the lines with their ids; lines of others are refused.

    A key that comes twice is taken where it comes last, as in a file that is read one line after the other.
    """
    names = {each.user_external_id for _, each in lines if each.user_external_id is not None}
    ids = await recipients.find_external(tx, names)
    named = [(line, each, each.user_id or ids.get(each.user_external_id or "")) for line, each in lines]
    people = await recipients.lock(tx, {user_id for _, _, user_id in named if user_id is not None})
    found: dict[str, tuple[int, Imported[T], UUID]] = {}
    for line, each, user_id in named:
        if user_id is None or user_id not in people:
            outcome.refused.append(RefusedLine(line, (_unknown(each),)))
        else:
            outcome.unchanged += each.external_key in found
            found[each.external_key] = (line, each, user_id)
    return people, list(found.values())


def _unknown(line: Imported[T]) -> Fault:
    later = "or its message from user-service has not arrived yet: import the file again later"
    if line.user_id is not None:
        return Fault("userId", f"there is no user {line.user_id}, {later}")
    # Without the id: it is stored with the refused line, and would never be erased.
    return Fault("userExternalId", f"no user has this externalId, {later}")
