"""The received webhooks: one line of NDJSON each, and the newest in memory."""

import json
import os
from collections import Counter, deque
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

# A page shows the newest few; who wants all reads the file.
_IN_MEMORY = 5_000


@dataclass(frozen=True)
class Receipt:
    """One webhook as received. `sequence` counts from 1 in order of arrival."""

    sequence: int
    webhook_id: str | None
    received_at: datetime
    verified: bool
    body: Any

    def as_json(self) -> dict[str, Any]:
        """The receipt as shown by the API; the file has the same without `sequence`."""
        return {
            "sequence": self.sequence,
            "webhookId": self.webhook_id,
            "receivedAt": self.received_at.isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "verified": self.verified,
            "body": self.body,
        }


def parse_receipt(sequence: int, fields: dict[str, Any]) -> Receipt:
    """A receipt from its JSON."""
    received_at = datetime.fromisoformat(fields["receivedAt"]).astimezone(UTC)
    return Receipt(sequence, fields["webhookId"], received_at, fields["verified"], fields["body"])


class ReceiptStore:
    """Appends receipts to a file and keeps the newest. Continues where the file ends."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._newest: deque[Receipt] = deque(maxlen=_IN_MEMORY)
        self._seen: Counter[str] = Counter()
        self.count = 0
        self.unverified = 0
        _cut_partial_line(path)
        for receipt in read_receipts(path):
            self._remember(receipt)
        # Unbuffered: a receipt is with the kernel before its sender gets the answer, and one small write costs less
        # than any batching of them.
        self._file = path.open("ab", buffering=0)

    @property
    def repeated(self) -> int:
        """Receipts whose webhook id had come before."""
        return sum(self._seen.values()) - len(self._seen)

    def add(self, webhook_id: str | None, verified: bool, body: Any, received_at: datetime) -> None:
        """Record one webhook."""
        receipt = Receipt(self.count + 1, webhook_id, received_at, verified, body)
        line = receipt.as_json()
        del line["sequence"]
        self._file.write(json.dumps(line, separators=(",", ":"), ensure_ascii=False).encode() + b"\n")
        self._remember(receipt)

    def after(self, sequence: int, limit: int) -> list[Receipt]:
        """The receipts after a sequence number, oldest first, as far as they are in memory."""
        first = self._newest[0].sequence if self._newest else 1
        start = max(0, sequence + 1 - first)
        return list(islice(self._newest, start, start + limit))

    def _remember(self, receipt: Receipt) -> None:
        self._newest.append(receipt)
        self.count += 1
        self.unverified += not receipt.verified
        if receipt.webhook_id is not None:
            self._seen[receipt.webhook_id] += 1


def _cut_partial_line(path: Path) -> None:
    """Remove a last line that a power cut or a full disk left half written: its sender got no answer."""
    if path.exists():
        os.truncate(path, path.read_bytes().rfind(b"\n") + 1)


def read_receipts(path: Path) -> list[Receipt]:
    """All receipts of a file; none if there is no file."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8") as lines:
        return [parse_receipt(sequence, json.loads(line)) for sequence, line in enumerate(lines, start=1)]
