import gzip

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chromviz.data.signal.chromosomes import (
    Assembly,
    Translator,
    differing,
    find_assembly,
    matching_builds,
    name_officially,
)
from chromviz.errors import ChromvizError

TOY = Assembly("toy", {"chr1": 1000, "chr2": 500})
HG19_CHR1, HG38_CHR1 = 249_250_621, 248_956_422


def refusal(call, *args):
    with pytest.raises(ChromvizError) as caught:
        call(*args)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def sizes(path, text):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return find_assembly("mine", path).sizes


@pytest.mark.parametrize(
    ("assembly", "one", "other"),
    [
        ("unknown", "1", "chr1"),
        ("unknown", "1", "Chr1"),
        ("unknown", "1", "CHR1"),
        ("unknown", "X", "chrX"),
        ("unknown", "chrM", "MT"),
        ("unknown", "chrM", "M"),
        ("unknown", "chrUn_KI270742v1", "Un_KI270742v1"),
        ("hg19", "1", "chr1"),
        ("hg19", "NC_000001.10", "chr1"),
        ("hg19", "CM000663.1", "1"),
        ("hg19", "MT", "chrM"),
        ("hg38", "NC_000001.11", "chr1"),
        ("hg38", "NC_000001.11", "1"),
        ("hg38", "MT", "chrM"),
        ("hg38", "NC_012920.1", "chrM"),
        ("GRCh37", "MT", "chrMT"),
        ("GRCh38", "NC_000023.11", "X"),
        ("mm10", "NC_000067.6", "1"),
        ("sacCer3", "I", "chrI"),
        ("sacCer3", "NC_001133.9", "chrI"),
        ("sacCer3", "Mito", "chrM"),
        ("dm6", "2L", "chr2L"),
        ("dm6", "NT_033779.5", "chr2L"),
        ("ce11", "III", "chrIII"),
        ("ce11", "MtDNA", "chrM"),
    ],
)
def test_one_chromosome(assembly, one, other):
    build = find_assembly(assembly)
    for genes, file in ((one, other), (other, one)):
        translate = Translator([genes], build)
        assert translate(file) == genes
        assert translate.mapped == {file: genes}
        # Two spellings of it would be read as one chromosome.
        assert "the genes spell one chromosome in two ways" in refusal(
            Translator, [genes, file], build
        )


@pytest.mark.parametrize(
    ("assembly", "one", "other"),
    [
        ("unknown", "chr1", "chr11"),
        ("unknown", "chr1", "1_random"),
        ("unknown", "chr", ""),
        ("unknown", "chrX", "chrx"),
        ("unknown", "NC_000001.11", "chr1"),
        ("unknown", "chrM", "chrMT"),
        ("hg19", "chrM", "chrMT"),
        ("hg19", "MT", "chrMT"),
        ("hg19", "NC_000001.11", "chr1"),  # of hg38
        ("hg38", "chrM", "chrMT"),
        ("sacCer3", "I", "1"),
        ("dm6", "2L", "2"),
        ("ce11", "X", "chrV"),
    ],
)
def test_two_chromosomes(assembly, one, other):
    build = find_assembly(assembly)
    assert Translator([one], build)(other) is None
    assert Translator([other], build)(one) is None
    both = Translator([one, other], build)
    assert (both(one), both(other)) == (one, other)
    assert both.mapped == {}


def test_only_names_that_differ_are_told():
    translate = Translator(["chr1", "2", "chrM"], Assembly("toy"))
    asked = ["1", "2", "7", "MT", "1"]
    assert [translate(name) for name in asked] == ["chr1", "2", None, "chrM", "chr1"]
    assert translate.mapped == {"1": "chr1", "MT": "chrM"}


def test_a_file_that_spells_one_chromosome_in_two_ways():
    translate = Translator(["chr1"], Assembly("toy"))
    assert translate("1") == "chr1"
    message = refusal(translate, "chr1")
    assert "spells one chromosome in two ways, '1' and 'chr1'" in message
    # It is no trouble where there are no genes.
    assert translate("chr2") is translate("2") is None


def test_sizes_by_the_genes_names():
    translate = Translator(["1", "chrX"], Assembly("toy"))
    assert translate.by_gene_name({"chr1": 5, "chrX": 6, "chr2": 7}) == {"1": 5, "chrX": 6}
    assert "in two ways" in refusal(translate.by_gene_name, {"chr1": 5, "1": 5})


@given(st.lists(st.text(max_size=6), unique=True), st.text(max_size=6))
def test_a_name_that_the_genes_use_means_itself(names, other):
    try:
        translate = Translator(names, TOY)
    except ChromvizError:
        return
    assert [translate(name) for name in names] == names
    assert Translator(names, TOY)(other) in (None, *names)


def test_known_assemblies():
    hg19, hg38, mm10 = map(find_assembly, ("hg19", "hg38", "mm10"))
    assert hg19.sizes["chr1"] == HG19_CHR1
    assert hg38.sizes["chr1"] == HG38_CHR1
    assert mm10.sizes["chr1"] == 195_471_971
    assert hg19.aliases["NC_000001.10"] == hg38.aliases["NC_000001.11"] == "chr1"
    assert find_assembly("GRCh38").sizes == hg38.sizes


def test_an_assembly_that_nobody_knows():
    assert find_assembly("tair10") == Assembly("tair10")
    assert find_assembly("") == Assembly("")
    assert find_assembly("HG38").sizes == {}


def test_matching_builds():
    def builds(**given_sizes):
        return matching_builds(given_sizes, TOY)

    assert builds(chr1=HG19_CHR1) == ["hg19", "GRCh37"]
    assert builds(chr1=HG38_CHR1) == ["hg38", "GRCh38"]
    assert builds(chr1=HG38_CHR1, chr2=242_193_529, chr99=5) == ["hg38", "GRCh38"]
    # The mitochondrion is what parts hg19 from GRCh37.
    assert builds(chr1=HG19_CHR1, chrM=16_571)[0] == "hg19"
    assert builds(chr1=HG19_CHR1, MT=16_569) == ["GRCh37"]
    assert builds(chr1=HG19_CHR1, chr2=242_193_529) == []
    assert builds(chr1=1000) == []
    assert builds(chrNone=1000) == []
    assert builds() == []
    assert matching_builds({"2L": 23_513_712}, TOY) == ["dm6"]
    assert matching_builds({"IV": 1_531_933}, TOY) == ["sacCer3"]
    # Names that only an assembly knows.
    assert matching_builds({"NC_000001.11": HG38_CHR1}, TOY) == []
    assert "hg38" in matching_builds({"NC_000001.11": HG38_CHR1}, find_assembly("hg38"))


def test_differing():
    assert differing({"1": 1000, "chr2": 501, "chr3": 7}, TOY) == ["chr2"]
    assert differing({"chr1": 1000}, TOY) == []
    assert differing({}, TOY) == []
    assert differing({"chr1": 5}, Assembly("unknown")) == []
    # All of another genome, not merely without a contradiction.
    assert differing({"scaffold1": 7, "scaffold2": 7}, TOY) == ["scaffold1", "scaffold2"]


def test_official_names():
    table = pd.DataFrame({"gene": ["A", "B", "C"], "chrom": ["1", "chr2", "scaffold7"]})
    named, notes = name_officially(table, TOY)
    assert named["chrom"].tolist() == ["chr1", "chr2", "scaffold7"]
    assert notes == ["the genes' chromosomes are renamed as in toy: 1 to chr1"]
    assert table["chrom"].tolist() == ["1", "chr2", "scaffold7"]
    _, notes = name_officially(table.replace("chr2", "2"), TOY)
    assert notes == ["the genes' chromosomes are renamed as in toy: 1 to chr1, and 1 more"]
    assert name_officially(named, TOY) == (named, [])
    assert "the genes spell one chromosome in two ways" in refusal(
        name_officially, table.replace("chr2", "chr1"), TOY
    )
    same, notes = name_officially(table, Assembly("unknown"))
    assert same["chrom"].tolist() == table["chrom"].tolist()
    assert notes == []


def test_a_file_of_sizes(tmp_path):
    text = "# toy\nchr1\t1000\n\nchr2 500 and what else UCSC tells\nchr1\t1000\n"
    expected = {"chr1": 1000, "chr2": 500}
    assert sizes(tmp_path / "plain", text) == expected
    assert sizes(tmp_path / "zipped", gzip.compress(text.encode())) == expected
    assert sizes(tmp_path / "windows", text.replace("\n", "\r\n")) == expected
    found = find_assembly("mine", tmp_path / "plain")
    assert found.name == "mine"
    assert Translator(["1"], found)("chr1") == "1"


def test_a_file_of_sizes_of_a_known_assembly(tmp_path):
    file = tmp_path / "chrom.sizes"
    file.write_text(f"1\t{HG38_CHR1}\ndecoy\t7\n")
    found = find_assembly("hg38", file)
    assert found.sizes == {"1": HG38_CHR1, "decoy": 7}
    # The file's names, and still what is known of them.
    assert Translator(found.sizes, found)("NC_000001.11") == "1"
    # Without --assembly it is hg19: the sizes of another must not pass for it.
    message = refusal(find_assembly, "hg19", file)
    assert f"{file}: 1 has 248,956,422 bases, which is not hg19" in message
    file.write_text("scaffold1\t7\n")
    assert "scaffold1 has 7 bases, which is not hg19" in refusal(find_assembly, "hg19", file)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("chr1\n", "line 1: give a chromosome and its size in bases, not 'chr1'"),
        ("chr1\t1000\nchr2\tx\n", "line 2: give a chromosome and its size"),
        ("chrom\tsize\nchr1\t1000\n", "line 1: give a chromosome and its size"),
        ("chr1\t-5\n", "line 1: give"),
        ("chr1\t1e6\n", "line 1: give"),
        ("chr1\t1,000\n", "line 1: give"),
        ("chr1\t²\n", "line 1: give"),
        ("chr1\t" + "9" * 5000, "line 1: give"),
        ("chr1\t1000\nchr1\t999\n", "line 2: chr1 has two sizes; keep one"),
        ("", "is empty"),
        ("# nothing\n\n", "is empty"),
        (b"\xff\xfechr1\t5", "is not a text file"),
        (b"\x1f\x8b\x08chr1", "damaged or cut-off gzip file"),
    ],
)
def test_bad_files_of_sizes(tmp_path, text, problem):
    message = refusal(sizes, tmp_path / "chrom.sizes", text)
    assert problem in message
    assert "chrom.sizes" in message
    assert len(message) < 400


def test_no_file_of_sizes(tmp_path):
    assert "no file" in refusal(find_assembly, "mine", tmp_path / "absent")
    assert "no file" in refusal(find_assembly, "hg19", tmp_path / "absent")


FIELD = st.one_of(
    st.sampled_from(["chr1", "chr2", "5", "17", "-1", "1e3", "9" * 12, "9" * 5000, "", "#"]),
    st.text(max_size=4),
)


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.one_of(
        st.binary(max_size=40),
        st.lists(st.lists(FIELD, max_size=3).map("\t".join), max_size=4).map(
            lambda lines: "\n".join(["chr1\t5", *lines]).encode()
        ),
    ),
    zipped=st.booleans(),
)
def test_anything_is_sizes_or_one_line(tmp_path, content, zipped):
    path = tmp_path / "chrom.sizes"
    try:
        found = sizes(path, gzip.compress(content) if zipped else content)
    except ChromvizError as error:
        told = str(error)
        found = {}
    if not found:
        assert len(told.splitlines()) == 1
    assert all(name and 0 <= size < 10**12 for name, size in found.items())
