"""The paper's attentive LSTMs: LSTM-α and LSTM-α,β (AttentiveChrome)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn

from chromviz.models.compiled import ClassifierHead, CompiledSteps, MarkHead
from chromviz.models.layers import (
    AttendingNetwork,
    Attention,
    InputTransform,
    SoftAttention,
    draw_uniform,
)
from chromviz.models.recurrent import BidirectionalLSTM
from chromviz.settings import Settings

#: Embedding sizes of the paper (section 5, "Model Hyperparameters"): d and d'.
BIN_HIDDEN = 32
MARK_HIDDEN = 16


class BinLevel(nn.Module):
    """The first level of both networks: a bidirectional LSTM and an α for each mark.

    Algorithm S:1, "Bin-level attention"; mark j's vector is m_j = Σ_t α_t h_t, of size 2 d.
    """

    def __init__(self, n_marks: int) -> None:
        super().__init__()
        self.transform: nn.Module = InputTransform(n_marks)
        self.lstm = BidirectionalLSTM(n_marks, 1, BIN_HIDDEN)
        self.attention = SoftAttention(n_marks, BIN_HIDDEN)

    def forward(self, signal: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode (batch, mark, bin) as m (mark, 2 d, batch) and α (batch, mark, bin)."""
        steps = self.transform(signal).permute(2, 1, 0).unsqueeze(2)
        vectors, alpha = self.attention(self.lstm(steps))
        return vectors, alpha.permute(2, 1, 0)


class _OnBinLevel(AttendingNetwork):
    """A network that reads the vectors of the bin level."""

    #: The part after the bin level, for training.
    head: ClassVar[Callable[..., Any]]

    def __init__(self, n_marks: int) -> None:
        super().__init__()
        self.bins = BinLevel(n_marks)

    @property
    def transform(self) -> nn.Module:
        """The transform of the input."""
        return self.bins.transform

    def compiled_steps(
        self, genes: tuple[np.ndarray, np.ndarray], size: int, settings: Settings, on_weight: float
    ) -> CompiledSteps:
        """Return what takes the steps of training; arguments as for :class:`CompiledSteps`."""
        return CompiledSteps(self, type(self).head, genes, size, settings, on_weight)


class LSTMAlpha(_OnBinLevel):
    """LSTM-α: the bin level, then a two-layer MLP on the concatenated vectors of the marks.

    The paper does not give the MLP's hidden size; here it is 2 d = 64, with a ReLU. 65,729
    parameters for 5 × 100.
    """

    head = ClassifierHead

    def __init__(self, n_marks: int, n_bins: int) -> None:
        super().__init__(n_marks)
        self.mlp = nn.Sequential(
            nn.Linear(n_marks * 2 * BIN_HIDDEN, 2 * BIN_HIDDEN),
            nn.ReLU(),
            nn.Linear(2 * BIN_HIDDEN, 1),
        )
        draw_uniform(self)

    def attention(self, signal: torch.Tensor) -> Attention:
        """Return α (batch, mark, bin) and the logit, for signal (batch, mark, bin)."""
        vectors, alpha = self.bins(signal)
        return Attention(alpha, None, self.mlp(vectors.flatten(0, 1).t()).squeeze(-1))


class LSTMAlphaBeta(_OnBinLevel):
    """LSTM-α,β, AttentiveChrome: the bin level, then an LSTM and a β over the marks.

    Algorithm S:1: s_j = [LSTM(m_j), reversed LSTM(m_j)] of size 2 d' = 32 over the marks in their
    order, v = Σ_j β_j s_j, and a linear layer gives the logit. 55,681 parameters for 5 × 100,
    as in the released network.
    """

    head = MarkHead

    def __init__(self, n_marks: int, n_bins: int) -> None:
        super().__init__(n_marks)
        self.lstm = BidirectionalLSTM(1, 2 * BIN_HIDDEN, MARK_HIDDEN)
        self.mark_attention = SoftAttention(1, MARK_HIDDEN)
        self.output = nn.Linear(2 * MARK_HIDDEN, 1)
        draw_uniform(self)

    def attention(self, signal: torch.Tensor) -> Attention:
        """Return α (batch, mark, bin), β (batch, mark) and the logit."""
        vectors, alpha = self.bins(signal)
        whole, beta = self.mark_attention(self.lstm(vectors.unsqueeze(1)))
        return Attention(alpha, beta[:, 0].t(), self.output(whole[0].t()).squeeze(-1))
