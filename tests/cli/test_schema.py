"""``interflow schema`` prints what configs may say."""

import json

from click.testing import CliRunner

from interflow.cli import main
from interflow.config.fit_config import FitConfig
from interflow.config.json_schema import describe_kind, schema


def test_the_schema_is_json():
    done = CliRunner().invoke(main, ["schema"])
    assert json.loads(done.stdout) == json.loads(json.dumps(schema()))


def test_the_schema_of_fits_is_that_of_their_config():
    done = CliRunner().invoke(main, ["schema", "--fit"])
    assert json.loads(done.stdout) == json.loads(json.dumps(schema(FitConfig)))
    assert {"points", "descent", "reading", "discrepancy"} <= json.loads(done.stdout)["properties"].keys()


def test_a_kind_has_short_help():
    done = CliRunner().invoke(main, ["schema", "--kind", "gaussian"])
    assert done.stdout == describe_kind("gaussian") + "\n"


def test_an_unknown_kind_is_bad_input():
    done = CliRunner().invoke(main, ["schema", "--kind", "gausian"])
    assert done.exit_code == 2
    assert "Did you mean `gaussian`?" in done.stderr
