"""The graphics card as its driver sees it, for whoever watches; the only file that knows NVML.

`python -m runner.render.card` writes as JSON what torch and the driver say of each other.
"""

import json
import sys

import pynvml
import torch
from structlog.stdlib import get_logger

log = get_logger()

Figures = dict[str, float]


class Card:
    """The card that is rendered on, if there is one."""

    def __init__(self) -> None:
        """Find it by the name that CUDA has for it, since their numbers may differ."""
        self._handle = None
        if torch.cuda.is_available():
            uuid = f"GPU-{torch.cuda.get_device_properties(0).uuid}"
            try:
                pynvml.nvmlInit()
                self._handle = pynvml.nvmlDeviceGetHandleByUUID(uuid)
            except pynvml.NVMLError as error:
                log.warning("card.unseen", error=str(error))

    def figures(self) -> Figures | None:
        """Read memory (bytes), use (0 to 1) and temperature (Celsius); None where nothing is seen.

        Memory is that of all processes. It was never run on a card.

        Source:
            NVML API reference: nvmlDeviceGetMemoryInfo (bytes), nvmlDeviceGetUtilizationRates
            (percent of the last sample period), nvmlDeviceGetTemperature (Celsius).
        """
        if self._handle is None:
            return None
        try:
            memory = pynvml.nvmlDeviceGetMemoryInfo(self._handle)
            busy = pynvml.nvmlDeviceGetUtilizationRates(self._handle).gpu
            sensor = pynvml.NVML_TEMPERATURE_GPU
            celsius = pynvml.nvmlDeviceGetTemperature(self._handle, sensor)
        except pynvml.NVMLError as error:
            log.warning("card.unseen", error=str(error))
            return None
        return {
            "memory_used_bytes": float(memory.used),
            "memory_bytes": float(memory.total),
            "utilization_ratio": busy / 100,
            "temperature_celsius": float(celsius),
        }


def seen() -> dict[str, object]:
    """Tell what torch was built for, and what the driver has; never run on a card.

    Source:
        NVML API reference: nvmlSystemGetCudaDriverVersion_v2 is 1000 times the major version and
        10 times the minor one.
    """
    facts: dict[str, object] = {
        "torch": torch.__version__,
        "built_for": torch.version.cuda,
        "usable": torch.cuda.is_available(),
    }
    try:
        pynvml.nvmlInit()
        facts["driver"] = pynvml.nvmlSystemGetDriverVersion()
        cuda = pynvml.nvmlSystemGetCudaDriverVersion_v2()
        facts["driver_cuda"] = f"{cuda // 1000}.{cuda % 1000 // 10}"
        handle = pynvml.nvmlDeviceGetHandleByIndex(0)
        memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
        facts |= {
            "name": pynvml.nvmlDeviceGetName(handle),
            "memory_bytes": memory.total,
            "free_bytes": memory.free,
        }
    except pynvml.NVMLError as error:
        facts["unseen"] = str(error)
    return facts


if __name__ == "__main__":
    sys.stdout.write(f"{json.dumps(seen())}\n")
