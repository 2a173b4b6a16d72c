import io
import sys

import pytest

from interflow import Euler
from interflow.reporters import progress_bar
from tests.flows import torus_system


def run(progress, monkeypatch, terminal):
    class Stream(io.StringIO):
        def isatty(self):
            return terminal

    stream = Stream()
    monkeypatch.setattr(sys, "stderr", stream)
    torus_system(Euler(0.1)).simulate(5, progress=progress)
    return stream.getvalue()


@pytest.mark.parametrize(("progress", "terminal"), [(True, False), (True, True), (None, True)])
def test_the_bar_counts_the_steps_and_shows_how_many_a_second(progress, terminal, monkeypatch):
    shown = run(progress, monkeypatch, terminal)
    assert "5/5" in shown
    assert "steps/s" in shown


@pytest.mark.parametrize(("progress", "terminal"), [(False, True), (False, False), (None, False)])
def test_nothing_is_written_when_it_is_off_or_nobody_looks(progress, terminal, monkeypatch):
    assert run(progress, monkeypatch, terminal) == ""


def test_a_notebook_shows_steps_and_how_many_a_second_in_a_widget(monkeypatch):
    from tqdm.notebook import tqdm_notebook

    shown = []
    monkeypatch.setattr(tqdm_notebook, "displayed", False, raising=False)
    monkeypatch.setattr("tqdm.notebook.display", shown.append)
    monkeypatch.setattr("tqdm.auto.tqdm", tqdm_notebook)
    monkeypatch.setattr(sys, "stderr", io.StringIO())  # which is no terminal
    torus_system(Euler(0.1)).simulate(5)
    (widget,) = shown
    _, bar, text = widget.children
    assert (bar.value, bar.max, bar.bar_style) == (5, 5, "success")
    assert "5/5" in text.value
    assert "steps/s" in text.value


def test_an_exception_closes_the_bar(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    with pytest.raises(KeyboardInterrupt), progress_bar(steps=3, shown=True):
        raise KeyboardInterrupt
    assert stream.getvalue().endswith("\n")
