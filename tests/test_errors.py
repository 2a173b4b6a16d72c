from __future__ import annotations

import pickle

import pytest

from interflow import errors
from interflow.errors import ArgumentError, InterflowError, NonFiniteError


def test_message_says_what_came_what_was_wanted_and_what_to_do() -> None:
    error = ArgumentError("sigma", came=-1.0, wanted="a positive number", remedy="Take its absolute value.")
    assert str(error) == "`sigma`: got -1.0, wanted a positive number. Take its absolute value."
    assert (error.argument, error.came, error.wanted) == ("sigma", -1.0, "a positive number")


@pytest.mark.parametrize(
    "error",
    [
        ArgumentError("sigma", came=-1.0, wanted="a positive number", remedy="Try again."),
        NonFiniteError("NaN", step=3, particles=[1, 2], term="interaction"),
        errors.KernelError("reason"),
        errors.BackendError("reason"),
        errors.ConfigError("reason"),
        errors.MissingPackageError("k3d", extra="page", needed_for="The page"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_travel_between_processes(error: InterflowError) -> None:
    twin = pickle.loads(pickle.dumps(error))
    assert type(twin) is type(error)
    assert str(twin) == str(error)
    assert vars(twin) == vars(error)


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (errors.ArgumentError, ValueError),
        (errors.ConfigError, ValueError),
        (errors.KernelError, TypeError),
        (errors.BackendError, RuntimeError),
        (errors.NonFiniteError, ArithmeticError),
    ],
)
def test_errors_are_the_builtin_ones_too(error: type[Exception], builtin: type[Exception]) -> None:
    assert issubclass(error, InterflowError)
    assert issubclass(error, builtin)
