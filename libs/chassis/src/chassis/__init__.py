"""What every service needs and no business noun (docs/architecture.md#layers).

Rooms: ``service`` (a service's definition and command line), ``runtime``, ``settings``, ``lifecycle``, ``clock``,
``zones``, ``database`` and ``migrations``, ``outbox``, ``inbox``, ``dead_letters``, ``messaging`` (SNS and SQS),
``telemetry``, ``api``.
"""
