"""Names and sizes of chromosomes of an assembly, and the names that files use for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pandas as pd

from chromviz.data.text import data_lines, is_coordinate
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

    def sizes_for(self, names: Iterable[str]) -> dict[str, int]:
        """Return the sizes by the genes' names of the chromosomes."""
        return Translator(names, self, self.name).by_gene_name(self.sizes)


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
    """Translates the names of chromosomes in one file to those of the genes.

    A name that the genes use stays. Other names match by the aliases of the assembly
    (``NC_000001.11`` is chr1 of hg38), and with or without ``chr`` (``1``, ``chr1``; ``MT``,
    ``chrM``). Genes or a file that spell one chromosome in two ways are an error, which says
    `where` the file is.
    """

    def __init__(self, names: Iterable[str], assembly: Assembly, where: str = "the file") -> None:
        self.where = where
        self._assembly = assembly
        self._genes: dict[str, str] = {}
        self._seen: dict[str, None] = {}
        #: The file's names by the genes' names.
        self.theirs: dict[str, str] = {}
        for name in dict.fromkeys(names):
            other = self._genes.setdefault(self.key(name), name)
            if other != name:
                raise ChromvizError(
                    f"the genes spell one chromosome in two ways, {other!r} and {name!r}; keep one"
                )

    @property
    def mapped(self) -> dict[str, str]:
        """The genes' names by the file's names, where they differ."""
        return {name: own for own, name in self.theirs.items() if own != name}

    def key(self, name: str) -> str:
        """Return a key that is the same for all names of a chromosome."""
        plain = self._assembly.aliases.get(name, name)
        if plain in _MITOCHONDRION:
            return "MT"
        prefixed = plain[:3].lower() == "chr" and len(plain) > 3 and plain != _NOT_CHRM
        return plain[3:] if prefixed else plain

    def __call__(self, name: str) -> str | None:
        """Return the genes' name of a file's chromosome, None if no gene is on it."""
        self._seen[name] = None
        own = self._genes.get(self.key(name))
        if own is not None and self.theirs.setdefault(own, name) != name:
            raise ChromvizError(
                f"{self.where} spells one chromosome in two ways, {self.theirs[own]!r} and "
                f"{name!r}; keep one"
            )
        return own

    def check_common(self) -> None:
        """Raise if none of the file's names that were translated is a chromosome of the genes."""
        if self._genes and not self.theirs:
            genes = ", ".join(map(repr, list(self._genes.values())[:3]))
            file = ", ".join(map(repr, list(self._seen)[:3]))
            raise ChromvizError(
                f"{self.where} has no chromosome in common with the genes: they use {genes}, the "
                f"file {file}; give files of one assembly, or rename the chromosomes of the genes"
            )

    def by_gene_name(self, sizes: Mapping[str, int]) -> dict[str, int]:
        """Return sizes by the genes' names; chromosomes without genes are left out."""
        named = ((self(name), size) for name, size in sizes.items())
        return {own: size for own, size in named if own is not None}


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


@cache
def _aliases(qualified: str) -> Mapping[str, str]:
    import bioframe

    return dict(bioframe.assembly_info(qualified).alias_dict)


def _read_sizes(path: Path) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for number, line in data_lines(path):
        fields = line.split()
        if len(fields) < 2 or not is_coordinate(fields[1]):
            raise ChromvizError(
                f"{path}, line {number}: give a chromosome and its size in bases, not {line!r:.60}"
            )
        if sizes.setdefault(fields[0], int(fields[1])) != int(fields[1]):
            raise ChromvizError(f"{path}, line {number}: {fields[0]} has two sizes; keep one")
    if not sizes:
        raise ChromvizError(f"{path} is empty; give lines of a chromosome and its size in bases")
    return sizes
