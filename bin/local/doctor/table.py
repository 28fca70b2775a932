"""Every check, from the ground up: the machine, the settings, what it talks to, the service."""

from collections.abc import Callable
from dataclasses import dataclass

from local.doctor.card import card, torch
from local.doctor.disk import room, speed
from local.doctor.dotenv import dotenv
from local.doctor.finding import Finding
from local.doctor.folders import folders
from local.doctor.given import doubts, key, readable
from local.doctor.instance import instance, offered
from local.doctor.listening import certificate, https, port
from local.doctor.machine import Machine
from local.doctor.memory import memory
from local.doctor.python import python
from local.doctor.service import clip, service
from local.doctor.storage import bucket, clock, credentials, region
from local.doctor.store import store
from local.doctor.units import active, installed
from local.doctor.weights import weights


@dataclass(frozen=True)
class Check:
    """One check: what it is called, who looks, and how long that may take.

    `deep`: it is left out unless somebody asks for it.
    """

    name: str
    look: Callable[[Machine], Finding]
    patience_s: float = 30
    deep: bool = False


HOUR_S = 3600.0

CHECKS = (
    Check("python", python),
    Check("torch", torch, 90),
    Check("card", card, 90),
    Check("memory", memory),
    Check("room", room),
    Check("disk", speed),
    Check("folders", folders),
    Check("env", dotenv),
    Check("settings", readable),
    Check("key", key),
    Check("listening", doubts),
    Check("weights", weights, HOUR_S),
    Check("store", store, HOUR_S),
    Check("instance", instance),
    Check("offered", offered),
    Check("credentials", credentials),
    Check("clock", clock),
    Check("region", region),
    Check("bucket", bucket, 90),
    Check("port", port),
    Check("certificate", certificate),
    Check("https", https),
    Check("units", installed),
    Check("active", active),
    Check("service", service),
    Check("clip", clip, HOUR_S, deep=True),
)
