"""What every page's head has: one style sheet, and the theme before the first paint."""

import hashlib
from pathlib import Path

ASSETS = Path(__file__).parent / "assets"


def asset(name: str) -> str:
    """The address of a file in ``assets``: another one whenever the file is, so that browsers may keep it."""
    digest = hashlib.sha256((ASSETS / name).read_bytes()).hexdigest()[:12]
    return f"/assets/{name}?{digest}"


HEAD = "\n".join(
    (
        f'<link rel="icon" type="image/svg+xml" href="{asset("favicon.svg")}">',
        f'<link rel="stylesheet" href="{asset("console.css")}">',
        # Not deferred: a dark page must not flash light.
        f'<script src="{asset("theme.js")}"></script>',
    )
)
