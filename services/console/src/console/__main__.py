"""``python -m console``."""

from chassis.core.gc_tuning import collect_rarely

# Before the imports: they make a quarter of a million objects that stay.
collect_rarely()

from console.main import commands

commands()
