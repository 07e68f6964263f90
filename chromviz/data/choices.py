"""What a user gives to build a dataset: the files and the choices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from operator import index
from pathlib import Path
from typing import Any

from chromviz.data.labels import LabelRule
from chromviz.data.signal.reads import ReadRule
from chromviz.data.splits import SplitRule
from chromviz.errors import ChromvizError, UnknownNameError
from chromviz.vocabulary import Window


@dataclass(frozen=True)
class InputFiles:
    """The files of one cell type; see :func:`chromviz.data.prepare.prepare`.

    `signal` and `coverage` are sources by input mark and by reference track. The five core marks
    are put in the order of :data:`chromviz.vocabulary.MARKS`; other marks keep the order given.
    """

    cell: str
    genes: Path
    expression: Path
    signal: Mapping[str, str | Path] = field(default_factory=dict)
    coverage: Mapping[str, str | Path] = field(default_factory=dict)
    matrices: Path | None = None


@dataclass(frozen=True)
class Choices:
    """How a dataset is built from the files; all of it is recorded in the dataset.

    The values are those of :class:`PrepareOptions`, checked and combined. With the `orientation`
    ``genome`` bins follow the chromosome, as in the paper; with ``strand`` they follow the gene.
    Regions of the `blacklist` have no data, whatever `missing` says. `units` are by mark or track;
    ``""`` stands for all other input marks.
    """

    window: Window = field(default_factory=Window)
    orientation: str = "genome"
    missing: str = "nan"
    blacklist: Path | None = None
    label: LabelRule = field(default_factory=LabelRule)
    split: SplitRule = field(default_factory=SplitRule)
    tss: str = "gene"
    biotype: str | None = None
    reads: ReadRule = field(default_factory=ReadRule)
    allow_reference_input: bool = False
    assembly: str = "hg19"
    chrom_sizes: Path | None = None
    expression_column: str | None = None
    units: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0

    def __post_init__(self) -> None:
        for name, known in (("orientation", ("genome", "strand")), ("missing", ("nan", "zero"))):
            given = getattr(self, name)
            if given not in known:
                raise ChromvizError(f"unknown {name} {given!r}; known: {', '.join(known)}")


@dataclass(frozen=True)
class PrepareOptions:
    """The options of ``chromviz prepare``, under their names on the command line.

    ``chromviz prepare --help`` explains them. Paths may be strings; `valid` and `test`
    are chromosomes, comma-separated or as a list; `unit` is one unit, or units by mark.
    """

    assembly: str = "hg19"
    chrom_sizes: str | Path | None = None
    tss: str = "gene"
    biotype: str | None = None
    expression_column: str | None = None
    unit: str | Mapping[str, str] = ""
    coverage_unit: str = ""
    allow_reference_input: bool = False
    flank: int = 5000
    bin_width: int = 100
    orientation: str = "genome"
    missing: str = "nan"
    blacklist: str | Path | None = None
    label: str = "median"
    valid: str | Iterable[str] = ""
    test: str | Iterable[str] = ""
    split_file: str | Path | None = None
    extent: str | int = "read"
    duplicates: str = "flagged"
    strand: str = "both"
    min_quality: int = 0
    seed: int = 0

    @classmethod
    def named(cls, options: Mapping[str, Any]) -> PrepareOptions:
        """Return the options from values by name; an unknown name is an error."""
        known = [item.name for item in fields(cls)]
        for name in options:
            if name not in known:
                raise UnknownNameError(
                    "option", name, known, "Options have the names of 'chromviz prepare --help'."
                )
        return cls(**options)

    def choices(self, tracks: Iterable[str] = ()) -> Choices:
        """Return the choices; `tracks` are the reference tracks, which take `coverage_unit`."""
        units = {"": self.unit} if isinstance(self.unit, str) else dict(self.unit)
        extent = self.extent
        if isinstance(extent, str) and extent.isdecimal():
            extent = int(extent)
        return Choices(
            window=Window(self._whole("flank"), self._whole("bin_width")),
            orientation=self.orientation,
            missing=self.missing,
            blacklist=self._path("blacklist"),
            label=LabelRule(self._text("label")),
            split=SplitRule(self._names("valid"), self._names("test"), self._path("split_file")),
            tss=self._text("tss"),
            biotype=self.biotype,
            reads=ReadRule(extent, self.duplicates, self.strand, self.min_quality),
            allow_reference_input=bool(self.allow_reference_input),
            assembly=self._text("assembly"),
            chrom_sizes=self._path("chrom_sizes"),
            expression_column=self.expression_column,
            units=dict.fromkeys(tracks, self.coverage_unit) | units,
            seed=self._whole("seed"),
        )

    def _whole(self, name: str) -> int:
        try:
            return index(getattr(self, name))
        except TypeError:
            raise self._wrong(name, "a whole number") from None

    def _text(self, name: str) -> str:
        value = getattr(self, name)
        if not isinstance(value, str):
            raise self._wrong(name, "a string")
        return value

    def _path(self, name: str) -> Path | None:
        value = getattr(self, name)
        try:
            return None if value is None else Path(value)
        except TypeError:
            raise self._wrong(name, "a path") from None

    def _names(self, name: str) -> tuple[str, ...]:
        value = getattr(self, name)
        try:
            parts = value.split(",") if isinstance(value, str) else [*value]
            return tuple(part.strip() for part in parts if part.strip())
        except (TypeError, AttributeError):
            raise self._wrong(name, "chromosomes, for instance 'chr8,chr9'") from None

    def _wrong(self, name: str, wanted: str) -> ChromvizError:
        return ChromvizError(f"{name} is {getattr(self, name)!r}; give {wanted}")
