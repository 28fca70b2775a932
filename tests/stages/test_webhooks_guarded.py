"""Webhooks go nowhere but where they may, whatever a URL says and a name means by then."""

from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from jobstore.names import Names
from receiver import LOOPBACK, Receiver
from telling import Teller


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("https://10.0.0.1/", "address"),
        ("https://127.0.0.1/", "address"),
        ("https://169.254.169.254/latest/meta-data", "address"),
        ("https://[::1]/", "address"),
        ("http://127.0.0.1:PORT/", "port"),
        ("https://127.0.0.1:PORT/", "port"),
        ("http://hooks.example/", "port"),
        ("ftp://hooks.example/", "scheme"),
        ("https://user@hooks.example/", "url"),
    ],
)
def test_what_is_not_allowed_is_not_connected_to(
    teller: Callable[..., Teller], receiver: Receiver, url: str, reason: str
) -> None:
    """Also if it was, when the job was accepted; the caller is not told why, the log is."""
    ours = teller()
    job_id = ours.end(url.replace("PORT", str(receiver.port)))
    with capture_logs() as logs:
        assert ours.tell()
    (line,) = logs
    assert (line["event"], line["reason"]) == ("webhook.postponed", reason)
    assert ours.row(job_id)["error"] == "The receiver could not be reached."
    assert receiver.received == []


@pytest.mark.parametrize(
    "addresses",
    [["127.0.0.1"], ["10.0.0.1"], ["169.254.169.254"], ["fd00::1"], ["93.184.216.34", "10.0.0.1"]],
)
def test_a_name_that_leads_inside_is_not_connected_to(
    teller: Callable[..., Teller], addresses: list[str]
) -> None:
    ours = teller(names=Names(lambda _: addresses))
    ours.end("https://hooks.example/")
    with capture_logs() as logs:
        assert ours.tell()
    assert [line["reason"] for line in logs] == ["address"]


def test_plain_http_goes_to_networks_of_our_own_alone(
    teller: Callable[..., Teller], receiver: Receiver
) -> None:
    """A name may lead there; the same name, leading elsewhere, gets nothing."""
    addresses = [LOOPBACK]
    ours = teller(receiver.allow, names=Names(lambda _: addresses))
    url = f"http://hooks.example:{receiver.port}/"
    ours.end(url)
    assert ours.tell()
    assert len(receiver.received) == 1
    addresses[:] = ["93.184.216.34"]
    ours.end(url)
    with capture_logs() as logs:
        assert ours.tell()
    assert [line["reason"] for line in logs] == ["address"]
