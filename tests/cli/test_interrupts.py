import signal
import subprocess
import sys
import textwrap
import threading
import time

import pytest

from haarmony.cli import interrupts
from haarmony.cli.interrupts import interrupts_kept

SLOW = """
import time
def interrupt():
    import signal
    signal.raise_signal(signal.SIGINT)
try:
    interrupt()
    time.sleep(0.2)
except BaseException:  # as C code does, which clears what it does not expect
    pass
"""


@pytest.fixture
def slow(tmp_path, monkeypatch):
    """A module in whose import the user presses Ctrl-C, and which swallows what that raises."""
    (tmp_path / "slow_module.py").write_text(SLOW)
    monkeypatch.syspath_prepend(tmp_path)
    yield "slow_module"
    sys.modules.pop("slow_module", None)


def test_one_in_the_midst_of_an_import_is_raised_after_it(slow):
    def load_and_go_on():
        with interrupts_kept():
            __import__(slow)
            loaded.append(slow)
            time.sleep(60)

    loaded = []
    with pytest.raises(KeyboardInterrupt):
        load_and_go_on()
    assert loaded
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_import_that_hangs_is_broken_off(slow, tmp_path, monkeypatch):
    monkeypatch.setattr(interrupts, "_LOOKS", 2)
    (tmp_path / f"{slow}.py").write_text(
        "import signal, time\nsignal.raise_signal(signal.SIGINT)\ntime.sleep(60)"
    )
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt), interrupts_kept():
        __import__(slow)
    assert time.monotonic() - start < 30


def test_elsewhere_it_is_raised_at_once():
    with pytest.raises(KeyboardInterrupt), interrupts_kept():
        signal.raise_signal(signal.SIGINT)


def test_none_comes_once_the_work_is_done(slow):
    with interrupts_kept():
        __import__(slow)
    time.sleep(0.3)


@pytest.mark.parametrize("handler", [signal.SIG_IGN, lambda *_: None])
def test_the_callers_own_handler_stays(handler):
    before = signal.signal(signal.SIGINT, handler)
    try:
        with interrupts_kept():
            assert signal.getsignal(signal.SIGINT) is handler
        assert signal.getsignal(signal.SIGINT) is handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_another_thread_has_no_handler():
    def enter():
        with interrupts_kept():
            entered.append(True)

    entered = []
    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert entered == [True]


def test_a_command_that_is_interrupted_while_it_loads_ends_and_writes_nothing(here):
    code = """
    import importlib.abc, signal, sys
    from haarmony.cli.main import main

    class Finder(importlib.abc.MetaPathFinder):
        def find_spec(self, name, path, target=None):
            if name == "numpy._core.multiarray":  # where an interrupt is known to be lost
                sys.meta_path.remove(self)
                try:
                    signal.raise_signal(signal.SIGINT)
                except KeyboardInterrupt:
                    pass

    sys.meta_path.insert(0, Finder())
    sys.exit(main(["transfer", "day.png", "dusk.png", "-o", "out.png"]))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], cwd=here, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "haarmony: interrupted\n")
    assert not (here / "out.png").exists()
