"""What is logged during a run is read on the standard error stream, unless the run is quiet."""

import logging

import pytest
from click.testing import CliRunner

from interflow.cli import main
from interflow.cli.common import log_to_stderr
from interflow.integrators import Euler
from tests.config.cases import TOUR

LOGGER = logging.getLogger("interflow")


def test_what_is_logged_in_the_block_is_shown_and_nothing_else(capsys):
    LOGGER.info("before")
    with log_to_stderr():
        LOGGER.info("within")
        LOGGER.debug("a detail")
    LOGGER.info("after")
    assert tuple(capsys.readouterr()) == ("", "within\n")


def test_the_logger_is_left_as_it_was_even_after_an_error():
    before = LOGGER.level, list(LOGGER.handlers)
    with pytest.raises(ZeroDivisionError), log_to_stderr():
        _ = 1 / 0
    assert (LOGGER.level, list(LOGGER.handlers)) == before


@pytest.mark.parametrize(("options", "shown"), [([], True), (["--quiet"], False)])
def test_a_run_shows_it_and_a_quiet_one_does_not(tmp_path, monkeypatch, options, shown):
    (tmp_path / "tour.yaml").write_text(TOUR)
    step = Euler.step

    def talkative(*arguments):
        LOGGER.info("a step")
        return step(*arguments)

    monkeypatch.setattr(Euler, "step", talkative)
    done = CliRunner().invoke(main, ["run", str(tmp_path / "tour.yaml"), "--out", str(tmp_path / "run"), *options])
    assert done.exit_code == 0, done.output
    assert ("a step" in done.stderr) is shown
    assert "a step" not in done.stdout
