"""What holds for every part of a system: it can be copied, saved and described."""

from __future__ import annotations

import copy
import pickle
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from interflow.config.builtin_kinds import from_object
from interflow.config.model import family_of


class ModuleSuite(ABC):
    """The tests that kernels, boundaries and integrators have in common."""

    @abstractmethod
    def make(self) -> nn.Module:
        """A new object of the class under test, alike each time."""

    @abstractmethod
    def behaviour(self, member: Any) -> Sequence[Tensor]:
        """Numbers that two objects have in common if they are alike."""

    @pytest.mark.parametrize("how", ["deepcopy", "pickle"])
    def test_a_copy_behaves_alike_and_has_memory_of_its_own(self, how: str) -> None:
        member = self.make()
        twin = copy.deepcopy(member) if how == "deepcopy" else pickle.loads(pickle.dumps(member))
        assert_alike(self.behaviour(twin), self.behaviour(member))
        assert repr(twin) == repr(member)
        assert not _memory(twin) & _memory(member)

    def test_a_state_dict_carries_every_number(self) -> None:
        member, other = self.make(), self.make()
        for tensor in other.state_dict().values():
            if isinstance(tensor, Tensor) and tensor.is_floating_point():
                tensor.mul_(0.5)
        other.load_state_dict(member.state_dict())
        assert_alike(self.behaviour(other), self.behaviour(member))

    def test_every_parameter_appears_once(self) -> None:
        parameters = list(self.make().parameters())
        assert len(parameters) == len({id(parameter) for parameter in parameters})

    def test_a_config_says_all_of_it(self) -> None:
        member = self.make()
        if not _is_registered(member):
            pytest.skip(f"{type(member).__name__} has no `kind`: it is not registered with `fl.config.register`")
        again = from_object(member).build()
        assert from_object(again) == from_object(member)
        for found, expected in zip(self.behaviour(again), self.behaviour(member), strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-13)


def assert_alike(found: Sequence[Tensor], expected: Sequence[Tensor]) -> None:
    """Equal bit for bit; NaN equals NaN."""
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0.0, atol=0.0, equal_nan=True)


def _memory(member: nn.Module) -> set[int]:
    return {tensor.data_ptr() for tensor in (*member.parameters(), *member.buffers())}


def _is_registered(member: nn.Module) -> bool:
    family = family_of(type(member))
    if family is None:
        return False
    _, inner = family.unscaled(member)
    return any(model.binding.cls is type(inner) for model in family.models.values())
