import numpy as np
import pytest

from chromviz.errors import ChromvizError, UnknownNameError
from chromviz.vocabulary import Window, epigenomes, find_eid, mark_label, resolve_cell


def test_window_of_the_paper():
    window = Window()
    assert window.n_bins == 100
    np.testing.assert_array_equal(window.bin_start[[0, 50, 99]], [-5000, 0, 4900])


def test_window_refuses_a_width_that_does_not_divide_it():
    with pytest.raises(ChromvizError, match="divides 10000"):
        Window(5000, 300)


def test_the_56_epigenomes():
    assert len(epigenomes()) == 56
    assert epigenomes()["E123"].common_name == "K562"


@pytest.mark.parametrize("name", ["K562", "k562", "E123", "e123", " K562 "])
def test_a_cell_goes_by_eid_or_common_name_in_any_case(name):
    assert find_eid(name) == "E123"
    assert resolve_cell(name, ("E003", "E123"), "here") == "E123"


def test_a_dataset_of_its_own_name_is_found():
    assert resolve_cell("toy", ("Toy",), "here") == "Toy"


def test_unknown_cell_offers_the_nearest():
    with pytest.raises(UnknownNameError, match="did you mean K562"):
        resolve_cell("K652", ("E003", "E123"), "here")


def test_known_cell_without_dataset_says_what_is_at_hand():
    with pytest.raises(ChromvizError, match=r"HepG2 \(E118\) in here; available: H1"):
        resolve_cell("HepG2", ("E003",), "here")


def test_mark_labels_put_the_papers_name_beside():
    assert mark_label("H3K4me3") == "H3K4me3 (H_prom)"
    assert mark_label("H2A.Z") == "H2A.Z"
