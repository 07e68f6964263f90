"""Finds and opens datasets, in a folder or embedded in chromviz."""

from __future__ import annotations

from pathlib import Path

import xarray as xr

from chromviz import schema
from chromviz.data.archives.addresses import MATRICES_FOLDER
from chromviz.data.deepchrome_csv import find_deepchrome, read_deepchrome
from chromviz.errors import ChromvizError
from chromviz.vocabulary import PAPER_CELLS, find_eid, resolve_cell


def available_cells(data: str | Path | None = None) -> tuple[str, ...]:
    """Return the names of the cell types that :func:`open_cell` can open, sorted.

    >>> available_cells()
    ('E003', 'E116', 'E123')
    """
    if data is None:
        return PAPER_CELLS
    return tuple(_find(Path(data)))


def open_cell(cell: str | xr.Dataset, data: str | Path | None = None) -> xr.Dataset:
    """Open the dataset of one cell type.

    Parameters
    ----------
    cell
        EID, common name, or the dataset's own name, in any case. A dataset is returned as it is.
    data
        Folder of datasets (``{cell}.nc``), of DeepChrome CSV, or of both; None for the embedded
        simulated dataset. If a cell type is there in both formats, the dataset is opened.

    Returns
    -------
    xarray.Dataset
        ``signal`` (gene, mark, bin), ``coverage`` (track, gene, bin), ``expression``, ``label``
        (1 ON, 0 OFF, -1 unknown) and ``split`` (gene,); see :mod:`chromviz.schema`.

    Raises
    ------
    ChromvizError
        If the folder does not exist or contains no such cell type, or its files are damaged.

    Examples
    --------
    >>> data = open_cell("K562")
    >>> data["signal"].sizes["mark"], data["signal"].sizes["bin"]
    (5, 100)
    >>> int((data["label"] == 1).sum()), data.attrs["simulated"]
    (1200, 1)
    """
    if isinstance(cell, xr.Dataset):
        return cell
    if data is None:
        # Imported here: SciPy takes a second, and only the simulation needs it.
        from chromviz.data.simulate import simulate

        return simulate(cell)
    found = _find(Path(data))
    name = resolve_cell(cell, tuple(found), str(data))
    if "dataset" not in found[name]:
        return read_deepchrome(found[name]["matrices"], name)
    path = found[name]["dataset"]
    dataset = schema.load_dataset(path)
    inside = str(dataset.attrs["cell"])
    if (find_eid(inside) or inside.lower()) != (find_eid(name) or name.lower()):
        raise ChromvizError(
            f"{path} contains the dataset of {inside}, not of {name}; rename it to {inside}.nc"
        )
    return dataset


def dataset_of(data: xr.Dataset | str) -> xr.Dataset:
    """Return a dataset, or the embedded one of a cell type that is named."""
    if not isinstance(data, str | xr.Dataset):
        raise ChromvizError(
            "data must be a dataset (chromviz.open_cell, chromviz.prepare) or the name of an "
            f"embedded cell type, not a {type(data).__name__}"
        )
    return open_cell(data)


def find_cells(folder: Path) -> dict[str, dict[str, Path]]:
    """Return each cell type's ``dataset`` and folder of ``matrices``; the folder may be empty."""
    if not folder.is_dir():
        problem = "is not a folder" if folder.exists() else "does not exist"
        raise ChromvizError(
            f"{folder} {problem}; give a folder of datasets ({{cell}}.nc) or of DeepChrome CSV"
        )
    # A name that begins with a dot is a file that is still being written.
    datasets = (path for path in folder.glob("*.nc") if not path.name.startswith("."))
    found = {path.stem: {"dataset": path} for path in datasets}
    # Those that fetch wrote, and those of the folder itself, which win.
    matrices = find_deepchrome(folder / MATRICES_FOLDER) | find_deepchrome(folder)
    for name, path in matrices.items():
        found.setdefault(name, {})["matrices"] = path
    return dict(sorted(found.items()))


def _find(folder: Path) -> dict[str, dict[str, Path]]:
    """Return what :func:`find_cells` does, or raise if the folder has no cell type."""
    found = find_cells(folder)
    if not found:
        raise ChromvizError(
            f"{folder} contains no dataset: neither {{cell}}.nc nor "
            "{cell}/classification/{train,valid,test}.csv; make one with 'chromviz prepare'"
        )
    return found
