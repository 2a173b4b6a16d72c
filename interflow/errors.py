"""What interflow raises, and how its messages are built: the argument, what came, what was wanted, what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any


class InterflowError(Exception):
    """Base of every error that interflow raises on purpose."""


class ArgumentError(InterflowError, ValueError):
    """An argument that cannot be used.

    Args:
        argument: name of the argument, as the caller wrote it.
        came: what was given.
        wanted: what is accepted.
        remedy: what the caller can do about it; may be empty.

    Example:
        >>> raise ArgumentError("sigma", came=-1.0, wanted="a positive number")
        Traceback (most recent call last):
        interflow.errors.ArgumentError: `sigma`: got -1.0, wanted a positive number.
    """

    def __init__(self, argument: str, *, came: object, wanted: str, remedy: str = "") -> None:
        message = f"`{argument}`: got {came}, wanted {wanted}."
        super().__init__(f"{message} {remedy}".rstrip())
        self.argument = argument
        self.came = came
        self.wanted = wanted
        self.remedy = remedy

    def __reduce__(self) -> tuple[Any, ...]:  # by default an exception is rebuilt from its message alone
        rebuild = partial(type(self), came=self.came, wanted=self.wanted, remedy=self.remedy)
        return rebuild, (self.argument,)


class KernelError(InterflowError, TypeError):
    """A kernel whose formula cannot be used where it was asked for; the message gives the reason."""


class BackendError(InterflowError, RuntimeError):
    """A backend that was named but cannot run the request; the message gives the reason."""


class PromiseError(InterflowError, ArithmeticError):
    """An approximate sum whose error is over its tolerance; the message gives both."""


class NonFiniteError(InterflowError, ArithmeticError):
    """A simulation that produced NaN or infinity.

    Attributes:
        step: the first step whose result was found not finite.
        particles: indices of the particles concerned.
        term: the term of the energy that became non-finite, in words.
    """

    def __init__(self, message: str, *, step: int, particles: list[int], term: str) -> None:
        super().__init__(message)
        self.step = step
        self.particles = particles
        self.term = term

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(type(self), step=self.step, particles=self.particles, term=self.term), self.args


class StorageError(InterflowError, OSError):
    """A run folder that cannot be written, or that is damaged; the message gives the file and the reason."""


class PointFileError(InterflowError, ValueError):
    """A file of points that cannot be read or written.

    Args:
        file: its path.
        came: what is in it.
        wanted: what was expected there.
        remedy: what to do about it; may be empty.
        row: where, counted from 1; in a text file the number of the line. None for the file as a whole.

    Example:
        >>> raise PointFileError("scan.csv", row=3, came="2 fields", wanted="3 fields")
        Traceback (most recent call last):
        interflow.errors.PointFileError: scan.csv, row 3: got 2 fields, wanted 3 fields.
    """

    def __init__(self, file: object, *, came: str, wanted: str, remedy: str = "", row: int | None = None) -> None:
        where = f"{file}" if row is None else f"{file}, row {row}"
        super().__init__(" ".join(f"{where}: got {came}, wanted {wanted}. {remedy}".split()))
        self.file = file
        self.came = came
        self.wanted = wanted
        self.remedy = remedy
        self.row = row

    def __reduce__(self) -> tuple[Any, ...]:
        rebuild = partial(type(self), came=self.came, wanted=self.wanted, remedy=self.remedy, row=self.row)
        return rebuild, (self.file,)


class MissingPackageError(InterflowError, ImportError):
    """Something needs a package that is not installed.

    Args:
        package: its name.
        extra: of interflow, that installs it.
        needed_for: what needs it, as the subject of a sentence.

    Example:
        >>> print(MissingPackageError("k3d", extra="page", needed_for="A page"))
        A page needs the package k3d: pip install 'interflow-particles[page]'.
    """

    def __init__(self, package: str, *, extra: str, needed_for: str) -> None:
        remedy = f"pip install 'interflow-particles[{extra}]'"
        super().__init__(f"{needed_for} needs the package {package}: {remedy}.")
        self.package = package
        self.extra = extra
        self.needed_for = needed_for

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(type(self), extra=self.extra, needed_for=self.needed_for), (self.package,)


@contextmanager
def needed_package(package: str, *, extra: str, needed_for: str) -> Iterator[None]:
    """Raise `MissingPackageError` in place of the `ImportError` of an import in the block.

    Args:
        package: its name, as it is installed.
        extra: the extra of interflow that installs it.
        needed_for: what needs it, as the subject of a sentence.
    """
    try:
        yield
    except ImportError as error:
        raise MissingPackageError(package, extra=extra, needed_for=needed_for) from error


class RunStoppedError(InterflowError):
    """A run that was asked to end before its last step. The system holds the state after the last whole step."""


class ConfigError(InterflowError, ValueError):
    """A configuration that cannot be read or built; the message gives the path of the field."""


class InterflowWarning(UserWarning):
    """A use that is allowed but probably not meant."""
