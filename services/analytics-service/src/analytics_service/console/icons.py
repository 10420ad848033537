"""Drawings of 24 by 24, in the colour of the text beside them. Decoration: what they mean is always said in words."""

from collections.abc import Mapping
from types import MappingProxyType

from markupsafe import Markup

_FRAME = Markup('<svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">{}</svg>')
_DRAWINGS: Mapping[str, Markup] = MappingProxyType(
    {
        "brand": Markup('<circle cx="12" cy="12" r="9"/><path d="M12 3a9 9 0 0 1 0 18z" fill="currentColor"/>'),
        "now": Markup('<path d="M3 12h4l3-8 4 16 3-8h4"/>'),
        "ahead": Markup('<path d="M4 20V10M10 20V4M16 20v-8M22 20H2"/>'),
        "events": Markup('<rect x="3" y="5" width="18" height="16" rx="2"/><path d="M3 10h18M8 2v5M16 2v5"/>'),
        "endpoints": Markup(
            '<circle cx="6" cy="12" r="3"/><circle cx="18" cy="5" r="3"/><circle cx="18" cy="19" r="3"/>'
            '<path d="m8.7 10.6 6.6-4.2M8.7 13.4l6.6 4.2"/>'
        ),
        "dead-letters": Markup('<path d="M4 5h16v14H4zM4 6l8 7 8-7"/><path d="m14.5 15.5 4 4m0-4-4 4"/>'),
        "business": Markup('<path d="M3 17 9 11l4 4 8-9"/><path d="M15 6h6v6"/>'),
        "cost": Markup(
            '<ellipse cx="12" cy="6" rx="8" ry="3"/><path d="M4 6v6c0 1.7 3.6 3 8 3s8-1.3 8-3V6"/>'
            '<path d="M4 12v6c0 1.7 3.6 3 8 3s8-1.3 8-3v-6"/>'
        ),
        "alerts": Markup('<path d="M6 9a6 6 0 0 1 12 0c0 6 2 7 2 7H4s2-1 2-7"/><path d="M10 20a2 2 0 0 0 4 0"/>'),
        "menu": Markup('<path d="M4 7h16M4 12h16M4 17h16"/>'),
        "theme": Markup('<circle cx="12" cy="12" r="9"/><path d="M12 3a9 9 0 0 0 0 18z" fill="currentColor"/>'),
        "log-out": Markup('<path d="M10 4H5v16h5M15 8l4 4-4 4M19 12H9"/>'),
        "empty": Markup('<circle cx="12" cy="12" r="9"/><path d="M8 12h8"/>'),
        "away": Markup('<path d="M12 4 2.5 20h19z"/><path d="M12 10v5M12 17.5v.5"/>'),
    }
)


def icon(name: str) -> Markup:
    """The drawing as an SVG element that screen readers pass over."""
    return _FRAME.format(_DRAWINGS[name])
