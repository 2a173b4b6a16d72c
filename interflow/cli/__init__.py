"""The command line: ``interflow VERB``. A verb is a module of its own, imported when it is called."""

from __future__ import annotations

import importlib
from typing import Any, cast

import click

VERBS = {
    "run": "Run a config and keep what comes of it in a new folder.",
    "fit": "Fit points to the target in a file.",
    "show": "Draw the picture of a run, or make a page of it for a browser.",
    "export": "Write the frames of a run for other programs.",
    "doctor": "Say what is installed, and which backends work here.",
    "schema": "Print the JSON schema of configs, or what a kind is.",
}

INTERRUPTED = 130


class _Verbs(click.Group):
    """A group that knows its verbs without importing them, and turns the project's errors into exit codes."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in VERBS:
            return None
        return cast(click.Command, importlib.import_module(f"interflow.cli.{name}").command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except KeyboardInterrupt:  # Ctrl-C where there is nothing to save
            click.echo("\nInterrupted.", err=True)
            raise click.exceptions.Exit(INTERRUPTED) from None
        except Exception as error:
            if ctx.params["debug"]:
                raise
            raise _failure(error) from error


@click.command(cls=_Verbs)
@click.option("--debug", is_flag=True, help="Print the traceback of an error.")
@click.version_option(package_name="interflow-particles", prog_name="interflow")
def main(debug: bool) -> None:
    """Interacting particles and kernel gradient flows.

    Exit codes: 0 done, 1 failure, 2 bad input, 130 interrupted by Ctrl-C; `interflow run --help` has more.
    """


class _BadInput(click.ClickException):
    exit_code = 2


def _bad_input() -> tuple[type[Exception], ...]:
    """Return the error classes of bad input, which includes backends that cannot run and missing packages."""
    from interflow import errors

    return (
        errors.ArgumentError,
        errors.ConfigError,
        errors.KernelError,
        errors.PointFileError,
        errors.BackendError,
        errors.MissingPackageError,
    )


def _failure(error: Exception) -> click.ClickException:
    """Return an error as one message and an exit code."""
    from interflow import errors

    if isinstance(error, errors.InterflowError):
        return _BadInput(str(error)) if isinstance(error, _bad_input()) else click.ClickException(str(error))
    return click.ClickException(f"{type(error).__name__}: {error}\nRun `interflow --debug …` for the traceback.")
