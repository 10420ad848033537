"""Forms as AWS clients send them, decoded in C.

SNS publications are forms in which every quote of a JSON body is an escape. ``urllib`` decodes escapes in a Python
loop, and takes ten times as long.
"""

from binascii import a2b_qp


def parse_form(form: str, keep_blank_values: bool = False) -> dict[str, list[str]]:
    """Return the values of a form by name, as ``urllib.parse.parse_qs`` does."""
    values: dict[str, list[str]] = {}
    for pair in form.split("&"):
        name, _, value = pair.partition("=")
        if value or (pair and keep_blank_values):
            values.setdefault(_unquote(name), []).append(_unquote(value))
    return values


def _unquote(text: str) -> str:
    # Quoted-printable has the same escapes behind another sign.
    escaped = text.replace("+", " ").replace("=", "=3D").replace("%", "=")
    return a2b_qp(escaped).decode("utf-8", "replace")
