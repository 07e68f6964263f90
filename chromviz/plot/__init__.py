"""Figures of what the verbs of chromviz return: ``cv.plot.profiles(alpha)``.

Each function returns matplotlib's Axes if the plot has one panel, else a Figure. The paper is
Singh et al., *Attend and Predict*, NeurIPS 2017. Nothing is imported until a function is called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chromviz.errors import ChromvizError

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    *("beta", "consensus", "coverage", "deletion", "gain", "gene", "genes", "learning_curve"),
    *("profiles", "suite", "table3", "verdicts"),
]


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted(__all__)


def profiles(
    attribution: xr.Dataset, ax: Axes | None = None, *, state: str = "ON", legend: bool = True
) -> Axes:
    """Draw the mean weight of each mark over the bins: Figure 2a of Singh et al. (2017).

    Parameters
    ----------
    attribution
        What :func:`chromviz.extract` returns for a model, with weights over (gene, mark, bin).
    ax
        Where to draw; new Axes if None.
    state
        ``"ON"`` (probability above 0.5) or ``"OFF"``.
    legend
        Whether to name the marks inside the Axes.

    Returns
    -------
    matplotlib.axes.Axes
        Distance from the TSS in kb, mean weight in the unit of the method, and its 95 % interval.

    Raises
    ------
    ChromvizError
        If the attribution has other dimensions, or no gene is predicted to be in this state.

    Examples
    --------
    >>> import chromviz as cv
    >>> data = cv.open_cell("K562").isel(gene=slice(0, 300))
    >>> weights = cv.extract("saliency", data, "linear-regression", genes="all")
    >>> cv.plot.profiles(weights).get_xlabel()
    'Distance from the TSS (kb)'
    """
    from chromviz.plot.profile_lines import plot_profiles, weight_label
    from chromviz.validation.profiles import weight_profiles

    _require_variable(attribution, "weight", "an attribution, as chromviz.extract returns it")
    table = weight_profiles(attribution)
    part = table[table["state"] == state]
    if part.empty:
        raise ChromvizError(f"no gene of this attribution is predicted {state!r}; use ON or OFF")
    return plot_profiles(part, ax, ylabel=weight_label(table), legend=legend)


def coverage(data: xr.Dataset | str, ax: Axes | None = None, *, track: str | None = None) -> Axes:
    """Draw the mean coverage of a reference track: Figure 2b of Singh et al. (2017).

    Parameters
    ----------
    data
        A dataset with the track, or the name of an embedded cell type.
    ax
        Where to draw; new Axes if None.
    track
        Name of the track; by default H3K27ac.

    Returns
    -------
    matplotlib.axes.Axes
        Distance from the TSS in kb, mean coverage of genes labelled ON in the unit of the track.

    Raises
    ------
    ChromvizError
        If the dataset lacks the track.

    Examples
    --------
    >>> import chromviz as cv
    >>> len(cv.plot.coverage("K562").get_lines()) > 0
    True
    """
    from chromviz.data.cells import dataset_of
    from chromviz.plot.profile_lines import plot_profiles
    from chromviz.validation.profiles import coverage_profile
    from chromviz.vocabulary import REFERENCE_TRACK

    name = track or REFERENCE_TRACK
    dataset = dataset_of(data)
    _require_variable(dataset, "coverage", "a dataset, as chromviz.open_cell returns it")
    table = coverage_profile(dataset, name).assign(mark=name)
    return plot_profiles(table, ax, ylabel=f"Mean coverage of {name}", legend=False)


def table3(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw Pearson's r of each method and control: Table 3 of Singh et al. (2017).

    Parameters
    ----------
    table
        What :func:`chromviz.table3` returns, or a run of :func:`chromviz.compare`.
    ax
        Where to draw; new Axes if None.

    Returns
    -------
    matplotlib.axes.Axes
        Pearson's r, which has no unit, of each row; the paper's value beside it.

    Raises
    ------
    ChromvizError
        If the table lacks a column.

    Examples
    --------
    >>> import chromviz as cv
    >>> raw = cv.extract("raw_signal", "K562")
    >>> axes = cv.plot.table3(cv.table3(raw, "K562", n_bootstrap=100))
    """
    from chromviz.plot.dots import plot_table3

    return plot_table3(_table(table, "table", "Table 3"), ax)


def gain(table: Any, ax: Axes | None = None) -> Axes:
    """Draw how much more each explanation agrees with H3K27ac than the raw signal does.

    Parameters
    ----------
    table
        A run of :func:`chromviz.compare` or :func:`chromviz.validate`, or its tidy table.
    ax
        Where to draw; new Axes if None.

    Returns
    -------
    matplotlib.axes.Axes
        Difference in Pearson's r from the raw signal, with its 95 % interval.

    Raises
    ------
    ChromvizError
        If the table lacks a column.

    Examples
    --------
    >>> import chromviz as cv
    >>> run = cv.compare("K562", models=["linear-regression"], methods=["coefficients"],
    ...                  n_bootstrap=100)
    >>> cv.plot.gain(run).get_xlabel()
    'Gain in r over the raw signal'
    """
    from chromviz.plot.dots import plot_gain
    from chromviz.vocabulary import PROMOTER_MARK

    tidy = _table(table, "agreement" if hasattr(table, "agreement") else "table", "agreement")
    if "test" in tidy and "mark" in tidy:
        tidy = tidy[(tidy["test"] == "profile") & (tidy["mark"] == PROMOTER_MARK)]
    return plot_gain(tidy, ax=ax)


def verdicts(table: Any, ax: Axes | None = None) -> Axes:
    """Draw the verdict for each explanation: a filled circle for yes, a cross for no.

    Parameters
    ----------
    table
        A run of :func:`chromviz.compare` or :func:`chromviz.validate`, or its ``verdicts``.
    ax
        Where to draw; new Axes if None.

    Returns
    -------
    matplotlib.axes.Axes
        One row per model and method, one column per question.

    Raises
    ------
    ChromvizError
        If the table lacks a column.

    Examples
    --------
    >>> import chromviz as cv
    >>> run = cv.compare("K562", models=["linear-regression"],
    ...                  methods=["input_x_gradient"], n_bootstrap=100)
    >>> axes = cv.plot.verdicts(run)
    """
    from chromviz.plot.dots import plot_verdicts

    return plot_verdicts(_table(table, "verdicts", "verdicts"), ax)


def deletion(
    curves: Any, ax: Axes | None = None, *, model: str | None = None, way: str = "deletion"
) -> Axes:
    """Draw the probability of the predicted state while the top bins of a gene are deleted.

    Parameters
    ----------
    curves
        A run of :func:`chromviz.validate` with the test ``faithfulness``, or its ``curves``.
    ax
        Where to draw; new Axes if None.
    model
        Name of the model; by default the first.
    way
        ``"deletion"`` of the top bins, or their ``"insertion"`` into the reference.

    Returns
    -------
    matplotlib.axes.Axes
        Share of bins in percent, and mean probability over genes with its 95 % interval.

    Raises
    ------
    ChromvizError
        If there are no curves, or none of this model and way.

    Examples
    --------
    >>> import chromviz as cv
    >>> run = cv.validate("K562", models=["logistic-regression"], methods=["coefficients"],
    ...                   tests=["faithfulness"])
    >>> cv.plot.deletion(run).get_xlabel()
    'Bins deleted (%)'
    """
    from chromviz.plot.curves import plot_deletion

    table = _table(curves, "curves", "deletion curves")
    return plot_deletion(_of_model(table, model), way, ax)


def consensus(table: Any, ax: Axes | None = None, *, model: str | None = None) -> Axes:
    """Draw how similarly each pair of methods ranks the bins of a gene.

    Parameters
    ----------
    table
        A run of :func:`chromviz.validate` with the test ``consensus``, or its tidy table.
    ax
        Where to draw; new Axes if None.
    model
        Name of the model; by default the first.

    Returns
    -------
    matplotlib.axes.Axes
        Below the diagonal Spearman's rank correlation, above it the overlap of the top 5 % of bins,
        means over genes; neither has a unit.

    Raises
    ------
    ChromvizError
        If the test was not run, or not on this model.

    Examples
    --------
    >>> import chromviz as cv
    >>> run = cv.validate("K562", models=["logistic-regression"], tests=["consensus"],
    ...                   methods=["coefficients", "input_x_gradient"])
    >>> axes = cv.plot.consensus(run)
    """
    from chromviz.plot.heatmap import plot_consensus
    from chromviz.validation.consensus import consensus_table

    pairs = consensus_table(_table(table, "table", "validation"))
    return plot_consensus(_of_model(pairs, model), ax)


def gene(audit: Any, model: str | None = None) -> Figure:
    """Draw one gene across cell types: coverage, signal, and the weights of every method.

    Parameters
    ----------
    audit
        What :func:`chromviz.audit` returns.
    model
        Name of the model whose weights are drawn; by default the first.

    Returns
    -------
    matplotlib.figure.Figure
        One column per cell type, one row per method; each row has one scale of colours.

    Raises
    ------
    ChromvizError
        If the model is not in the audit.

    Examples
    --------
    >>> import chromviz as cv
    >>> found = cv.audit("PAX5", ["K562"], models=["linear-regression"])
    >>> figure = cv.plot.gene(found)
    """
    import pandas as pd

    from chromviz.plot.gene_map import AUDIT_COLUMNS, draw_audit

    _require_audit(audit)
    numbers = ("bin_start", "value", "signed", "simulated")
    texts = {name: "" for name in AUDIT_COLUMNS if name not in numbers}
    table = pd.read_csv(audit.folder / "audit.csv").fillna(texts)
    names = [str(name) for name in dict.fromkeys(table["model"]) if name]
    if model is not None and model not in names:
        raise ChromvizError(f"the audit has no model {model!r}; it has {', '.join(names)}")
    name = model or next(iter(names), "")
    return draw_audit(table[table["model"].isin(("", name))].reset_index(drop=True), name)


def beta(audit: Any, ax: Axes | None = None) -> Axes:
    """Draw β of one gene, marks by cell types: Figure 2c of Singh et al. (2017).

    Parameters
    ----------
    audit
        What :func:`chromviz.audit` returns for a model with β, or its ``table``.
    ax
        Where to draw; new Axes if None.

    Returns
    -------
    matplotlib.axes.Axes
        β sums to 1 over marks; it has no unit.

    Raises
    ------
    ChromvizError
        If no model of the audit gives β.

    Examples
    --------
    >>> import chromviz as cv
    >>> data = cv.open_cell("K562").isel(gene=slice(0, 300))
    >>> model = cv.train("lstm-alpha-beta", data, epochs=1)
    >>> weights = cv.extract("beta", data, model, genes="all").isel(gene=0)
    >>> table = weights["weight"].to_dataframe().reset_index()
    >>> table = table.assign(gene="PAX5", symbol="PAX5", cell="K562", label=1, split="test",
    ...                      probability=0.9, expression=9.5, simulated=1)
    >>> axes = cv.plot.beta(table)
    """
    import pandas as pd

    from chromviz.plot.heatmap import plot_beta

    if not isinstance(audit, pd.DataFrame):
        _require_audit(audit)
    table = _table(audit, "table", "β")
    if table.empty:
        raise ChromvizError("none of the audited models trained here gives β")
    return plot_beta(table, ax)


def genes(attribution: xr.Dataset, data: xr.Dataset | str) -> Figure:
    """Draw genes sorted by expression: signal, weights and coverage as heatmaps.

    Parameters
    ----------
    attribution
        What :func:`chromviz.extract` returns, with weights over (gene, mark, bin).
    data
        The dataset that was explained, or the name of an embedded cell type.

    Returns
    -------
    matplotlib.figure.Figure
        H3K4me3, its weights and H3K27ac, in the units of the dataset and the method; each row
        averages a few genes.

    Raises
    ------
    ChromvizError
        If the attribution belongs to other data, or has other dimensions.

    Examples
    --------
    >>> import chromviz as cv
    >>> raw = cv.extract("raw_signal", "K562")
    >>> figure = cv.plot.genes(raw, "K562")
    """
    from chromviz.data.cells import dataset_of
    from chromviz.plot.gene_rows import draw_genes
    from chromviz.validation.profiles import genes_by_expression

    _require_variable(attribution, "weight", "an attribution, as chromviz.extract returns it")
    return draw_genes(genes_by_expression(attribution, dataset_of(data)))


def learning_curve(model: Any) -> Figure:
    """Draw losses and validation AUC of a model over the epochs of its training.

    Parameters
    ----------
    model
        What :func:`chromviz.train` or :func:`chromviz.load_model` returns.

    Returns
    -------
    matplotlib.figure.Figure
        Loss in nats per gene above, AUC below; the kept epoch is marked.

    Raises
    ------
    ChromvizError
        If the model was not trained in epochs.

    Examples
    --------
    >>> import chromviz as cv
    >>> data = cv.open_cell("K562").isel(gene=slice(0, 300))
    >>> figure = cv.plot.learning_curve(cv.train("deepchrome", data, epochs=1))
    """
    from chromviz.plot.curves import draw_learning_curve

    # By what it offers, not by its class: drawing needs no torch.
    curve = getattr(model, "learning_curve", None)
    if curve is None:
        raise _wrong(model, "a trained model, as chromviz.train returns it")
    table = curve()
    if table.empty:
        raise ChromvizError("this model has no learning curve: it was not trained in epochs")
    return draw_learning_curve(table)


def suite(suite: Any, ax: Axes | None = None) -> Axes:
    """Draw the test AUC of each model, cell type and seed: Table 2 of Singh et al. (2017).

    Parameters
    ----------
    suite
        What :func:`chromviz.suite` returns, or its ``units``.
    ax
        Where to draw; new Axes if None.

    Returns
    -------
    matplotlib.axes.Axes
        Test AUC, which has no unit; one row per model.

    Raises
    ------
    ChromvizError
        If the table lacks a column.

    Examples
    --------
    >>> import chromviz as cv
    >>> found = cv.suite(["K562"], models=["linear-regression"], tables=["s3"],
    ...                  reference="linear-regression")
    >>> cv.plot.suite(found).get_xlabel()
    'Test AUC'
    """
    from chromviz.plot.dots import plot_suite

    table = _table(suite, "units", "performance")
    if "marks" in table:
        table = table[table["marks"] == "all"]
    return plot_suite(table, ax)


def _table(given: Any, attribute: str, what: str) -> pd.DataFrame:
    """Return a table, or that of a result."""
    import pandas as pd

    table = given if isinstance(given, pd.DataFrame) else getattr(given, attribute, None)
    if not isinstance(table, pd.DataFrame):
        raise _wrong(given, f"a table of {what}, or the result that holds it")
    return table


def _of_model(table: pd.DataFrame, model: str | None) -> pd.DataFrame:
    """Return the rows of a model, by default of the first."""
    known = list(dict.fromkeys(table["model"]))
    if not known:
        raise ChromvizError("this validation has no such test; add it to its tests")
    if model is not None and model not in known:
        raise ChromvizError(f"no model {model!r} in this table; it has {', '.join(known)}")
    return table[table["model"] == (known[0] if model is None else model)]


def _require_variable(given: Any, name: str, what: str) -> None:
    import xarray as xr

    if not isinstance(given, xr.Dataset) or name not in given or "schema" not in given.attrs:
        raise _wrong(given, what)


def _require_audit(given: Any) -> None:
    if not (hasattr(given, "folder") and hasattr(given, "record")):
        raise _wrong(given, "what chromviz.audit returns")


def _wrong(given: Any, what: str) -> ChromvizError:
    return ChromvizError(f"this is a {type(given).__name__}; give {what}")
