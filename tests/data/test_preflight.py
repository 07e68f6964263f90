import numpy as np
import pandas as pd
import pytest

from chromviz.data.preflight import (
    Finding,
    check_assembly,
    check_genes,
    check_marks,
    check_names,
    check_reach,
    check_values,
    note,
    warning,
)
from chromviz.data.signal.chromosomes import Assembly, find_assembly
from chromviz.errors import ChromvizError
from chromviz.vocabulary import MARKS

NAN = float("nan")
TOY = Assembly("toy", {"chr1": 1000, "chr2": 500})
UNKNOWN = Assembly("tair10")
HG19, HG38 = {"chr1": 249_250_621}, {"chr1": 248_956_422}


def refusal(call, *args):
    with pytest.raises(ChromvizError) as caught:
        call(*args)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def only(findings, level, check):
    """The message of the one finding."""
    (found,) = findings
    assert (found.level, found.check) == (level, check)
    assert len(found.message.splitlines()) == 1
    return found.message


def of(findings, level):
    return [found for found in findings if found.level == level]


def test_a_warning_says_so():
    assert str(note("any", "all is well")) == "all is well"
    assert str(warning("any", "look")) == "warning: look"
    assert warning("any", "look") == Finding("warning", "any", "look")


def test_the_usual_marks_are_silent():
    assert check_marks(MARKS, ["H3K27ac"], allow_reference=False) == []
    assert check_marks(["mine"], [], allow_reference=False) == []


@pytest.mark.parametrize("name", ["H3K27ac", "h3k27AC"])
def test_the_reference_among_the_inputs(name):
    message = refusal(check_marks, [*MARKS, name], [], False)
    assert "H3K27ac is given as an input mark, which is circular" in message
    assert "--coverage" in message
    assert "--allow-reference-input" in message
    message = only(check_marks([*MARKS, name], [], True), "warning", "circular")
    assert "agreement of weights with H3K27ac is not informative" in message


def test_forcing_changes_nothing_else():
    assert check_marks(MARKS, ["H3K27ac"], allow_reference=True) == []


def test_a_track_cannot_be_input_and_reference():
    message = refusal(check_marks, MARKS, ["h3k4ME3"], True)
    assert "h3k4ME3 is given both as signal and as coverage" in message
    # Forced or not: it would be judged by itself.
    assert "both as signal" in refusal(check_marks, ["H3K27ac"], ["H3K27ac"], True)
    assert "no input mark" in refusal(check_marks, [], ["H3K27ac"], False)


@pytest.mark.parametrize("reference", ["H3K27ac", "h3k27ac"])
def test_kin_of_the_reference(reference):
    found = check_marks([*MARKS, "H3K9ac"], [reference], allow_reference=False)
    message = only(found, "warning", "circular")
    assert "H3K9ac is an input mark" in message
    assert "expect high agreement with H3K27ac whatever the model learnt" in message
    assert check_marks([*MARKS, "H3K9ac"], ["DNase"], allow_reference=False) == []


def test_tracks_of_the_assembly_named():
    hg19 = find_assembly("hg19")
    message = only(check_assembly({"a.bw": HG19, "b.bw": HG19}, hg19), "note", "assembly")
    assert message == "chromosome sizes are those of hg19"
    # Nothing to check: reads without a header.
    assert check_assembly({}, hg19) == []
    assert check_assembly({"a.bed": {}}, hg19) == []


def test_tracks_of_another_assembly_are_refused():
    message = refusal(check_assembly, {"a.bw": HG38}, find_assembly("hg19"))
    assert "a.bw is of hg38, not hg19 (chr1 has 248,956,422 bases)" in message
    assert "--assembly hg38" in message
    # The file named is the one to blame.
    sizes = {"a.bw": {"decoy": 7}, "b.bw": HG38, "c.bw": {"other": 7}}
    assert "b.bw is of hg38" in refusal(check_assembly, sizes, find_assembly("hg19"))
    # Chromosomes that hg19 does not even have.
    yeast = {"chrIV": 1_531_933, "chrII": 813_184}
    message = refusal(check_assembly, {"a.bw": yeast}, find_assembly("hg19"))
    assert "a.bw is of sacCer3, not hg19" in message


def test_tracks_of_no_assembly_known():
    found = check_assembly({"a.bw": {"chr1": 1000}}, find_assembly("hg19"))
    message = only(found, "warning", "assembly")
    assert "a.bw: chr1 has 1,000 bases, which is not hg19" in message
    assert "every window is at a wrong position" in message
    found = check_assembly({"a.bw": {"scaffold7": 1000}}, find_assembly("hg19"))
    assert "a.bw: scaffold7 has 1,000" in only(found, "warning", "assembly")


def test_the_track_that_differs_is_the_one_named():
    found = check_assembly({"a.bw": {"chr1": 1000}, "b.bw": {"chr2": 501}}, TOY)
    assert "b.bw: chr2 has 501 bases" in only(found, "warning", "assembly")


def test_an_assembly_that_is_not_known():
    message = only(check_assembly({"a.bw": HG38}, UNKNOWN), "note", "assembly")
    assert "the assembly tair10 is not built in" in message
    assert "chromosome sizes fit hg38 and GRCh38" in message
    message = only(check_assembly({"a.bw": {"chr1": 7}}, UNKNOWN), "note", "assembly")
    assert "the assembly tair10 is not built in; sizes are not checked" in message
    # Sizes that a file gave are as good as known ones.
    message = only(check_assembly({"a.bw": {"chr1": 1000}}, TOY), "note", "assembly")
    assert message == "chromosome sizes are those of toy"


@pytest.mark.parametrize("assembly", [TOY, UNKNOWN])
def test_tracks_that_contradict_one_another(assembly):
    sizes = {"a.bw": {"chr1": 1000}, "b.bw": {"chr2": 500}, "c.bw": {"chr1": 1000, "chr2": 501}}
    message = refusal(check_assembly, sizes, assembly)
    assert (
        "c.bw and b.bw are of different assemblies: chr2 has 501 and 500 bases; give tracks of one"
        in message
    )


def test_reads_within_and_beyond_their_chromosome():
    names = pd.Series(["1", "chr2", "chr7"])
    check_reach({"a.bed": {"1": 1000, "chr2": 500, "chr7": 10**9}}, names, TOY)
    check_reach({"a.bed": {"1": 10**9}}, names, UNKNOWN)
    check_reach({}, names, TOY)
    message = refusal(check_reach, {"a.bed": {"chr2": 9}, "b.bed": {"1": 2001}}, names, TOY)
    assert "b.bed has a read that ends at 1:2,001, but 1 of toy has 1,000 bases" in message
    assert "or the right --assembly" in message
    (told,) = check_reach({"b.bed": {"1": 1040, "chr2": 510}}, names, TOY)
    assert told.message.startswith("b.bed: reads end up to 40 bases beyond their chromosome")


def test_names_are_told_once_for_sources_alike():
    assert check_names({"a.bw": {}, "b.bw": {}}) == []
    alike = {"2": "chr2", "1": "chr1"}
    found = check_names(
        {"a.bw": alike, "b.bw": {}, "c.bam": dict(sorted(alike.items())), "d.bw": {"MT": "chrM"}}
    )
    assert [(each.level, each.check) for each in found] == [("note", "chromosomes")] * 2
    assert [each.message for each in found] == [
        "a.bw, c.bam: chromosome 1 is read as the genes' chr1, and 1 more",
        "d.bw: chromosome MT is read as the genes' chrM",
    ]


def test_genes_that_share_a_tss():
    table = pd.DataFrame(
        [("A", "chr1", 5), ("B", "chr1", 6), ("C", "chr2", 5), ("D", "chr1", 5), ("E", "chr2", 5)],
        columns=["gene", "chrom", "tss"],
    )
    message = only(check_genes(table), "warning", "duplicates")
    assert "4 genes that models use share their TSS with another (A and D, for instance)" in message
    assert "the test score is too high" in message
    assert "--valid and --test" in message
    given = only(check_genes(table, "given"), "warning", "duplicates")
    assert "--valid" not in given
    together = only(check_genes(table, "chromosome"), "note", "duplicates")
    assert "too high" not in together
    assert check_genes(table.iloc[:3]) == []
    assert check_genes(table.iloc[:0]) == []


def test_transcripts_of_one_gene():
    table = pd.DataFrame({"gene": ["T1", "T2", "T3"], "chrom": "chr1", "tss": [5, 6, 7]})
    message = only(check_genes(table.assign(parent=["A", "B", "A"])), "warning", "duplicates")
    assert "2 entries belong to a gene with several entries" in message
    assert "the test score is too high" in message
    assert check_genes(table.assign(parent=["A", "B", "C"])) == []
    both = check_genes(table.assign(parent=["A", "B", "A"], tss=5))
    assert [found.message.split()[0] for found in both] == ["3", "2"]


def bins(*rows):
    return np.array(rows, dtype=np.float32)


def check(values, inside, missing, inputs=None):
    """As if models saw all of the values, unless told otherwise."""
    return check_values(
        values, np.array(inside), missing, list(values) if inputs is None else inputs
    )


WHOLE = bins([1, 2], [0, 3])


def test_values_with_nothing_to_say():
    inside = [True, True]
    message = only(check({"a": WHOLE, "b": WHOLE}, inside, "nan"), "note", "missing")
    assert message == "bins without data, of 2 windows: a 0.0 %, b 0.0 %"
    # As asked, but nothing was missing: no bin was made up, and no one need be warned.
    assert of(check({"a": WHOLE}, inside, "zero"), "warning") == []
    assert check({"a": WHOLE}, [False, False], "nan") == []
    assert check({}, inside[:0], "nan") == []


def test_shares_count_only_windows_on_their_chromosome():
    values = {"a": bins([NAN, 2], [0, 3], [NAN, NAN]), "b": bins([1, 2], [3, NAN], [NAN, NAN])}
    inside = np.array([True, True, False])
    message = only(check(values, inside, "nan"), "note", "missing")
    assert message == "bins without data, of 2 windows: a 25.0 %, b 25.0 %"


def test_a_share_that_is_not_quite_none_or_all_never_reads_as_such():
    few, most = np.zeros((2000, 1)), np.full((2000, 1), NAN)
    few[0], most[0] = NAN, 0
    found = check({"few": few, "most": most}, np.ones(2000, bool), "nan")
    assert "few < 0.1 %, most > 99.9 %" in of(found, "note")[0].message


def test_negative_values():
    values = {"a": WHOLE, "b": bins([-1, NAN], [-2.5, 3]), "c": bins([0, 0], [-0.0, 1])}
    found = check(values, [True, True], "nan")
    message = of(found, "warning")[0].message
    assert "negative values in b (2 bins, down to -2.5): " in message
    assert "a profile of them is not coverage" in message
    assert of(found, "warning")[0].check == "negative"
    assert of(check({"a": WHOLE, "c": values["c"]}, [True, True], "nan"), "warning") == []


def test_missing_data_set_to_zero():
    values = {"a": WHOLE, "b": bins([NAN, NAN], [1, NAN]), "c": bins([1, NAN], [1, 1])}
    before = {name: found.copy() for name, found in values.items()}
    found = check(values, [True, True], "zero")
    (message,) = [each.message for each in of(found, "warning")]
    assert "bins without data are set to zero, as requested" in message
    assert "models and profiles see no signal where nothing was measured" in message
    assert message.endswith("windows without any data: b 1")
    assert "a 0.0 %, b 75.0 %, c 25.0 %" in of(found, "note")[0].message
    # Checks change nothing.
    for name, array in values.items():
        np.testing.assert_array_equal(array, before[name])
    (message,) = [
        each.message for each in of(check({"c": values["c"]}, [True, True], "zero"), "warning")
    ]
    assert "windows without any data" not in message


def test_one_mark_that_covers_far_less_than_another():
    inside = np.ones(4, bool)
    whole, half = np.zeros((4, 5)), np.zeros((4, 5))
    half[:2] = NAN
    found = check({"whole": whole, "half": half}, inside, "nan")
    message = only(of(found, "warning"), "warning", "missing")
    assert "half lacks 50.0 % of its bins and whole 0.0 %" in message
    assert "those may not be representative" in message
    fifth = np.zeros((4, 5))
    fifth[:, 0] = NAN
    assert of(check({"whole": whole, "fifth": fifth}, inside, "nan"), "warning") == []
    # Alike, however much: the pilot regions are 1 % of the genome.
    assert of(check({"half": half, "too": half}, inside, "nan"), "warning") == []
    assert of(check({"half": half}, inside, "nan"), "warning") == []
    # What models do not see never decides which genes they use.
    both = {"whole": whole, "half": half}
    assert of(check(both, inside, "nan", ["whole"]), "warning") == []
    three = {"whole": whole, "again": whole, "track": half}
    assert of(check(three, inside, "nan", ["whole", "again"]), "warning") == []
