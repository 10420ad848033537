"""``python -m delivery_service``."""

from chassis.service import command_line
from delivery_service.main import SERVICE

command_line(SERVICE)()
