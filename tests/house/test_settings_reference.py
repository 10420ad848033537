"""docs/reference/settings.md is what the code says, and says something of every setting."""

import pytest
from settings_reference import CLASSES, DOCUMENT, entries, render


def test_settings_reference_is_rendered_from_the_code() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == render(), "run `make settings-reference`"


@pytest.mark.parametrize("title", CLASSES)
def test_every_setting_is_described(title: str) -> None:
    for settings in CLASSES[title]:
        for entry in entries(settings):
            assert entry.text, entry.fields
