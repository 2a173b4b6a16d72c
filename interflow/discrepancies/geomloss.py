"""The package GeomLoss, imported when it is first needed and without the printing of KeOps, on which it stands."""

from __future__ import annotations

from typing import Any

from interflow.errors import MissingPackageError
from interflow.sums.backends.silence import silent_keops


def samples_loss() -> Any:
    """GeomLoss's class ``SamplesLoss``.

    Raises:
        MissingPackageError: if the package is missing.
    """
    with silent_keops():
        try:
            from geomloss import SamplesLoss
        except ImportError as error:
            raise MissingPackageError("geomloss", extra="geomloss", needed_for="SinkhornDivergence") from error
    return SamplesLoss
