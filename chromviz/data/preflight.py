"""Checks of the input that tell the user what is wrong or unusual, before results are read.

Each check returns findings: notes, and warnings that say what they may do to a result. None changes
the data.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from chromviz.data.signal.chromosomes import Assembly, differing, matching_builds
from chromviz.errors import ChromvizError
from chromviz.vocabulary import REFERENCE_TRACK, SPLITS

NOTE, WARNING = "note", "warning"

#: Bases that a read may end beyond its chromosome before the assembly is doubted.
_OVERHANG = 1000
#: Acetylation of the same promoters as the reference track.
_KIN = "H3K9ac"
#: Fraction of annotated genes below which the genes used may not be representative.
_FEW = 0.5
#: Genes of one state in a part of the split below which results are mostly chance.
_FEWEST = 10
#: Difference in the share of bins without data from which two marks are reported.
_UNEVEN = 0.2


@dataclass(frozen=True)
class Finding:
    """One finding of a check: its level (``note`` or ``warning``), the check, and one line."""

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


def judged(check: str, message: str, fine: bool, otherwise: str) -> Finding:
    """Return a note if all is fine, otherwise a warning that adds the consequence."""
    return note(check, message) if fine else warning(check, f"{message}{otherwise}")


def findings_of(dataset: xr.Dataset) -> list[Finding]:
    """Return the findings that a dataset records."""
    return [Finding(**record) for record in json.loads(dataset.attrs["preflight"])]


def check_marks(
    signal: Sequence[str], coverage: Sequence[str], allow_reference: bool
) -> list[Finding]:
    """Refuse H3K27ac as an input unless allowed, and a track in both roles; warn of H3K9ac."""
    if not signal:
        raise ChromvizError("no input mark; give --signal MARK=FILE for each")
    lowered = {mark.lower() for mark in signal}
    both = [track for track in coverage if track.lower() in lowered]
    if both:
        raise ChromvizError(
            f"{both[0]} is given both as signal and as coverage; a reference track must be one "
            "that no model has seen, so give it once"
        )
    compared = REFERENCE_TRACK.lower() in {track.lower() for track in coverage}
    if REFERENCE_TRACK.lower() in lowered:
        if not allow_reference:
            raise ChromvizError(
                f"{REFERENCE_TRACK} is given as an input mark, which is circular: explanations are "
                "compared with it; give it as --coverage, or allow it with --allow-reference-input"
            )
        message = (
            f"{REFERENCE_TRACK} is an input mark: agreement of weights with {REFERENCE_TRACK} is "
            "not informative, because the model has seen it"
        )
    elif _KIN.lower() in lowered and compared:
        message = (
            f"{_KIN} is an input mark and, like {REFERENCE_TRACK}, an acetylation of active "
            f"promoters: expect high agreement with {REFERENCE_TRACK} whatever the model learnt"
        )
    else:
        return []
    return [warning("circular", message)]


def check_assembly(sizes: Mapping[str, Mapping[str, int]], assembly: Assembly) -> list[Finding]:
    """Refuse sources of different assemblies, or of another than the declared one.

    They could be read without any error, at wrong positions. `sizes` are the chromosome sizes of
    each source, by its path and the genes' name of the chromosome.
    """
    every: dict[str, int] = {}
    origin: dict[str, str] = {}
    for where, chroms in sizes.items():
        for chrom, size in chroms.items():
            first = origin.setdefault(chrom, where)
            if every.setdefault(chrom, size) != size:
                raise ChromvizError(
                    f"{where} and {first} are of different assemblies: {chrom} has {size:,} and "
                    f"{every[chrom]:,} bases; give tracks of one assembly"
                )
    name, wrong, fitting = (
        assembly.name,
        differing(every, assembly),
        matching_builds(every, assembly),
    )
    chrom = next(iter(wrong), "")
    if wrong and fitting:
        raise ChromvizError(
            f"{origin[chrom]} is of {fitting[0]}, not {name} ({chrom} has {every[chrom]:,} bases); "
            f"give genes of {fitting[0]} and --assembly {fitting[0]}"
        )
    if wrong:
        message = (
            f"{origin[chrom]}: {chrom} has {every[chrom]:,} bases, which is not {name}; if tracks "
            "and genes are of different assemblies, every window is at a wrong position"
        )
        return [warning("assembly", message)]
    if assembly.sizes:
        return [note("assembly", f"chromosome sizes are those of {name}")] if every else []
    if not every:
        message = (
            f"the chromosome sizes of {name} are unknown: a window that reaches beyond the end of "
            "a chromosome reads as no signal there; give --chrom-sizes"
        )
        return [warning("assembly", message)]
    told = f"chromosome sizes fit {' and '.join(fitting)}" if fitting else "sizes are not checked"
    return [note("assembly", f"the assembly {name} is not built in; {told}")]


def check_reach(
    reach: Mapping[str, Mapping[str, int]], names: pd.Series[str], assembly: Assembly
) -> list[Finding]:
    """Refuse reads that end far beyond their chromosome, as those of another assembly do.

    `reach` is the end of the last read of each source, by chromosome.
    """
    sizes = assembly.sizes_for(names)
    findings = []
    for where, ends in reach.items():
        over = {chrom: end - sizes[chrom] for chrom, end in ends.items() if chrom in sizes}
        chrom = max(over, key=over.__getitem__, default="")
        beyond = over.get(chrom, 0)
        if beyond > _OVERHANG:
            raise ChromvizError(
                f"{where} has a read that ends at {chrom}:{ends[chrom]:,}, but {chrom} of "
                f"{assembly.name} has {sizes[chrom]:,} bases; give reads of {assembly.name}, "
                "or the right --assembly"
            )
        if beyond > 0:
            message = (
                f"{Path(where).name}: reads end up to {beyond:,} bases beyond their chromosome"
            )
            findings.append(note("assembly", f"{message}, as extended reads do"))
    return findings


def check_names(mapped: Mapping[str, Mapping[str, str]]) -> list[Finding]:
    """Report chromosomes that a source names differently from the genes."""
    same: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for where, names in mapped.items():
        if names:
            same.setdefault(tuple(sorted(names.items())), []).append(Path(where).name)
    findings = []
    for ((theirs, own), *others), sources in same.items():
        more = f", and {len(others)} more" if others else ""
        message = f"{', '.join(sources)}: chromosome {theirs} is read as the genes' {own}{more}"
        findings.append(note("chromosomes", message))
    return findings


def check_genes(table: pd.DataFrame, split: str = "drawn") -> list[Finding]:
    """Warn of genes that share a TSS or are transcripts of one gene.

    `table` holds the genes that models use, and `split` is a :attr:`SplitRule.kind`.
    """
    found = []
    shared = table[table.duplicated(["chrom", "tss"], keep=False)]
    if not shared.empty:
        first = shared.sort_values(["chrom", "tss"], kind="stable").iloc[:2]["gene"]
        found.append(
            f"{len(shared):,} genes that models use share their TSS with another "
            f"({' and '.join(first)}, for instance): their windows are the same"
        )
    if "parent" in table and table["parent"].duplicated().any():
        count = int(table.duplicated("parent", keep=False).sum())
        found.append(f"{count:,} entries belong to a gene with several entries")
    if split == "chromosome":
        together = "the split by chromosome keeps them in one part"
        return [note("duplicates", f"{line}; {together}") for line in found]
    remedy = "check that the given split keeps them in one part"
    if split == "drawn":
        remedy = "use --valid and --test to split by chromosome"
    optimistic = "if one is in training and another in test, the test score is too high"
    return [warning("duplicates", f"{line}; {optimistic}; {remedy}") for line in found]


def describe_use(
    label: np.ndarray,
    split: np.ndarray,
    used: np.ndarray,
    depth: Mapping[str, np.ndarray],
    rule: str = "",
) -> list[Finding]:
    """Report how many genes are ON and OFF in each part, and how many each track covers.

    `depth` is (gene, bin) by track, and `rule` describes which genes are ON.
    """
    on, off = int((label[used] == 1).sum()), int((label[used] == 0).sum())
    told = f"of the genes that models use, {on:,} are ON{f' ({rule})' if rule else ''}, {off:,} OFF"
    untrainable = "; a model cannot be trained on one state alone"
    findings = [judged("labels", told, bool(on and off), untrainable)]
    if used.mean() < _FEW:
        told = (
            f"models use {int(used.sum()):,} of {len(used):,} genes ({100 * used.mean():.1f} %): "
            "they may not represent the others, and intervals will be wide"
        )
        findings.append(warning("labels", told))
    parts = {
        part: [int((used & (split == part) & (label == state)).sum()) for state in (1, 0)]
        for part in SPLITS[:3]
    }
    told = ", ".join(f"{part} {sum(n):,} ({n[0]:,} ON, {n[1]:,} OFF)" for part, n in parts.items())
    few = [part for part, numbers in parts.items() if min(numbers) < _FEWEST]
    where = f"; fewer than {_FEWEST} genes of one state in {' and '.join(few)}"
    chance = f"{where}: their scores are mostly chance"
    findings.append(judged("split", f"split: {told}", not few, chance))
    for track, values in depth.items():
        covered = ~np.isnan(values).any(axis=1)
        both = int((covered & (label == 1)).sum())
        told = (
            f"{track} covers the whole window of {int(covered.sum()):,} genes: {both:,} ON, which "
            f"Table 3 is based on; models use {int((covered & used).sum()):,} of them"
        )
        nothing = "; without an ON gene among them nothing can be compared with it"
        findings.append(judged("coverage", told, bool(both), nothing))
    return findings


def check_values(
    values: Mapping[str, np.ndarray],
    on_chromosome: np.ndarray,
    missing: str,
    inputs: Sequence[str],
) -> list[Finding]:
    """Warn of negative values, and report the share of bins without data.

    `values` are (gene, bin) by mark or track; only windows `on_chromosome` (gene,) are counted.
    """
    findings = []
    negative = ", ".join(
        f"{name} ({int((found < 0).sum()):,} bins, down to {np.nanmin(found):g})"
        for name, found in values.items()
        if (found < 0).any()
    )
    if negative:
        message = (
            f"negative values in {negative}: signal over a control, or on a log scale? Models "
            "accept them, but a profile of them is not coverage"
        )
        findings.append(warning("negative", message))
    inside = int(on_chromosome.sum())
    if not inside:
        return findings
    gaps = {name: np.isnan(found[on_chromosome]) for name, found in values.items()}
    shares = {name: float(gap.mean()) for name, gap in gaps.items()}
    told = ", ".join(f"{name} {_percent(share)}" for name, share in shares.items())
    findings.append(note("missing", f"bins without data, of {inside:,} windows: {told}"))
    if missing == "zero" and any(shares.values()):
        empty = {name: int(gap.all(axis=1).sum()) for name, gap in gaps.items()}
        told = ", ".join(f"{name} {count:,}" for name, count in empty.items() if count)
        message = (
            "bins without data are set to zero, as requested: models and profiles see no signal "
            "where nothing was measured"
        )
        whole = f"; windows without any data: {told}" if told else ""
        findings.append(warning("missing", message + whole))
    seen = {name: share for name, share in shares.items() if name in inputs and missing == "nan"}
    if seen and max(seen.values()) > min(seen.values()) + _UNEVEN:
        least, most = min(seen, key=seen.__getitem__), max(seen, key=seen.__getitem__)
        message = (
            f"{most} lacks {_percent(shares[most])} of its bins and {least} "
            f"{_percent(shares[least])}: a model uses only genes that every mark covers, and those "
            "may not be representative"
        )
        findings.append(warning("missing", message))
    return findings


def _percent(share: float) -> str:
    """Return a share in per cent; only exactly none or all reads as 0 or 100 %."""
    if 0 < share < 0.001:
        return "< 0.1 %"
    if 0.999 < share < 1:
        return "> 99.9 %"
    return f"{100 * share:.1f} %"
