"""Ctrl-C while modules are imported, when it would be lost.

While the C code of torch and numpy is loaded, it clears or renames what an interrupt raises, or aborts: the
command goes on, or fails with an error that nobody understands. So an interrupt waits until no module is
imported.
"""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread, current_thread, main_thread
from time import sleep
from types import FrameType
from typing import Final, cast

_IMPORT: Final = "<frozen importlib._bootstrap>"
_PAUSE: Final = 0.005
_LOOKS: Final = 4000
"""Pauses that an import is waited for; one that takes longer hangs."""


@contextmanager
def interrupts_kept() -> Iterator[None]:
    """Raise an interrupt from the keyboard only while no import is under way.

    Where interrupts are ignored, as in the background of a shell, or the caller's own affair, and in any
    thread but the main one, all stays as it is.
    """
    if current_thread() is not main_thread() or signal.getsignal(signal.SIGINT) != signal.default_int_handler:
        yield
        return
    handler = _Patient()
    signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        handler.is_needed = False
        signal.signal(signal.SIGINT, signal.default_int_handler)


class _Patient:
    """A handler that is called again once the import is over."""

    is_needed = True
    _waits = False
    _hangs = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self._hangs or not _is_importing(frame):
            raise KeyboardInterrupt
        if not self._waits:
            self._waits = True
            Thread(target=self._wait, daemon=True).start()

    def _wait(self) -> None:
        main = cast(int, main_thread().ident)
        for _ in range(_LOOKS):
            sleep(_PAUSE)
            if not _is_importing(sys._current_frames().get(main)):
                break
        else:
            self._hangs = True
        self._waits = False
        if self.is_needed:
            signal.pthread_kill(main, signal.SIGINT)


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename == _IMPORT:
            return True
        frame = frame.f_back
    return False
