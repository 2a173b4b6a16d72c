"""Importing interflow does nothing but import: each law is checked in a process of its own."""

from __future__ import annotations

import importlib
import inspect
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import interflow

EVERYTHING = """
import importlib, pkgutil
import interflow
for module in pkgutil.walk_packages(interflow.__path__, "interflow."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
for name in interflow.__all__:
    getattr(interflow, name)
"""

SETTINGS = """
def settings():
    return {
        "threads": torch.get_num_threads(),
        "threads between operations": torch.get_num_interop_threads(),
        "default dtype": torch.get_default_dtype(),
        "default device": torch.get_default_device(),
        "gradients": torch.is_grad_enabled(),
        "inference": torch.is_inference_mode_enabled(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "matmul precision": torch.get_float32_matmul_precision(),
        "random state of torch": torch.get_rng_state().tolist(),
        "random state of numpy": str(numpy.random.get_state()),
        "random state of python": random.getstate(),
        "handlers of the root logger": list(logging.getLogger().handlers),
    }
"""


@pytest.fixture
def python(tmp_path: Path):
    """Runs a program in a fresh interpreter whose compile caches are empty folders; gives what it printed."""
    caches = {"TORCHINDUCTOR_CACHE_DIR": tmp_path / "inductor", "KEOPS_CACHE_FOLDER": tmp_path / "keops"}
    for folder in caches.values():
        folder.mkdir()

    def run(program: str) -> str:
        environment = {**os.environ, **{name: str(folder) for name, folder in caches.items()}}
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    return run


def test_importing_the_package_prints_nothing_and_leaves_the_heavy_libraries_alone(python):
    heavy = {"torch", "numpy", "pykeops", "matplotlib", "pydantic"}
    assert python(f"import sys, interflow; assert not sys.modules.keys() & {heavy}") == ""


def test_importing_everything_prints_nothing(python):
    assert python(EVERYTHING) == ""


def test_importing_everything_starts_no_cuda_no_compiler_and_no_keops(python, tmp_path):
    python(
        EVERYTHING + "import sys, torch\n"
        "assert not torch.cuda.is_initialized()\n"
        "started = {'pykeops', 'keopscore', 'torch._inductor.compile_fx'} & sys.modules.keys()\n"
        "assert not started, started\n"
    )
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_importing_everything_leaves_global_settings_as_they_were(python):
    python(
        "import logging, random, numpy, torch\n"
        + SETTINGS
        + "before = settings()\n"
        + EVERYTHING
        + "after = settings()\n"
        "changed = [name for name in before if before[name] != after[name]]\n"
        "assert not changed, changed\n"
    )


def test_keops_is_imported_when_its_backend_is_used_and_not_before(python):
    python(
        "import sys, torch\n"
        "import interflow as fl\n"
        "x = torch.rand(5, 2)\n"
        "for backend in ('dense', 'auto', 'keops'):\n"
        "    assert 'pykeops' not in sys.modules, backend\n"
        "    fl.potential(fl.GaussianKernel(sigma=1.0), x, x, backend=backend)\n"
        "assert 'pykeops' in sys.modules\n"
    )


def test_the_command_line_gives_help_without_torch(python):
    output = python(
        "import sys\n"
        "from interflow.cli import VERBS, main\n"
        "main(['--help'], standalone_mode=False)\n"
        "for verb in VERBS:\n"
        "    main([verb, '--help'], standalone_mode=False)\n"
        "assert not {'torch', 'numpy', 'pydantic', 'matplotlib'} & sys.modules.keys()\n"
    )
    assert "run" in output


def test_names_imported_at_first_use_are_as_other_names(python):
    python(
        "import pickle, pydoc, sys\n"
        "import interflow, interflow.config, interflow.views\n"
        "assert 'torch' not in sys.modules\n"
        "for package in (interflow, interflow.config, interflow.views):\n"
        "    assert set(package.__all__) == {name for name in dir(package) if not name.startswith('_')}\n"
        "    names = {}\n"
        "    exec(f'from {package.__name__} import *', names)\n"
        "    assert package.__all__ and set(package.__all__) <= names.keys()\n"
        "    for name in package.__all__:\n"
        "        value = getattr(package, name)\n"
        "        assert value is names[name]\n"
        "        assert not callable(value) or pickle.loads(pickle.dumps(value)) is value\n"
        "    assert package.__name__ in pydoc.plain(pydoc.render_doc(package))\n"
    )


@pytest.mark.parametrize("package", ["interflow", "interflow.config", "interflow.views"])
def test_no_name_imported_at_first_use_is_that_of_a_module_which_would_take_its_place(package):
    face = importlib.import_module(package)
    modules = {module.name for module in pkgutil.iter_modules(face.__path__)}
    assert {name for name in face.__all__ if name in modules and not inspect.ismodule(getattr(face, name))} == set()


def test_a_name_that_is_not_there_is_told_with_its_package():
    with pytest.raises(AttributeError, match="module 'interflow' has no attribute 'nothing_of_this_name'"):
        interflow.nothing_of_this_name  # noqa: B018
