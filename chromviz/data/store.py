"""Where datasets come from: a folder of them, or the one that comes with chromviz."""

from __future__ import annotations

from pathlib import Path

import xarray as xr

from chromviz import schema
from chromviz.data.archives.addresses import MATRICES_FOLDER
from chromviz.data.deepchrome import find_deepchrome, read_deepchrome
from chromviz.errors import ChromvizError
from chromviz.vocabulary import find_eid, resolve_cell

_EMBEDDED = "the embedded dataset"


def list_cells(folder: Path | None) -> tuple[str, ...]:
    """Return the names of the cell types at hand, sorted.

    Parameters
    ----------
    folder
        A folder of datasets (``{cell}.nc``) or of DeepChrome CSV, or both; None for the embedded
        simulated dataset.

    Raises
    ------
    ChromvizError
        If the folder is missing or holds no cell type.
    """
    if folder is None:
        from chromviz.data.simulate import EMBEDDED_CELLS

        return EMBEDDED_CELLS
    return tuple(_find(Path(folder)))


def open_cell(folder: Path | None, name: str) -> xr.Dataset:
    """Read one cell type's dataset, and no other.

    Parameters
    ----------
    folder
        As in :func:`list_cells`. Where a cell type is there in both formats, the dataset is read:
        it knows more than the CSV.
    name
        EID, common name, or the dataset's own name, in any case.

    Raises
    ------
    ChromvizError
        If the folder is missing or holds no cell type, none goes by that name, or its files are
        damaged.
    """
    if folder is None:
        from chromviz.data.simulate import EMBEDDED_CELLS, simulate

        return simulate(resolve_cell(name, EMBEDDED_CELLS, _EMBEDDED))
    found = _find(Path(folder))
    cell = resolve_cell(name, tuple(found), str(folder))
    path = found[cell]
    if path.suffix != ".nc":
        return read_deepchrome(path, cell)
    dataset = schema.load_dataset(path)
    inside = str(dataset.attrs["cell"])
    if (find_eid(inside) or inside.lower()) != (find_eid(cell) or cell.lower()):
        raise ChromvizError(
            f"{path} holds the dataset of {inside}, not of {cell}; rename it to {inside}.nc"
        )
    return dataset


def find_cells(folder: Path | None) -> dict[str, list[str]]:
    """Return what there is of each cell type at hand, by its name.

    Parameters
    ----------
    folder
        As in :func:`list_cells`, but it may be empty.

    Returns
    -------
    dict
        ``dataset`` or ``matrices`` or both, or ``embedded (simulated)``.

    Raises
    ------
    ChromvizError
        If the folder is missing.
    """
    if folder is None:
        return {cell: ["embedded (simulated)"] for cell in list_cells(None)}
    found: dict[str, list[str]] = {name: ["dataset"] for name in _datasets(Path(folder))}
    for name in _matrices(Path(folder)):
        found.setdefault(name, []).append("matrices")
    return dict(sorted(found.items()))


def _datasets(folder: Path) -> dict[str, Path]:
    """Return the dataset of each cell type by name."""
    if not folder.is_dir():
        problem = "is not a folder" if folder.exists() else "does not exist"
        raise ChromvizError(
            f"{folder} {problem}; give a folder of datasets ({{cell}}.nc) or of DeepChrome CSV"
        )
    # A name that begins with a dot is a file that is still being written.
    return {path.stem: path for path in folder.glob("*.nc") if not path.name.startswith(".")}


def _matrices(folder: Path) -> dict[str, Path]:
    """Return the folder of CSV of each cell type by name; also of those that were fetched."""
    return find_deepchrome(folder / MATRICES_FOLDER) | find_deepchrome(folder)


def _find(folder: Path) -> dict[str, Path]:
    """Return each cell type's file, or its folder of CSV, by name."""
    datasets = _datasets(folder)
    found = _matrices(folder) | datasets
    if not found:
        raise ChromvizError(
            f"{folder} holds no dataset: neither {{cell}}.nc nor "
            "{cell}/classification/{train,valid,test}.csv; make one with 'chromviz prepare'"
        )
    return dict(sorted(found.items()))
