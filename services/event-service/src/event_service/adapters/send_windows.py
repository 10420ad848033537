"""Send windows as they are stored: JSON, of which each is read once."""

import json
from functools import lru_cache

from contracts.send_window import SendWindow, load


@lru_cache(maxsize=4096)
def read_window(text: str) -> SendWindow:
    """Return the window of a stored text. There are few different ones, and a claim reads hundreds of events."""
    return load(json.loads(text))
