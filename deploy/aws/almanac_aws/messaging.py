"""Topics, queues and subscriptions, as ``contracts.topology`` declares them. Nothing of it is written here again."""

from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from almanac_aws.keys import make_key
from contracts.topology import DeadLetterQueue, Queue, Subscription, Topology

WAIT_SECONDS: Final = 20
"""An empty queue answers after so long, and never costs more calls than that."""


class Messaging(Construct):
    """The bus: what ``python -m chassis topology apply`` makes elsewhere, with the same names, and encrypted."""

    def __init__(self, scope: Construct, topology: Topology, *, name: str, protected: bool) -> None:
        super().__init__(scope, "Messaging")
        self.topology = topology
        self.key = make_key(self, f"alias/{name}-bus", "Messages of Almanac", protected=protected)
        self._trust_sns()
        self.dead_letter_queues = {each.name: self._dead_letters(each) for each in topology.dead_letter_queues}
        self.queues = {each.name: self._queue(each) for each in topology.queues}
        self.topics = {
            each.name: sns.Topic(self, each.name, topic_name=each.name, master_key=self.key, enforce_ssl=True)
            for each in topology.topics
        }
        for subscription in topology.subscriptions:
            self._subscribe(subscription)

    def _trust_sns(self) -> None:
        """SNS writes into encrypted queues on behalf of this account's topics.

        Said once and by account: a key that named its topics, which name their key, could not be made.
        """
        self.key.add_to_resource_policy(
            iam.PolicyStatement(
                sid="TopicsOfThisAccount",
                principals=[iam.ServicePrincipal("sns.amazonaws.com")],
                actions=["kms:Decrypt", "kms:GenerateDataKey"],
                resources=["*"],  # in a key's own policy: this key
                conditions={"StringEquals": {"aws:SourceAccount": cdk.Aws.ACCOUNT_ID}},
            )
        )

    def _dead_letters(self, declared: DeadLetterQueue) -> sqs.Queue:
        return sqs.Queue(
            self,
            declared.name,
            queue_name=declared.name,
            visibility_timeout=cdk.Duration.seconds(declared.visibility_seconds),
            retention_period=cdk.Duration.seconds(declared.retention_seconds),
            **_encrypted(self.key),
        )

    def _queue(self, declared: Queue) -> sqs.Queue:
        dead_letters = self.dead_letter_queues[declared.dead_letter_queue.name]
        return sqs.Queue(
            self,
            declared.name,
            queue_name=declared.name,
            visibility_timeout=cdk.Duration.seconds(declared.visibility_seconds),
            retention_period=cdk.Duration.seconds(declared.retention_seconds),
            receive_message_wait_time=cdk.Duration.seconds(WAIT_SECONDS),
            dead_letter_queue=sqs.DeadLetterQueue(queue=dead_letters, max_receive_count=declared.max_receive_count),
            **_encrypted(self.key),
        )

    def _subscribe(self, declared: Subscription) -> None:
        topic, queue = self.topics[declared.topic.name], self.queues[declared.queue.name]
        queue.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal("sns.amazonaws.com")],
                actions=["sqs:SendMessage"],
                resources=[queue.queue_arn],
                conditions={"ArnEquals": {"aws:SourceArn": topic.topic_arn}},
            )
        )
        policy = {
            name: sns.SubscriptionFilter.string_filter(allowlist=values)
            for name, values in declared.filter_policy.items()
        }
        sns.Subscription(
            self,
            f"{topic.node.id}-{queue.node.id}",
            topic=topic,
            protocol=sns.SubscriptionProtocol.SQS,
            endpoint=queue.queue_arn,
            raw_message_delivery=declared.raw_delivery,
            filter_policy=policy or None,
            dead_letter_queue=self.dead_letter_queues[declared.dead_letter_queue.name],
        )


def _encrypted(key: kms.IKey) -> dict[str, object]:
    return {
        "encryption": sqs.QueueEncryption.KMS,
        "encryption_master_key": key,
        "data_key_reuse": cdk.Duration.hours(
            1
        ),  # each reuse saves a call to KMS, of which there would be one a message
        "enforce_ssl": True,
    }
