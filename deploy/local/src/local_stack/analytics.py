"""analytics-service with the console in its process: on one machine both answer on one port.

In a cluster the console is a process of its own, and the Ingress brings both to one host.
"""

from collections.abc import Sequence
from dataclasses import replace

from chassis.core.gc_tuning import collect_rarely

# Before the imports: they make a quarter of a million objects that stay.
collect_rarely()

from fastapi import FastAPI

import analytics_service.main
import analytics_service.settings
from chassis.api.sites import mount_site
from chassis.core.lifecycle import Role
from chassis.service.runtime import Runtime
from chassis.service.service import command_line
from console.main import ROLE, open_console
from console.settings import Settings


def console(runtime: Runtime[analytics_service.settings.Settings], app: FastAPI) -> Sequence[Role]:
    """Open the console, with its settings from the same environment, and mount it beside the API."""
    site = open_console(Settings(), runtime.closing)
    mount_site(app, site.app)
    return [site]


SERVICE = replace(analytics_service.main.SERVICE, sites={ROLE: console})

if __name__ == "__main__":
    command_line(SERVICE)()
