"""``python -m user_service``."""

from chassis.service import command_line
from user_service.main import SERVICE

command_line(SERVICE)()
