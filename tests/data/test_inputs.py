import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chromviz.data.inputs import cell_name, expand_signal, named_marks
from chromviz.errors import ChromvizError
from chromviz.vocabulary import MARKS, epigenomes


def refusal(call, *args):
    with pytest.raises(ChromvizError) as caught:
        call(*args)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def test_mark_by_mark():
    given_values = ["H3K4me3=a.bw", " other = b=c.bw ", "far=https://example.org/x.bw?a=b"]
    assert expand_signal(given_values) == {
        "H3K4me3": "a.bw",
        "other": "b=c.bw",
        "far": "https://example.org/x.bw?a=b",
    }
    assert expand_signal([]) == {}


def test_a_template_stands_for_the_five_core_marks(tmp_path):
    for mark in MARKS:
        (tmp_path / f"E003-{mark}.bw").touch()
    template = str(tmp_path / "E003-{mark}.bw")
    found = expand_signal([template])
    assert found == {mark: str(tmp_path / f"E003-{mark}.bw") for mark in MARKS}
    assert list(found) == list(MARKS)
    (tmp_path / "E003-H3K4me1.bw").unlink()
    message = refusal(expand_signal, [template])
    assert f"no file {tmp_path / 'E003-H3K4me1.bw'} for H3K4me1" in message
    assert "for other marks give --signal MARK=FILE" in message


def test_a_template_in_folders_too(tmp_path):
    for mark in MARKS:
        (tmp_path / mark).mkdir()
        (tmp_path / mark / f"{mark}.bw").touch()
    found = expand_signal([str(tmp_path / "{mark}" / "{mark}.bw")])
    assert found["H3K9me3"] == str(tmp_path / "H3K9me3" / "H3K9me3.bw")


def test_a_folder_is_no_file(tmp_path):
    for mark in MARKS:
        (tmp_path / mark).mkdir()
    assert "no file" in refusal(expand_signal, [str(tmp_path / "{mark}")])


def test_a_name_too_long_for_the_disk_is_no_file(tmp_path):
    assert "no file" in refusal(expand_signal, [str(tmp_path / ("x" * 300 + "{mark}"))])


@pytest.mark.parametrize("scheme", ["http", "https", "HTTPS"])
def test_an_address_may_be_a_template(scheme):
    """Whether it answers is for whoever reads it."""
    template = f"{scheme}://example.org/E003-{{mark}}.bigwig?of={{mark}}"
    assert expand_signal([template]) == {
        mark: f"{scheme}://example.org/E003-{mark}.bigwig?of={mark}" for mark in MARKS
    }


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        (["track.bw"], "'track.bw': give MARK=FILE"),
        (["=track.bw"], "give MARK=FILE"),
        (["m="], "give MARK=FILE"),
        ([" = "], "give MARK=FILE"),
        ([""], "give MARK=FILE"),
        (["https://example.org/track.bw"], "give MARK=FILE"),
        (["https://example.org/track.bw?token=1"], "give MARK=FILE"),
        (["m=a", "m=b"], "names m twice"),
        (["m=a", " m =a"], "names m twice"),
        (["{mark}.bw", "m=a"], "must be the only value"),
        (["m=a", "{mark}.bw"], "must be the only value"),
        (["{mark}.bw", "{mark}.bigwig"], "must be the only value"),
    ],
)
def test_bad_values(values, problem):
    message = refusal(expand_signal, values)
    assert problem in message
    assert "--signal" in message
    assert "--coverage" in refusal(expand_signal, values, "--coverage")


def test_cell_types():
    assert cell_name("K562") == cell_name(" k562 ") == cell_name("e123") == "E123"
    assert cell_name("my.Cell_line-2") == "my.Cell_line-2"
    assert cell_name(" mine ") == "mine"


@pytest.mark.parametrize(
    "name", ["", " ", ".", "..", "../E003", "a/b", "a b", ".hidden", "-x", "é", "a\nb", "x" * 101]
)
def test_names_that_no_file_can_have(name):
    assert f"{name!r} is not a valid cell type name" in refusal(cell_name, name)


@given(st.text())
def test_a_cell_types_name_can_name_a_file(name):
    try:
        found = cell_name(name)
    except ChromvizError:
        return
    assert found in epigenomes() or found == name.strip()
    assert not set(found) & set('/\\:*?"<>| \n')
    assert found not in ("", ".", "..")
    # Settled once and for all.
    assert cell_name(found) == found


def test_known_marks_are_spelled_as_everywhere():
    assert named_marks({" h3k27AC ": "a", "My-Mark": "b"}, "coverage") == {
        "H3K27ac": "a",
        "My-Mark": "b",
    }


def test_the_five_core_marks_take_their_order():
    shuffled = {mark.upper(): mark for mark in reversed(MARKS)}
    assert list(named_marks(shuffled, "signal")) == list(MARKS)
    assert list(named_marks(shuffled, "coverage")) == list(reversed(MARKS))
    more = {**shuffled, "H3K9ac": "x"}
    assert list(named_marks(more, "signal")) == [*reversed(MARKS), "H3K9ac"]


def test_marks_without_a_name_or_twice():
    assert "the signal file a.bw has no mark name" in refusal(named_marks, {" ": "a.bw"}, "signal")
    twice = {"H3K4me3": "a", "h3k4ME3": "b"}
    assert "H3K4me3 is given twice as coverage" in refusal(named_marks, twice, "coverage")
    assert "x is given twice as signal" in refusal(named_marks, {"X": "a", "x": "b"}, "signal")


@settings(max_examples=50)
@given(st.dictionaries(st.text(max_size=4), st.sampled_from(["a", "b"]), max_size=4))
def test_no_file_is_lost(files):
    try:
        found = named_marks(files, "signal")
    except ChromvizError:
        return
    assert sorted(found.values()) == sorted(files.values())
