"""The settings of the three processes, as they are given now."""

from datetime import UTC, datetime

from gateway.listening import NEW_KEY, ListeningSettings
from gateway.strength import weakness
from jobstore import settings
from jobstore.errors import SettingsWrong
from jobstore.settings import ModelSettings, Settings
from local.doctor.finding import Finding, fail, ok, warn
from local.doctor.machine import Machine
from runner.deliver.settings import DeliverSettings

KINDS: dict[str, type[Settings]] = {
    "gateway": ListeningSettings,
    "render": ModelSettings,
    "deliver": DeliverSettings,
}


def readable(machine: Machine) -> Finding:
    """Read them as each process would, and tell every fault."""
    faults: dict[str, list[str]] = {}
    for name, kind in KINDS.items():
        try:
            settings.read(kind)
        except SettingsWrong as error:
            for fault in error.faults:
                faults.setdefault(fault, []).append(name)
    if faults:
        told = "; ".join(f"{fault} ({', '.join(names)})" for fault, names in faults.items())
        return fail(told, f"mend {machine.environment.get('DATA_DIR') or '/data'}/.env")
    return ok("those of gateway, render and deliver can be read")


def key(_machine: Machine) -> Finding:
    """Look whether API_SECRET_KEY can be guessed, and whether somebody could try."""
    given = settings.read(ListeningSettings)
    weak = weakness(given.api_secret_key.get_secret_value())
    if weak:
        where = "others can reach the gateway" if given.public else "on loopback, so far"
        return warn(f"API_SECRET_KEY {weak}; {where}", NEW_KEY)
    return ok("API_SECRET_KEY is strong")


def doubts(_machine: Machine) -> Finding:
    """Tell what else the gateway would only do with a warning."""
    given = settings.read(ListeningSettings)
    doubted = [doubt for doubt in given.doubts(datetime.now(UTC)) if "API_SECRET" not in doubt]
    if doubted:
        return warn("; ".join(doubted), "set TLS_CERT and TLS_KEY: bin/wan22 certificate ADDRESS")
    return ok(f"listens on {given.host}, {'HTTPS' if given.tls_cert else 'plain HTTP'}")
