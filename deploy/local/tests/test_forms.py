"""Forms as AWS clients send them: decoded as urllib does."""

import json
from urllib.parse import parse_qs, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_stack.forms import parse_form

TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@given(st.dictionaries(TEXT, TEXT, max_size=5), st.booleans())
def test_form_is_decoded_as_urllib_does(values: dict[str, str], blank: bool) -> None:
    form = urlencode(values)
    assert parse_form(form, keep_blank_values=blank) == parse_qs(form, keep_blank_values=blank)


@pytest.mark.parametrize(
    "form", ["", "a", "a=", "a=1&a=2", "a=b=c", "=1", "a=1&&b=2", "a=%e9", "a=x%0Ay%0D%0A", "a=+%20"]
)
def test_unusual_form_is_decoded_as_urllib_does(form: str) -> None:
    assert parse_form(form) == parse_qs(form)


def test_json_in_a_form_comes_out_as_it_went_in() -> None:
    body = json.dumps({"name": "Zoë %41 =41 + & ; \r\n", "tags": ["a=b"]}, ensure_ascii=False)
    assert parse_form(urlencode({"Message": body})) == {"Message": [body]}
