"""``python -m analytics_service``."""

from analytics_service.main import SERVICE
from chassis.service import command_line

command_line(SERVICE)()
