"""The recipients of alerts: Alertmanager's own tool reads the configuration and routes alerts by it."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from queries import OBSERVABILITY, rules

CONFIGURATION = OBSERVABILITY / "alertmanager" / "alertmanager.yaml"
AMTOOL = shutil.which("amtool")
needs_amtool = pytest.mark.skipif(AMTOOL is None, reason="`make system-packages` installs amtool")


def _amtool(*arguments: str) -> str:
    ran = subprocess.run([str(AMTOOL), *arguments], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


@needs_amtool
def test_alertmanager_can_read_it() -> None:
    assert "SUCCESS" in _amtool("check-config", str(CONFIGURATION))


@needs_amtool
@pytest.mark.parametrize(("severity", "receiver"), [("critical", "on-call"), ("warning", "team")])
def test_critical_alerts_page_and_warnings_are_written(severity: str, receiver: str) -> None:
    for name in [rule["alert"] for rule in rules() if rule.get("labels", {}).get("severity") == severity]:
        labels = [f"alertname={name}", f"severity={severity}", "job=event-service"]
        _amtool("config", "routes", "test", f"--config.file={CONFIGURATION}", f"--verify.receivers={receiver}", *labels)


def test_paging_is_pagerduty_and_writing_is_slack_and_mail() -> None:
    parsed = yaml.safe_load(CONFIGURATION.read_text())
    channels = {each["name"]: set(each) - {"name"} for each in parsed["receivers"]}
    assert channels == {"on-call": {"pagerduty_configs"}, "team": {"slack_configs", "email_configs"}}
    files = [
        parsed["global"]["slack_api_url_file"],
        parsed["global"]["smtp_auth_password_file"],
        parsed["receivers"][0]["pagerduty_configs"][0]["routing_key_file"],
    ]
    here = CONFIGURATION.parents[2] / "compose" / "alertmanager-secrets"
    assert {Path(file).name for file in files} == {each.name for each in here.iterdir()}


def test_every_recipient_gets_the_runbook_link() -> None:
    receivers = {each["name"]: each for each in yaml.safe_load(CONFIGURATION.read_text())["receivers"]}
    (page,), (slack,) = receivers["on-call"]["pagerduty_configs"], receivers["team"]["slack_configs"]
    annotation = ".Annotations.runbook_url }}"
    assert [annotation in each["href"] for each in page["links"]] == [True]
    assert annotation in slack["text"]
    assert all("runbook_url" in rule["annotations"] for rule in rules() if "alert" in rule)


def test_an_alert_silences_only_such_as_there_are() -> None:
    names = {rule["alert"] for rule in rules() if "alert" in rule}
    for rule in yaml.safe_load(CONFIGURATION.read_text())["inhibit_rules"]:
        for matcher in (*rule["source_matchers"], *rule["target_matchers"]):
            label, _, value = matcher.replace("=~", "=").partition("=")
            if label.strip() == "alertname":
                assert set(value.strip(' "').split("|")) <= names, matcher
