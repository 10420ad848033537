"""Which URLs webhooks may go to, and the fields of a disabled endpoint."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.vocabulary import Channel, FailureReason
from delivery_service.adapters.destinations import parse_destination
from delivery_service.domain.endpoints import EndpointConfig, check_url, host_and_port
from delivery_service.domain.errors import ReasonWhileEnabledError, TextTooLongError
from delivery_service.domain.hosts import ascii_host
from delivery_service.domain.templates import MAX_SMS

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
        "https://ｅｘａｍｐｌｅ。org/hooks",
        "https://xn--ls8h.la/",
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
        ("https://[fe80::1%25eth0]/hooks", "must not have a zone"),
        ("https://[2606:4700::1%eth0]/hooks", "must not have a zone"),
        ("https://example.org/#top", "fragment"),
        ("https://example.org/a b", "spaces"),
        ("https://example.org/\r\nX-Header: 1", "spaces"),
        ("https://exa\\mple.org", "backslashes"),
        ("https://-example.org", "name or address"),
        ("https://exa..mple.org", "name or address"),
        (f"https://{'a' * 64}.org", "name or address"),
        ("https://exa%6Dple.org", "name or address"),
        ("https://\U0001f4a9.la", "not valid in IDNA 2008: .*U\\+1F4A9.*can be given instead"),
        ("https://a\u200db.example", "not valid in IDNA 2008"),
        (f"https://{'ü' * 60}.org", "name or address"),
    ],
)
def test_another_address_is_refused_with_its_rule(url: str, rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        check_url(url)


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("https://ＥＸＡＭＰＬＥ。org:8443/", "example.org", 8443),
        ("https://Bücher.Example", "xn--bcher-kva.example", 443),
        # The older IDNA 2003 would lead to strasse.de, which may have another owner.
        ("http://straße.de", "xn--strae-oqa.de", 80),
        ("http://１２７.0.0.1/", "127.0.0.1", 80),
        ("http://[2001:DB8:0::1]/", "2001:db8::1", 80),
        ("https://xn--ls8h.la", "xn--ls8h.la", 443),
        ("https://Inbox_1.default.svc.", "inbox_1.default.svc.", 443),
    ],
)
def test_host_has_one_form_in_ascii(url: str, host: str, port: int) -> None:
    assert host_and_port(check_url(url)) == (host, port)


@given(st.text() | st.from_regex(r"https?://.*", fullmatch=True))
def test_any_text_is_accepted_or_refused_but_never_an_error(url: str) -> None:
    try:
        assert check_url(url) == url
    except ValueError as error:
        assert str(error)
    else:
        host, _ = host_and_port(url)
        assert host.isascii()
        assert host == ascii_host(host)
        # The sender calls the host that was checked.
        assert parse_destination(url).host == host


def test_enabling_clears_the_reason() -> None:
    assert DISABLED.merged({"enabled": True}).disabled_reason is None


def test_reason_is_only_for_disabled_endpoints() -> None:
    with pytest.raises(ReasonWhileEnabledError):
        DISABLED.merged({"enabled": True, "disabled_reason": "still moving"})
    with pytest.raises(ReasonWhileEnabledError):
        EndpointConfig("https://example.org", disabled_reason="moving").checked()


def test_sms_text_over_the_limit_is_refused_only_when_it_changes() -> None:
    assert EndpointConfig(None, kind=Channel.SMS, text="a" * MAX_SMS).checked().text == "a" * MAX_SMS
    old = EndpointConfig(None, kind=Channel.SMS, text="a" * (MAX_SMS + 1))
    with pytest.raises(TextTooLongError, match="at most 1600 characters where kind is sms, it has 1601"):
        old.checked()
    # It was stored before the limit was: the endpoint can still be disabled.
    assert old.merged({"enabled": False}).enabled is False
    with pytest.raises(TextTooLongError):
        old.merged({"text": "b" * (MAX_SMS + 1)})
    # Slack and e-mail carry more.
    assert EndpointConfig(None, kind=Channel.EMAIL, text="a" * 5_000).checked().text == "a" * 5_000


def test_every_kind_is_a_channel_that_others_know() -> None:
    assert {kind.value for kind in Channel} == {channel.value for channel in Channel}


def test_every_reason_is_one_that_others_know() -> None:
    assert {reason.value for reason in FailureReason} <= {reason.value for reason in FailureReason}
