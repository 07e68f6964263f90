"""What is wrong, or odd, with the input, before anyone draws a conclusion from it.

Each check returns findings: plain notes, and warnings that say what they may do to a result. None
changes the data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from chromviz.data.signal.chromosomes import Assembly, Translator, differing, matching_builds
from chromviz.errors import ChromvizError
from chromviz.vocabulary import REFERENCE_TRACK, SPLITS

NOTE, WARNING = "note", "warning"

#: Bases that a read may end beyond its chromosome before the assembly is doubted.
_OVERHANG = 1000
#: Acetylation that marks the same promoters as the reference track.
_KIN = ("H3K9ac",)
#: Fraction of annotated genes below which the genes used may not be representative.
_FEW = 0.5
#: Genes of one state in a part of the split below which results are mostly chance.
_FEWEST = 10


@dataclass(frozen=True)
class Finding:
    """One finding of a check.

    `level` is ``note`` or ``warning``; `message` is one line: what was found, and for a warning
    what it may do to a result.
    """

    level: str
    check: str
    message: str

    def __str__(self) -> str:
        """Return the line that people read."""
        return f"warning: {self.message}" if self.level == WARNING else self.message


def note(check: str, message: str) -> Finding:
    """Return a finding that needs no action."""
    return Finding(NOTE, check, message)


def warning(check: str, message: str) -> Finding:
    """Return a finding that may change a conclusion."""
    return Finding(WARNING, check, message)


def check_marks(
    signal: Sequence[str], coverage: Sequence[str], allow_reference: bool
) -> list[Finding]:
    """Refuse H3K27ac among the inputs unless allowed, and warn of H3K9ac.

    No input mark, or one that is also a reference track, is an error.
    """
    if not signal:
        raise ChromvizError("no input mark; give --signal MARK=FILE for each")
    lowered = {mark.lower() for mark in signal}
    both = [track for track in coverage if track.lower() in lowered]
    if both:
        raise ChromvizError(
            f"{both[0]} is given both as signal and as coverage; a reference track is one that no "
            "model has seen, so give it once"
        )
    findings = []
    if REFERENCE_TRACK.lower() in lowered:
        if not allow_reference:
            raise ChromvizError(
                f"{REFERENCE_TRACK} is given as an input mark, which is circular: explanations are "
                "judged by it; give it as --coverage, or force it with --allow-reference-input"
            )
        findings.append(
            warning(
                "circular",
                f"{REFERENCE_TRACK} is an input mark: agreement of weights with "
                f"{REFERENCE_TRACK} will say nothing, as the model has seen it",
            )
        )
    reference_given = REFERENCE_TRACK.lower() in {track.lower() for track in coverage}
    findings += [
        warning(
            "circular",
            f"{mark} is an input mark and, like {REFERENCE_TRACK}, an acetylation of active "
            f"promoters: agreement with {REFERENCE_TRACK} will come nearly by itself",
        )
        for mark in _KIN
        if mark.lower() in lowered and reference_given
    ]
    return findings


def check_assembly(sizes: Mapping[str, Mapping[str, int]], assembly: Assembly) -> list[Finding]:
    """Refuse sources of different assemblies, or of another than the declared one.

    A track of another assembly can be read without any error, at the wrong positions. `sizes` are
    the chromosome sizes of each source by its path, by the genes' names; they reveal it. The error
    names the source, the chromosome, and the assembly that fits.
    """
    everything: dict[str, int] = {}
    origin: dict[str, str] = {}
    for where, chroms in sizes.items():
        for chrom, size in chroms.items():
            first = origin.setdefault(chrom, where)
            if everything.setdefault(chrom, size) != size:
                raise ChromvizError(
                    f"{where} and {first} are of different assemblies: {chrom} has {size:,} and "
                    f"{everything[chrom]:,} bases; give tracks of one assembly"
                )
    if not everything:
        if assembly.sizes:
            return []
        return [
            warning(
                "assembly",
                f"nothing tells the sizes of {assembly.name}'s chromosomes: a window that reaches "
                "beyond an end reads as no signal there; give --chrom-sizes",
            )
        ]
    wrong = differing(everything, assembly)
    if assembly.sizes and not wrong:
        return [note("assembly", f"chromosome sizes are those of {assembly.name}")]
    fitting = matching_builds(everything, assembly)
    if wrong:
        chrom = wrong[0]
        if fitting:
            raise ChromvizError(
                f"{origin[chrom]} is of {fitting[0]}, not {assembly.name} ({chrom} has "
                f"{everything[chrom]:,} bases); give genes of {fitting[0]} and --assembly "
                f"{fitting[0]}"
            )
        return [
            warning(
                "assembly",
                f"{origin[chrom]}: {chrom} has {everything[chrom]:,} bases, which is not "
                f"{assembly.name}; if tracks and genes are of different assemblies, every window "
                "lies elsewhere",
            )
        ]
    if fitting:
        return [
            note(
                "assembly",
                f"{assembly.name} is not an assembly that chromviz knows; chromosome sizes fit "
                f"{' and '.join(fitting)}",
            )
        ]
    return [
        note("assembly", f"{assembly.name} is not an assembly that chromviz knows: sizes unchecked")
    ]


def check_reach(
    reach: Mapping[str, Mapping[str, int]], names: pd.Series[str], assembly: Assembly
) -> list[Finding]:
    """Refuse reads that end far beyond their chromosome: they belong to another assembly.

    `reach` is the end of the last read by chromosome, of each source. Reads that were extended
    earlier may exceed it slightly, which is reported.
    """
    sizes = Translator(names, assembly).by_gene_name(assembly.sizes)
    findings = []
    for where, ends in reach.items():
        over = {chrom: end - sizes[chrom] for chrom, end in ends.items() if chrom in sizes}
        if not over:
            continue
        chrom = max(over, key=over.__getitem__)
        if over[chrom] > _OVERHANG:
            raise ChromvizError(
                f"{where} has a read that ends at {chrom}:{ends[chrom]:,}, but {chrom} of "
                f"{assembly.name} has {sizes[chrom]:,} bases; give reads of {assembly.name}, "
                "or the right --assembly"
            )
        if over[chrom] > 0:
            findings.append(
                note(
                    "assembly",
                    f"{Path(where).name}: reads end up to {over[chrom]:,} bases beyond their "
                    "chromosome, as reads do that were made longer",
                )
            )
    return findings


def check_names(mapped: Mapping[str, Mapping[str, str]]) -> list[Finding]:
    """Report chromosomes that a source names differently from the genes."""
    same: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for where, names in mapped.items():
        if names:
            same.setdefault(tuple(sorted(names.items())), []).append(Path(where).name)
    findings = []
    for pairs, sources in same.items():
        theirs, own = pairs[0]
        more = f", and {len(pairs) - 1} more" if len(pairs) > 1 else ""
        findings.append(
            note(
                "chromosomes",
                f"{', '.join(sources)}: chromosome {theirs} is taken for the genes' {own}{more}",
            )
        )
    return findings


def check_genes(table: pd.DataFrame, split: str = "drawn") -> list[Finding]:
    """Warn of genes that share a TSS or are transcripts of one gene.

    One of them may be a training gene and the other a test gene. `table` holds the genes that
    models use: ``gene, chrom, tss`` and perhaps ``parent``. `split` is ``drawn``, ``given``, or
    ``chromosome``, which keeps them together.
    """
    together = "split by chromosome, they stay on one side"
    flatters = "where one trains and another tests, the test flatters the model; " + (
        "--valid and --test split by chromosome"
        if split == "drawn"
        else "see that the split that was given keeps them on one side"
    )
    told = []
    shared = table.duplicated(["chrom", "tss"], keep=False)
    if shared.any():
        first = table[shared].sort_values(["chrom", "tss"], kind="stable").iloc[:2]["gene"]
        told.append(
            f"{int(shared.sum()):,} genes that models use share their TSS with another "
            f"({' and '.join(first)}, for instance): their windows are the same"
        )
    if "parent" in table and table["parent"].duplicated().any():
        count = int(table.duplicated("parent", keep=False).sum())
        told.append(f"{count:,} entries are of a gene that has several")
    if split == "chromosome":
        return [note("duplicates", f"{line}; {together}") for line in told]
    return [warning("duplicates", f"{line}; {flatters}") for line in told]


def describe_use(
    label: np.ndarray,
    split: np.ndarray,
    used: np.ndarray,
    depth: Mapping[str, np.ndarray],
    rule: str = "",
) -> list[Finding]:
    """Report how many genes are ON and OFF in each part, and how many each track covers.

    `depth` is (gene, bin) by reference track; `rule` says in words what makes a gene ON.
    """
    on, off = int((label[used] == 1).sum()), int((label[used] == 0).sum())
    told = f"of the genes that models use, {on:,} are ON{f' ({rule})' if rule else ''}, {off:,} OFF"
    findings = [
        note("labels", told)
        if on and off
        else warning("labels", f"{told}; nothing can be trained on one state alone")
    ]
    if used.mean() < _FEW:
        findings.append(
            warning(
                "labels",
                f"models use {int(used.sum()):,} of {len(used):,} genes ({100 * used.mean():.1f} "
                "%): what holds for them need not hold for the others, and intervals will be wide",
            )
        )
    parts = {
        part: [int((used & (split == part) & (label == state)).sum()) for state in (1, 0)]
        for part in SPLITS[:3]
    }
    told = ", ".join(f"{part} {sum(n):,} ({n[0]:,} ON, {n[1]:,} OFF)" for part, n in parts.items())
    few = [part for part, numbers in parts.items() if min(numbers) < _FEWEST]
    findings.append(
        warning(
            "split",
            f"split: {told}; fewer than {_FEWEST} of a state in {' and '.join(few)}: what is "
            "chosen or measured on so few is mostly chance",
        )
        if few
        else note("split", f"split: {told}")
    )
    for track, values in depth.items():
        covered = ~np.isnan(values).any(axis=1)
        both = int((covered & (label == 1)).sum())
        told = (
            f"{track} covers the whole window of {int(covered.sum()):,} genes: {both:,} ON, on "
            f"which Table 3 rests; models use {int((covered & used).sum()):,} of them"
        )
        findings.append(
            note("coverage", told)
            if both
            else warning(
                "coverage",
                f"{told}; without an ON gene among them nothing can be compared with it",
            )
        )
    return findings


def check_values(
    values: Mapping[str, np.ndarray],
    on_chromosome: np.ndarray,
    missing: str,
    inputs: Sequence[str],
) -> list[Finding]:
    """Warn of negative values, and report the share of bins without data.

    `values` are (gene, bin) by mark or track, `on_chromosome` (gene,) says which windows lie within
    their chromosome, and `inputs` are the marks that models see.
    """
    findings = []
    negative = {
        name: (int((found < 0).sum()), float(np.nanmin(found)))
        for name, found in values.items()
        if (found < 0).any()
    }
    if negative:
        told = ", ".join(
            f"{name} ({count:,} bins, down to {least:g})"
            for name, (count, least) in negative.items()
        )
        findings.append(
            warning(
                "negative",
                f"negative values in {told}: signal over a control, or on a log scale? Models take "
                "them, but a profile of them is no coverage",
            )
        )
    inside = int(on_chromosome.sum())
    if not inside:
        return findings
    gaps = {name: np.isnan(found[on_chromosome]) for name, found in values.items()}
    told = ", ".join(f"{name} {_percent(gap.mean())}" for name, gap in gaps.items())
    findings.append(note("missing", f"bins without data, of {inside:,} windows: {told}"))
    if missing == "zero" and any(gap.any() for gap in gaps.values()):
        empty = {name: int(gap.all(axis=1).sum()) for name, gap in gaps.items()}
        told = ", ".join(f"{name} {count:,}" for name, count in empty.items() if count)
        findings.append(
            warning(
                "missing",
                "bins without data are set to zero, as asked: where nothing was measured, models "
                "and profiles now see no signal"
                + (f"; windows that are wholly made up so: {told}" if told else ""),
            )
        )
    elif missing != "zero" and len(inputs) > 1:
        shares = {name: gap.mean() for name, gap in gaps.items() if name in inputs}
        least, most = min(shares, key=shares.__getitem__), max(shares, key=shares.__getitem__)
        if shares[most] > shares[least] + 0.2:
            findings.append(
                warning(
                    "missing",
                    f"{most} lacks {_percent(shares[most])} of its bins and {least} "
                    f"{_percent(shares[least])}: a model uses only genes that every mark covers, "
                    "and those may be no fair sample",
                )
            )
    return findings


def _percent(share: float) -> str:
    """Return a share in per cent; one that is not quite none or all never reads as such."""
    if 0 < share < 0.001:
        return "< 0.1 %"
    if 0.999 < share < 1:
        return "> 99.9 %"
    return f"{100 * share:.1f} %"
