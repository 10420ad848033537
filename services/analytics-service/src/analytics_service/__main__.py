"""``python -m analytics_service``."""

from chassis.core.gc_tuning import collect_rarely

# Before the imports: they make a quarter of a million objects that stay.
collect_rarely()

from analytics_service.main import SERVICE
from chassis.service.service import command_line

command_line(SERVICE)()
