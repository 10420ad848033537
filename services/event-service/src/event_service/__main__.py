"""``python -m event_service``."""

from chassis.core.gc_tuning import collect_rarely

# Before the imports: they make a quarter of a million objects that stay.
collect_rarely()

from chassis.service.service import command_line
from event_service.commands import add_commands
from event_service.main import SERVICE

app = command_line(SERVICE)
add_commands(app)
app()
