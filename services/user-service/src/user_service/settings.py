"""The environment of user-service."""

from chassis.core.settings import ServiceSettings


class Settings(ServiceSettings):
    """The settings of every service."""
