"""How often a client may ask, and how long wrong keys have to wait; kept by each process."""

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from data.errors import ConfigurationError, TooMany

Clock = Callable[[], float]
THRESHOLD = 10  # wrong keys that are answered at once
LONGEST_WAIT = 900.0  # seconds
FORGOTTEN = 3_600.0  # seconds after the last wrong key
MOST_SUBJECTS = 10_000


class Rate:
    """A moving window for each client.

    Args:
        text: such as 1000/second or 5000/minute.

    Raises:
        ConfigurationError: the text is no rate.
    """

    def __init__(self, text: str) -> None:
        try:
            self._item: RateLimitItem = parse(text)
        except ValueError:
            raise ConfigurationError(
                f"ZHIKE_RATE_LIMIT {text!r} is no rate; write one like 1000/second."
            ) from None
        self._window = MovingWindowRateLimiter(MemoryStorage())

    def count(self, client: str) -> None:
        """Count a request.

        Raises:
            TooMany: the client has asked as often as it may.
        """
        if not self._window.hit(self._item, client):
            free = self._window.get_window_stats(self._item, client).reset_time
            raise TooMany(
                "this client asks too often; wait as Retry-After says.",
                max(1, math.ceil(free - time.time())),
            )


@dataclass
class _Tries:
    wrong: int = 0
    last: float = 0.0
    until: float = 0.0


class Lockout:
    """Wrong keys by subject (an address, a key): after some, each doubles the wait."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._tries: dict[str, _Tries] = {}
        self._lock = threading.Lock()

    def check(self, subjects: list[str]) -> None:
        """Let through whoever need not wait.

        Raises:
            TooMany: one of the subjects has to.
        """
        now = self._clock()
        with self._lock:
            until = max((self._tries[s].until for s in subjects if s in self._tries), default=0.0)
        if until > now:
            raise TooMany("too many wrong keys; wait as Retry-After says.", math.ceil(until - now))

    def failed(self, subject: str) -> int:
        """Count a wrong key; returns how many there were."""
        now = self._clock()
        with self._lock:
            tries = self._tries.pop(subject, _Tries())
            if now - tries.last > FORGOTTEN:
                tries = _Tries()
            tries.wrong, tries.last = tries.wrong + 1, now
            if tries.wrong >= THRESHOLD:
                tries.until = now + min(2.0 ** min(tries.wrong - THRESHOLD, 20), LONGEST_WAIT)
            self._tries[subject] = tries
            if len(self._tries) > MOST_SUBJECTS:
                del self._tries[next(iter(self._tries))]
            return tries.wrong
