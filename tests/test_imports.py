"""Importing interflow does nothing but import: this is checked in processes of their own."""

from __future__ import annotations

import importlib
import inspect
import json
import os
import pkgutil
import subprocess
import sys

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


def python(program: str, **environment: str) -> str:
    """Runs a program in a fresh interpreter; gives what it printed."""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment})
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def imported(tmp_path_factory):
    """What one process that imports everything, its compile caches empty folders, tells of itself afterwards."""
    folder = tmp_path_factory.mktemp("imported")
    caches = {name: folder / name for name in ("TORCHINDUCTOR_CACHE_DIR", "KEOPS_CACHE_FOLDER")}
    for cache in caches.values():
        cache.mkdir()
    told = folder / "told.json"
    printed = python(
        "import json, logging, random, sys, numpy, torch\n"
        + SETTINGS
        + "before = settings()\n"
        + EVERYTHING
        + "after = settings()\n"
        "started = {'pykeops', 'keopscore', 'torch._inductor.compile_fx'} & sys.modules.keys()\n"
        "told = {'changed': [name for name in before if before[name] != after[name]], 'started': sorted(started)}\n"
        f"json.dump(told | {{'cuda': torch.cuda.is_initialized()}}, open({str(told)!r}, 'w'))\n",
        **{name: str(cache) for name, cache in caches.items()},
    )
    files = [str(path) for cache in caches.values() for path in cache.rglob("*") if path.is_file()]
    return {**json.loads(told.read_text()), "printed": printed, "files": files}


def test_importing_the_package_prints_nothing_and_leaves_the_heavy_libraries_alone():
    heavy = {"torch", "numpy", "pykeops", "matplotlib", "pydantic"}
    assert python(f"import sys, interflow; assert not sys.modules.keys() & {heavy}") == ""


def test_importing_everything_prints_nothing(imported):
    assert imported["printed"] == ""


def test_importing_everything_starts_no_cuda_no_compiler_and_no_keops(imported):
    assert not imported["cuda"]
    assert imported["started"] == []
    assert imported["files"] == []


def test_importing_everything_leaves_global_settings_as_they_were(imported):
    assert imported["changed"] == []


def test_keops_is_imported_when_its_backend_is_used_and_not_before():
    python(
        "import sys, torch\n"
        "import interflow as fl\n"
        "x, kernel, torus = torch.rand(5, 2), fl.GaussianKernel(sigma=1.0), fl.PeriodicBoundary(1.0)\n"
        "for backend in ('dense', 'auto', 'keops'):\n"
        "    assert 'pykeops' not in sys.modules, backend\n"
        "    fl.potential_and_field(kernel, x, x, boundary=torus, backend=backend)\n"  # which other tests compile too
        "assert 'pykeops' in sys.modules\n"
    )


def test_the_command_line_gives_help_without_torch():
    output = python(
        "import sys\n"
        "from interflow.cli import VERBS, main\n"
        "main(['--help'], standalone_mode=False)\n"
        "for verb in VERBS:\n"
        "    main([verb, '--help'], standalone_mode=False)\n"
        "assert not {'torch', 'numpy', 'pydantic', 'matplotlib'} & sys.modules.keys()\n"
    )
    assert "run" in output


def test_names_imported_at_first_use_are_as_other_names():
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
