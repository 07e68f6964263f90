import gzip

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chromviz.data.splits import SplitRule, three_folds
from chromviz.errors import ChromvizError
from chromviz.vocabulary import SPLITS

TABLE = pd.DataFrame(
    {
        "gene": ["A", "B", "C", "D", "E", "F"],
        "chrom": ["chr1", "chr2", "chr3", "chr1", "chr2", "chr3"],
    }
)
ALL = np.ones(6, bool)
EACH = "A\ttrain\nB\tvalid\nC\ttest\n"


def sizes(split):
    return [int((split == name).sum()) for name in ("train", "valid", "test", "none")]


def refusal(call, *args, **named):
    with pytest.raises(ChromvizError) as caught:
        call(*args, **named)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def attempt(call, *args):
    """What it gives, or the line that it refuses with."""
    try:
        return call(*args)
    except ChromvizError as error:
        return str(error)


def by_file(path, text, used=ALL):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    found = SplitRule(file=path).split(TABLE, used, 0)
    assert found.dtype == object
    return found.tolist()


def test_the_papers_numbers():
    assert sizes(three_folds(np.ones(19_802, bool), 0)) == [6601, 6601, 6600, 0]


def test_extra_genes_go_to_train_then_valid():
    assert sizes(three_folds(np.ones(4, bool), 0)) == [2, 1, 1, 0]
    assert sizes(three_folds(np.ones(5, bool), 0)) == [2, 2, 1, 0]


def test_seed_decides():
    used = np.ones(300, bool)
    assert (three_folds(used, 1) == three_folds(used, 1)).all()
    assert (three_folds(used, 1) != three_folds(used, 2)).any()


@given(st.lists(st.booleans()), st.integers(0, 2**32))
def test_every_used_gene_is_in_one_fold(used, seed):
    split = three_folds(np.array(used, bool), seed)
    assert split.dtype == object
    assert ((split == "none") == ~np.array(used, bool)).all()
    train, valid, test, _ = sizes(split)
    assert train >= valid >= test >= train - 1


def test_with_nothing_given_the_folds_are_drawn():
    used = np.array([True, True, True, True, True, False])
    rule = SplitRule()
    assert rule.describe() == "three equal folds, drawn"
    assert (rule.split(TABLE, used, 7) == three_folds(used, 7)).all()


def test_drawing_leaves_the_global_generator_alone():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    three_folds(np.ones(300, bool), 1)
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002


def test_by_chromosome():
    rule = SplitRule(valid=("chr2",), test=("chr3",))
    expected = ["train", "valid", "test", "train", "valid", "test"]
    assert rule.split(TABLE, ALL, 0).tolist() == expected
    # No draw: the seed changes nothing.
    assert rule.split(TABLE, ALL, 1).tolist() == expected
    assert rule.describe() == "by chromosome: valid chr2; test chr3"
    used = np.array([True, True, True, False, False, True])
    assert rule.split(TABLE, used, 0).tolist() == [
        "train",
        "valid",
        "test",
        "none",
        "none",
        "test",
    ]


@settings(max_examples=60)
@given(st.lists(st.tuples(st.sampled_from(["1", "2", "3", "X"]), st.booleans()), min_size=1))
def test_a_chromosome_is_on_one_side(genes):
    chrom, used = map(list, zip(*genes, strict=True))
    table = pd.DataFrame({"gene": [f"G{n}" for n in range(len(genes))], "chrom": chrom})
    used = np.array(used)
    found = attempt(SplitRule(valid=("2",), test=("3", "X")).split, table, used, 0)
    kept = {name for name, use in genes if use}
    whole = {"2", "3", "X"} <= set(chrom) and all(
        kept & part for part in ({"1"}, {"2"}, {"3", "X"})
    )
    assert isinstance(found, str) == (not whole)
    if not whole:
        return
    assert ((found == "none") == ~used).all()
    for name, part in zip(chrom, found, strict=True):
        assert part in ({"1": "train", "2": "valid"}.get(name, "test"), "none")


def test_an_unknown_chromosome():
    message = refusal(SplitRule(valid=("chr2",), test=("chr33",)).split, TABLE, ALL, 0)
    assert "unknown chromosome 'chr33'" in message
    assert "chr3" in message
    assert "unknown chromosome ''" in refusal(
        SplitRule(valid=("",), test=("chr3",)).split, TABLE, ALL, 0
    )


def test_with_or_without_chr():
    expected = SplitRule(valid=("chr2",), test=("chr3",)).split(TABLE, ALL, 0).tolist()
    assert SplitRule(valid=("2",), test=("3",)).split(TABLE, ALL, 0).tolist() == expected
    plain = TABLE.assign(chrom=TABLE["chrom"].str.removeprefix("chr"))
    assert SplitRule(valid=("chr2",), test=("3",)).split(plain, ALL, 0).tolist() == expected
    # One chromosome cannot be on two sides by two spellings.
    assert "2 is given both" in refusal(SplitRule, valid=("1", "2"), test=("chr2",))


def test_a_part_without_genes_is_refused():
    rule = SplitRule(valid=("chr2",), test=("chr3",))
    unused = TABLE["chrom"].to_numpy() != "chr2"
    message = refusal(rule.split, TABLE, unused, 0)
    assert "leaves no gene that models use in valid" in message
    assert "by chromosome: valid chr2; test chr3" in message
    every = SplitRule(valid=("chr2", "chr1"), test=("chr3",))
    assert "no gene that models use in train" in refusal(every.split, TABLE, ALL, 0)


def test_rules_that_contradict_themselves(tmp_path):
    assert "to validate and to test on" in refusal(SplitRule, valid=("chr1",))
    assert "to validate and to test on" in refusal(SplitRule, test=("chr1",))
    assert "chr1 is given both" in refusal(SplitRule, valid=("chr1", "chr2"), test=("chr1",))
    file = tmp_path / "split.tsv"
    assert "not both" in refusal(SplitRule, valid=("chr1",), test=("chr2",), file=file)


@pytest.mark.parametrize(
    "text",
    [
        EACH,
        EACH.replace("\t", ","),
        EACH.replace("\n", "\r\n"),
        "gene\tsplit\n" + EACH,
        "# drawn by hand\n\n" + EACH,
        "# drawn by hand\nGene id,Fold\n" + EACH.replace("\t", " , "),
        EACH.strip(),
        EACH + "D\tnone\n\t\n",
        gzip.compress(EACH.encode()),
        b"\xef\xbb\xbf" + EACH.encode(),
    ],
)
def test_file(tmp_path, text):
    path = tmp_path / "split.tsv"
    assert by_file(path, text) == ["train", "valid", "test", "none", "none", "none"]
    assert SplitRule(file=path).describe() == "given by split.tsv"


def test_file_does_not_bring_back_a_gene_that_is_not_used(tmp_path):
    used = np.array([True, True, True, False, True, True])
    assert by_file(tmp_path / "s", EACH + "D\ttrain\n", used)[3] == "none"
    used[1] = False
    message = refusal(by_file, tmp_path / "s", EACH + "D\ttrain\n", used)
    assert "given by s leaves no gene that models use in valid" in message


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (EACH + "G\ttrain\n", "line 4: no gene has the id 'G'"),
        (EACH + "A\ttrain\n", "line 4: gene A is already on line 1"),
        (EACH + "A\ttest\n", "line 4: gene A is already on line 1"),
        (EACH + "D\tvalidation\n", "line 4, gene 'D': 'validation' is not train, valid, test"),
        (EACH + "D\tTrain\n", "line 4, gene 'D': 'Train' is not train"),
        (EACH + "gene\tsplit\n", "line 4, gene 'gene': 'split' is not train"),
        (
            EACH + "D train\n",
            "line 4: 1 columns instead of two; give a gene and its split",
        ),
        (EACH + "D\ttrain\t1\n", "line 4: 3 columns"),
        ("", "is empty"),
        ("# nothing\n\n", "is empty"),
        ("gene\tsplit\n", "is empty"),
        # Columns the wrong way round are not so many headers.
        ("train\tA\nvalid\tB\ntest\tC\n", "line 2, gene 'valid': 'B' is not train"),
        ("split\tgene\ntrain\tA\n", "line 2, gene 'train': 'A' is not train"),
        ("G\tfirst\nH\tsecond\n", "line 2, gene 'H': 'second' is not train"),
        ("A\ttrain\nB\ttrain\nC\tvalid\n", "leaves no gene that models use in test"),
    ],
)
def test_bad_files(tmp_path, text, problem):
    message = refusal(by_file, tmp_path / "split.tsv", text)
    assert problem in message
    assert "split.tsv" in message


def test_a_missing_file(tmp_path):
    assert "no file" in refusal(SplitRule(file=tmp_path / "none.tsv").split, TABLE, ALL, 0)


LINE = st.one_of(
    st.tuples(
        st.sampled_from([*"ABCDEFG", "", "gene", "#A", "A\x0bB", "\u2028"]),
        st.sampled_from(["\t", ",", " , ", " ", "\t\t", ""]),
        st.sampled_from([*SPLITS, "split", "", "te st", "\x1c"]),
    ).map("".join),
    st.text(max_size=8),
)


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.one_of(
        st.binary(max_size=40),
        st.lists(LINE, max_size=4).map(lambda lines: (EACH + "\n".join(lines)).encode()),
        st.lists(LINE, max_size=6).map(lambda lines: "\n".join(lines).encode()),
    )
)
def test_anything_is_a_split_or_one_line(tmp_path, content):
    found = attempt(by_file, tmp_path / "split", content)
    if isinstance(found, str):
        assert len(found.splitlines()) == 1
        return
    assert set(SPLITS[:3]) <= set(found) <= set(SPLITS)
    # Each gene has the word that stands with it, and one that is not named has none.
    text = content.decode().replace(",", "\t")
    pairs = [[part.strip() for part in line.split("\t")] for line in text.splitlines()]
    for gene, name in zip(TABLE["gene"], found, strict=True):
        assert [gene, name] in pairs or name == "none"
