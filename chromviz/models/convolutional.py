"""The CNNs of Singh et al. 2017, section 5 ("Model Variations and Two Baselines"), and DeepChrome.

The attentive ones pad the bins with zeros, which the paper leaves open, so that the attention has
one weight per bin.
"""

from __future__ import annotations

import torch
from torch import nn

from chromviz.errors import ChromvizError
from chromviz.models.attentive import BIN_HIDDEN, MARK_HIDDEN
from chromviz.models.layers import AttendingNetwork, Attention, InputTransform, SoftAttention

#: DeepChrome's channels, kernel width and pooling width.
CHANNELS, KERNEL, POOL = 50, 10, 5

#: Kernel width of the second convolution of CNN-α,β: a mark and its two neighbours.
MARK_KERNEL = 3


class DeepChrome(nn.Module):
    """DeepChrome: a convolution over bins, all marks as channels, max-pooling, a three-layer MLP.

    Conv1d(marks → 50, width 10), ReLU, max-pool 5, dropout 0.5, then 900 → 625 → 125 → 2 with
    ReLU. The published network ends in a log-softmax of two outputs; their difference is the
    logit of ON, and cross-entropy on it is the same loss. 644,177 parameters for 5 × 100; it needs
    at least 14 bins.

    Source: Singh et al., "DeepChrome", Bioinformatics 32(17), 2016.
    """

    def __init__(self, n_marks: int, n_bins: int) -> None:
        super().__init__()
        positions = (n_bins - KERNEL + 1) // POOL
        if positions < 1:
            raise ChromvizError(
                f"deepchrome needs at least {KERNEL + POOL - 1} bins, not {n_bins}; "
                "choose another model or narrower bins"
            )
        self.transform = InputTransform(n_marks)
        self.convolution = nn.Sequential(
            nn.Conv1d(n_marks, CHANNELS, KERNEL), nn.ReLU(), nn.MaxPool1d(POOL), nn.Dropout(0.5)
        )
        self.mlp = classifier(CHANNELS * positions)

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        """Return the logit of ON (batch,), for signal (batch, mark, bin)."""
        outputs = self.mlp(self.convolution(self.transform(signal)).flatten(1))
        logit: torch.Tensor = outputs[:, 1] - outputs[:, 0]
        return logit


class CNNAttention(AttendingNetwork):
    """CNN-Attn: DeepChrome's convolution with attention over bins in place of max-pooling.

    With x the transformed signal of all marks::

        h_t = ReLU(Σ_k K_k x_{t+k-4} + b),  k = 0..9            of size 50
        α_t = exp(w · h_t) / Σ_i exp(w · h_i)
        logit = MLP(dropout(Σ_t α_t h_t))                       50 → 625 → 125 → 2

    Convolution, dropout 0.5 and MLP are those of DeepChrome; the logit is the difference of the
    two outputs. α has one weight per bin for all marks together. The paper leaves open the rest:
    here the dropout stays before the MLP, and the context vector has 50 entries. 112,977 parameters
    for 5 × 100.
    """

    def __init__(self, n_marks: int, n_bins: int) -> None:
        super().__init__()
        self.transform = InputTransform(n_marks)
        self.convolution = same_convolution(n_marks, CHANNELS, KERNEL)
        self.bin_attention = SoftAttention(1, CHANNELS, 1)
        self.dropout = nn.Dropout(0.5)
        self.mlp = classifier(CHANNELS)

    def attention(self, signal: torch.Tensor) -> Attention:
        """Return α (batch, bin) and the logit, for signal (batch, mark, bin)."""
        maps = self.convolution(self.transform(signal))
        whole, alpha = self.bin_attention(_states(maps, 1))
        outputs = self.mlp(self.dropout(whole[0].t()))
        return Attention(alpha[:, 0].t(), None, outputs[:, 1] - outputs[:, 0])


class CNNAlphaBeta(AttendingNetwork):
    """CNN-α,β: a convolution and an α for each mark, then a convolution and a β over the marks.

    With x^j the transformed signal of mark j::

        h^j_t = ReLU(Σ_k K^j_k x^j_{t+k-4} + b^j),  k = 0..9    of size 2 d = 64
        α^j_t = exp(w^j · h^j_t) / Σ_i exp(w^j · h^j_i),        m_j = Σ_t α^j_t h^j_t
        s_j = ReLU(Σ_k M_k m_{j+k-1} + c),  k = 0..2            of size 2 d' = 32
        β_j = exp(v · s_j) / Σ_i exp(v · s_i)
        logit = u · Σ_j β_j s_j + a

    The paper gives the context vectors of its variations 64 and 32 entries (section 5, "Model
    Hyperparameters"), so the convolutions have as many channels. It leaves open the rest: here one
    layer with a ReLU at each level; kernels of width 10 over bins, as in DeepChrome, and of width 3
    over the marks in their order; no dropout. 10,081 parameters for 5 × 100.
    """

    def __init__(self, n_marks: int, n_bins: int) -> None:
        super().__init__()
        self.n_marks = n_marks
        self.transform = InputTransform(n_marks)
        channels, mark_channels = 2 * BIN_HIDDEN, 2 * MARK_HIDDEN
        self.convolution = same_convolution(n_marks, n_marks * channels, KERNEL, groups=n_marks)
        self.bin_attention = SoftAttention(n_marks, channels, 1)
        self.mark_convolution = same_convolution(channels, mark_channels, MARK_KERNEL)
        self.mark_attention = SoftAttention(1, mark_channels, 1)
        self.output = nn.Linear(mark_channels, 1)

    def attention(self, signal: torch.Tensor) -> Attention:
        """Return α (batch, mark, bin), β (batch, mark) and the logit."""
        maps = self.convolution(self.transform(signal))
        vectors, alpha = self.bin_attention(_states(maps, self.n_marks))
        mark_maps = self.mark_convolution(vectors.permute(2, 1, 0))
        whole, beta = self.mark_attention(_states(mark_maps, 1))
        logit = self.output(whole[0].t()).squeeze(-1)
        return Attention(alpha.permute(2, 1, 0), beta[:, 0].t(), logit)


def classifier(features: int) -> nn.Sequential:
    """Return DeepChrome's MLP, features → 625 → 125 → 2 with ReLU."""
    return nn.Sequential(
        nn.Linear(features, 625), nn.ReLU(), nn.Linear(625, 125), nn.ReLU(), nn.Linear(125, 2)
    )


def same_convolution(
    channels_in: int, channels_out: int, width: int, groups: int = 1
) -> nn.Sequential:
    """Return a convolution with 'same' padding, and a ReLU.

    A kernel reads (width - 1) // 2 positions before and width // 2 after.
    """
    # Conv1d's own padding="same" warns, and copies, when the width is even.
    return nn.Sequential(
        nn.ConstantPad1d(((width - 1) // 2, width // 2), 0.0),
        nn.Conv1d(channels_in, channels_out, width, groups=groups),
        nn.ReLU(),
    )


def _states(maps: torch.Tensor, groups: int) -> torch.Tensor:
    """Turn maps (batch, group * channel, position) into the states that SoftAttention takes."""
    batch, channels, positions = maps.shape
    by_group = maps.reshape(batch, groups, channels // groups, positions)
    return by_group.permute(3, 1, 2, 0).unsqueeze(1)
