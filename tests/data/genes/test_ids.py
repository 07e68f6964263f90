import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chromviz.data.genes.ids import expand_short_ids, match_expression, without_version
from chromviz.errors import ChromvizError


def levels(genes, values, symbols=None):
    symbols = symbols or [""] * len(genes)
    found, notes = match_expression(genes, pd.Series(values, dtype="float64"), symbols)
    assert found.dtype == np.float64
    return [None if np.isnan(level) else level for level in found], notes


def refusal(*args):
    with pytest.raises(ChromvizError) as caught:
        levels(*args)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "bare"),
    [
        ("ENSG00000000003.14", "ENSG00000000003"),
        ("ENSMUST00000000003.2", "ENSMUST00000000003"),
        ("ENSG00000182378.14_PAR_Y", "ENSG00000182378_PAR_Y"),
        ("ENSGR0000182378.10", "ENSGR0000182378"),
        ("ENSG00000223972.5_2", "ENSG00000223972"),
        ("NM_000546.6", "NM_000546"),
        ("XR_001737556.2", "XR_001737556"),
        ("ENSG00000000003", "ENSG00000000003"),
        ("RP11-34P13.7", "RP11-34P13.7"),
        ("AC000111.3", "AC000111.3"),
        ("Y110A7A.10", "Y110A7A.10"),
        ("NM_000546.6x", "NM_000546.6x"),
        ("HLA-A", "HLA-A"),
        ("ENSG.1", "ENSG.1"),
    ],
)
def test_only_known_ids_lose_their_version(name, bare):
    assert without_version(name) == bare
    assert without_version(bare) == bare


def test_own_ids_come_first_then_ids_without_version():
    table = {"ENSG1.2": 1, "ENSG1.3": 2, "ENSG2": 3, "ENSG3.1": 4, "AC1.2": 5}
    genes = ["ENSG1.3", "ENSG2.7", "ENSG3", "AC1.3", "AC1.2"]
    found, notes = levels(genes, table)
    assert found == [2, 3, 4, None, 5]
    assert notes == [
        "2 of 5 genes match the expression table by id without version (ENSG2.7 = ENSG2)"
    ]
    assert levels(["ENSG1.2", "ENSG1.3"], table) == ([1, 2], [])


def test_the_copy_on_y_never_takes_the_value_of_x():
    genes = ["ENSG00000182378.14", "ENSG00000182378.14_PAR_Y"]
    assert levels(genes, {"ENSG00000182378": 5})[0] == [5, None]
    assert levels(genes, {"ENSG00000182378_PAR_Y": 5, "ENSG00000182378.1": 6})[0] == [6, 5]


def test_contradiction_matters_only_where_a_gene_needs_it():
    table = {"ENSG1.2": 1, "ENSG1.3": 2, "ENSG2.1": 3, "ENSG2.2": 3, "ENSG4.1": np.nan}
    assert levels(["ENSG1.2", "ENSG2"], table)[0] == [1, 3]
    message = refusal(["ENSG2", "ENSG1.9"], table)
    assert "gene ENSG1.9" in message
    assert "ENSG1.2 has 1, ENSG1.3 2" in message
    assert levels(["ENSG4.1", "ENSG1.2"], table)[0] == [None, 1]


def test_symbols_where_the_table_is_keyed_by_symbols():
    genes = ["G1", "G2", "G3", "G4", "G5", "G6_PAR_Y", "G6"]
    symbols = ["ONE", "TWO", "TWO", "", "G5", "SIX", "SIX"]
    table = {"ONE": 1, "TWO": 2, "SIX": 6, "G5": 5, "": 9}
    found, notes = levels(genes, table, symbols)
    assert found == [1, None, None, None, 5, None, 6]
    assert notes == [
        "2 of 7 genes match the expression table by symbol, not by id",
        "2 genes share their symbol with another gene (such as TWO); their expression is unknown, "
        "because the table does not distinguish them",
    ]


def test_symbols_do_not_mend_a_table_of_ids():
    # The one gene that the table lacks must not take another's value by its symbol.
    assert levels(["A", "B", "C"], {"A": 1, "B": 2}, ["x", "y", "B"]) == ([1, 2, None], [])


@pytest.mark.parametrize(
    ("genes", "table", "hint"),
    [
        (["A"], {"B": 1}, "they use 'A' and 'B'; give ids of one kind"),
        (["ENSG1"], {"ENST1": 1}, "the expression is by transcript"),
        (["ENST1"], {"ENSG1": 1}, "the genes are transcripts"),
        (["A"], {}, "they use 'A' and ''"),
    ],
)
def test_no_gene_in_common(genes, table, hint):
    assert hint in refusal(genes, table, ["s"])


NAMES = st.sampled_from(["ENSG1", "ENSG1.1", "ENSG1.2", "ENSG2.1_PAR_Y", "ENSG2", "A.1", "A", ""])


@given(
    st.lists(NAMES, unique=True),
    st.dictionaries(NAMES, st.sampled_from([1.0, 2.0, float("nan")])),
    st.lists(NAMES, min_size=8, max_size=8),
)
def test_any_ids_give_a_value_of_the_table_or_one_clear_error(genes, table, symbols):
    values = pd.Series(table, dtype="float64")
    try:
        found, _ = match_expression(genes, values, symbols[: len(genes)])
    except ChromvizError as error:
        assert "\n" not in str(error)  # noqa: PT017 - either outcome is right
        return
    for gene, level in zip(genes, found, strict=True):
        if gene in table:
            np.testing.assert_equal(level, table[gene])
        assert np.isnan(level) or level in table.values()


@pytest.mark.parametrize(
    ("names", "known", "full", "ambiguous", "unknown"),
    [
        (["000003"], ["ENSG00000000003"], ["ENSG00000000003"], [], []),
        (["000003_7"], ["ENSG00000000003.14"], ["ENSG00000000003"], [], []),
        (["000003"], ["ENSG00000000003.1", "ENSG00000000003.2"], ["ENSG00000000003"], [], []),
        (["000003"], ["ENSMUSG00000000003"], ["ENSMUSG00000000003"], [], []),
        # The copy on Y is the same gene; a transcript or a protein is none.
        (["182378"], ["ENSG00000182378.14", "ENSG00000182378.14_PAR_Y", "ENSGR0000182378"],
         ["ENSG00000182378"], [], []),
        (["000003"], ["ENST00000000003", "ENSP00000000003"], ["000003"], [], ["000003"]),
        # Digits of several genes, of several organisms, or named twice.
        (["000003"], ["ENSG00000000003", "ENSG00001000003"], ["000003"], ["000003"], []),
        (["000003"], ["ENSG00000000003", "ENSMUSG00000000003"], ["000003"], ["000003"], []),
        (["000003_a", "000003_b"], ["ENSG00000000003"], ["000003_a", "000003_b"],
         ["000003_a", "000003_b"], []),
        (["000003", "ENSG00000000003.9"], ["ENSG00000000003.1"], ["000003", "ENSG00000000003.9"],
         ["000003"], []),
        # A name that is known as it is, or has not six digits, means itself.
        (["000003"], ["000003", "ENSG00000000003"], ["000003"], [], []),
        (["00003", "0000003", "A", "00000x"], ["ENSG00000000003"],
         ["00003", "0000003", "A", "00000x"], [], []),
    ],
)  # fmt: skip
def test_six_digits_stand_for_one_gene_or_for_themselves(names, known, full, ambiguous, unknown):
    found = expand_short_ids(names, known)
    assert (found.names, found.ambiguous, found.unknown) == (full, ambiguous, unknown)
    assert list(found.expanded) == [a != b for a, b in zip(names, full, strict=True)]
