"""What SIGINT (Ctrl-C) and SIGTERM do to a run: the first ends it after the step, a second one at once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)
NOTICE = b"\nStopping after this step, and saving. A second signal (Ctrl-C) leaves at once.\n"


@dataclass
class StopRequest:
    """Whether a signal has asked for an end, and which one."""

    received: signal.Signals | None = None

    def __bool__(self) -> bool:
        return self.received is not None

    def take(self, number: int, frame: FrameType | None) -> None:
        """Note the first signal; end the process by the second, as if it were not handled."""
        if self.received is not None:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        self.received = signal.Signals(number)
        os.write(2, NOTICE)  # print() may be what the signal interrupts


@contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Handle signals in the block, if it runs in the main thread; their handlers are then as they were."""
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    before = {number: signal.signal(number, request.take) for number in SIGNALS}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
