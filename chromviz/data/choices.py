"""What a user gives to build a dataset: the files and the choices."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
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
    """The files of one cell type; `signal` and `coverage` are by input mark and by track."""

    cell: str
    genes: Path
    expression: Path
    signal: Mapping[str, str | Path] = field(default_factory=dict)
    coverage: Mapping[str, str | Path] = field(default_factory=dict)
    matrices: Path | None = None


@dataclass(frozen=True)
class Choices:
    """How a dataset is built from the files; all of it is recorded in the dataset.

    With the `orientation` ``genome`` bins follow the chromosome, as in the paper; with ``strand``
    they follow the gene. Regions of the `blacklist` have no data, whatever `missing` says. `units`
    are by mark or track; ``""`` stands for all other input marks.
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


def read_choices(options: Mapping[str, Any], tracks: Iterable[str] = ()) -> Choices:
    """Return the choices that options of ``chromviz prepare`` stand for, by their names there.

    Paths may be strings; `valid` and `test` are chromosomes, comma-separated or as a list; `unit`
    is one unit, or units by mark. `tracks` are the reference tracks, which take `coverage_unit`.
    """
    given: dict[str, Any] = {}
    for name, value in options.items():
        if name not in _OPTIONS:
            raise UnknownNameError(
                "option", name, _OPTIONS, "Options have the names of 'chromviz prepare --help'."
            )
        convert, wanted = _OPTIONS[name]
        try:
            given[name] = convert(value)
        except (TypeError, ValueError, AttributeError):
            raise ChromvizError(f"{name} is {value!r}; give {wanted}") from None

    def take(*names: str) -> dict[str, Any]:
        return {name: given.pop(name) for name in names if name in given}

    units = dict.fromkeys(tracks, given.pop("coverage_unit", "")) | given.pop("unit", {"": ""})
    return Choices(
        window=Window(**take("flank", "bin_width")),
        label=LabelRule(given.pop("label", "median")),
        split=SplitRule(file=given.pop("split_file", None), **take("valid", "test")),
        reads=ReadRule(**take("extent", "duplicates", "strand", "min_quality")),
        units=units,
        **given,
    )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _chromosomes(value: Any) -> tuple[str, ...]:
    parts = value.split(",") if isinstance(value, str) else [*value]
    return tuple(part.strip() for part in parts if part.strip())


# Options that are checked where they are used.
_AS_GIVEN: tuple[Callable[[Any], Any], str] = (lambda value: value, "")
# By option: its conversion, and what its value should be.
_OPTIONS: dict[str, tuple[Callable[[Any], Any], str]] = {
    **dict.fromkeys(("assembly", "tss", "label"), (_text, "a string")),
    **dict.fromkeys(("flank", "bin_width", "seed"), (index, "a whole number")),
    **dict.fromkeys(
        ("chrom_sizes", "blacklist", "split_file"),
        (lambda value: None if value is None else Path(value), "a path"),
    ),
    **dict.fromkeys(("valid", "test"), (_chromosomes, "chromosomes, for instance 'chr8,chr9'")),
    "unit": (
        lambda value: {"": value} if isinstance(value, str) else dict(value),
        "a unit, or units by mark",
    ),
    "extent": (lambda value: int(value) if str(value).isdecimal() else value, ""),
    "allow_reference_input": (bool, "True or False"),
    **dict.fromkeys(("biotype", "expression_column", "coverage_unit"), _AS_GIVEN),
    **dict.fromkeys(("orientation", "missing"), _AS_GIVEN),
    **dict.fromkeys(("duplicates", "strand", "min_quality"), _AS_GIVEN),
}
