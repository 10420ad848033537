"""The channels besides webhooks: e-mail and text messages on the emulator, Slack over HTTP."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

import botocore.session
import httpx
import pytest
from delivery_scene import Scene, due_event, receive
from slack_stand_in import PATH, TOKEN, Slack, slack_stand_in

from chassis.core.usage import Meter, Usage
from chassis.messaging.aws import AwsAccess
from chassis.messaging.message_costs import EMAIL, SMS
from chassis.service.runtime import Runtime
from contracts.messages.user import Contact
from contracts.vocabulary import Channel, OutcomeStatus
from delivery_service.adapters.aws import AwsCaller
from delivery_service.adapters.email import EmailSender
from delivery_service.adapters.secret_cipher import Confidential, SecretCipher
from delivery_service.adapters.sms import SmsSender
from delivery_service.application.sending import Channels
from delivery_service.domain.attempts import Fault, Verdict, judge
from delivery_service.domain.deliveries import Target
from delivery_service.domain.signing import KEY_BYTES
from delivery_service.domain.templates import TEST_MESSAGE, Template
from delivery_service.roles import open_channels
from delivery_service.settings import Settings
from testkit import Answer, AwsAccount, Receiver

CIPHER = SecretCipher([b"k" * KEY_BYTES])
ADA = Contact(email="ada@example.org", phone="+4915112345678")
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def target(kind: Channel, *, url: str | None = None, template: Template | None = None) -> Target:
    endpoint_id = uuid4()
    sealed = CIPHER.encrypt(endpoint_id, Confidential(url=url))
    return Target(endpoint_id, 1, kind, None, sealed, 30, template=template or Template())


@pytest.fixture
async def channels(runtime: Runtime[Settings]) -> AsyncIterator[Channels]:
    """All of them, as the service opens them."""
    settings = runtime.settings.model_copy(update={"email_from": "Almanac <almanac@example.org>"})
    opened = open_channels(settings, runtime.bus.usage, connections=2)
    yield opened
    await opened.aclose()


async def sent_emails(aws: AwsAccount) -> list[dict[str, Any]]:
    """What the emulator's SES was given by this account."""
    async with httpx.AsyncClient() as client:
        answer = await client.get(f"{aws.endpoint_url}/_ministack/ses/messages", params={"account": aws.access_key_id})
    messages: list[dict[str, Any]] = answer.json()["messages"].get(aws.access_key_id, [])
    return messages


async def test_an_event_reaches_a_person_by_every_channel_that_has_an_address(
    api_scene: Scene,
    aws: AwsAccount,
    channels: Channels,
) -> None:
    webhook, _ = await api_scene.endpoint()
    email, _ = await api_scene.endpoint(
        kind=Channel.EMAIL, url=None, subject="{eventType}", html="<h1>{message}</h1>", text="{message}!"
    )
    sms, _ = await api_scene.endpoint(kind=Channel.SMS, url=None)
    async with api_scene.pool(sender=channels) as pool:
        await receive(pool, due_event(deliveryPayload={"message": "Hey, Zoë <3"}))
        [item] = await api_scene.ended()
    ended = {each.endpoint_id: (each.channel, each.status, each.reason, each.attempts) for each in item.endpoints}
    assert ended == {
        webhook: (Channel.WEBHOOK, OutcomeStatus.SUCCEEDED, None, 1),
        email: (Channel.EMAIL, OutcomeStatus.SUCCEEDED, None, 1),
        # She has no phone: that is reported, and not retried.
        sms: (Channel.SMS, OutcomeStatus.FAILED, "no_contact", 1),
    }
    [sent] = await sent_emails(aws)
    assert (sent["To"], sent["Source"]) == (["ada@example.org"], "Almanac <almanac@example.org>")
    assert (sent["Subject"], sent["BodyText"]) == ("BIRTHDAY", "Hey, Zoë <3!")
    assert sent["BodyHtml"] == "<h1>Hey, Zoë &lt;3</h1>"


async def test_a_text_message_goes_to_the_persons_phone(channels: Channels) -> None:
    reply = await channels.test(target(Channel.SMS), ADA, TRACEPARENT)
    assert (reply.http_status, judge(reply)) == (200, Verdict.SUCCEEDED)
    assert reply.excerpt


@pytest.mark.usefixtures("runtime")
async def test_text_message_that_outgrows_its_limit_is_refused_without_a_call(receiver: Receiver) -> None:
    sns = AwsCaller("sns", AwsAccess("us-east-1", f"http://127.0.0.1:{receiver.port}", 1, 1), Usage())
    wanted = target(Channel.SMS, template=Template(text="{message}" * 30))
    reply = await SmsSender(sns, sender_id=None).test(wanted, ADA, TRACEPARENT)
    await sns.aclose()
    length = 30 * len(TEST_MESSAGE)
    assert (reply.fault, reply.detail) == (
        Fault.TEXT_TOO_LONG, f"{length} characters, a text message carries 1600",
    )  # fmt: skip
    assert judge(reply) is Verdict.REJECTED
    assert receiver.requests == []


async def test_what_people_are_sent_is_counted_for_the_costs(channels: Channels, runtime: Runtime[Settings]) -> None:
    runtime.bus.usage.take()
    await channels.test(target(Channel.EMAIL), ADA, TRACEPARENT)
    await channels.test(target(Channel.SMS), ADA, TRACEPARENT)
    assert runtime.bus.usage.take() == {(Meter.AWS_MESSAGES, *EMAIL): 1, (Meter.AWS_MESSAGES, *SMS): 1}


async def test_without_an_address_to_send_from_an_email_is_not_sent_and_not_lost(aws: AwsAccount) -> None:
    sender = EmailSender(AwsCaller("sesv2", AwsAccess("us-east-1", aws.endpoint_url, 1, 1), Usage()), sender=None)
    reply = await sender.test(target(Channel.EMAIL), ADA, TRACEPARENT)
    assert (reply.fault, judge(reply)) == (Fault.NOT_CONFIGURED, Verdict.RETRY)


# -- what AWS may answer, from a stand-in for it ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "code", "http_status", "fault", "verdict"),
    [
        (400, "MessageRejected", 400, None, Verdict.REJECTED),
        (400, "Throttling", 429, None, Verdict.RETRY),
        (429, "TooManyRequestsException", 429, None, Verdict.RETRY),
        (500, "InternalFailure", 500, None, Verdict.RETRY),
        (403, "AccessDeniedException", None, Fault.NOT_CONFIGURED, Verdict.RETRY),
    ],
)
@pytest.mark.usefixtures("runtime")
async def test_a_refusal_of_aws_is_kept_without_the_persons_address(
    receiver: Receiver,
    status: int,
    code: str,
    http_status: int | None,
    fault: Fault | None,
    verdict: Verdict,
) -> None:
    body = json.dumps({"message": "not verified: ada@example.org"}).encode()
    receiver.answer(Answer(status, headers={"x-amzn-ErrorType": code, "Content-Type": "application/json"}, body=body))
    ses = AwsCaller("sesv2", AwsAccess("us-east-1", f"http://127.0.0.1:{receiver.port}", 1, 1), Usage())
    reply = await EmailSender(ses, sender="almanac@example.org").test(target(Channel.EMAIL), ADA, TRACEPARENT)
    await ses.aclose()
    assert (reply.http_status, reply.fault, judge(reply)) == (http_status, fault, verdict)
    assert reply.excerpt == f"{code}: not verified: [redacted]"
    assert len(receiver.requests) == 1


FINAL = Verdict.REJECTED
# Each error that botocore knows of the two calls that we make.
EXPECTED = {
    "sesv2": {
        "AccountSuspendedException": Verdict.RETRY,
        "BadRequestException": FINAL,
        "LimitExceededException": Verdict.RETRY,
        "MailFromDomainNotVerifiedException": Verdict.RETRY,
        "MessageRejected": FINAL,
        "NotFoundException": FINAL,
        "SendingPausedException": Verdict.RETRY,
        "TooManyRequestsException": Verdict.RETRY,
    },
    "sns": {
        "AuthorizationError": Verdict.RETRY,
        "EndpointDisabled": FINAL,
        "InternalError": Verdict.RETRY,
        "InvalidParameter": FINAL,
        "InvalidSecurity": Verdict.RETRY,
        "KMSAccessDenied": Verdict.RETRY,
        "KMSDisabled": Verdict.RETRY,
        "KMSInvalidState": Verdict.RETRY,
        "KMSNotFound": Verdict.RETRY,
        "KMSOptInRequired": Verdict.RETRY,
        "KMSThrottling": Verdict.RETRY,
        "NotFound": FINAL,
        "ParameterValueInvalid": FINAL,
        "PlatformApplicationDisabled": FINAL,
        "Throttled": Verdict.RETRY,
        "ValidationException": FINAL,
    },
}
OPERATIONS = {"sesv2": "SendEmail", "sns": "Publish"}
# Any call may meet these (CommonErrors of the API references), and the names of the older API of SES.
COMMON = (
    "AccessDeniedException", "AccountSendingPausedException", "ConfigurationSetSendingPausedException",
    "ExpiredTokenException", "IncompleteSignature", "InvalidClientTokenId", "InvalidSignatureException",
    "MissingAuthenticationToken", "NotAuthorized", "OptInRequired", "RequestAbortedException", "RequestExpired",
    "RequestTimeTooSkewed", "RequestTimeoutException", "SignatureDoesNotMatch", "ThrottlingException",
    "UnrecognizedClientException",
)  # fmt: skip


def known_errors(service: str) -> dict[str, int]:
    """The HTTP status of each error code that the SDK's model of our call lists."""
    model = botocore.session.get_session().get_service_model(service)
    errors = [
        shape.metadata["error"] | {"name": shape.name}
        for shape in model.operation_model(OPERATIONS[service]).error_shapes
    ]
    return {error.get("code", error["name"]): error["httpStatusCode"] for error in errors}


@pytest.mark.parametrize("service", ["sesv2", "sns"])
def test_every_error_of_the_sdk_model_has_an_expected_verdict(service: str) -> None:
    assert known_errors(service).keys() <= EXPECTED[service].keys()


@pytest.mark.parametrize("service", ["sesv2", "sns"])
@pytest.mark.usefixtures("runtime")
async def test_aws_error_is_final_only_where_the_message_is_at_fault(
    receiver: Receiver, service: Literal["sesv2", "sns"]
) -> None:
    expected = EXPECTED[service] | dict.fromkeys(COMMON, Verdict.RETRY)
    statuses = known_errors(service)
    for code in expected:
        if service == "sesv2":
            headers, body = {"x-amzn-ErrorType": code, "Content-Type": "application/json"}, '{"message": "no"}'
        else:
            error = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>no</Message></Error>"
            headers, body = {"Content-Type": "text/xml"}, f"<ErrorResponse>{error}</ErrorResponse>"
        receiver.answer(Answer(statuses.get(code, 400), headers=headers, body=body.encode()))
    aws = AwsCaller(service, AwsAccess("us-east-1", f"http://127.0.0.1:{receiver.port}", 1, 1), Usage())
    sender = EmailSender(aws, sender="almanac@example.org") if service == "sesv2" else SmsSender(aws, sender_id=None)
    wanted = target(Channel.EMAIL if service == "sesv2" else Channel.SMS)
    replies = {code: await sender.test(wanted, ADA, TRACEPARENT) for code in expected}
    await aws.aclose()
    assert {code: judge(reply) for code, reply in replies.items()} == expected
    assert [reply.excerpt for reply in replies.values()] == [f"{code}: no" for code in expected]


@pytest.mark.usefixtures("runtime")
async def test_unreachable_aws_is_a_connection_error(receiver: Receiver) -> None:
    await receiver.stop()
    sns = AwsCaller("sns", AwsAccess("us-east-1", f"http://127.0.0.1:{receiver.port}", 1, 1), Usage())
    reply = await SmsSender(sns, sender_id="Almanac").test(target(Channel.SMS), ADA, TRACEPARENT)
    await sns.aclose()
    assert reply.fault is Fault.CONNECTION


# -- Slack ------------------------------------------------------------------------------------------------------------


@pytest.fixture
async def slack(tmp_path: Path) -> AsyncIterator[Slack]:
    """A stand-in for Slack."""
    async with slack_stand_in(tmp_path, CIPHER) as stand_in:
        yield stand_in


async def test_slack_gets_the_message_as_text_without_mentions(slack: Slack) -> None:
    slack.receiver.answer(Answer(200, body=b"ok"))
    wanted = target(Channel.SLACK, url=slack.url, template=Template(text="*{message}* <!channel>"))
    reply = await slack.sender.test(wanted, ADA, TRACEPARENT)
    assert (reply.http_status, reply.excerpt) == (200, "ok")
    [request] = slack.receiver.requests
    assert request.path == PATH
    assert json.loads(request.body) == {
        "text": "*This is a test of Almanac: if you read it, this endpoint works.* <!channel>"
    }
    assert "webhook-signature" not in request.headers


@pytest.mark.parametrize(
    ("status", "verdict"), [(429, Verdict.RETRY), (404, Verdict.REJECTED), (410, Verdict.GONE), (503, Verdict.RETRY)]
)
async def test_slacks_answers_mean_what_a_webhooks_do_and_its_url_is_not_kept(
    slack: Slack, status: int, verdict: Verdict
) -> None:
    slack.receiver.answer(Answer(status, headers={"Retry-After": "7"}, body=f"no_service at {slack.url}".encode()))
    reply = await slack.sender.test(target(Channel.SLACK, url=slack.url), ADA, TRACEPARENT)
    assert (reply.http_status, judge(reply), reply.retry_after) == (status, verdict, "7")
    assert reply.excerpt == "no_service at [redacted]"


@pytest.mark.parametrize("location", [PATH, PATH.lstrip("/"), f"../{TOKEN}", f"/oops?from={PATH.replace('/', '%2F')}"])
async def test_slacks_url_in_a_location_is_not_kept(slack: Slack, location: str) -> None:
    slack.receiver.answer(Answer(302, headers={"Location": location}, body=f"moved to {location}".encode()))
    reply = await slack.sender.test(target(Channel.SLACK, url=slack.url), ADA, TRACEPARENT)
    assert reply.headers is not None
    assert "[redacted]" in reply.headers["location"]
    assert "[redacted]" in (reply.excerpt or "")
    for kept in (reply.headers["location"], reply.excerpt or ""):
        assert TOKEN not in kept
