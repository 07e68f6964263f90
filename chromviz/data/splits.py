"""Divides genes into training, validation and test genes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from chromviz.data.text import read_lines
from chromviz.errors import ChromvizError, UnknownNameError
from chromviz.vocabulary import SPLITS


@dataclass(frozen=True)
class SplitRule:
    """How genes are divided into train, valid and test.

    By default, three equal folds are drawn by a seed (section 5 of the paper, "Dataset"). `valid`
    and `test` name whole chromosomes (both or neither), which keeps neighbouring genes, which share
    chromatin, in one part; all other chromosomes train. `file` has two columns, gene and ``train``,
    ``valid``, ``test`` or ``none``. Genes that models do not use are in no part.
    """

    valid: tuple[str, ...] = ()
    test: tuple[str, ...] = ()
    file: Path | None = None

    def __post_init__(self) -> None:
        if self.file is not None and (self.valid or self.test):
            raise ChromvizError("give a split file, or chromosomes to split by, not both")
        if bool(self.valid) != bool(self.test):
            lacking = "validate" if self.test else "test"
            raise ChromvizError(
                f"a split by chromosome needs chromosomes to validate and to test on; those to "
                f"{lacking} on are missing"
            )
        tested = {name.removeprefix("chr") for name in self.test}
        both = [name for name in self.valid if name.removeprefix("chr") in tested]
        if both:
            raise ChromvizError(f"{both[0]} is given both to validate and to test on; keep one")

    @property
    def kind(self) -> str:
        """``drawn``, by ``chromosome``, or ``given`` by a file."""
        return "given" if self.file is not None else "chromosome" if self.valid else "drawn"

    def describe(self) -> str:
        """Return the rule in words."""
        if self.file is not None:
            return f"given by {self.file.name}"
        if self.valid:
            return f"by chromosome: valid {', '.join(self.valid)}; test {', '.join(self.test)}"
        return "three equal folds, drawn"

    def split(self, table: pd.DataFrame, used: np.ndarray, seed: int) -> np.ndarray:
        """Return the part of each gene, object (gene,); `used` are the genes that models use."""
        if self.file is not None:
            found = _from_file(self.file, table["gene"])
        elif self.valid:
            found = self._by_chromosome(table["chrom"])
        else:
            return three_folds(used, seed)
        found[~used] = "none"
        for name in SPLITS[:3]:
            if not (found == name).any():
                raise ChromvizError(
                    f"the split {self.describe()} leaves no gene that models use in {name}; "
                    "choose another"
                )
        return found

    def _by_chromosome(self, chrom: pd.Series[str]) -> np.ndarray:
        known = list(dict.fromkeys(chrom))
        found = np.full(len(chrom), "train", dtype=object)
        for part, names in (("valid", self.valid), ("test", self.test)):
            for name in names:
                # 8 and chr8 are the same chromosome.
                same = {name, f"chr{name}", name.removeprefix("chr")}.intersection(known)
                if not same:
                    raise UnknownNameError("chromosome", name, known, "No gene lies on it.")
                found[chrom.isin(same).to_numpy()] = part
        return found


def three_folds(used: np.ndarray, seed: int) -> np.ndarray:
    """Draw three equal folds of the used genes; extra genes go to train, then to valid."""
    used = np.asarray(used, dtype=bool)
    split = np.full(len(used), "none", dtype=object)
    order = np.random.default_rng(seed).permutation(np.flatnonzero(used))
    for name, members in zip(SPLITS[:3], np.array_split(order, 3), strict=True):
        split[members] = name
    return split


def _from_file(path: Path, genes: Sequence[str] | pd.Series[str]) -> np.ndarray:
    """Return each gene's split from a table; genes it does not name are in none."""
    place = {gene: row for row, gene in enumerate(genes)}
    found = np.full(len(genes), "none", dtype=object)
    header_may_come = True
    first_line: dict[str, int] = {}
    for number, line in enumerate(read_lines(path), start=1):
        fields = [part.strip() for part in line.replace(",", "\t").split("\t")]
        if not any(fields) or line.startswith("#"):
            continue
        where = f"{path}, line {number}"
        if len(fields) != 2:
            raise ChromvizError(
                f"{where}: {len(fields)} columns instead of two; give a gene and its split, "
                "separated by a tab or comma"
            )
        gene, name = fields
        is_header = header_may_come and name not in SPLITS and gene not in place
        header_may_come = False
        if is_header:
            continue
        if name not in SPLITS:
            raise ChromvizError(
                f"{where}, gene {gene!r:.60}: {name!r:.60} is not {', '.join(SPLITS)}"
            )
        if gene not in place:
            raise ChromvizError(
                f"{where}: no gene has the id {gene!r:.60}; use those of the annotation"
            )
        if gene in first_line:
            raise ChromvizError(f"{where}: gene {gene} is already on line {first_line[gene]}")
        first_line[gene] = number
        found[place[gene]] = name
    if not first_line:
        raise ChromvizError(f"{path} is empty; give lines of a gene and its split")
    return found
