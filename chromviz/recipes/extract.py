"""Explain one model on one cell type: as an object in memory, or as files in a result folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Unpack

import xarray as xr
from torch import nn

from chromviz.catalog import Method, find_method
from chromviz.data.cells import dataset_of, open_cell
from chromviz.errors import ChromvizError, UnknownNameError
from chromviz.extractors.explain import Genes, check_settings_of
from chromviz.extractors.explain import extract as run_method
from chromviz.models.checkpoint import TrainedModel
from chromviz.models.choice import Choice, choose_models, fitted_models
from chromviz.progress import SILENT
from chromviz.recipes import resolve
from chromviz.recipes.attributions import file_name, open_run
from chromviz.recipes.run import Outcome, Run, RunOptions, finished, run_options
from chromviz.schema import Summary, find_gene
from chromviz.vocabulary import SPLITS, cell_label


def extract(
    method: str,
    data: xr.Dataset | str,
    model: Any = None,
    *,
    genes: Genes = "test",
    seed: int = 0,
    device: str = "cpu",
    batch_size: int | None = None,
    **settings: Any,
) -> xr.Dataset:
    """Explain the predictions of a model, or compute the weights of a control.

    Parameters
    ----------
    method
        Name of a method or control, see :func:`chromviz.list_methods`: ``"alpha"``,
        ``"saliency"``, ``"raw_signal"``.
    data
        A dataset, or the name of an embedded cell type.
    model
        What :func:`chromviz.train` or :func:`chromviz.load_model` returns, or any
        ``torch.nn.Module`` that maps signal (batch, mark, bin) to one logit per gene (batch,). The
        name of a model, a class or ``package.module:factory`` stands for a model trained on `data`
        with `seed`, from the store of trained models if it is there. The path of a model file is
        read. None for a control.
    genes
        ``"train"``, ``"valid"`` or ``"test"`` for a part of the split, ``"all"`` for every gene
        that models can use, or a symbol, id or locus, or a list of them (``["PAX5"]``).
    seed
        Random seed, of methods that draw random numbers and of a model given by name.
    device
        Where to compute: ``"cpu"``, ``"cuda"``, ``"cuda:1"``.
    batch_size
        Number of genes per pass; the result does not depend on it. None for a suitable number.
    **settings
        Settings of the method, for example ``reference="mean"``; ``list_methods`` shows them.

    Returns
    -------
    xarray.Dataset
        ``weight``, float32 over (gene, mark, bin), (gene, bin) or (gene, mark), or over (mark,
        bin) for the weights of a class, in the unit of the method; ``probability`` (gene,) of ON
        if there is a model; ``delta`` (gene,), the completeness error in logits, if the method
        has one. Attributes record method, settings, model, hashes, seed and versions.

    Raises
    ------
    ChromvizError
        If a name or setting is unknown, an argument has a wrong type, the method cannot explain
        the model, or a gene lacks complete signal.

    Notes
    -----
    α and β are defined in section 3 of Singh et al., *Attend and Predict*, NeurIPS 2017.

    Examples
    --------
    >>> import chromviz as cv
    >>> raw = cv.extract("raw_signal", "K562")
    >>> raw["weight"].dims
    ('gene', 'mark', 'bin')
    >>> data = cv.open_cell("K562").isel(gene=slice(0, 300))
    >>> weights = cv.extract("coefficients", data, "linear-regression")
    >>> weights.attrs["model"]
    'linear-regression'

    A module of your own is explained as it is:

    >>> import torch
    >>> class Mean(torch.nn.Module):
    ...     def forward(self, signal):
    ...         return signal.mean(dim=(1, 2))
    >>> saliency = cv.extract("saliency", data, Mean(), genes="all")
    >>> saliency["weight"].dtype
    dtype('float32')
    """
    chosen = find_method(method)
    dataset = dataset_of(data)
    check_settings_of(chosen, settings)
    if not (model is None or isinstance(model, (TrainedModel, nn.Module))):
        if isinstance(model, (list, tuple)):
            raise ChromvizError(f"extract explains one model at a time, not {len(model)}")
        choice = _choose(model, dataset, [chosen])
        model = fitted_models([choice], dataset, seed, 1, device, SILENT)[choice.name]
    return run_method(
        method,
        dataset,
        model,
        genes=genes,
        batch_size=batch_size,
        device=device,
        seed=seed,
        **settings,
    )


def _choose(model: Any, dataset: xr.Dataset, wanted: Sequence[Method]) -> Choice:
    """Return the model that was named, refusing methods that cannot explain it."""
    (choice,) = choose_models(model, dataset)
    for method in wanted:
        if refusal := method.refusal(choice.name, choice.spec.gives):
            raise ChromvizError(refusal)
    return choice


@dataclass(frozen=True, repr=False)
class Explanation(Outcome):
    """The result of :func:`explain`; the model is None if only controls were extracted."""

    dataset: xr.Dataset
    model: TrainedModel | None
    files: dict[str, Path]
    notes: list[str]

    def summary(self) -> Summary:
        """Return what was explained, in a few lines."""
        return self.brief(
            f"Explanation of {cell_label(self.dataset.attrs['cell'])}",
            self.dataset.attrs["simulated"],
            ("model", self.model.card.name if self.model else "none: controls"),
            *((method, str(path)) for method, path in self.files.items()),
            *(("note", note) for note in self.notes),
        )


def explain(
    cell: str,
    methods: Sequence[str],
    *,
    model: str = "lstm-alpha-beta",
    data: str | Path | None = None,
    out: str | Path | None = None,
    genes: str = "test",
    settings: Mapping[str, Any] | None = None,
    **options: Unpack[RunOptions],
) -> Explanation:
    """Explain one model on one cell type, and write its attributions.

    Results of earlier calls stay in the folder, by default ``results/{cell}/extract``. `genes` are
    ``train``, ``valid``, ``test``, ``all``, or symbols or ids separated by commas; each of the
    `settings` goes to the methods that have it; `options` are ``seed``, ``seeds`` (above 1 for an
    ensemble), ``device`` and ``reporter``. Bad input is refused before anything is trained.
    """
    run = run_options(options)
    wanted = [find_method(name) for name in dict.fromkeys(methods)]
    if not wanted:
        raise ChromvizError("no method to extract; 'chromviz methods' lists them")
    given = dict(settings or {})
    _check_settings(given, wanted)
    dataset = open_cell(cell, data)
    choice = _choose(model, dataset, wanted)
    rows = _rows(dataset, genes)
    work = open_run("extract", dataset, out, run, "extract")
    folder = work.folder
    models: dict[str, TrainedModel] = {}
    if not all(method.is_control for method in wanted):
        models = fitted_models([choice], dataset, run.seed, run.seeds, run.device, run.reporter)
    work.record(models)
    resolve.say_notes([choice], run)
    files, notes = {}, []
    for method in wanted:
        mine = {name: value for name, value in given.items() if name in method.parameters}
        explained = None if method.is_control else models[choice.name]
        file = file_name(method, explained, mine, _more(rows, run))
        found = work.explain(method.name, explained, genes=rows, settings=mine, file=file)
        files[method.name] = folder.path / file
        if flagged := found.attrs.get("flagged_genes"):
            threshold = 100 * found.attrs["delta_threshold"]
            notes.append(
                f"{method.name}: the weights of {flagged} of {found.sizes['gene']} genes fail the "
                f"completeness check (error above {threshold:g} %); they are flagged"
            )
    return Explanation(*finished(folder, keep=True), dataset, models.get(choice.name), files, notes)


def _check_settings(given: Mapping[str, Any], wanted: Sequence[Method]) -> None:
    """Refuse settings that none of the methods has, or whose type is not that of the default."""
    known = {name: value for method in wanted for name, value in method.parameters.items()}
    for name, value in given.items():
        if name not in known:
            raise UnknownNameError(
                "setting", name, known, "'chromviz methods --json' lists the settings."
            )
        default = known[name]
        if _kind(value) != _kind(default):
            raise ChromvizError(
                f"the setting {name} cannot be {value!r}; its default is {default!r}"
            )


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "truth value"
    return "number" if isinstance(value, (int, float)) else type(value).__name__


def _rows(dataset: xr.Dataset, genes: str) -> str | list[int]:
    """Return the genes that a text names: a part of the split, all, or positions."""
    text = genes.strip()
    if text in (*SPLITS[:3], "all"):
        return text
    return [find_gene(dataset, name) for name in text.split(",") if name.strip()]


def _more(rows: str | Sequence[int], run: Run) -> str:
    """Return what the name of a file says about genes and seeds, if they are not the default."""
    parts = []
    if rows != "test":
        digest = sha256(repr(list(rows)).encode()).hexdigest()[:8]
        parts.append(f"genes-{rows if isinstance(rows, str) else digest}")
    if run.seed or run.seeds > 1:
        parts.append(f"seed-{run.seed}" + (f"-{run.numbers[-1]}" if run.seeds > 1 else ""))
    return "-".join(parts)
