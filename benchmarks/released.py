"""AttentiveChrome as it was released, written again plainly: what `training.py` compares with.

A stand-in, not their code: the network and its training as described (five `nn.LSTM`, one a mark,
read one after the other; raw counts; all parameters U(-0.1, 0.1); Adam at 2e-4, batches of 16,
gradients clipped at 1, binary cross-entropy). It gives no attention, as the released one.
"""

from __future__ import annotations

import torch
from torch import nn

LEARNING_RATE, BATCH, CLIP, EPOCHS = 2e-4, 16, 1.0, 30


class Attend(nn.Module):
    """A bidirectional LSTM and soft attention over its steps."""

    def __init__(self, features: int, hidden: int) -> None:
        super().__init__()
        self.rnn = nn.LSTM(features, hidden, bidirectional=True)
        self.context = nn.Parameter(torch.empty(2 * hidden, 1))

    def forward(self, steps: torch.Tensor) -> torch.Tensor:
        """Return the weighted state (batch, 2 hidden) of steps (step, batch, feature)."""
        states = self.rnn(steps)[0].permute(1, 0, 2)
        weights = torch.softmax(states @ self.context, 1)
        return (weights * states).sum(1)


class Released(nn.Module):
    """LSTM-α,β; 55,681 parameters."""

    def __init__(self, marks: int = 5) -> None:
        super().__init__()
        self.bins = nn.ModuleList([Attend(1, 32) for _ in range(marks)])
        self.marks = Attend(64, 16)
        self.output = nn.Linear(32, 1)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -0.1, 0.1)

    def forward(self, counts: torch.Tensor) -> torch.Tensor:
        """Return the logit (batch,) of counts (batch, bin, mark)."""
        vectors = [
            attend(counts[:, :, mark].t().unsqueeze(-1)) for mark, attend in enumerate(self.bins)
        ]
        return self.output(self.marks(torch.stack(vectors))).squeeze(-1)


def train_epoch(
    network: Released,
    optimizer: torch.optim.Optimizer,
    counts: torch.Tensor,
    label: torch.Tensor,
    generator: torch.Generator,
) -> None:
    """Train one epoch on counts (gene, bin, mark) and labels (gene,)."""
    network.train()
    order = torch.randperm(len(counts), generator=generator)
    for rows in order.split(BATCH):
        optimizer.zero_grad()
        loss = nn.functional.binary_cross_entropy_with_logits(network(counts[rows]), label[rows])
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), CLIP)
        optimizer.step()


def predict(network: Released, counts: torch.Tensor, batch: int) -> torch.Tensor:
    """Return logits (gene,) of counts (gene, bin, mark)."""
    network.eval()
    with torch.inference_mode():
        return torch.cat([network(part) for part in counts.split(batch)])
