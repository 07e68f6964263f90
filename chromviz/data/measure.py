"""Reads and checks all tracks of a cell type and applies the policies for missing data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from chromviz.data import preflight
from chromviz.data.inputs import CheckedInputs
from chromviz.data.preflight import Finding, note, warning
from chromviz.data.signal.chromosomes import Assembly, Translator
from chromviz.data.signal.read_files import BIGWIG
from chromviz.data.signal.reads import ReadRule
from chromviz.data.signal.sources import Measured, Source, read_sources
from chromviz.data.signal.tracks import chrom_sizes
from chromviz.data.signal.windows import lie_inside, overlapping, read_regions
from chromviz.progress import Progress
from chromviz.vocabulary import Window

_LEAVES, _ABSENT = "window leaves the chromosome", "chromosome not in the tracks"


@dataclass(frozen=True)
class Tracks:
    """Values (gene, bin) of each mark and reference track.

    `why` (gene,) says why a window has no data on any mark, empty if it lies within its chromosome;
    `gaps`, bool (gene,), which windows had a bin without data, before it was set to zero.
    """

    values: dict[str, np.ndarray]
    records: list[dict[str, Any]]
    why: np.ndarray
    gaps: dict[str, np.ndarray]


def read_tracks(given: CheckedInputs, table: pd.DataFrame, progress: Progress) -> Tracks:
    """Read all sources, check them together, and apply the policies for missing data.

    `table` are the genes that have a position. Findings are added to those of the inputs.
    """
    sources, choices, assembly = given.sources, given.choices, given.assembly
    chrom, window = table["chrom"], choices.window
    # Headers first, so that a wrong assembly is refused before reads are counted for an hour.
    sizes = {
        source.label: Translator(chrom, assembly, source.shown).by_gene_name(
            chrom_sizes(source.location)
        )
        for source in sources
        if source.kind == BIGWIG
    }
    findings = preflight.check_assembly(sizes, assembly)
    found = read_sources(
        sources, table, window, rule=choices.reads, assembly=assembly, progress=progress
    )
    named = dict(zip((source.label for source in sources), found, strict=True))
    # The headers of BAM files are known only now.
    with_bam = {where: each.sizes for where, each in named.items() if each.sizes}
    if len(with_bam) > len(sizes):
        findings = preflight.check_assembly(with_bam, assembly)
    reach = {where: each.reach for where, each in named.items()}
    findings += preflight.check_reach(reach, chrom, assembly)
    findings += preflight.check_names({where: each.mapped for where, each in named.items()})
    findings += _same_files(sources, found)
    findings += _counted(found)
    why = _place_windows(table, window, found, assembly)
    inside = why == ""
    findings += _outside(table, why)
    values = {source.name: each.values for source, each in zip(sources, found, strict=True)}
    inputs = [source.name for source in sources if source.role == "signal"]
    findings += preflight.check_values(values, inside, choices.missing, inputs)
    gaps = {name: np.isnan(each).any(axis=1) for name, each in values.items()}
    if choices.missing == "zero":
        for each in found:
            measured = inside & chrom.isin(each.chromosomes).to_numpy()
            each.values[measured[:, None] & np.isnan(each.values)] = 0
    if choices.blacklist is not None:
        regions = read_regions(choices.blacklist)
        translate = Translator(chrom, assembly, str(choices.blacklist))
        hit = overlapping(regions, table, window, translate)
        for each in found:
            each.values[hit] = np.nan
        touched = hit.any(axis=1)
        why[touched & inside] = "window touches the blacklist"
        count = f"{int(hit.sum()):,} bins in {int(touched.sum()):,} windows"
        told = f"{choices.blacklist.name}: {count} are set to missing"
        findings.append(note("blacklist", told))
    given.findings.extend(findings)
    return Tracks(values, [each.record for each in found], why, gaps)


def _place_windows(
    table: pd.DataFrame, window: Window, found: Sequence[Measured], assembly: Assembly
) -> np.ndarray:
    """Return why a window cannot have data, empty if it lies within its chromosome."""
    names = table["chrom"].to_numpy(object)
    largest = assembly.sizes_for(table["chrom"])
    for each in found:
        for name, bases in each.sizes.items():
            largest[name] = max(bases, largest.get(name, 0))
    # If neither a header nor the assembly has sizes, only the last read is known.
    seen = {
        name for each in found if each.record["role"] == "signal" for name in each.chromosomes
    } or {name for each in found for name in each.chromosomes}
    why = np.full(len(table), "", dtype=object)
    why[~lie_inside(table, window, largest)] = _LEAVES
    why[~np.isin(names.astype(str), sorted(seen))] = _ABSENT
    return why


def _outside(table: pd.DataFrame, why: np.ndarray) -> list[Finding]:
    """Report windows that leave their chromosome or lie on one that no track has."""
    findings = []
    for reason, told in (
        (_LEAVES, "genes have a window that leaves the chromosome"),
        (_ABSENT, "genes lie on a chromosome that the tracks lack"),
    ):
        rows = table[why == reason]
        if not rows.empty:
            first = rows.iloc[0]
            where = f"{first['gene']} at {first['chrom']}:{first['tss']:,}"
            message = f"{len(rows):,} {told} (e.g. {where}); they are kept without data"
            findings.append(note("windows", message))
    return findings


def _counted(found: Sequence[Measured]) -> list[Finding]:
    """Report how many reads were counted, and by which rule."""
    reads = [each.record for each in found if "n_reads" in each.record]
    if not reads:
        return []
    counts = ", ".join(
        f"{each['name']} {each['n_counted']:,} of {each['n_reads']:,}" for each in reads
    )
    rule = ReadRule(**reads[0]["reads"]).describe()
    findings = [note("reads", f"reads counted: {counts} ({rule})")]
    few = [each["name"] for each in reads if each["n_counted"] < len(found[0].values)]
    if few:
        message = (
            f"{' and '.join(few)}: fewer reads than windows, so that profiles are mostly chance; "
            "check that the file is complete and contains reads"
        )
        findings.append(warning("reads", message))
    return findings


def _same_files(sources: Sequence[Source], found: Sequence[Measured]) -> list[Finding]:
    """Warn about tracks with the same content, which is nearly always a mistake."""
    by_content: dict[str, list[str]] = {}
    for source, each in zip(sources, found, strict=True):
        by_content.setdefault(each.record["sha256"] or source.location, []).append(source.name)
    told = "are the same file, so their results are the same; check the paths"
    return [
        warning("duplicates", f"{' and '.join(names)} {told}")
        for names in by_content.values()
        if len(names) > 1
    ]
