"""``python -m delivery_service``."""

from chassis.core.gc_tuning import collect_rarely

# Before the imports: they make a quarter of a million objects that stay.
collect_rarely()

from chassis.service.service import command_line
from delivery_service.main import SERVICE

command_line(SERVICE)()
