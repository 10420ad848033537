"""Alerts about processes: those of Almanac, their pods, and what exports or carries for them."""

from typing import Final

from contracts.alerts.alert import MINUTE, Alert, Severity

COMPONENTS: Final = (
    "user-(api|relay)"
    "|event-(api|scheduler|consumer|relay|maintenance)"
    "|delivery-(api|worker-(critical|high|normal|low)|relay)"
    "|analytics-(api|consumer|alerter|console)"
)
"""The Deployments of the chart without the release's name: another application's ``billing-user-api`` is not among
them."""
JOBS: Final = "(user|event|delivery|analytics)-service|console"


def _late_loops(component: str) -> str:
    """How often the event loops of a component were more than a second late in a minute."""
    lag = "almanac_event_loop_lag_seconds"
    return (
        f'sum(increase({lag}_count{{$own, component="{component}"}}[1m]))\n'
        f'  - sum(increase({lag}_bucket{{$own, component="{component}", le="1.0"}}[1m])) > $threshold'
    )


PROCESSES: Final = (
    Alert(
        name="ServiceDown",
        severity=Severity.CRITICAL,
        meaning="A service does not answer.",
        summary="{service} does not answer",
        for_seconds=20,
        evaluated=True,
        clear_seconds=20,
    ),
    Alert(
        name="BusDown",
        severity=Severity.CRITICAL,
        meaning="SNS and SQS do not answer a service.",
        summary="{service} cannot reach SNS and SQS",
        for_seconds=30,
        evaluated=True,
        clear_seconds=30,
    ),
    Alert(
        name="WorkerStalled",
        severity=Severity.CRITICAL,
        meaning="How often the event loops of critical workers are a second late, in a minute.",
        summary="The event loops of critical workers were a second late {value:.0f} times in a minute",
        threshold=10,
        for_seconds=MINUTE,
        promql=_late_loops("delivery-worker-critical"),
    ),
    Alert(
        name="SchedulerStalled",
        severity=Severity.CRITICAL,
        meaning="How often the event loops of schedulers are a second late, in a minute.",
        summary="The event loops of schedulers were a second late {value:.0f} times in a minute",
        threshold=0,
        for_seconds=MINUTE,
        promql=_late_loops("event-scheduler"),
    ),
    Alert(
        name="RoleDown",
        severity=Severity.CRITICAL,
        meaning="No process of a role answers, or it has no pods.",
        summary="No process of {component} answers",
        for_seconds=5 * MINUTE,
        promql=f"""
sum by (job, component) (up{{$own, job=~"{JOBS}"}}) == 0
or
label_replace(
  kube_deployment_status_replicas{{namespace="$namespace", deployment=~"$release-({COMPONENTS})"}},
  "component", "$1", "deployment", "$release-(.*)") == 0
""",
    ),
    Alert(
        name="ExporterDown",
        severity=Severity.WARNING,
        meaning="An exporter that other alerts depend on does not answer.",
        summary="{service} does not answer: alerts by its metrics cannot fire",
        for_seconds=5 * MINUTE,
        promql="""
up{$own, job=~".*(postgres|cloudwatch)-exporter.*|collector"} == 0
or
max by (job) (up{job=~"(.*-)?kube-state-metrics"}) == 0
""",
    ),
    Alert(
        name="PodsRestart",
        severity=Severity.WARNING,
        meaning="Restarts of a pod in 15 minutes.",
        summary="{pod} was restarted {value:.0f} times in 15 minutes",
        threshold=2,
        promql=f"""
sum by (pod) (
  increase(kube_pod_container_status_restarts_total{{namespace="$namespace", pod=~"$release-({COMPONENTS})-.+"}}[15m])
) > $threshold
""",
    ),
    Alert(
        name="ScaledToCeiling",
        severity=Severity.WARNING,
        meaning="A component that may scale has been at its maximum of pods.",
        summary="{horizontalpodautoscaler} has been at its maximum of pods for 15 minutes",
        for_seconds=15 * MINUTE,
        # Where minimum and maximum are the same there is nothing to scale.
        promql=f"""
kube_horizontalpodautoscaler_status_desired_replicas{{
    namespace="$namespace", horizontalpodautoscaler=~"(keda-hpa-)?$release-({COMPONENTS})"}}
  >= on (namespace, horizontalpodautoscaler) kube_horizontalpodautoscaler_spec_max_replicas
  > on (namespace, horizontalpodautoscaler) kube_horizontalpodautoscaler_spec_min_replicas
""",
    ),
)

AWS: Final = (
    Alert(
        name="BusUndelivered",
        severity=Severity.WARNING,
        meaning="Messages that SNS could not deliver to a queue, in a minute.",
        summary="SNS could not deliver {value:.0f} messages",
        threshold=0,
        for_seconds=5 * MINUTE,
        cloudwatch=True,
    ),
    Alert(
        name="ArchiveUndelivered",
        severity=Severity.WARNING,
        meaning="Messages that did not reach the archive's streams.",
        summary="{value:.0f} messages did not reach the archive's streams",
        threshold=0,
        for_seconds=MINUTE,
        cloudwatch=True,
    ),
    Alert(
        name="ArchiveLate",
        severity=Severity.WARNING,
        meaning="Seconds that the archive in S3 is behind.",
        summary="The archive is {value:.0f} s behind",
        threshold=900,
        for_seconds=5 * MINUTE,
        cloudwatch=True,
    ),
    Alert(
        name="NatPortsExhausted",
        severity=Severity.WARNING,
        meaning="Connections to webhooks for which the NAT gateway had no port, in a minute.",
        summary="The NAT gateway had no port for {value:.0f} connections",
        threshold=0,
        for_seconds=5 * MINUTE,
        cloudwatch=True,
    ),
)
