"""Trained models on disk: weights as safetensors, and a JSON card with everything else."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import safetensors.numpy
import safetensors.torch
import xarray as xr
from torch import nn

from chromviz import provenance
from chromviz.data.cells import dataset_of
from chromviz.errors import ChromvizError, first_line
from chromviz.models import find_model
from chromviz.models.ensemble import join
from chromviz.models.inference import logits, probabilities
from chromviz.models.layers import read_as
from chromviz.schema import find_genes
from chromviz.schema.summary import SIMULATED, Summarised, Summary
from chromviz.vocabulary import cell_label, same_unit

#: Ends of the names of a model's two files.
SUFFIXES = (".safetensors", ".json")


@dataclass(frozen=True)
class Card:
    """Description and origin of a trained model; unknown fields are empty or None.

    `genes` counts the genes of each part of the split. `metrics` has ``best_epoch``, the kept one,
    with its ``valid_auc`` and ``valid_loss``; ``test_auc`` (None if the test genes are all of one
    class); ``epochs`` and ``seconds``. `curve` has one record per epoch. `stamp` is command,
    versions and time; ``source_file`` and ``source_sha256`` of an imported model. Of an ensemble,
    `members` has ``seed``, ``metrics``, ``curve`` and ``weights_hash`` of each, `seed` is that of
    the first, and `curve` is empty. `variant` says how a model that serves as a control was altered
    (``"untrained"``, ``"permuted labels"``).
    """

    name: str
    n_bins: int
    bin_width: int
    marks: tuple[str, ...]
    cell: str
    signal_unit: str
    simulated: int
    dataset_hash: str
    settings: dict[str, float | int | str | None]
    seed: int | None
    device: str
    genes: dict[str, int]
    metrics: dict[str, float | None]
    curve: list[dict[str, float]]
    weights_hash: str
    stamp: dict[str, str | int] = field(default_factory=dict)
    members: list[dict[str, Any]] = field(default_factory=list)
    variant: str = ""


@dataclass(frozen=True, repr=False)
class TrainedModel(Summarised):
    """A module with its card."""

    module: nn.Module
    card: Card

    @property
    def variant(self) -> str:
        """How the model was altered, see :class:`Card`; empty for a model as trained."""
        return self.card.variant

    def predict(self, data: xr.Dataset | str, genes: str | Sequence[str] = "test") -> pd.Series:
        """Return the predicted probability of ON for each gene.

        Parameters
        ----------
        data
            A dataset with the marks and bins of the model, or the name of an embedded cell type.
        genes
            ``"train"``, ``"valid"`` or ``"test"`` for a part of the split, ``"all"`` for every
            gene of the dataset, or one or a list of gene ids, symbols or loci.

        Returns
        -------
        pandas.Series
            Named ``probability``, float64, indexed by gene id in the order of the dataset (or of
            the list). A gene without complete signal is NaN: the model cannot read it.

        Raises
        ------
        ChromvizError
            If the dataset has other marks, bins or units than the model, no gene is meant, or a
            gene is unknown.
        """
        dataset = dataset_of(data)
        check_input(self.card, dataset)
        rows = find_genes(dataset, genes)
        signal = dataset["signal"].values[rows]
        complete = ~np.isnan(signal).any(axis=(1, 2))
        found = np.full(len(rows), np.nan)
        found[complete] = probabilities(logits(self.module, signal[complete]))
        ids = pd.Index(dataset["gene"].values[rows].astype(str), name="gene")
        return pd.Series(found, ids, name="probability")

    def learning_curve(self) -> pd.DataFrame:
        """Return the learning curve; of an ensemble, those of its members.

        One row per seed and epoch: ``cell, model, seed, epoch, train_loss, valid_loss, valid_auc,
        kept, simulated``; no row for a model that is not trained by gradient steps.
        """
        card = self.card
        runs = card.members or [{"seed": card.seed, "metrics": card.metrics, "curve": card.curve}]
        return pd.DataFrame(
            {
                "cell": card.cell,
                "model": card.name,
                "seed": run["seed"],
                **row,
                "epoch": int(row["epoch"]),
                "kept": int(row["epoch"] == run["metrics"]["best_epoch"]),
                "simulated": card.simulated,
            }
            for run in runs
            for row in run["curve"]
        )

    def line(self) -> str:
        """Return one line about the model: how it was trained and its AUC."""
        card, metrics = self.card, self.card.metrics
        if "source_file" in card.stamp:
            return (
                f"{card.name} for {card.cell}: trained elsewhere, read from "
                f"{card.stamp['source_file']}; its AUC is unknown"
            )
        test, epochs, members = metrics["test_auc"], metrics["epochs"], len(card.members)
        how = "fitted" if epochs is None else f"{epochs:.0f} epochs"
        how = f"an ensemble of {members}, trained" if members else how
        return (
            f"{card.name} on {card.cell}: {how} in "
            f"{metrics['seconds']:.0f} s, validation AUC {metrics['valid_auc']:.3f}, "
            f"test AUC {'undefined' if test is None else format(test, '.3f')}"
        )

    def summary(self) -> Summary:
        """Return a description of a few lines."""
        card, metrics = self.card, self.card.metrics
        auc = metrics.get("test_auc")
        epoch = metrics.get("best_epoch")
        members = f"{len(card.members)}, from seed {card.seed}" if card.members else ""
        rows = (
            ("input", f"{len(card.marks)} marks × {card.n_bins} bins of {card.bin_width} bp"),
            ("marks", ", ".join(card.marks)),
            ("signal", str(card.settings.get("input") or "")),
            ("preset", str(card.settings.get("preset") or "")),
            ("genes", ", ".join(f"{count:,} {name}" for name, count in card.genes.items())),
            ("test AUC", "" if auc is None else f"{auc:.3f}"),
            ("best epoch", "" if epoch is None else f"{epoch:.0f}"),
            ("members", members),
            ("seed", "" if members or card.seed is None else str(card.seed)),
            ("simulated", SIMULATED if card.simulated else ""),
            ("sha256", card.weights_hash[:12]),
        )
        trained_on = f" trained on {cell_label(card.cell)}" if card.cell else ""
        return Summary(f"{card.name}{trained_on}", rows)


def weights_hash(module: nn.Module) -> str:
    """Return a SHA-256 over the parameters and buffers of a module, on any device."""
    return provenance.hash_arrays(_arrays(module))


def _arrays(module: nn.Module) -> dict[str, np.ndarray]:
    state = module.state_dict()
    return {name: np.ascontiguousarray(one.detach().cpu().numpy()) for name, one in state.items()}


def save_model(model: TrainedModel, stem: Path) -> None:
    """Write ``{stem}.safetensors`` and ``{stem}.json``; the card last."""
    with provenance.atomic_path(Path(f"{stem}.safetensors")) as temporary:
        safetensors.numpy.save_file(_arrays(model.module), temporary)
    provenance.write_json(Path(f"{stem}.json"), asdict(model.card))


def load_model(path: str | Path, model: Any = None) -> TrainedModel:
    """Read a trained model from its two files.

    Parameters
    ----------
    path
        The ``.safetensors`` or the ``.json`` file, or their path without suffix.
    model
        The architecture, as for :func:`chromviz.train`; only needed for one of your own, because
        no code is imported that a file names.

    Returns
    -------
    TrainedModel
        The model, on the CPU in evaluation mode.

    Raises
    ------
    ChromvizError
        If a file is missing or damaged, or weights and card do not belong together.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> import chromviz as cv
    >>> model = cv.train("cnn-attn", cv.open_cell("K562").isel(gene=slice(0, 300)), epochs=1)
    >>> with TemporaryDirectory() as folder:
    ...     save_model(model, Path(folder) / "mine")
    ...     again = cv.load_model(f"{folder}/mine.safetensors")
    >>> again.card == model.card
    True
    """
    stem, spec = stem_of(path), None if model is None else find_model(model)
    card_path, weights_path = Path(f"{stem}.json"), Path(f"{stem}.safetensors")
    remedy = f"delete {card_path.name} and {weights_path.name} there to train it again"
    try:
        record = json.loads(card_path.read_text("utf-8"))
        known = {item.name for item in fields(Card)} & record.keys()
        card = Card(**{**{name: record[name] for name in known}, "marks": tuple(record["marks"])})
        if spec is None and ":" not in card.name:
            spec = find_model(card.name)
            version = spec.version
        else:
            version = str(card.stamp.get("model_version", ""))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ChromvizError(
            f"the trained model's card {card_path} cannot be used ({first_line(error)}); {remedy}"
        ) from None
    if spec is None or spec.name != card.name:
        named = "nothing" if spec is None else spec.name
        raise ChromvizError(
            f"{card_path} has the architecture {card.name}, and {named} was named; if you trust "
            f"its code, write {card.name}={stem}"
        )
    if version != spec.version:
        raise ChromvizError(
            f"{card_path} was trained with another version of {card.name}; train it again, or "
            "restore that version"
        )
    try:
        size = (len(card.marks), card.n_bins)
        members = [spec.build(*size) for _ in card.members]
        module = join(members) if members else spec.build(*size)
        if card.settings and spec.input is not None:
            # A card from before there was a choice does not name it.
            read_as(module, str(card.settings.get("input", "arcsinh")))
        module.load_state_dict(safetensors.torch.load_file(weights_path))
    # A damaged header is a SafetensorError, other tensors a RuntimeError, no file an OSError.
    except (OSError, RuntimeError, ValueError, TypeError, safetensors.SafetensorError) as error:
        raise ChromvizError(
            f"the trained model {weights_path} is damaged ({first_line(error)}); {remedy}"
        ) from None
    if weights_hash(module) != card.weights_hash:
        raise ChromvizError(
            f"the trained model {weights_path} is damaged: its weights are not those of its "
            f"card; {remedy}"
        )
    return TrainedModel(module.eval(), card)


def check_input(card: Card, dataset: xr.Dataset) -> None:
    """Refuse a dataset whose marks, bins or unit differ from those a model was trained on."""
    marks = tuple(str(mark) for mark in dataset["mark"].values)
    if marks != card.marks:
        raise ChromvizError(
            f"the model {card.name} reads the marks {', '.join(card.marks)} in this order; "
            f"{dataset.attrs['cell']} has {', '.join(marks)}"
        )
    bins = (dataset.sizes["bin"], int(dataset.attrs["bin_width"]))
    if bins != (card.n_bins, card.bin_width):
        raise ChromvizError(
            f"the model {card.name} reads {card.n_bins} bins of {card.bin_width} bp; "
            f"{dataset.attrs['cell']} has {bins[0]} of {bins[1]} bp"
        )

    units = [str(card.signal_unit), str(dataset.attrs["signal_unit"])]
    if not same_unit(*units):
        raise ChromvizError(
            f"the model {card.name} reads {units[0]}, but the signal of {dataset.attrs['cell']} is "
            f"{units[1]}; use a dataset in the unit of the model"
        )


def stem_of(path: str | Path) -> Path:
    """Return the path of a model's files without their suffix; a missing card is an error."""
    suffix = next((item for item in SUFFIXES if str(path).endswith(item)), "")
    stem = Path(str(path).removesuffix(suffix))
    if not Path(f"{stem}.json").is_file():
        raise ChromvizError(
            f"the model {stem}.json does not exist; 'chromviz train --out' and 'chromviz models "
            "import' write models"
        )
    return stem
