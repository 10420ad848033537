"""The application that the emulator's process serves: ministack, which decodes each form twice, by a faster function.

While users were imported, decoding took two thirds of the emulator's CPU.
"""

import urllib.parse

from local_stack.forms import parse_form

urllib.parse.parse_qs = parse_form  # type: ignore[assignment]  # before ministack's modules import it

from ministack.app import app  # noqa: E402, F401
