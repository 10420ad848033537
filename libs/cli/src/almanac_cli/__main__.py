"""``python -m almanac_cli`` is ``almanac``."""

from almanac_cli.main import app

app()
