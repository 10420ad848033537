"""A stack of CloudFormation on the emulator, as AWS would make it of the same template."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chassis.core.aws_session import open_session
from local_stack.child import StartupError

_POLL_SECONDS = 0.05


async def create_stack(environment: Mapping[str, str], name: str, template: Path) -> None:
    """Make everything that `template` describes and wait for it.

    Args:
        environment: where AWS answers and as whom, as of `bus_environment`. The emulator must have cloudformation.

    Raises:
        StartupError: it could not be made; says which resource would not.
    """
    session = open_session((environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"]))
    client: Any
    async with session.create_client(
        "cloudformation", environment["AWS_REGION"], endpoint_url=environment["AWS_ENDPOINT_URL"]
    ) as client:
        body = await asyncio.to_thread(template.read_text, encoding="utf-8")
        await client.create_stack(StackName=name, TemplateBody=body, Capabilities=["CAPABILITY_NAMED_IAM"])
        while True:
            (stack,) = (await client.describe_stacks(StackName=name))["Stacks"]
            if stack["StackStatus"] == "CREATE_COMPLETE":
                return
            if not stack["StackStatus"].endswith("_IN_PROGRESS"):
                raise StartupError(f"{template.name} could not be made: {await _reasons(client, name)}")
            await asyncio.sleep(_POLL_SECONDS)


async def _reasons(client: Any, name: str) -> str:
    events = (await client.describe_stack_events(StackName=name))["StackEvents"]
    failed = [each for each in events if each["ResourceStatus"] == "CREATE_FAILED"]
    return "; ".join(f"{each['LogicalResourceId']}: {each.get('ResourceStatusReason', '')}" for each in failed)
