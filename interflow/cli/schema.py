"""``interflow schema``: the JSON schema of configs, or the description of a kind."""

from __future__ import annotations

import json

import click

from interflow.cli.common import load_plugin


@click.command()
@click.option("--kind", help="Print what this kind is and which fields it has, such as gaussian.")
@click.option("--fit", is_flag=True, help="Print the schema of what `interflow fit` reads.")
@click.option(
    "--plugin", "plugins", multiple=True, metavar="MODULE", help="Import a module or .py file that registers kinds."
)
def command(kind: str | None, fit: bool, plugins: tuple[str, ...]) -> None:
    """Print the JSON schema of configs, for editors to complete and check them."""
    from interflow.config.fit_config import FitConfig
    from interflow.config.json_schema import describe_kind, schema
    from interflow.config.run_config import RunConfig

    for plugin in plugins:
        load_plugin(plugin)
    click.echo(
        describe_kind(kind)
        if kind
        else json.dumps(schema(FitConfig if fit else RunConfig), indent=2, ensure_ascii=False)
    )
