"""Times are read as people write them."""

import click
import pytest

from interflow.cli.run import duration

OPTION = click.Option(["--time-limit"])


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90.0), ("0.5", 0.5), ("45m", 2700.0), ("1h30m", 5400.0), ("2d", 172800.0), (None, None)],
)
def test_a_time_is_a_number_of_seconds(text, seconds):
    assert duration(click.Context(click.Command("run")), OPTION, text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "1x", "-5", "1h 30m", "h", "1e400", "nan"])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(click.BadParameter, match="1h30m"):
        duration(click.Context(click.Command("run")), OPTION, text)
