import gzip

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chromviz.data.signal.chromosomes import Assembly, Translator
from chromviz.data.signal.windows import overlapping, read_regions
from chromviz.errors import ChromvizError
from chromviz.vocabulary import Window

WINDOW = Window(flank=20, bin_width=10)


def genes(*places):
    return pd.DataFrame(places, columns=["chrom", "tss"])


def read(path, text):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return {chrom: pairs.tolist() for chrom, pairs in read_regions(path).items()}


def names(table):
    return Translator(table["chrom"], Assembly("toy"), "regions.bed")


def hits(regions, table, translate=None):
    regions = {chrom: np.array(pairs, np.int64) for chrom, pairs in regions.items()}
    translate = translate or names(table)
    return overlapping(regions, table, WINDOW, translate).astype(int).tolist()


def refusal(call, *args):
    with pytest.raises(ChromvizError) as caught:
        call(*args)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def test_read(tmp_path):
    text = (
        "#chrom\tstart\tend\ntrack name=x\nbrowser position chr1:1-2\n\n"
        "chr2\t5\t6\tHigh Signal\t0\t.\nchr1\t30\t40\nchr1\t0\t10\n"
    )
    expected = {"chr2": [[5, 6]], "chr1": [[0, 10], [30, 40]]}
    assert read(tmp_path / "plain", text) == expected
    assert read(tmp_path / "zipped", gzip.compress(text.encode())) == expected
    assert read(tmp_path / "windows", text.replace("\n", "\r\n")) == expected


def test_regions_that_overlap_touch_or_hold_one_another_are_one(tmp_path):
    assert read(tmp_path / "a", "c\t10\t20\nc\t20\t30\n") == {"c": [[10, 30]]}
    assert read(tmp_path / "a", "c\t10\t20\nc\t21\t30\n") == {"c": [[10, 20], [21, 30]]}
    assert read(tmp_path / "a", "c\t0\t99\nc\t5\t6\nc\t7\t8\nc\t98\t120\n") == {"c": [[0, 120]]}
    assert read(tmp_path / "a", "c\t5\t6\nc\t5\t6\n") == {"c": [[5, 6]]}


def test_edges_are_half_open():
    """The bins of a TSS at 100 are 80-90, 90-100, 100-110 and 110-120."""
    table = genes(("c", 100))
    assert hits({"c": [[90, 100]]}, table) == [[0, 1, 0, 0]]
    assert hits({"c": [[89, 90]]}, table) == [[1, 0, 0, 0]]
    assert hits({"c": [[90, 91]]}, table) == [[0, 1, 0, 0]]
    assert hits({"c": [[99, 101]]}, table) == [[0, 1, 1, 0]]
    assert hits({"c": [[0, 80], [120, 999]]}, table) == [[0, 0, 0, 0]]
    assert hits({"c": [[0, 81], [119, 999]]}, table) == [[1, 0, 0, 1]]


def test_a_window_that_leaves_the_chromosome():
    assert hits({"c": [[0, 1]]}, genes(("c", 5))) == [[0, 1, 0, 0]]
    assert hits({"c": [[0, 6]]}, genes(("c", 5))) == [[0, 1, 1, 0]]


def test_only_the_genes_own_chromosome_counts():
    table = genes(("a", 100), ("b", 100), ("z", 100))
    assert hits({"b": [[0, 999]], "other": [[0, 999]]}, table) == [[0] * 4, [1] * 4, [0] * 4]


def test_no_genes():
    table = genes()
    assert overlapping({"c": np.array([[0, 1]])}, table, WINDOW, names(table)).shape == (0, 4)


def test_names_are_translated():
    table = genes(("1", 100), ("MT", 100))
    translate = Translator(table["chrom"], Assembly("toy"))
    found = hits({"chrUn": [[0, 999]], "chrM": [[80, 81]], "chr1": [[115, 116]]}, table, translate)
    assert found == [[0, 0, 0, 1], [1, 0, 0, 0]]


def test_regions_of_another_genome():
    translate = Translator(["1"], Assembly("toy"))
    message = refusal(hits, {"scaffold_7": [[0, 9]]}, genes(("1", 100)), translate)
    assert "no chromosome in common with the genes: they use '1', the file 'scaffold_7'" in message


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    spans=st.lists(
        st.tuples(st.sampled_from("ab"), st.integers(0, 60), st.integers(1, 25)), min_size=1
    ),
    places=st.lists(st.tuples(st.sampled_from("abz"), st.integers(-30, 90))),
)
def test_every_base_counted_one_by_one(tmp_path, spans, places):
    path = tmp_path / "regions.bed"
    path.write_text("".join(f"{chrom}\t{at}\t{at + size}\n" for chrom, at, size in spans))
    table = genes(*places, ("a", 0), ("b", 0))
    regions = read_regions(path)
    # Merged: sorted, and with a base between one and the next.
    assert all((pairs[1:, 0] > pairs[:-1, 1]).all() for pairs in regions.values())
    taken = {(chrom, at + base) for chrom, at, size in spans for base in range(size)}
    expected = [
        [
            any((chrom, tss + first + base) in taken for base in range(WINDOW.bin_width))
            for first in WINDOW.bin_start.tolist()
        ]
        for chrom, tss in zip(table["chrom"], table["tss"], strict=True)
    ]
    assert overlapping(regions, table, WINDOW, names(table)).tolist() == expected


def attempt(call, *args):
    """What it gives, or the line that it refuses with."""
    try:
        return call(*args)
    except ChromvizError as error:
        return str(error)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("chr1\t5\t6\nchr1 5 6\n", "line 2: give BED"),
        ("chr1\t5\n", "line 1: give BED"),
        ("\t5\t6\n", "line 1: give BED"),
        ("chr1\tx\t6\n", "line 1: 'x' is not a coordinate"),
        ("chr1\t-5\t6\n", "line 1: '-5' is not a coordinate"),
        ("chr1\t5\t6.5\n", "line 1: '6.5' is not a coordinate"),
        ("chr1\t\u0665\t6\n", "is not a coordinate"),  # a digit, but not one of BED
        ("chrom\tstart\tend\nchr1\t5\t6\n", "line 1: 'start' is not a coordinate"),
        (f"chr1\t5\t{10**30}\n", "is not a coordinate"),
        ("chr1\t6\t6\n", "line 1: end 6 does not lie after start 6; BED is 0-based"),
        ("chr1\t7\t6\n", "line 1: end 6 does not lie after start 7"),
        ("", "has no regions"),
        ("# nothing\ntrack name=x\n\n", "has no regions"),
        (b"chr1\t5\t6\n\xff\xfe", "is not a text file"),
        (b"\x1f\x8bchr1", "damaged or cut-off gzip file"),
    ],
)
def test_bad_files(tmp_path, text, problem):
    message = refusal(read, tmp_path / "regions.bed", text)
    assert problem in message
    assert "regions.bed" in message


def test_a_missing_file(tmp_path):
    assert "no file" in refusal(read_regions, tmp_path / "absent.bed")


FIELD = st.one_of(
    st.sampled_from(["chr1", "0", "5", "17", "-1", "1e3", "9" * 12, "9" * 13, "", " 8 ", "track"]),
    st.text(max_size=4),
)


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.one_of(
        st.binary(max_size=40),
        st.lists(st.lists(FIELD, max_size=4).map("\t".join), max_size=4).map(
            lambda lines: "\n".join(["chr1\t3\t9", *lines]).encode()
        ),
    ),
    zipped=st.booleans(),
)
def test_anything_is_regions_or_one_line(tmp_path, content, zipped):
    path = tmp_path / "regions"
    path.write_bytes(gzip.compress(content) if zipped else content)
    found = attempt(read_regions, path)
    if isinstance(found, str):
        assert len(found.splitlines()) == 1
        return
    assert found
    for chrom, pairs in found.items():
        assert chrom
        assert pairs.dtype == np.int64
        assert (pairs[:, 0] < pairs[:, 1]).all()
        assert (pairs >= 0).all()
