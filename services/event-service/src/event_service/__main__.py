"""``python -m event_service``."""

from chassis.service import command_line
from event_service.main import SERVICE

command_line(SERVICE)()
