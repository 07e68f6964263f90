"""A Transformer over bins that returns its attention: an example of a model of your own.

chromviz compare --cell K562 --models examples.transformer:BinTransformer
"""

from __future__ import annotations

import torch
from torch import nn

from chromviz.models.layers import Attention, InputTransform


class BinTransformer(nn.Module):
    """One encoder layer over bins, then one query that attends to all bins.

    α is the attention of the query. The encoder mixes the bins before, so that α shows the
    positions from which the prediction is read, and not only the bins that determine it.
    """

    def __init__(self, n_marks: int, n_bins: int, width: int = 32) -> None:
        super().__init__()
        self.transform = InputTransform(n_marks)  # so that attributions are on the raw signal
        self.embed = nn.Linear(n_marks, width)
        self.position = nn.Parameter(0.02 * torch.randn(n_bins, width))
        self.encoder = nn.TransformerEncoderLayer(
            width, nhead=4, dim_feedforward=2 * width, dropout=0.1, batch_first=True
        )
        self.query = nn.Parameter(0.02 * torch.randn(width))
        self.output = nn.Linear(width, 1)

    def attention(self, signal: torch.Tensor) -> Attention:
        """Return α (batch, bin), no β, and the logit (batch,)."""
        bins = self.embed(self.transform(signal).transpose(1, 2)) + self.position
        states = self.encoder(bins)
        alpha = torch.softmax(states @ self.query, dim=1)
        summed = (alpha.unsqueeze(2) * states).sum(1)
        return Attention(alpha, None, self.output(summed).squeeze(-1))

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        """Return the logit of ON (batch,), for signal (batch, mark, bin)."""
        return self.attention(signal).logit
