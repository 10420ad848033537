"""The environment of user-service."""

from chassis.settings import ServiceSettings


class Settings(ServiceSettings):
    """Nothing beyond what every service has."""
