"""What a person reads."""

from hypothesis import given
from hypothesis import strategies as st

from delivery_service.domain.templates import MAX_SUBJECT, Template

WORDS = {"message": "Hey, <Ada> & {eventType}", "eventType": "BIRTHDAY", "late": False, "years": 30, "note": None}


def test_text_without_a_template_is_the_message() -> None:
    plain = Template()
    assert plain.render_subject(WORDS) == plain.render_text(WORDS) == "Hey, <Ada> & {eventType}"
    assert "<p>Hey, &lt;Ada&gt; &amp; {eventType}</p>" in plain.render_html(WORDS)


def test_placeholders_stand_for_the_events_words() -> None:
    template = Template("{eventType}: {years}", "{message} ({years}{note}{unknown})", "<b>{message}</b>")
    assert template.render_subject(WORDS) == "BIRTHDAY: 30"
    assert template.render_text(WORDS) == "Hey, <Ada> & {eventType} (30)"
    assert template.render_html(WORDS) == "<b>Hey, &lt;Ada&gt; &amp; {eventType}</b>"


def test_a_subject_is_one_line_and_not_too_long() -> None:
    assert Template("{message}\r\nBcc: all").render_subject({"message": "a\n b"}) == "a b Bcc: all"
    assert len(Template().render_subject({"message": "a" * 1000})) == MAX_SUBJECT


@given(st.text())
def test_any_text_is_a_template(text: str) -> None:
    Template(text, text, text).render_text(WORDS)
    Template(text, text, text).render_html(WORDS)
