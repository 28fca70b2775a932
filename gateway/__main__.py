"""`python -m gateway`: REST on HOST and PORT."""

import signal
import sys
from datetime import UTC, datetime

from structlog.stdlib import get_logger

from gateway import app
from gateway.addresses import listen
from gateway.intake.intake import Intake
from gateway.listening import ListeningSettings
from gateway.parts import Parts
from gateway.presence import Presence
from gateway.pulse import Pulse
from gateway.server import Server
from gateway.tls import context_of
from jobstore import process, settings
from jobstore.fetch import Fetcher
from jobstore.notify import Notify
from jobstore.objects import Objects
from jobstore.owner import Owner
from jobstore.reach import Reach
from jobstore.store import Store

log = get_logger()

# How long a thread that computes may keep the others from it: with the usual 5 ms, whoever comes
# back from a query may wait longer than it took (jobs are taken in 6 to 12 % more often with less).
TURN_S = 0.0005


def serve() -> int:
    """Read the settings, open what is needed, and serve until told to stop.

    uvicorn takes the signals while it runs, and raises them once more after its orderly end: they
    come to our handler then, as they do before it runs.
    """
    sys.setswitchinterval(TURN_S)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    given = settings.read(ListeningSettings)
    for reason in given.doubts(datetime.now(UTC)):
        log.warning("settings.doubted", reason=reason)
    tls = context_of(given.tls_cert, given.tls_key) if given.tls_cert and given.tls_key else None
    listeners = listen(given.host, given.port, public=given.public)
    owner = Owner.join(given.work)  # so that others can tell that a gateway is here
    store = Store.open(given.store_url, given.wake)
    fetcher = Fetcher(Reach.over(http=given.image_url_http))
    parts = Parts(given, given.abilities(), store, Objects.wanted(given), fetcher)
    # Parts of its own: rooms belong to one event loop.
    intake = Intake(Parts(given, parts.abilities, store, parts.objects, fetcher), given.inputs)
    presence = Presence(parts, owner)
    intake.start()
    presence.start()
    try:
        pulse = Pulse(Notify(), intake.turn)
        Server(app.build(parts), listeners, parts.changes, tls).with_pulse(pulse).run()
    finally:
        presence.stop()
        intake.stop()
        store.close()
        owner.leave()
        log.info("gateway.stopped")
    return 0


if __name__ == "__main__":
    sys.exit(process.run("gateway", serve))
