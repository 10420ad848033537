"""What every page's head has: one style sheet, the theme before the first paint, and what keeps the focus."""

import hashlib
from html import escape
from pathlib import Path

ASSETS = Path(__file__).parent / "assets"


def asset(name: str) -> str:
    """The address of a file in ``assets``: another one whenever the file is, so that browsers may keep it."""
    digest = hashlib.sha256((ASSETS / name).read_bytes()).hexdigest()[:12]
    return f"/assets/{name}?{digest}"


_PLAIN = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} · Almanac</title>
{head}
</head>
<body class="plain">
<main>
{body}
</main>
</body>
</html>"""

HEAD = "\n".join(
    (
        f'<link rel="icon" type="image/svg+xml" href="{asset("favicon.svg")}">',
        f'<link rel="stylesheet" href="{asset("console.css")}">',
        # Not deferred: a dark page must not flash light.
        f'<script src="{asset("theme.js")}"></script>',
        f'<script src="{asset("focus.js")}" defer></script>',
    )
)


def plain_page(title: str, body: str) -> str:
    """A whole document without the pages' framework. ``body`` is markup."""
    return _PLAIN.format(title=escape(title), head=HEAD, body=body)


def lost_page(title: str, text: str) -> str:
    """What stands where there is no page, or none that can be shown; it leads back."""
    shown = f'<h1>{escape(title)}</h1><p>{escape(text)}</p><p><a href="/">To the first page</a></p>'
    return plain_page(title, f'<div class="card">{shown}</div>')
