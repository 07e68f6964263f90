"""DeepChrome's matrices joined with places, expression and coverage."""

import gzip

import numpy as np
import pytest

from chromviz import schema
from chromviz.data.choices import Choices, InputFiles
from chromviz.data.deepchrome_csv import read_deepchrome
from chromviz.data.labels import LabelRule
from chromviz.data.prepare import prepare_dataset
from chromviz.errors import ChromvizError
from chromviz.vocabulary import Window
from tests.data.roadmap import roadmap_files


@pytest.fixture
def inputs(tmp_path):
    """Files as the archives have them: 60 genes of E123, of which the gene table knows 59."""
    for path, content in roadmap_files(["E123"]).folder.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(content)
    return tmp_path


def join(folder, choices=None, **changes):
    given = {
        "genes": folder / "gene_info",
        "expression": folder / "rpkm.gz",
        "coverage": {"H3K27ac": folder / "E123-H3K27ac.tagAlign.gz"},
        "matrices": folder,
        **changes,
    }
    made = prepare_dataset(InputFiles("K562", **given), choices)
    matrices = read_deepchrome(folder / "E123", "K562")
    return matrices, made.dataset, [str(finding) for finding in made.findings]


def test_signal_labels_and_splits_stay(inputs):
    matrices, dataset, told = join(inputs)
    for name in ("signal", "label", "split", "reason"):
        np.testing.assert_array_equal(dataset[name].values, matrices[name].values)
    assert dataset.attrs["cell"] == "E123"
    assert dataset.attrs["coverage_unit"] == "reads"
    assert any("labels of the matrices agree with the expression of E123" in line for line in told)
    assert any("1 of 60 genes of the matrices cannot be identified in it" in line for line in told)


def test_places_and_coverage_by_hand(inputs):
    _, dataset, _ = join(inputs)
    truth = roadmap_files(["E123"])
    coverage = dataset["coverage"].values[0]
    for row, gene in enumerate(dataset["gene"].values):
        if gene not in truth.tss:
            assert dataset["chrom"].values[row] == ""
            assert np.isnan(coverage[row]).all()
            continue
        assert (dataset["chrom"].values[row], dataset["tss"].values[row]) == truth.tss[gene]
        chrom, tss = truth.tss[gene]
        start = tss + Window().bin_start
        counts = [
            sum(1 for c, a, b in truth.reads if c == chrom and a < at + 100 and b > at)
            for at in start[45:55]
        ]
        np.testing.assert_array_equal(coverage[row, 45:55], counts)


def test_expression_of_another_cell_is_noticed(inputs):
    table = gzip.decompress((inputs / "rpkm.gz").read_bytes()).decode().splitlines()
    rows = [line.split("\t") for line in table]
    for number, row in enumerate(rows[1:]):
        row[1] = str((number * 7919) % 101)
    shuffled = "\n".join("\t".join(row) for row in rows)
    (inputs / "rpkm.gz").write_bytes(gzip.compress(shuffled.encode()))
    _, _, told = join(inputs)
    assert any(line.startswith("warning: labels of the matrices agree") for line in told)


def test_what_the_matrices_have_fixed_cannot_be_chosen(inputs):
    for choices in (
        Choices(window=Window(1000, 100)),
        Choices(orientation="strand"),
        Choices(label=LabelRule("above:1")),
    ):
        with pytest.raises(ChromvizError, match="matrices have a fixed"):
            join(inputs, choices=choices)


def test_without_coverage_and_with_strange_genes(inputs):
    _, dataset, _ = join(inputs, coverage={})
    schema.check_dataset(dataset)
    assert dataset.sizes["track"] == 0
    (inputs / "gene_info").write_text("OTHER1\t1\t10\t20\t1\tprotein_coding\tX\tx\n")
    with pytest.raises(ChromvizError, match=r"the matrices and .*gene_info have no gene"):
        join(inputs)


def test_genes_are_placed_by_id_without_version(inputs):
    _, plain, _ = join(inputs)
    lines = (inputs / "gene_info").read_text().splitlines()
    fields = [line.split("\t") for line in lines]
    versions = [[f"{row[0]}.3", *row[1:]] for row in fields]
    # Of two versions at two places, nothing tells which is meant.
    versions.append([f"{fields[0][0]}.4", fields[0][1], "90001", *versions[0][3:]])
    (inputs / "gene_info").write_text("".join("\t".join(row) + "\n" for row in versions))
    _, dataset, _ = join(inputs)
    doubtful = plain["gene"].values == fields[0][0]
    assert doubtful.sum() == 1
    assert dataset["tss"].values[doubtful] == [-1]
    np.testing.assert_array_equal(dataset["tss"].values[~doubtful], plain["tss"].values[~doubtful])


def shorten(folder, ending=""):
    """Name the genes of the matrices as the archive does, by the last six digits of their id."""
    for path in (folder / "E123" / "classification").glob("*.csv"):
        rows = [line.split(",", 1) for line in path.read_text().splitlines()]
        path.write_text("".join(f"{gene[-6:]}{ending},{rest}\n" for gene, rest in rows))


@pytest.mark.parametrize("ending", ["", "_1"])
def test_genes_named_by_six_digits_are_placed_and_counted(inputs, ending):
    _, plain, _ = join(inputs)
    shorten(inputs, ending)
    _, dataset, told = join(inputs)
    known = plain["chrom"].values != ""
    assert known.sum() == 59
    for name in ("gene", "symbol", "chrom", "tss", "strand", "coverage", "expression", "label"):
        np.testing.assert_array_equal(dataset[name].values, plain[name].values)
    # The gene that the annotation lacks is known to the expression table.
    assert list(dataset["gene"].values[~known]) == ["ENSG00000000059"]
    assert not np.isnan(dataset["expression"].values).any()
    first = "59 of 60 genes of the matrices are named by the last six digits"
    assert any(line.startswith(first) and "000000 is ENSG00000000000" in line for line in told)
    assert any("1 of 60 genes of the matrices cannot be identified" in line for line in told)


def test_six_digits_that_several_genes_match_place_none_of_them(inputs):
    shorten(inputs)
    # Two more genes end in the digits of the first two.
    more = "".join(f"ENSG0000100000{at}\t21\t10\t20\t1\tx\tX\tx\n" for at in range(2))
    path = inputs / "gene_info"
    path.write_text(path.read_text() + more)
    _, dataset, told = join(inputs)
    assert dataset.sizes["gene"] == 60
    by_gene = dataset.isel(gene=dataset["gene"].isin(["000000", "000001"]).values)
    assert by_gene.sizes["gene"] == 2
    assert list(by_gene["tss"].values) == [-1, -1]
    assert np.isnan(by_gene["expression"].values).all()
    assert np.isnan(by_gene["coverage"].values).all()
    assert schema.usable(by_gene).all()
    (line,) = [line for line in told if line.startswith("warning: ")]
    assert line.startswith("warning: 2 of 60 genes of the matrices have a six-digit id that more")
    assert any("3 of 60 genes of the matrices cannot be identified in it" in x for x in told)
