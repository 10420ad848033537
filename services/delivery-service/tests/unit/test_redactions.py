"""What a receiver repeats of secrets, in the forms in which receivers repeat requests."""

import html
import json
from base64 import b64encode
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from delivery_service.adapters.signatures import generate_secret
from delivery_service.domain.redactions import MAX_STEPS, REDACTED, Redactions, parts_of

TOKEN = 'Bearer a/b"c&d<e>f+g=h'
URL = "https://hooks.slack.com/services/T0000000/B0000000/x4mCkPz9very-secret?team=a%2Fb"
PATH = "/services/T0000000/B0000000/x4mCkPz9very-secret?team=a%2Fb"


def escaped_slashes(text: str) -> str:
    """As PHP writes JSON."""
    return json.dumps(text)[1:-1].replace("/", "\\/")


def escaped_for_scripts(text: str) -> str:
    """As Go, Rails and Jackson write JSON into pages."""
    return "".join(f"\\u{ord(each):04X}" if each in "&<>/'+" else each for each in json.dumps(text)[1:-1])


def html_in_decimals(text: str) -> str:
    return "".join(each if each.isalnum() else f"&#{ord(each)};" for each in text)


def html_in_hexadecimals(text: str) -> str:
    return "".join(each if each.isalnum() else f"&#x{ord(each):X};" for each in text)


def url_encoded_throughout(text: str) -> str:
    return "".join(f"%{each:02x}" for each in text.encode())


ENCODINGS: list[Callable[[str], str]] = [
    str,
    escaped_slashes,
    escaped_for_scripts,
    html.escape,
    html_in_decimals,
    html_in_hexadecimals,
    quote,
    lambda text: quote(text, safe=""),
    quote_plus,
    url_encoded_throughout,
]
NAMES = [
    "as is",
    "JSON of PHP",
    "JSON in a page",
    "HTML",
    "decimals",
    "hexadecimals",
    "URL",
    "URL whole",
    "form",
    "all",
]


@pytest.mark.parametrize("encode", ENCODINGS, ids=NAMES)
@pytest.mark.parametrize("secret", [TOKEN, URL], ids=["token", "url"])
def test_an_encoded_secret_is_redacted(secret: str, encode: Callable[[str], str]) -> None:
    redactions = Redactions([secret])
    assert redactions.apply(f'{{"seen": "{encode(secret)}"}} 100% &c.') == f'{{"seen": "{REDACTED}"}} 100% &c.'


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("encode", [str, escaped_slashes], ids=["as is", "JSON of PHP"])
def test_a_secret_in_a_wide_encoding_is_redacted(encode: Callable[[str], str], codec: str) -> None:
    # As it is read: in UTF-8, whatever the receiver says of it.
    text = f"seen: {encode(TOKEN)}, and {encode(TOKEN)[:20]}".encode(codec).decode(errors="replace")
    kept = Redactions([TOKEN]).apply(text)
    assert kept.count(REDACTED) == 2
    assert not any(part in kept.replace("\ufffd", "") for part in ("Bearer", "a/b", "c&d"))


printable = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=8, max_size=60)


@given(printable, st.lists(st.sampled_from(ENCODINGS), max_size=MAX_STEPS))
@example("000000'\\", [html.escape])
def test_a_secret_is_redacted_within_any_three_encodings(secret: str, encodings: list[Callable[[str], str]]) -> None:
    encoded = secret
    for encode in encodings:
        encoded = encode(encoded)
    assert Redactions([secret]).apply(f"<{encoded}>") == f"<{REDACTED}>"


@given(st.text(), st.lists(printable))
def test_any_text_is_redacted_without_raising(text: str, secrets: list[str]) -> None:
    redacted = Redactions(secrets).apply(text)
    assert "\0" not in redacted
    assert not any(secret in redacted for secret in secrets)


@given(st.text(st.characters(exclude_characters="\0")))
def test_a_text_without_secrets_is_kept_as_it_is(text: str) -> None:
    assert Redactions(["a-secret-that-is-not-in-it"]).apply(text) == text


@pytest.mark.parametrize(
    ("headers", "repeated"),
    [
        ({"Cookie": "session=0123456789abcdef; theme=dark"}, "0123456789abcdef"),
        ({"Cookie": 'session="0123456789abcdef"'}, "0123456789abcdef"),
        ({"Authorization": "Bearer of-the-receiver"}, "of-the-receiver"),
        ({"Authorization": f"Basic {b64encode(b'ada:a long password').decode()}"}, "a long password"),
        ({"Authorization": f"Basic {b64encode(b'ada:a long password').decode()}"}, "ada:a long password"),
        ({"X-Keys": "first-key,second-key"}, "second-key"),
    ],
    ids=["cookie", "quoted cookie", "bearer", "basic password", "basic credentials", "list"],
)
def test_a_value_taken_out_of_its_header_is_redacted(headers: dict[str, str], repeated: str) -> None:
    redactions = Redactions(parts_of([], headers, None))
    assert redactions.apply(f"you sent {repeated}!") == f"you sent {REDACTED}!"


@pytest.mark.parametrize(
    "repeated",
    [URL, PATH, PATH.lstrip("/"), "T0000000/B0000000/x4mCkPz9very-secret?team=a%2Fb", "x4mCkPz9very-secret"],
    ids=["URL", "path", "relative path", "without services", "token"],
)
def test_parts_of_a_secret_url_are_redacted(repeated: str) -> None:
    assert "very-secret" not in Redactions(parts_of([], {}, URL)).apply(f"see ../{repeated} for more")


def test_a_signing_secret_is_redacted_with_and_without_its_prefix() -> None:
    secret = generate_secret()
    redactions = Redactions(parts_of([secret], {}, None))
    assert redactions.apply(f"{secret} {secret.removeprefix('whsec_')}") == f"{REDACTED} {REDACTED}"


@pytest.mark.parametrize("encode", ENCODINGS, ids=NAMES)
@pytest.mark.parametrize("missing", range(1, 12))
def test_a_secret_is_redacted_where_the_text_was_cut_within_it(missing: int, encode: Callable[[str], str]) -> None:
    text = f"{TOKEN}! {encode('Bearer of-the-receiver/&') + TOKEN}"
    secret = "Bearer of-the-receiver/&" + TOKEN
    cut = f"whole {secret} part {encode(secret)[:-missing]}"
    assert Redactions([secret]).apply(cut) == f"whole {REDACTED} part {REDACTED}"
    assert "of-the-receiver" not in Redactions([secret]).apply(text)
