"""A model is not asked about signal in another unit than it was trained on."""

from dataclasses import replace

import pytest

from chromviz.errors import ChromvizError
from chromviz.models.checkpoint import check_input
from chromviz.models.training import train_once
from chromviz.settings import Settings
from chromviz.vocabulary import Window
from tests.conftest import make_dataset


def test_units_must_agree_where_both_are_known():
    dataset = make_dataset(window=Window(1000, 100))
    card = train_once("deepchrome", dataset, settings=Settings(max_epochs=1)).card
    check_input(card, dataset)
    check_input(card, dataset.assign_attrs(signal_unit="reads"))
    check_input(card, dataset.assign_attrs(signal_unit=""))
    check_input(replace(card, signal_unit=""), dataset)
    with pytest.raises(ChromvizError, match="reads counts, but the signal of E123 is -log10 p"):
        check_input(card, dataset.assign_attrs(signal_unit="-log10 p"))
