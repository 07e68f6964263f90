"""A result folder as one HTML page."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from PIL import Image

from chromviz.catalog import method_label, methods, model_label
from chromviz.data.cells import open_cell
from chromviz.errors import ChromvizError
from chromviz.reporting.explorer import CellPart, Explorer, explore
from chromviz.reporting.grid import Grid
from chromviz.reporting.page import Page, Picture, room, write_page
from chromviz.reporting.tables import (
    audit_grid,
    audit_notes,
    table3_grid,
    verdict_grid,
    verdict_sentences,
)
from chromviz.results.folder import ResultFolder
from chromviz.results.reading import Results, open_results
from chromviz.schema import (
    dataset_hash,
    find_gene,
    gene_counts,
    load_attribution,
    require_alike,
    require_made_from,
)
from chromviz.validation.tidy import read_tidy
from chromviz.validation.verdict import verdicts
from chromviz.vocabulary import REFERENCE_TRACK, cell_label

REPORT = "report.html"
#: The commands whose results have a page.
COMMANDS = ("compare", "validate", "audit")


def report(
    results: str | Path, *, data: str | Path | None = None, out: str | Path | None = None
) -> Path:
    """Write a result folder as one HTML page that needs no network.

    Parameters
    ----------
    results
        A folder that ``compare``, ``validate`` or ``audit`` has finished.
    data
        Folder of its datasets; None for the embedded simulated dataset.
    out
        The page; by default ``{results}/report.html``.

    Returns
    -------
    Path
        The page: verdicts, figures and every gene. Distances are in bp from the TSS, weights and
        signal in the units of the attributions and the dataset.

    Raises
    ------
    ChromvizError
        If the folder is incomplete, was edited, comes from another command or version, or was
        made from other datasets.

    Notes
    -----
    The figures are those of section 5 of Singh et al., *Attend and Predict*, NeurIPS 2017.

    Examples
    --------
    >>> import chromviz as cv
    >>> run = cv.compare("K562", models=["linear-regression"], methods=["coefficients"],
    ...                  n_bootstrap=100)
    >>> cv.report(run.folder).name
    'report.html'
    """
    results = Path(results)
    found = open_results(results, *COMMANDS)
    where = None if data is None else Path(data)
    datasets = [_dataset(found, where, cell) for cell in _cells(found)]
    path = results / REPORT if out is None else Path(out)
    write_page(path, _page(found, datasets))
    return path


def write_report(folder: ResultFolder, datasets: Sequence[xr.Dataset]) -> None:
    """Write the page of a folder whose other steps are done, unless it is up to date."""
    found = Results(folder.path, folder.subject, int(folder["seed"]), folder.record())
    key = [sorted(found.files.items()), [dataset_hash(one) for one in datasets]]
    folder.once(
        "report", key, [REPORT], lambda: write_page(folder.path / REPORT, _page(found, datasets))
    )


def _cells(found: Results) -> list[str]:
    try:
        if "cells" in found.record:
            return [str(cell) for cell in found.record["cells"]]
        return [str(found.record["dataset"]["cell"])]
    except (KeyError, TypeError):
        several = found.subject.partition(" ")[2].split(", ")
        if len(several) > 1:
            raise ChromvizError(
                f"{found.path} summarises {len(several)} cell types, and each has its own folder "
                f"and page there; give one of them, for instance {found.path / several[0]}"
            ) from None
        raise ChromvizError(
            f"{found.path / 'manifest.json'} does not say which cell type it is of; make the "
            "results again"
        ) from None


def _dataset(found: Results, data: Path | None, cell: str) -> xr.Dataset:
    dataset = open_cell(cell, data)
    known = found.record.get("dataset", {}).get("sha256")
    if known and known != dataset_hash(dataset):
        where = data or "the embedded dataset"
        raise ChromvizError(
            f"{found.path} was made from another dataset of {cell_label(cell)} than that in "
            f"{where}; name its folder with --data"
        )
    return dataset


def _page(found: Results, datasets: Sequence[xr.Dataset]) -> Page:
    pictures = _pictures(found)
    command, _, subject = found.subject.partition(" ")
    title, lead = _heading(command, subject, datasets)
    sentences, grids = _summary(found, command)
    weights = [name for name in found.files if name.endswith(".nc")]
    attributions = [load_attribution(found.file(name)) for name in weights]
    return Page(
        title=title,
        lead=lead,
        simulated=any(int(one.attrs["simulated"]) for one in datasets),
        sentences=sentences,
        grids=grids,
        figures=pictures,
        settings=[_models_grid(found), _methods_grid(attributions)],
        provenance=_provenance(found, datasets),
        files=sorted((name, digest) for name, digest in found.files.items() if name != REPORT),
        explorer=_explorer(found, command, datasets, attributions, room(pictures)),
    )


def _heading(command: str, subject: str, datasets: Sequence[xr.Dataset]) -> tuple[str, list[str]]:
    cells = [cell_label(str(one.attrs["cell"])) for one in datasets]
    if command == "audit":
        title = f"{subject} across {len(cells)} cell types" if len(cells) > 1 else subject
        return title, [f"Signal, weights and predictions in {', '.join(cells)}."]
    counts = gene_counts(datasets[0])
    used = f"Models use {counts['used']:,} of {counts['annotated']:,} genes."
    what = {
        "compare": f"explanations compared with {REFERENCE_TRACK}",
        "validate": "should the explanations be believed?",
    }[command]
    return f"{cells[0]}: {what}", [used]


def _summary(found: Results, command: str) -> tuple[list[str], list[Grid]]:
    """Return the conclusions from the results, and their tables."""
    if command == "audit":
        record = json.loads(found.text("audit.json"))
        return audit_notes(record), [audit_grid(record)]
    file = {"compare": "agreement.csv", "validate": "validation.csv"}[command]
    table = read_tidy(found.file(file))
    judged = verdicts(table).assign(simulated=int(table["simulated"].max()))
    trained = judged[judged["variant"] == ""]
    sentences = verdict_sentences(trained)
    if command == "validate":
        grid = verdict_grid(judged, table)
        return sentences, [grid] if grid.groups else []
    # A comparison answers two of six questions, so it has no verdict.
    shown = _asked_columns(verdict_grid(trained, table))
    return sentences, [table3_grid(found.table("table3.csv")), shown]


def _asked_columns(grid: Grid) -> Grid:
    """Return a table of the questions that were answered, without the verdict."""
    rows = grid.rows
    kept = [
        at
        for at, name in enumerate(grid.header)
        if name != "passes" and any(row[at] != "–" for row in rows)
    ]
    groups = [(title, [[row[at] for at in kept] for row in rows]) for title, rows in grid.groups]
    return replace(grid, header=[grid.header[at] for at in kept], groups=groups)


def _pictures(found: Results) -> list[Picture]:
    pictures = []
    for name in found.files:
        stem = name.removesuffix(".png")
        if stem == name:
            continue
        content, buffer = found.file(name).read_bytes(), io.BytesIO()
        with Image.open(io.BytesIO(content)) as image:
            caption = str(image.info.get("Title", stem))
            # 256 colours look the same, and are smaller.
            image.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(buffer, "PNG")
        forms = [f"{stem}.{form}" for form in ("pdf", "csv") if f"{stem}.{form}" in found.files]
        smaller = min(buffer.getvalue(), content, key=len)
        pictures.append(Picture(caption, ", ".join(forms), smaller))
    return pictures


def _explorer(
    found: Results,
    command: str,
    datasets: Sequence[xr.Dataset],
    attributions: Sequence[xr.Dataset],
    space: int,
) -> Explorer | None:
    """Return the genes that the folder's attributions explain, None if there are none."""
    require_alike(datasets)
    hashes = [dataset_hash(one) for one in datasets]
    mine: list[list[xr.Dataset]] = [[] for _ in datasets]
    for one in attributions:
        # Controls and untrained networks are in the tables only.
        if "gene" not in one["weight"].dims or not one.attrs["model"] or one.attrs.get("variant"):
            continue
        at = hashes.index(one.attrs["dataset_hash"]) if one.attrs["dataset_hash"] in hashes else 0
        require_made_from(one, str(datasets[at].attrs["cell"]), hashes[at])
        mine[at].append(one)
    if not any(mine):
        return None
    cards = found.record.get("models", {}).values()
    # The gene of an audit is shown even if models cannot read it.
    asked = [json.loads(found.text("audit.json"))["gene"]] if command == "audit" else []
    parts = []
    for dataset, digest, own in zip(datasets, hashes, mine, strict=True):
        trained = {str(card["name"]) for card in cards if card["dataset_hash"] == digest}
        here = {str(card["name"]): card["name"] in trained for card in cards}
        genes = [find_gene(dataset, gene) for gene in asked]
        parts.append(CellPart(dataset, own, genes, here))
    return explore(parts, space)


def _models_grid(found: Results) -> Grid:
    rows = []
    for card in found.record.get("models", {}).values():
        auc, epochs = card["metrics"].get("test_auc"), card["metrics"].get("epochs")
        rows.append(
            [
                model_label(str(card["name"]), str(card.get("variant", ""))),
                cell_label(str(card["cell"])),
                str(card["seed"]),
                "–" if epochs is None else f"{epochs:.0f}",
                "–" if auc is None or np.isnan(auc) else f"{auc:.3f}",
                str(card["weights_hash"])[:12],
            ]
        )
    return Grid(
        title="Models",
        caption="What was explained. The first digits of each hash of the weights.",
        label="models",
        header=["Model", "Trained on", "Seed", "Epochs", "Test AUC", "Weights"],
        numbers=[2, 3, 4],
        groups=[("", rows)],
        simulated=bool(found.record.get("simulated")),
    )


def _methods_grid(attributions: Sequence[xr.Dataset]) -> Grid:
    """Return the methods of attributions, as chromviz describes them."""
    used: dict[str, set[str]] = {}
    for one in attributions:
        used.setdefault(str(one.attrs["method"]), set()).add(str(one.attrs["parameters"]))
    known, rows = methods(), []
    ordered = [name for name in known if name in used]
    for name in [*ordered, *(name for name in used if name not in known)]:
        settings = [json.loads(text).items() for text in sorted(used[name])]
        written = (", ".join(f"{key} = {value}" for key, value in one) for one in settings)
        sign, description = "–", "–"
        if name in known:
            sign = "with its sign" if known[name].signed else "–"
            description = known[name].description
        rows.append([method_label(name), name, sign, "; ".join(written) or "–", description])
    return Grid(
        title="Methods",
        caption="How weights were found, and with what settings.",
        label="methods",
        header=["Method", "Name", "Sign", "Settings", "What it gives"],
        numbers=(),
        groups=[("", rows)],
        simulated=False,
    )


def _provenance(found: Results, datasets: Sequence[xr.Dataset]) -> list[tuple[str, str]]:
    record = found.record
    rows = [
        ("command", str(record.get("command", ""))),
        ("made", str(record.get("created", ""))),
        ("seed", str(found.seed)),
        ("versions", ", ".join(f"{name} {one}" for name, one in record["versions"].items())),
    ]
    for one in datasets:
        label = cell_label(str(one.attrs["cell"]))
        counts = gene_counts(one)
        annotated, used = counts.pop("annotated"), counts.pop("used")
        left = ", ".join(f"{number:,} {reason}" for reason, number in counts.items())
        genes = f"{used:,} of {annotated:,} used{f'; left out: {left}' if left else ''}"
        rows += [
            ("dataset", f"{label}, {one.attrs['assembly']}, label: {one.attrs['label_rule']}"),
            ("dataset SHA-256", dataset_hash(one)),
            ("genes", genes),
        ]
        sources = pd.DataFrame(json.loads(str(one.attrs["sources"])))
        if len(sources):
            named = sources.apply(lambda row: f"{row['name']} ({str(row['sha256'])[:12]})", axis=1)
            rows.append(("sources", ", ".join(dict.fromkeys(named))))
    notes = record.get("notes", {})
    return rows + [("note", str(note)) for note in (notes.values() if notes else ())]
