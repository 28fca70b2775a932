"""The rules for Prometheus are sound, as its own program sees it, and each alert comes and goes."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent
RULES = ROOT / "bin" / "prometheus" / "wan22.rules.yml"
TEXT = RULES.read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
HOURS = 60  # samples, one a minute
Series = dict[str, str]

DISK = "wan22_disk_free_bytes"
DELIVER = 'stage="deliver", instance="a"'
PHASE = 'wan22_phase_seconds_total{phase="denoising", instance="a"}'
QUEUED = 'wan22_jobs{state="queued", instance="a"}'
FAILED = 'wan22_jobs{state="failed", instance="a"}'
COMPLETED = 'wan22_jobs{state="completed", instance="a"}'
USED, TOTAL = 'wan22_gpu_memory_used_bytes{instance="a"}', 'wan22_gpu_memory_bytes{instance="a"}'
OWED = 'wan22_outbox_owed{failed="yes", instance="a"}'
ENDS = 'wan22_credentials_end_timestamp_seconds{instance="a"}'

ALERTS: dict[str, tuple[Series, Series]] = {
    "Wan22Silent": ({}, {f'{DISK}{{instance="a"}}': "1e11"}),
    "Wan22StageDown": (
        {f"wan22_stage_up{{{DELIVER}}}": "0"},
        {f"wan22_stage_up{{{DELIVER}}}": "1"},
    ),
    "Wan22StageUnready": (
        {f"wan22_stage_up{{{DELIVER}}}": "1", f"wan22_stage_ready{{{DELIVER}}}": "0"},
        {f"wan22_stage_up{{{DELIVER}}}": "0", f"wan22_stage_ready{{{DELIVER}}}": "0"},
    ),
    "Wan22StorageRefused": (
        {f'wan22_stage_state{{{DELIVER}, state="storage_refused"}}': "1"},
        {f'wan22_stage_state{{{DELIVER}, state="storage_away"}}': "1"},
    ),
    "Wan22DeliveriesFail": ({OWED: "3"}, {OWED: "0", OWED.replace("yes", "no"): "3"}),
    "Wan22QueueOld": (
        {'wan22_queue_age_seconds{instance="a"}': "20000"},
        {'wan22_queue_age_seconds{instance="a"}': "7200"},
    ),
    "Wan22RenderStalled": ({PHASE: "500", QUEUED: "2"}, {PHASE: "500", QUEUED: "0"}),
    "Wan22JobsFail": ({FAILED: "4", COMPLETED: "6"}, {FAILED: "2", COMPLETED: "1"}),
    "Wan22DiskLow": ({f'{DISK}{{instance="a"}}': "5e9"}, {f'{DISK}{{instance="a"}}': "7e9"}),
    "Wan22CredentialsEnded": ({ENDS: "60"}, {ENDS: "1e6"}),
    "Wan22WebhooksDead": (
        {'wan22_webhooks_dead{instance="a"}': "0+0.1"},
        {'wan22_webhooks_dead{instance="a"}': "3"},
    ),
    "Wan22CardMemoryFull": ({USED: "99", TOTAL: "100"}, {USED: "90", TOTAL: "100"}),
    "Wan22CardHot": (
        {'wan22_gpu_temperature_celsius{instance="a"}': "90"},
        {'wan22_gpu_temperature_celsius{instance="a"}': "70"},
    ),
}


def promtool(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["promtool", *words], capture_output=True, text=True, check=False)


def samples(value: str, hours: int) -> str:
    """Write a value as it is for some hours, or as it grows each minute."""
    return f"{value}x{hours * HOURS}" if "+" in value else f"{value}+0x{hours * HOURS}"


def group(series: Series, hours: int, **expected: Any) -> dict[str, Any]:
    """Write one test as promtool reads it: YAML, of which JSON is a part."""
    given = [{"series": name, "values": samples(value, hours)} for name, value in series.items()]
    return {"interval": "1m", "input_series": given, **expected}


def run(tmp_path: Path, *groups: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    file = tmp_path / "tests.yml"
    file.write_text(json.dumps({"rule_files": [str(RULES)], "tests": groups}))
    return promtool("test", "rules", str(file))


def fires(tmp_path: Path, alert: str, series: Series) -> bool:
    """Tell whether an alert fires after five hours: nothing is expected, and promtool says what."""
    nothing = [{"eval_time": "5h", "alertname": alert, "exp_alerts": []}]
    ran = run(tmp_path, group(series, 6, alert_rule_test=nothing))
    assert ran.returncode == 0 or f'alertname="{alert}"' in ran.stderr + ran.stdout, ran.stderr
    return ran.returncode != 0


def test_the_file_is_sound() -> None:
    checked = promtool("check", "rules", str(RULES))
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_how_prometheus_comes_to_read_it_is_sound(tmp_path: Path) -> None:
    """The lines at the top of the file, with files that are there."""
    lines = [line.removeprefix("#").removeprefix(" ") for line in TEXT.splitlines()]
    begins = lines.index("  scrape_configs:")
    config = "\n".join(line[2:] for line in lines[begins : lines.index("", begins)])
    for name in ("wan22.key", "authority.pem"):
        (tmp_path / name).touch()
    config = config.replace("/etc/prometheus", str(tmp_path))
    file = tmp_path / "prometheus.yml"
    file.write_text(f"rule_files: [{RULES}]\n{config}\n")
    checked = promtool("check", "config", str(file))
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "1 rule files found" in checked.stdout


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_comes_with_its_reason_and_not_without(tmp_path: Path, alert: str) -> None:
    wrong, right = ALERTS[alert]
    assert fires(tmp_path, alert, wrong)
    assert not fires(tmp_path, alert, right)


def test_every_alert_is_tried_and_says_what_to_do() -> None:
    assert set(re.findall(r"- alert: (\w+)", TEXT)) == set(ALERTS)
    for word in ("summary", "action", "severity"):
        assert TEXT.count(f"{word}:") == len(ALERTS)


def test_figures_are_recorded(tmp_path: Path) -> None:
    busy = [
        {
            "eval_time": "2h",
            "expr": "wan22:rendering:ratio1h",
            "exp_samples": [{"labels": 'wan22:rendering:ratio1h{instance="a"}', "value": 0.5}],
        }
    ]
    ran = run(tmp_path, group({PHASE: "0+30"}, 3, promql_expr_test=busy))
    assert ran.returncode == 0, ran.stderr


def test_the_rules_ask_for_metrics_that_there_are() -> None:
    code = "\n".join(line for line in TEXT.splitlines() if not line.startswith("#"))
    asked = set(re.findall(r"\bwan22_\w+", code))
    table = README.partition("### Figures for Prometheus\n")[2].partition("\n## ")[0]
    told = set(re.findall(r"`(wan22_\w+)`", table))
    assert asked <= told, asked - told
    assert len(asked) > len(told) / 2
