"""Logging: one JSON object per line on stdout, or a readable console on a terminal.

Everything goes the same way: our own events, the libraries' loggers and Python's warnings.
"""

import logging
import sys
from typing import TextIO

import structlog
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import Processor

# What the libraries say below this level is about themselves, not about a job.
LIBRARIES_LEVEL = logging.WARNING
QUIET = ("uvicorn", "watchfiles", "apscheduler", "boto3", "botocore", "urllib3", "PIL", "httpx2")


def configure(stage: str, stream: TextIO = sys.stdout) -> None:
    """Send everything this process says to `stream`, each line with the name of its stage."""

    def name_the_stage(
        _logger: object, _method: str, event: structlog.typing.EventDict
    ) -> structlog.typing.EventDict:
        event["stage"] = stage
        return event

    shared: list[Processor] = [
        name_the_stage,
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, name_the_library],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *rendering(stream),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    for name in QUIET:
        logging.getLogger(name).setLevel(LIBRARIES_LEVEL)
    logging.captureWarnings(capture=True)


def rendering(stream: TextIO) -> list[Processor]:
    """Choose the last processors: for people on a terminal, for programs elsewhere.

    Tracebacks come without the values of variables, among which are prompts and secrets.
    """
    if stream.isatty():
        plain = structlog.dev.plain_traceback
        return [structlog.dev.ConsoleRenderer(exception_formatter=plain)]
    without_locals = ExceptionDictTransformer(show_locals=False)
    return [
        structlog.processors.ExceptionRenderer(without_locals),
        structlog.processors.JSONRenderer(),
    ]


def name_the_library(
    _logger: object, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Make an event of a library's line: its words in `message`, its logger in `library`."""
    event["message"] = event["event"]
    event["event"] = "library.spoke"
    record = event.get("_record")
    event["library"] = record.name if record else "unknown"
    return event
