"""What the user decides about a dataset."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from chromviz.data.labels import LabelRule
from chromviz.data.signal.reads import ReadRule
from chromviz.data.splits import SplitRule
from chromviz.errors import ChromvizError
from chromviz.vocabulary import Window


@dataclass(frozen=True)
class Choices:
    """What the user decides about a dataset; all of it is recorded in it.

    Parameters
    ----------
    window
        Flank and bin width.
    orientation
        ``genome``: bins rise along the chromosome, as in the paper; ``strand``: along the
        gene, so that the bins of a ``-`` gene are those of the genome in reverse order.
    missing
        What a bin without data is: ``nan`` (a model leaves the gene out) or ``zero``.
    blacklist
        BED of regions to leave out: a bin that touches one has no data, whatever `missing` says.
    label
        Which genes are ON.
    split
        Which genes train, validate and test.
    tss
        Where a gene of a GTF or GFF3 file begins, see
        :func:`chromviz.data.genes.annotation.read_genes`.
    biotype
        Keep only these genes, for instance ``protein_coding``.
    reads
        How aligned reads are counted.
    allow_reference_input
        Let H3K27ac be an input mark, which makes agreement with it circular.
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

    def __post_init__(self) -> None:
        for name, known in (("orientation", ("genome", "strand")), ("missing", ("nan", "zero"))):
            given = getattr(self, name)
            if given not in known:
                raise ChromvizError(f"unknown {name} {given!r}; known: {', '.join(known)}")
