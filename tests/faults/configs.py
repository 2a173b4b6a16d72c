"""Configs that were changed at random, and configs that mean harm."""

from __future__ import annotations

import copy
import random
import warnings
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import yaml

from interflow import ConfigError, InterflowError
from interflow.config.document import parse
from interflow.config.loading import load_run_config
from interflow.config.problems import InvalidConfigError

BASES = (
    """
seed: 0
particles: {count: 20, dimension: 2, distribution: {kind: normal}}
boundary: {kind: periodic, lengths: [1.0, 2.0]}
backend: {kind: dense, tile: 64}
energy: {kind: interaction, scale: -2.0, kernel: {kind: gaussian, sigma: 0.1}}
integrator: {kind: euler_maruyama, step_size: 0.005, temperature: 0.1}
run: {steps: 4, save_every: 2, checkpoint_every: 1.0}
""",
    """
particles: {count: 9, dimension: 1}
boundary: {kind: product, axes: [{kind: reflecting, lower: 0, upper: 1}]}
energy:
  kind: sum
  terms:
    - {kind: discrepancy, discrepancy: {kind: mmd, kernel: {kind: matern, sigma: 1, nu: 1.5}}, target: [[0.1], [0.2]]}
    - {kind: interaction, kernel: {kind: sum, terms: [{kind: morse, attraction: 1, attraction_length: 1, repulsion: 2,
      repulsion_length: 0.5}]}}
integrator: {kind: optimizer, name: adam, learning_rate: 1e-3}
run: {steps: 3}
""",
    """
seed: 4
particles: {count: 12, dimension: 2, distribution: {kind: uniform, lower: -1, upper: [1, 2]}}
dtype: float64
boundary: {kind: open}
backend: {kind: auto, tolerance: 1e-4}
energy:
  kind: sum
  terms:
    - {kind: interaction, kernel: {kind: inverse_power, exponent: 2, softening: 0.1}}
    - {kind: discrepancy, discrepancy: {kind: sliced_wasserstein, projections: 4}, target: [[0, 1], [2, 3]],
      target_weights: [0.25, 0.75]}
integrator: {kind: momentum, step_size: 1e-2, friction: 1}
schedules: {integrator.step_size: {kind: cosine, start: 0.01, end: 1e-3, steps: 5}}
observables:
  speed: {kind: mean_speed}
  pairs: {kind: pair_distances, bins: 3, max_distance: 2}
  wave: {kind: fourier_mode, mode: [1, 0]}
run: {steps: 3, save_every: 1, report_every: 2}
""",
)

VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 1, 2**70, 0.5, 1e308, -1e-308, float("nan"), float("inf"), "", "nan", "1e400", "cpu", "cuda:99",
    "meta", "gaussian", "\0", "σ" * 50, "x" * 5000, [], [[]], [1, "a"], [[1, 2], [3]], {}, {"kind": None}, {"kind": []},
    {"kind": "gaussian"}, {"kind": "open"}, {"kind": "auto"}, {"a": {"b": {"c": {}}}}, {"__class__": 1},
)  # fmt: skip

LARGEST = 1000
"""Coordinates of a mutated config that is built and makes its first steps; more would only take time."""


@dataclass
class Figures:
    """What came of the configs."""

    what: str
    read: int = 0
    accepted: int = 0
    ran: int = 0
    refused: int = 0
    unnamed: list[str] = field(default_factory=list)
    other_errors: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.read} {self.what} configs: {self.refused} refused with the field named, {self.accepted} accepted, "
            f"of which {self.ran} made their first steps or said why not, "
            f"{len(self.unnamed)} refused without the field, {len(self.other_errors)} other errors"
        )


def mutated(count: int, seed: int = 0) -> Figures:
    """Change values, keys and characters at random, a few at a time."""
    figures, generator = Figures("mutated"), random.Random(seed)
    bases = [yaml.safe_load(text) for text in BASES]
    for number in range(count):
        if number % 4 == 0:
            text = _typos(generator.choice(BASES), generator)
        else:
            data = copy.deepcopy(generator.choice(bases))
            for _ in range(generator.randint(1, 3)):
                _mutate(data, generator)
            text = yaml.safe_dump(data, allow_unicode=True)
        _try(text, figures)
    return figures


def unchanged(base: str) -> Figures:
    """What comes of a base as it is: mutants of one that is itself refused would say nothing."""
    figures = Figures("unchanged")
    _try(base, figures)
    return figures


def hostile() -> Figures:
    """Tags, dunders, pickles, import paths and paths, in every place where a value or a key may stand."""
    figures = Figures("hostile")
    for text in _hostile_texts():
        _try(text, figures)
    return figures


def _try(text: str, figures: Figures) -> None:
    figures.read += 1
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            config, document = load_run_config(parse(text, "mutant.yaml"), [])
            if config.particles.count * config.particles.dimension <= LARGEST:
                with document.located():
                    system = config.build()
                    observables = config.observe(system)
                figures.ran += 1
                with suppress(InterflowError):  # such as that positions are not finite
                    system.simulate(min(config.run.steps, 2), progress=False, observables=observables)
        figures.accepted += 1
    except InvalidConfigError as error:
        named = all(problem.path or problem.place for problem in error.problems)
        figures.refused += named
        figures.unnamed.extend([] if named else [f"{error}: {text}"])
    except ConfigError as error:
        figures.unnamed.append(f"{error}: {text}")
    except Exception as error:
        figures.other_errors.append(f"{type(error).__name__}: {error}: {text}")


def _places(data: Any) -> Iterator[tuple[Any, Any]]:
    """Every container with each of its keys."""
    keys = list(data) if isinstance(data, dict) else range(len(data)) if isinstance(data, list) else ()
    for key in keys:
        yield data, key
        yield from _places(data[key])


def _mutate(data: dict[str, Any], generator: random.Random) -> None:
    places = list(_places(data))
    if not places:
        return
    container, key = generator.choice(places)
    action = generator.choice(("value", "nudge", "nudge", "nudge", "remove", "rename", "add", "move"))
    if action == "nudge":
        container[key] = _nudged(container[key], generator)
    elif action == "value":
        container[key] = copy.deepcopy(generator.choice(VALUES))
    elif action == "move":
        container[key] = copy.deepcopy(_value(generator.choice(places)))
    elif action == "remove":
        del container[key]
    elif isinstance(container, dict):
        name = generator.choice(("kind", "scale", "sigma", "__init__", "", "a.b", "steps", "σ"))
        container[name] = container.pop(key) if action == "rename" else copy.deepcopy(generator.choice(VALUES))


def _nudged(value: Any, generator: random.Random) -> Any:
    """A number of another size, or another kind."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return generator.choice(_KINDS) if isinstance(value, str) else value
    factor = generator.choice((-1, 0, 2, 1e-3, 1e3, 1e-300))
    return int(value * factor) if isinstance(value, int) and generator.random() < 0.5 else value * factor


_KINDS = (
    "laplacian", "distance", "logarithmic", "lennard_jones", "soft_sphere", "open", "heun", "runge_kutta4", "nesterov",
    "adaptive_runge_kutta", "momentum", "rmsprop", "auto", "fourier", "sorted", "energy_distance", "polarisation",
    "linear", "exponential", "normal", "uniform", "float32", "float64", "1e-3", "unbiased",
)  # fmt: skip


def _value(place: tuple[Any, Any]) -> Any:
    container, key = place
    return container[key]


def _typos(text: str, generator: random.Random) -> str:
    letters = list(text)
    for _ in range(generator.randint(1, 4)):
        index = generator.randrange(len(letters))
        letters[index] = generator.choice(
            ["", "{", "}", "[", ":", "-", "&a ", "*a", "!!x ", "\t", "\n", "#", "'", '"', "é", "0"]
        )
    return "".join(letters)


_PAYLOADS = (
    "!!python/object/apply:os.system ['touch canary']",
    "!!python/object/new:os.system ['touch canary']",
    "!!python/name:os.system",
    "!!python/module:os",
    "!!binary gASVCQAAAAAAAACMBWNhbmFyeZQu",
    '!<tag:yaml.org,2002:python/object/apply:eval> [\'open("canary", "w")\']',
    "{kind: os.system, command: touch canary}",
    '{kind: \'__import__("os").system("touch canary")\'}',
    "{kind: interflow.kernels.gaussian.GaussianKernel, sigma: 1}",
    "{kind: gaussian, sigma: 1, __class__: os.system}",
    "{kind: gaussian, sigma: 1, __reduce__: [os.system, 'touch canary']}",
    "{__init__: {__globals__: {os: {system: touch canary}}}}",
    '\'__import__("os").system("touch canary")\'',
    "'${touch canary}'",
    "'{{ \"\".__class__.__mro__ }}'",
    "../../../canary",
    "/tmp/../canary",
    "file:///canary",
    "~/canary",
    "'canary\\0.yaml'",
    '"canary\\0.yaml"',
    "&a [*a, *a, *a]",
    "{<<: {kind: gaussian}}",
    "cos\\nsystem\\n(S'touch canary'\\ntR.",
    f"{'[' * 60}{']' * 60}",
)

_STAGES = (
    "seed: {0}",
    "particles: {0}",
    "boundary: {0}",
    "backend: {0}",
    "energy: {0}",
    "energy: {{kind: interaction, kernel: {0}}}",
    "integrator: {0}",
    "run: {0}",
    "device: {0}",
    "? {0}\n: 1",
)


def _hostile_texts() -> Iterator[str]:
    """A whole config each, with one section replaced."""
    whole = yaml.safe_load(BASES[0])
    for stage, payload in product(_STAGES, _PAYLOADS):
        section = stage.split(":")[0]
        rest = {name: value for name, value in whole.items() if name != section}
        yield stage.format(payload) + "\n" + yaml.safe_dump(rest)
