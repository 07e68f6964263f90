"""Names and sizes of chromosomes of an assembly, and the names that files use for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pandas as pd

from chromviz.data.text import MAX_DIGITS, read_lines
from chromviz.errors import ChromvizError

_MITOCHONDRION = ("chrM", "M", "MT")
# In files of hg19 it may stand beside chrM, which is another sequence.
_NOT_CHRM = "chrMT"


@dataclass(frozen=True)
class Assembly:
    """A genome assembly.

    `sizes` has the size in bases by chromosome, empty if unknown; `aliases` a chromosome's name in
    `sizes` by its other names (``1``, ``NC_000001.11``).
    """

    name: str
    sizes: Mapping[str, int] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)


def find_assembly(name: str, chrom_sizes: Path | None = None) -> Assembly:
    """Return an assembly by UCSC's or NCBI's name (``hg38``, ``GRCh38``).

    Any other name is accepted; its sizes are unknown unless a file gives them (two columns,
    chromosome and size, as UCSC's ``chrom.sizes``). A file that contradicts a built-in assembly is
    an error.
    """
    given = None if chrom_sizes is None else _read_sizes(chrom_sizes)
    qualified = _known_builds().get(name)
    if qualified is None:
        return Assembly(name, given or {})
    known = Assembly(name, _sizes(qualified), _aliases(qualified))
    if given is None:
        return known
    wrong = differing(given, known)
    if wrong:
        raise ChromvizError(
            f"{chrom_sizes}: {wrong[0]} has {given[wrong[0]]:,} bases, which is not {name}; set "
            "--assembly to the assembly of this file, or leave the file out"
        )
    return Assembly(name, given, known.aliases)


class Translator:
    """Translates a file's names of chromosomes to those of the genes.

    A name that the genes use stays. Other names match by the aliases of the assembly
    (``NC_000001.11`` is chr1 of hg38), and with or without ``chr`` (``1``, ``chr1``; ``MT``,
    ``chrM``). Genes or files that spell one chromosome in two ways are an error.
    """

    def __init__(self, names: Iterable[str], assembly: Assembly) -> None:
        self._assembly = assembly
        self._own: dict[str, str] = {}
        self._given: dict[str, str] = {}
        #: The genes' names by those of the file, for translated names that differ.
        self.mapped: dict[str, str] = {}
        for name in dict.fromkeys(names):
            other = self._own.setdefault(self.key(name), name)
            if other != name:
                raise ChromvizError(
                    f"the genes spell one chromosome in two ways, {other!r} and {name!r}; keep one"
                )

    def key(self, name: str) -> str:
        """Return a key that is the same for all names of a chromosome."""
        plain = self._assembly.aliases.get(name, name)
        if plain in _MITOCHONDRION:
            return "MT"
        prefixed = plain[:3].lower() == "chr" and len(plain) > 3 and plain != _NOT_CHRM
        return plain[3:] if prefixed else plain

    def __call__(self, name: str) -> str | None:
        """Return the genes' name of a file's chromosome, None if no gene is on it."""
        own = self._own.get(self.key(name))
        if own is None:
            return None
        other = self._given.setdefault(own, name)
        if other != name:
            raise ChromvizError(
                f"it spells one chromosome in two ways, {other!r} and {name!r}; keep one"
            )
        if own != name:
            self.mapped[name] = own
        return own

    def by_gene_name(self, sizes: Mapping[str, int]) -> dict[str, int]:
        """Return sizes by the genes' names; chromosomes without genes are left out."""
        found: dict[str, int] = {}
        for name, size in sizes.items():
            own = self(name)
            if own is not None:
                found[own] = size
        return found


def name_officially(table: pd.DataFrame, assembly: Assembly) -> tuple[pd.DataFrame, list[str]]:
    """Rename the genes' chromosomes to the names of the assembly; return a note if any changed.

    Without sizes the names stay; so do names that the assembly lacks.
    """
    Translator(table["chrom"], assembly)  # refuses genes that spell one in two ways
    official = Translator(assembly.sizes, assembly)
    names = {name: official(name) or name for name in dict.fromkeys(table["chrom"])}
    changed = [(name, other) for name, other in names.items() if name != other]
    if not changed:
        return table, []
    more = f", and {len(changed) - 1} more" if len(changed) > 1 else ""
    return table.assign(chrom=table["chrom"].map(names)), [
        f"the genes' chromosomes are renamed as in {assembly.name}: {changed[0][0]} to "
        f"{changed[0][1]}{more}"
    ]


def matching_builds(sizes: Mapping[str, int], assembly: Assembly) -> list[str]:
    """Return the built-in assemblies in which every shared chromosome has the given size.

    UCSC's names come before NCBI's.
    """
    names = Translator((), assembly)
    keyed = {names.key(name): size for name, size in sizes.items()}
    fitting = []
    for build, qualified in _known_builds().items():
        official = {names.key(name): size for name, size in _sizes(qualified).items()}
        shared = keyed.keys() & official.keys()
        if shared and all(keyed[name] == official[name] for name in shared):
            fitting.append(build)
    return fitting


def differing(sizes: Mapping[str, int], assembly: Assembly) -> list[str]:
    """Return the chromosomes whose size differs from the assembly's, by the given names.

    Chromosomes that the assembly lacks do not count, unless it lacks all of them. If its sizes are
    unknown, none differ.
    """
    names = Translator((), assembly)
    official = {names.key(name): size for name, size in assembly.sizes.items()}
    if official and not official.keys() & {names.key(name) for name in sizes}:
        return list(sizes)
    return [name for name, size in sizes.items() if official.get(names.key(name), size) != size]


@cache
def _known_builds() -> dict[str, str]:
    """Return bioframe's qualified names by the names of the assemblies."""
    # Imported here: it takes half a second, and only reading tracks needs it.
    import bioframe

    # UCSC's names come first: NCBI's GRCh38 is the same as hg38. With its provider, since a build
    # may have a dot in its name, which bioframe would split at.
    builds = bioframe.assemblies_available().sort_values("provider", ascending=False)
    return {
        build: f"{provider}.{build}"
        for provider, build in zip(builds["provider"], builds["provider_build"], strict=True)
    }


@cache
def _sizes(qualified: str) -> Mapping[str, int]:
    import bioframe

    official = bioframe.assembly_info(qualified).chromsizes
    return {str(name): int(size) for name, size in official.items()}


def _aliases(qualified: str) -> dict[str, str]:
    import bioframe

    return dict(bioframe.assembly_info(qualified).alias_dict)


def _read_sizes(path: Path) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for number, line in enumerate(read_lines(path), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        fields = line.split()
        number_like = len(fields) > 1 and fields[1].isascii() and fields[1].isdecimal()
        if not number_like or len(fields[1]) > MAX_DIGITS:
            raise ChromvizError(
                f"{path}, line {number}: give a chromosome and its size in bases, not {line!r:.60}"
            )
        if sizes.setdefault(fields[0], int(fields[1])) != int(fields[1]):
            raise ChromvizError(f"{path}, line {number}: {fields[0]} has two sizes; keep one")
    if not sizes:
        raise ChromvizError(f"{path} is empty; give lines of a chromosome and its size in bases")
    return sizes
