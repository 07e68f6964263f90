"""The CSV layout of the DeepChrome and AttentiveChrome data (Zenodo record 2652278).

A cell type is a folder with ``classification/{train,valid,test}.csv``. The files have no header
and 100 rows per gene: gene id, bin id (1-100), read counts of the five marks in
:data:`chromviz.vocabulary.MARKS` order, and the gene's label, 0 or 1, in every row.

A file is read in one sweep and checked with array operations. Only when a check fails is it read
again line by line, to say which line is wrong.
"""

from __future__ import annotations

import io
import math
import re
from pathlib import Path
from typing import NoReturn

import numpy as np
import pandas as pd
import xarray as xr

from chromviz import provenance, schema
from chromviz.errors import ChromvizError
from chromviz.vocabulary import MARKS, SPLITS, Window, find_eid

_SPLITS = SPLITS[:3]
_WINDOW = Window()
_BINS = _WINDOW.n_bins
_COLUMNS = 2 + len(MARKS) + 1
_BIN_IDS = np.arange(1, _BINS + 1, dtype=np.float64)
_LARGEST = float(np.finfo(np.float32).max)


def find_deepchrome(folder: Path) -> dict[str, Path]:
    """Find cell types in DeepChrome's layout; return their folders by name.

    `folder` may be a folder of cell types (``E003/classification/train.csv`` ...), one that holds
    them in ``data/``, as the published archive does, a cell type's own folder, or its
    ``classification``. One of the three files is enough to be found: a missing one is an error when
    the cell type is read, never a silent absence.
    """
    folder = Path(folder)
    own = folder.parent if folder.resolve().name == "classification" else folder
    candidates = [own] if _has_split(own) else []
    if not candidates:
        try:
            for parent in (folder, folder / "data"):
                if parent.is_dir():
                    candidates += [item for item in parent.iterdir() if item.is_dir()]
        except OSError as error:
            raise ChromvizError(
                f"cannot list the folder {folder} ({error.strerror or error})"
            ) from None
    # The outer folder wins over the same name in data/.
    found = {item.resolve().name: item for item in reversed(candidates) if _has_split(item)}
    return dict(sorted(found.items()))


def read_deepchrome(path: Path, cell: str) -> xr.Dataset:
    """Read one cell type in DeepChrome's layout, from the folder that holds ``classification``.

    The layout does not contain positions or expression, so chromosome, TSS, strand and expression
    are unknown, and there are no reference tracks. Genes are those of train, then valid, then test.
    A suffix after ``_`` is removed from gene ids unless two would become equal. Errors name the
    file, line and gene.
    """
    files = _split_files(Path(path))
    for file in files.values():
        if not file.is_file():
            raise ChromvizError(
                f"no file {file}; a cell type needs train.csv, valid.csv and test.csv"
            )
    parts = {split: _read_split(file) for split, file in files.items()}
    tables = {split: table for split, (table, _) in parts.items()}
    table = pd.concat(tables, names=["split", "row"]).reset_index("split")
    genes = table.assign(
        gene=_gene_ids(table, files), symbol="", chrom="", tss=-1, strand=".", expression=np.nan
    )
    return schema.build_dataset(
        cell=find_eid(cell) or cell,
        genes=genes,
        marks=MARKS,
        signal=np.concatenate([signal for _, signal in parts.values()]),
        window=_WINDOW,
        assembly="hg19",
        signal_unit="read counts",
        label_rule="given by the source",
        sources=[
            {
                "role": "deepchrome",
                "name": split,
                "path": str(file),
                "sha256": provenance.hash_file(file),
            }
            for split, file in files.items()
        ],
    )


def _split_files(folder: Path) -> dict[str, Path]:
    return {split: folder / "classification" / f"{split}.csv" for split in _SPLITS}


def _has_split(folder: Path) -> bool:
    return any(file.is_file() for file in _split_files(folder).values())


def _gene_ids(table: pd.DataFrame, files: dict[str, Path]) -> list[str]:
    """Return the ids of all genes, without suffix if they then still differ."""
    genes = table["gene"].tolist()
    twice = table[table["gene"].duplicated()]
    if not twice.empty:
        row, gene, split = twice.index[0], twice["gene"].iloc[0], twice["split"].iloc[0]
        earlier = table["split"].iloc[genes.index(gene)]
        raise ChromvizError(
            f"{files[split]}, line {row * _BINS + 1}: gene {gene} is already in "
            f"{files[earlier].name}; keep each gene in one split"
        )
    bare = [gene.split("_", 1)[0] for gene in genes]
    # An id that begins with "_" has no name before its suffix.
    return bare if all(bare) and len(set(bare)) == len(bare) else genes


def _read_split(path: Path) -> tuple[pd.DataFrame, np.ndarray]:
    """Return gene and label of each gene of a file, and counts, float32 (gene, mark, bin)."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ChromvizError(f"cannot read {path} ({error.strerror or error})") from None
    if not content.strip():
        raise ChromvizError(f"{path} is empty; a split has {_BINS} rows per gene")
    try:
        table = pd.read_csv(
            io.BytesIO(content),
            header=None,
            dtype={0: object, **dict.fromkeys(range(1, _COLUMNS), np.float64)},
            keep_default_na=False,
            skip_blank_lines=False,
            quoting=3,
            low_memory=False,
            encoding="utf-8-sig",
        )
    except (ValueError, pd.errors.ParserError):  # UnicodeDecodeError is a ValueError
        _refuse(path, content)
    if table.shape[1] != _COLUMNS or len(table) % _BINS:
        _refuse(path, content)
    ids = table[0].to_numpy(object).reshape(-1, _BINS)
    numbers = table.iloc[:, 1:].to_numpy().reshape(len(ids), _BINS, _COLUMNS - 1)
    with np.errstate(over="ignore"):  # becomes infinite, which is refused below
        counts = np.ascontiguousarray(numbers[:, :, 1:-1].transpose(0, 2, 1), dtype=np.float32)
    label = numbers[:, 0, -1]
    sound = (
        (ids == ids[:, :1]).all()
        and all(isinstance(gene, str) and gene for gene in ids[:, 0])
        and (numbers[:, :, 0] == _BIN_IDS).all()
        and (counts >= 0).all()  # also refuses NaN
        and np.isfinite(counts).all()
        and np.isin(label, (0, 1)).all()
        and (numbers[:, :, -1] == label[:, None]).all()
        and len({gene.strip() for gene in ids[:, 0]}) == len(ids)
    )
    if not sound:
        _refuse(path, content)
    genes = [gene.strip() for gene in ids[:, 0]]
    return pd.DataFrame({"gene": genes, "label": label.astype(np.int8)}), counts


def _refuse(path: Path, content: bytes) -> NoReturn:
    """Read a file that failed a check line by line and raise the first thing wrong with it."""
    lines = re.split(r"\r\n|\r|\n", content.decode("utf-8-sig", errors="replace"))
    if lines[-1] == "":
        del lines[-1]
    begins: dict[str, int] = {}
    gene, label = "", math.nan
    for before, line in enumerate(lines):
        name, position, given = _check_row(line, before + 1, path)
        where = f"{path}, line {before + 1}, gene {name}"
        wanted = before % _BINS + 1
        if wanted > 1 and name != gene:
            raise ChromvizError(
                f"{path}, line {before}: gene {gene} ends after {wanted - 1} of {_BINS} rows"
            )
        if wanted == 1:
            if name in begins:
                raise ChromvizError(
                    f"{where}: the gene begins again; its first row is line {begins[name]}"
                )
            gene, label = name, given
            begins[gene] = before + 1
        if position != wanted:
            raise ChromvizError(
                f"{where}: bin {position:g} where bin {wanted} should be; a gene has its bins "
                f"1 to {_BINS} in order"
            )
        if given != label:
            raise ChromvizError(
                f"{where}: label {given:g}, but {label:g} in the rows before; a gene has one label"
            )
    if len(lines) % _BINS:
        raise ChromvizError(
            f"{path}, line {len(lines)}: gene {gene} ends after {len(lines) % _BINS} of {_BINS} "
            "rows; the file may be cut off"
        )
    raise ChromvizError(f"{path} is not a plain CSV file; write it as text without quotes")


def _check_row(line: str, number: int, path: Path) -> tuple[str, float, float]:
    """Return gene id, bin id and label of one row, or raise what is wrong with the row itself."""
    fields = [text.strip() for text in line.split(",")]
    where = f"{path}, line {number}, gene {fields[0] or '(none)'}"
    if len(fields) != _COLUMNS:
        raise ChromvizError(
            f"{where}: {len(fields)} columns instead of {_COLUMNS} (gene id, bin id, "
            f"{', '.join(MARKS)}, label)"
        )
    if not fields[0]:
        raise ChromvizError(f"{where}: the gene id is empty")
    numbers = []
    for text in fields[1:]:
        try:
            # float() reads 1_000 as 1000, which in a table is an error.
            numbers.append(math.nan if "_" in text else float(text))
        except ValueError:
            numbers.append(math.nan)
        if not abs(numbers[-1]) <= _LARGEST:
            raise ChromvizError(f"{where}: {text!r} is not a finite number")
    position, *counts, label = numbers
    if min(counts) < 0:
        raise ChromvizError(f"{where}: a negative value; read counts start at 0")
    if label not in (0, 1):
        raise ChromvizError(f"{where}: label {fields[-1]!r} is not 0 or 1")
    return fields[0], position, label
