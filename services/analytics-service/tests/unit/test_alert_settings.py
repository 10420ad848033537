"""What settings say of alerts: overridden rules, and routes of notifications."""

import json
from collections.abc import Mapping

import pytest
from pydantic import ValidationError

from analytics_service.domain.alerts import Severity
from analytics_service.roles import alert_policy, alert_rules
from analytics_service.settings import Settings

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def _read(monkeypatch: pytest.MonkeyPatch, environment: Mapping[str, str]) -> Settings:
    monkeypatch.setenv("DATABASE_URL", "postgresql://almanac@localhost/analytics_service")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return Settings()


def test_all_rules_are_in_force_and_no_channel_is_set_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = _read(monkeypatch, {})
    assert len(alert_rules(settings)) > 30
    assert alert_policy(settings).routes == {Severity.CRITICAL: [], Severity.WARNING: []}


def test_rules_are_overridden_by_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    changes = {"QueueBacklog": {"threshold": 2000, "clears_at": 1000}, "CircuitOpen": {"enabled": False}}
    rules = {rule.name: rule for rule in alert_rules(_read(monkeypatch, {"ALERT_RULES": json.dumps(changes)}))}
    assert "CircuitOpen" not in rules
    assert (rules["QueueBacklog"].threshold, rules["QueueBacklog"].clears_at) == (2000, 1000)


def test_configured_channel_gets_the_alerts_routed_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = _read(
        monkeypatch,
        {
            "PAGERDUTY_ROUTING_KEY": "R0",
            "ALERT_EMAIL_FROM": "almanac@example.org",
            "ALERT_EMAIL_TO": "a@example.org, b@example.org",
            "ALERT_WEBHOOK_URL": "https://ops.example.org",
            "ALERT_WEBHOOK_SECRET": SECRET,
        },
    )
    assert settings.alert_email_to == ("a@example.org", "b@example.org")
    assert alert_policy(settings).routes == {
        Severity.CRITICAL: ["pagerduty", "email", "webhook"], Severity.WARNING: ["email", "webhook"],
    }  # fmt: skip
    routed = _read(monkeypatch, {"ALERT_ROUTES": '{"critical": ["pagerduty"], "warning": []}'})
    assert alert_policy(routed).routes == {Severity.CRITICAL: ["pagerduty"], Severity.WARNING: []}


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"ALERT_RULES": '{"Nonsense": {"threshold": 1}}'}, "there is no rule Nonsense"),
        ({"ALERT_RULES": '{"QueueBacklog": {"treshold": 1}}'}, "nothing of a rule is called treshold"),
        ({"ALERT_ROUTES": '{"critical": ["pigeon"]}'}, "pagerduty"),
        ({"ALERT_WEBHOOK_URL": "https://ops.example.org"}, "go together"),
        ({"ALERT_WEBHOOK_URL": "https://x.org", "ALERT_WEBHOOK_SECRET": "whsec_c2hvcnQ="}, "24 to 64 bytes"),
        ({"ALERT_WEBHOOK_URL": "https://x.org", "ALERT_WEBHOOK_SECRET": "whsec_§"}, "base64"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, environment: Mapping[str, str], said: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        _read(monkeypatch, environment)
    told = "; ".join(fault["msg"] for fault in refused.value.errors())  # all that the command line says
    assert said in told
    assert environment.get("ALERT_WEBHOOK_SECRET", "no secret") not in told
