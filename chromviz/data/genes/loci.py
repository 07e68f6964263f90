"""From genes and transcripts to the TSS of each gene, by the rule that the user chose."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd

from chromviz.data.genes.features import GENES
from chromviz.data.text import refuse_first
from chromviz.errors import ChromvizError

#: How the TSS of a gene is chosen.
RULES: dict[str, str] = {
    "gene": "the 5' end of the gene record",
    "canonical": "the 5' end of one transcript per gene: MANE Select, else Ensembl canonical or "
    "RefSeq Select, else APPRIS principal, else the longest on the genome",
    "transcript": "the 5' end of each transcript, as an entry of its own",
}

# What makes a transcript canonical, best first.
_DECIDERS = (
    "MANE Select",
    "Ensembl canonical or RefSeq Select",
    "APPRIS principal",
    "longest transcript",
)
_TAGS = {"MANE_Select": 0, "Ensembl_canonical": 1, "RefSeq_Select": 1}
_STEP = 10  # between the ranks of two deciders
# GENCODE before release 20 wrote it without a number.
_APPRIS = re.compile(r"appris_principal(?:_(\d))?")


def rank(tags: str) -> int:
    """Return the rank of a transcript within its gene, 0 best, by its comma-separated tags."""
    best = _STEP * _DECIDERS.index("longest transcript")
    # RefSeq writes "MANE Select", Ensembl and GENCODE "MANE_Select".
    for tag in tags.replace(" ", "_").split(",") if tags else ():
        if tag in _TAGS:
            best = min(best, _STEP * _TAGS[tag])
        elif appris := _APPRIS.fullmatch(tag):
            best = min(best, 2 * _STEP + int(appris[1] or 1))
    return best


def complete(genes: pd.DataFrame, transcripts: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the genes with those that only transcripts show, in the order of the file.

    Transcripts of one gene id on one strand that overlap, in a chain, are one gene.

    Returns
    -------
    loci : pandas.DataFrame
        Columns :data:`chromviz.data.genes.features.GENES` and ``recorded``, bool.
    transcripts : pandas.DataFrame
        With ``locus``, the index in `loci`.
    """
    keys = ["gene", "chrom", "strand"]
    orphans = transcripts[transcripts["locus"] < 0].sort_values([*keys, "start", "line"])
    reach = orphans.groupby(keys)["end"].cummax().groupby([orphans[key] for key in keys]).shift()
    begins = reach.isna() | (orphans["start"] >= reach)
    number = begins.cumsum() - 1
    groups = orphans.replace("", np.nan).groupby(number)
    gathered = groups.agg(
        {name: "max" if name == "end" else "min" if name == "line" else "first" for name in GENES}
    ).fillna("")
    loci = pd.concat(
        [genes.assign(recorded=True), gathered.assign(recorded=False)], ignore_index=True
    )
    home = transcripts["locus"].copy()
    home[orphans.index] = len(genes) + number
    return loci.sort_values("line", kind="stable"), transcripts.assign(locus=home)


def place(
    loci: pd.DataFrame, transcripts: pd.DataFrame, rule: str, path: Path
) -> tuple[pd.DataFrame, list[str]]:
    """Return the entries that a rule of :data:`RULES` gives, and notes on how they were chosen.

    Returns
    -------
    entries : pandas.DataFrame
        ``line``, ``gene``, ``symbol``, ``chrom``, ``tss`` (0-based), ``strand``, ``biotype`` and
        ``parent``, the id of the gene in the file.
    notes : list of str
        For the user.

    Raises
    ------
    ChromvizError
        If the rule needs transcripts and there are none, or a strand is unknown.
    """
    own = loci.assign(id=loci["gene"], locus=loci.index, rank=-1)
    bare = ~loci.index.isin(transcripts["locus"])
    if rule != "gene" and bare.all():
        raise ChromvizError(
            f"{path} contains no transcript, so the TSS cannot be chosen by {rule}; give a file "
            "with transcripts, or the rule gene"
        )
    if rule == "gene":
        chosen, notes = own, _about_records(loci, path)
    else:
        wanted = transcripts[transcripts["locus"].isin(loci.index)]
        if rule == "canonical":
            wanted = wanted.assign(length=wanted["start"] - wanted["end"])
            wanted = wanted.sort_values(["rank", "length", "id"], kind="stable")
            wanted = wanted.drop_duplicates("locus").assign(id=lambda best: _genes_of(best, loci))
            notes = _about_canonical(wanted, int(bare.sum()), path)
        else:
            count = len(wanted) + int(bare.sum())
            notes = [f"{path.name}: {count:,} transcripts, each with its own TSS"]
            if bare.any():
                notes[0] += f"; {int(bare.sum()):,} genes without one are kept under their own id"
        chosen = pd.concat([wanted, own[bare]], ignore_index=True)
        order = pd.Series(np.arange(len(loci)), index=loci.index)
        chosen = chosen.iloc[chosen["locus"].map(order).argsort(kind="stable")]
    return _entries(chosen.reset_index(drop=True), loci, path), notes


def _genes_of(chosen: pd.DataFrame, loci: pd.DataFrame) -> pd.Series[str]:
    return chosen["locus"].map(loci["gene"])


def _entries(chosen: pd.DataFrame, loci: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Return the entries that begin where the chosen transcripts or genes do."""
    parent = _genes_of(chosen, loci)
    known = chosen["strand"].isin(["+", "-"])
    open_ended = ~known & (chosen["end"] - chosen["start"] > 1)
    refuse_first(
        open_ended,
        lambda row: (
            f"{path}, line {chosen['line'][row]}, gene {parent[row]}: strand "
            f"{chosen['strand'][row]!r} leaves its TSS unknown; give the strand, or remove the gene"
        ),
    )
    return pd.DataFrame(
        {
            "line": chosen["line"],
            "gene": chosen["id"],
            "symbol": chosen["locus"].map(loci["symbol"]),
            "chrom": chosen["chrom"],
            "tss": chosen["start"].where(chosen["strand"] != "-", chosen["end"] - 1),
            "strand": chosen["strand"].where(known, "."),
            "biotype": chosen["locus"].map(loci["biotype"]),
            "parent": parent,
        }
    )


def _about_records(loci: pd.DataFrame, path: Path) -> list[str]:
    unrecorded = loci[~loci["recorded"].astype(bool)]
    notes = []
    if len(unrecorded) < len(loci):
        notes.append(f"{path.name}: the TSS of a gene is {RULES['gene']}")
    if len(unrecorded):
        notes.append(
            f"{path.name}: {len(unrecorded):,} of {len(loci):,} genes have no gene record "
            f"({unrecorded['gene'].iloc[0]}); their TSS is the most upstream start of their "
            "transcripts"
        )
    return notes


def _about_canonical(chosen: pd.DataFrame, bare: int, path: Path) -> list[str]:
    counts = Counter(chosen["rank"] // _STEP)
    ways = [f"{_DECIDERS[way]} {counts[way]:,}" for way in sorted(counts)]
    if bare:
        ways.append(f"gene record, for lack of a transcript, {bare:,}")
    return [f"{path.name}: the TSS of each gene is chosen by: {', '.join(ways)}"]
