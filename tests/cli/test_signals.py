"""The first signal asks, the second ends the process, and handlers are as before afterwards."""

import signal
import subprocess
import sys
import threading

import pytest

from interflow.cli.common import SIGNALS, stop_requests


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_signal_is_noted_and_told(number, capfd):
    with stop_requests() as request:
        assert not request
        signal.raise_signal(number)
        assert request.received == number
    assert "Stopping after this step" in capfd.readouterr().err


@pytest.mark.parametrize("number", SIGNALS)
def test_a_second_signal_leaves_at_once(number):
    program = (
        "import signal\nfrom interflow.cli.common import stop_requests\n"
        f"with stop_requests():\n    signal.raise_signal({int(number)})\n    print('asked', flush=True)\n"
        f"    signal.raise_signal({int(number)})\n    print('still here', flush=True)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (-number, "asked\n")


def test_handlers_are_as_they_were_even_after_an_error():
    before = [signal.getsignal(number) for number in SIGNALS]
    with stop_requests():
        assert [signal.getsignal(number) for number in SIGNALS] != before
    with pytest.raises(ZeroDivisionError), stop_requests():
        _ = 1 / 0
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_in_another_thread_nothing_is_handled():
    before = [signal.getsignal(number) for number in SIGNALS]
    during = []

    def run():
        with stop_requests():
            during.extend(signal.getsignal(number) for number in SIGNALS)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert during == before
