"""Ensembles: the mean of networks of one architecture that differ in their seed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import nn

from chromviz.errors import ChromvizError
from chromviz.models.layers import Attention


class Ensemble(nn.Module):
    """The mean of the logits of its members; attributions are then the means of theirs."""

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        """Return the logit of ON (batch,), for signal (batch, mark, bin)."""
        return torch.stack([member(signal) for member in self.members]).mean(0)


class AttendingEnsemble(Ensemble):
    """An ensemble of networks with attention: its attention is the mean of theirs."""

    def attention(self, signal: torch.Tensor) -> Attention:
        """Return the mean α, β and logit; None for those that a member does not give."""
        found = [cast("Any", member).attention(signal) for member in self.members]
        alpha = _mean([one.alpha for one in found])
        if alpha is None:
            raise ChromvizError(
                f"the attention of {type(self.members[0]).__name__} has no α; attention() must "
                "return chromviz.models.layers.Attention"
            )
        return Attention(
            alpha, _mean([one.beta for one in found]), _mean([one.logit for one in found])
        )


def join(members: Sequence[nn.Module]) -> Ensemble:
    """Return the ensemble of some modules; it has attention if all of them have."""
    if not members:
        raise ChromvizError("an ensemble needs at least one member")
    attends = all(callable(getattr(member, "attention", None)) for member in members)
    return AttendingEnsemble(members) if attends else Ensemble(members)


def _mean(parts: Sequence[torch.Tensor | None]) -> torch.Tensor | None:
    present = [part for part in parts if part is not None]
    return torch.stack(present).mean(0) if len(present) == len(parts) else None
