"""Small files in the layout of the archives, and what they contain."""

import gzip
import io
import tarfile
from dataclasses import dataclass
from functools import cache

import numpy as np

_ROADMAP = "/egg2.wustl.edu/roadmap/data"
_RNA = f"{_ROADMAP}/byDataType/rna/expression"
_GENES = 60


@dataclass(frozen=True)
class Archives:
    """Files by name in a folder and by path on a mirror; the true TSS by gene, and the reads."""

    folder: dict[str, bytes]
    mirror: dict[str, bytes]
    tss: dict[str, tuple[str, int]]
    reads: list[tuple[str, int, int]]


def roadmap_files(cells, *, full_ids=False, suffix=""):
    """Return files of some cell types.

    In the archive of matrices on the mirror, a gene is named by the last six digits of its Ensembl
    id and a suffix, as in the published archive; by its full id if `full_ids`. The files for a
    folder have full ids.
    """
    return _files(tuple(cells), full_ids, suffix)


@cache
def _files(cells, full_ids, suffix):
    rng = np.random.default_rng(0)
    genes = [f"ENSG{number:011d}" for number in range(_GENES)]
    on = np.arange(_GENES) % 2
    # hg19 chromosome 21, 20 kb apart; the last gene is not in the gene table.
    tss = {gene: ("chr21", 15_000_000 + 20_000 * number) for number, gene in enumerate(genes[:-1])}
    strand = ["1" if number % 3 else "-1" for number in range(_GENES)]
    info = "".join(
        f"{gene}\t21\t{at + 1 - (sign == '-1') * 900}\t{at + 1 + (sign == '1') * 900}\t{sign}\t"
        f"protein_coding\tSYM{number}\tgene {number}\t\n"
        for number, ((gene, (_, at)), sign) in enumerate(zip(tss.items(), strand, strict=False))
    )
    table = "gene_id\t" + "\t".join(cells) + "\n"
    for gene, level in zip(genes, on * 10 + rng.random(_GENES).round(3), strict=True):
        table += f"{gene}\t" + "\t".join(f"{level:g}" for _ in cells) + "\t\n"
    reads = []
    for (chrom, at), active in zip(tss.values(), on, strict=False):
        for _ in range(8 + 40 * active):
            start = int(at + rng.normal(0, 400))
            reads.append((chrom, start, start + 36))
    reads.sort()
    tag = "".join(f"{c}\t{a}\t{b}\tN\t1000\t+\n" for c, a, b in reads)
    folder = {
        "gene_info": info.encode(),
        "rpkm.gz": gzip.compress(table.encode()),
        "E123-H3K27ac.tagAlign.gz": gzip.compress(tag.encode()),
    }
    matrices = {}
    for cell in cells:
        for part, split in enumerate(("train", "valid", "test")):
            lines = []
            for row in range(20 * part, 20 * part + 20):
                counts = rng.poisson(1.0, (100, 5))
                counts[45:55, 3] += rng.poisson(12 * on[row], 10)
                lines += [
                    f"{genes[row]},{b + 1},{','.join(map(str, counts[b]))},{on[row]}\n"
                    for b in range(100)
                ]
            matrices[f"{cell}/classification/{split}.csv"] = "".join(lines).encode()
    folder |= matrices
    published = {
        name: content if full_ids else _short(content, suffix) for name, content in matrices.items()
    }
    mirror = {
        "/zenodo.org/record/2652278/files/data.tar.gz": _tar(published),
        f"{_RNA}/57epigenomes.RPKM.pc.gz": folder["rpkm.gz"],
        f"{_RNA}/Ensembl_v65.Gencode_v10.ENSG.gene_info": info.encode(),
    }
    for cell in cells:
        path = f"{_ROADMAP}/byFileType/alignments/consolidated/{cell}-H3K27ac.tagAlign.gz"
        mirror[path] = folder["E123-H3K27ac.tagAlign.gz"]
    return Archives(folder, mirror, tss, reads)


def _short(content, suffix):
    """Return a matrix with the last six digits of each gene id."""
    rows = (line.split(",", 1) for line in content.decode().splitlines())
    return "".join(f"{gene[-6:]}{suffix},{rest}\n" for gene, rest in rows).encode()


def _tar(members):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(f"data/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()
