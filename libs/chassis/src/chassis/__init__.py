"""What every service needs and no business noun (docs/architecture.md#layers).

Packages, none of which imports one before it: ``service``, ``api``, ``imports``, ``messaging``, ``database``, then
``core`` and ``telemetry``.
"""
