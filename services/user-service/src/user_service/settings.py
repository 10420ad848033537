"""The environment of user-service."""

from chassis.settings import ServiceSettings


class Settings(ServiceSettings):
    """The settings of every service."""
