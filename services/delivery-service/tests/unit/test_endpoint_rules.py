"""Which URLs webhooks may go to, and what belongs to a disabled endpoint."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.vocabulary import Channel, FailureReason
from delivery_service.domain.deliveries import Reason
from delivery_service.domain.endpoints import EndpointConfig, Kind, check_url
from delivery_service.domain.errors import ReasonWhileEnabledError

DISABLED = EndpointConfig("https://example.org", enabled=False, disabled_reason="moving")


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org",
        "http://example.org:8080/hooks?key=a%20b",
        "https://EXAMPLE.org./",
        "http://127.0.0.1/hooks",
        "http://[::1]:9000/hooks",
        "https://bücher.example/haken",
        "http://inbox_1.default.svc/hooks",
    ],
)
def test_a_web_address_is_accepted_as_it_is(url: str) -> None:
    assert check_url(url) == url


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("ftp://example.org", "http:// or https://"),
        ("example.org/hooks", "http:// or https://"),
        ("https:///hooks", "host"),
        ("https://user:secret@example.org", "credentials"),
        ("https://user@example.org", "credentials"),
        ("https://@example.org", "credentials"),
        ("https://example.org:99999", "not a URL"),
        ("https://example.org:port", "not a URL"),
        ("https://example.org:0", "port 0"),
        ("https://[::1", "not a URL"),
        ("https://example.org/#top", "fragment"),
        ("https://example.org/a b", "spaces"),
        ("https://example.org/\r\nX-Header: 1", "spaces"),
        ("https://exa\\mple.org", "backslashes"),
        ("https://-example.org", "name or address"),
        ("https://exa..mple.org", "name or address"),
        (f"https://{'a' * 64}.org", "name or address"),
        ("https://exa%6Dple.org", "name or address"),
    ],
)
def test_another_address_is_refused_with_its_rule(url: str, rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        check_url(url)


@given(st.text() | st.from_regex(r"https?://.*", fullmatch=True))
def test_any_text_is_accepted_or_refused_but_never_an_error(url: str) -> None:
    try:
        assert check_url(url) == url
    except ValueError as error:
        assert str(error)


def test_enabling_forgets_the_reason() -> None:
    assert DISABLED.merged({"enabled": True}).disabled_reason is None


def test_a_reason_is_only_for_what_is_not_enabled() -> None:
    with pytest.raises(ReasonWhileEnabledError):
        DISABLED.merged({"enabled": True, "disabled_reason": "still moving"})
    with pytest.raises(ReasonWhileEnabledError):
        EndpointConfig("https://example.org", disabled_reason="moving").checked()


def test_every_kind_is_a_channel_that_others_know() -> None:
    assert {kind.value for kind in Kind} == {channel.value for channel in Channel}


def test_every_reason_is_one_that_others_know() -> None:
    assert {reason.value for reason in Reason} <= {reason.value for reason in FailureReason}
