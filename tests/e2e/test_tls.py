"""HTTPS as its users have it: our own command, a real gateway, and callers that are not ours."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx2
import pytest

from gateway.authority import Files, issue
from gateway.client import Client
from gateway.patience import Patience
from local.stack import Stack
from serving import serving

ROOT = Path(__file__).parent.parent.parent
EVERYWHERE = ".".join("0000")
Run = subprocess.CompletedProcess[str]
Call = Callable[[str, Path | None], Run]
NODE = """
require("https").get(process.argv[1], (answer) => {
  console.log(answer.statusCode)
  answer.resume()
}).on("error", (error) => { console.error(error.code); process.exit(1) })
"""
PYTHON = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1]).status)"
HTTPX = "import sys, httpx2; print(httpx2.get(sys.argv[1]).status_code)"


def run(*command: str, **env: str) -> Run:
    return subprocess.run(
        command, env=os.environ | env, capture_output=True, text=True, check=False, timeout=60
    )


def curl(url: str, authority: Path | None) -> Run:
    trust = ["--cacert", str(authority)] if authority else []
    return run("curl", "-sS", "-o", os.devnull, "-w", "%{http_code}", *trust, url)


def node(url: str, authority: Path | None) -> Run:
    return run("node", "-e", NODE, url, NODE_EXTRA_CA_CERTS=str(authority or ""))


def python(url: str, authority: Path | None) -> Run:
    return run(sys.executable, "-c", PYTHON, url, **trusting(authority))


def httpx(url: str, authority: Path | None) -> Run:
    return run(sys.executable, "-c", HTTPX, url, **trusting(authority))


def trusting(authority: Path | None) -> dict[str, str]:
    return {"SSL_CERT_FILE": str(authority)} if authority else {}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """What the command makes, in the folder of a gateway."""
    folder = tmp_path_factory.mktemp("tls")
    command = run(
        str(ROOT / "bin" / "wan22"), "certificate", "gpu.example.com", DATA_DIR=str(folder)
    )
    files = Files(folder / "tls")
    assert command.stdout == f"TLS_CERT={files.cert}\nTLS_KEY={files.key}\n", command.stderr
    assert "curl --cacert authority.pem https://gpu.example.com:8000/health" in command.stderr
    return files


@pytest.fixture(scope="module")
def gateway(made: Files) -> Iterator[Stack]:
    env = {"TLS_CERT": str(made.cert), "TLS_KEY": str(made.key)}
    with Stack(made.folder.parent, env=env, authority=made.authority) as stack:
        stack.up("gateway")
        yield stack


CALLERS = [curl, node, python, httpx]


@pytest.mark.parametrize("call", CALLERS)
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_callers_who_trust_our_authority_are_answered(
    gateway: Stack, made: Files, call: Call, host: str
) -> None:
    answer = call(f"https://{host}:{gateway.port}/health", made.authority)
    assert (answer.returncode, answer.stdout.strip()) == (0, "200"), answer.stderr


@pytest.mark.parametrize("call", CALLERS)
def test_callers_who_do_not_trust_it_hang_up(gateway: Stack, call: Call) -> None:
    answer = call(f"{gateway.url}/health", None)
    assert answer.returncode != 0
    assert complains(answer)


def complains(answer: Run) -> bool:
    """Tell whether it was about the certificate, and not about something else."""
    said = answer.stderr.lower().replace("_", " ")
    return "certificate" in said or "unable to verify leaf signature" in said


@pytest.mark.parametrize("call", CALLERS)
def test_a_stranger_with_our_name_is_refused(made: Files, tmp_path: Path, call: Call) -> None:
    stranger = Files(tmp_path)
    issue(stranger, ["gpu.example.com"], "here", datetime.now(UTC))
    with serving(Patience(), (stranger.cert, stranger.key)) as server:
        url = f"https://127.0.0.1:{server.port}/"
        answer = call(url, made.authority)
        assert answer.returncode != 0
        assert complains(answer)
        assert call(url, stranger.authority).stdout.strip() == "200"
    assert server.seen == ["/"]


def test_under_another_name_it_is_refused(gateway: Stack, made: Files) -> None:
    for name, code in (("gpu.example.com", 0), ("other.example.com", 60)):
        there = ["--resolve", f"{name}:{gateway.port}:127.0.0.1", f"https://{name}:{gateway.port}/"]
        answer = run("curl", "-sS", "--cacert", str(made.authority), *there)
        assert answer.returncode == code, answer.stderr


def test_our_own_client_sends_jobs_through_it(gateway: Stack) -> None:
    job = gateway.client.submit("a red circle moves right")
    assert gateway.client.status(job["job_id"])["status"] == "queued"
    with Client(gateway.url, gateway.key) as distrusting, pytest.raises(httpx2.ConnectError):
        distrusting.health()


def test_the_log_tells_where_it_listens(gateway: Stack) -> None:
    log = gateway.processes["gateway"].log.read_text()
    assert f'"url": "https://127.0.0.1:{gateway.port}", "event": "gateway.started"' in log
    assert "settings.doubted" not in log


def test_plain_http_to_its_port_is_told_what_to_do(gateway: Stack) -> None:
    answer = httpx2.get(f"http://127.0.0.1:{gateway.port}/health")
    assert (answer.status_code, answer.json()["code"]) == (400, "plain_http")
    assert f"use https://127.0.0.1:{gateway.port}" in answer.json()["detail"]


REFUSED = {
    "a public bind without TLS": ({"HOST": EVERYWHERE}, "HOST", "bin/wan22 certificate ADDRESS"),
    "a short key": (
        {"HOST": EVERYWHERE, "ALLOW_UNSAFE": "plain-http", "API_SECRET_KEY": "swordfish"},
        "API_SECRET_KEY",
        "openssl rand -hex 32",
    ),
}


@pytest.mark.parametrize(("env", "name", "advice"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_unsafe_ends_with_a_message_that_says_what_to_do(
    tmp_path: Path, env: dict[str, str], name: str, advice: str
) -> None:
    with Stack(tmp_path, env=env) as stack:
        running = stack.launch("gateway")
        assert running.wait_for_end() == 2
        told = running.tail().splitlines()
    assert [line.split()[0] for line in told] == [name]
    assert advice in told[0]
    assert "swordfish" not in told[0]


def test_a_weak_key_on_loopback_is_told_in_the_log(tmp_path: Path) -> None:
    with Stack(tmp_path, env={"API_SECRET_KEY": "swordfish"}) as stack:
        log = stack.up("gateway").log.read_text()
    assert '"event": "settings.doubted"' in log
    assert "swordfish" not in log
