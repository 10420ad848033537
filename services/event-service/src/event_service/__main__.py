"""``python -m event_service``."""

from chassis.service import command_line
from event_service.commands import add_commands
from event_service.main import SERVICE

app = command_line(SERVICE)
add_commands(app)
app()
