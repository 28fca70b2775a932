"""Counts for how long nobody needs the machine, warns, and then has it stopped."""

import time
from collections.abc import Callable, Iterator, Mapping

from structlog.stdlib import get_logger

from jobstore import idleness
from jobstore.clock import now_ms, text
from jobstore.idleness import Idleness
from runner.idle.dangers import DANGERS
from runner.idle.signs import Signs

log = get_logger()

BEAT_LOOK_S = 0.2
BEATS_AWAITED = 2

Warn = Callable[[str, int, int, int], Mapping[str, object]]


class Watch:
    """One look a minute; what was found lies in a file between two of them."""

    def __init__(
        self,
        signs: Signs,
        dangers: Callable[[], Iterator[str]],
        warn: Warn,
        clock: Callable[[], int] = now_ms,
    ) -> None:
        """Go by the signs of a machine.

        Args:
            signs: that somebody needs it.
            dangers: what speaks against powering it off, in words of `DANGERS`.
            warn: tells whoever wants to know, and answers what came of it.
            clock: the time; asked again before the machine stops, since that look takes a while.
        """
        self._signs = signs
        self._settings = signs.settings
        self._dangers = dangers
        self._warn = warn
        self._clock = clock

    def look(self) -> bool:
        """Look once; True: nobody needs the machine, that was told, and it is to be stopped now.

        Raises:
            StoreUnavailable: nothing is known, and nothing changed.
        """
        now, work = self._clock(), self._settings.work
        was = idleness.read(work)
        if was is None or not was.is_followed(now):
            was = Idleness(since=now, seen_at=now)
        signs = self._signs.at(now)
        if signs:
            return self._go_on(was, signs, now)
        idle = was.model_copy(update={"seen_at": now})
        if was.stops_at is not None and now >= was.stops_at:
            return self._stop(idle)
        if was.stops_at is None and now - was.since >= self._signs.stop_ms:
            idle = self._decide(idle, now)
        idleness.write(work, idle)
        return False

    def _go_on(self, was: Idleness, signs: list[str], now: int) -> bool:
        """Begin to count anew: somebody needs the machine."""
        if was.stops_at is not None:
            log.info("machine.kept", reasons=signs)
        idleness.write(self._settings.work, Idleness(since=now, seen_at=now))
        return False

    def _decide(self, idle: Idleness, now: int) -> Idleness:
        """Nobody has needed it for long enough: say when it stops, or once why it does not."""
        danger = self._danger()
        if danger:
            if danger != idle.refused:
                log.error("stop.refused", code=danger, reason=DANGERS[danger])
            return idle.model_copy(update={"refused": danger})
        stops_at = now + int(self._settings.idle_warn_s * 1000)
        decided = idle.model_copy(update={"stops_at": stops_at, "refused": None})
        idleness.write(self._settings.work, decided)  # before it is told: that happens once
        told = self._warn(self._signs.host, idle.since, stops_at, now)
        log.info("machine.idle", since=text(idle.since), stops_at=text(stops_at), **told)
        return decided

    def _stop(self, idle: Idleness) -> bool:
        """Look at everything once more, at what the gateway knows by a beat of now."""
        self._await_beat()
        now = self._clock()
        signs = self._signs.at(now) or [danger for danger in [self._danger()] if danger]
        if signs:
            return self._go_on(idle, signs, now)
        # Should the machine not stop, or be started again, counting begins anew.
        idleness.write(self._settings.work, Idleness(since=now, seen_at=now))
        log.info("machine.stopped", since=text(idle.since))
        return True

    def _danger(self) -> str | None:
        allowed = self._settings.idle_allow.split(",")
        return next((danger for danger in self._dangers() if danger not in allowed), None)

    def _await_beat(self) -> None:
        """Wait until the gateway has told anew whom it serves; one that does not beat serves none.

        It tells at each heartbeat alone, and whoever came since would be cut off.
        """
        asked_at, patience_s = self._clock(), BEATS_AWAITED * self._settings.heartbeat_s
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline and self._is_behind(asked_at):
            time.sleep(BEAT_LOOK_S)

    def _is_behind(self, since: int) -> bool:
        """Tell whether the gateway of this machine lives and has not beaten since."""
        living = self._signs.living("gateway", self._clock())
        return any(stage.beat_at < since for stage in living)
