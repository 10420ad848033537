"""An event walks from the API to the webhook on the topics and queues that CDK describes, not those of provisioning."""

import subprocess
import sys

import pytest
from aws_templates import Synthesized

pytestmark = pytest.mark.thorough
WALKS = (
    "test_a_new_user_is_greeted_at_the_moment_they_chose",
    "test_a_greeted_users_event_completes_and_next_years_waits",
    "test_an_anniversary_and_a_reminder_arrive_as_they_were_asked_for",
)


def test_the_end_to_end_tests_pass_on_the_bus_that_cdk_made(million: Synthesized, pytestconfig: pytest.Config) -> None:
    template = million.folder / "almanac-1m-messaging.template.json"
    tests = [f"tests/e2e/test_greetings.py::{name}" for name in WALKS]
    result = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "no:cacheprovider",
            "--timeout=250",
            f"--bus-template={template}",
            *tests,
        ],
        cwd=pytestconfig.rootpath,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout
    assert f"{len(WALKS)} passed" in result.stdout
