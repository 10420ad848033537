"""`python -m local_stack.inbox`: serves INBOX_PORT, appends to INBOX_FILE, verifies with what INBOX_SECRET_FILE has.

It listens on INBOX_HOST, which is loopback if it is not set. It needs nothing that delivery-service does not,
so that it runs in that one's image.
"""

import os
from pathlib import Path

import uvicorn

from local_stack.inbox.server import Inbox, Verifier
from local_stack.inbox.store import ReceiptStore


def main() -> None:
    """Serve until SIGTERM."""
    app = Inbox(ReceiptStore(Path(os.environ["INBOX_FILE"])), Verifier(Path(os.environ["INBOX_SECRET_FILE"])))
    uvicorn.run(
        app,
        host=os.environ.get("INBOX_HOST", "127.0.0.1"),
        port=int(os.environ["INBOX_PORT"]),
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=2,
        lifespan="off",
    )


main()
