import importlib.util
import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch

import chromviz
from chromviz.errors import ChromvizError
from chromviz.models import find_model
from chromviz.models.checkpoint import check_input, load_model, save_model
from chromviz.models.descent import BestEpoch, on_weight
from chromviz.models.inference import logits, probabilities, session
from chromviz.models.store import training_key
from chromviz.models.training import train_once
from chromviz.results import definitions
from chromviz.settings import Settings
from chromviz.vocabulary import Window
from tests.conftest import make_dataset

QUICK = Settings(learning_rate=5e-3, max_epochs=3)


@pytest.fixture(scope="module")
def model():
    return train_once("lstm-alpha-beta", make_dataset(), settings=QUICK)


def test_it_learns_what_is_there():
    fitted = train_once(
        "deepchrome", make_dataset(240, window=Window(1000, 100)), settings=Settings(max_epochs=10)
    )
    assert fitted.card.metrics["test_auc"] > 0.95


def test_same_seed_same_weights_other_seed_others(model):
    assert train_once("lstm-alpha-beta", make_dataset(), settings=QUICK).card.weights_hash == (
        model.card.weights_hash
    )
    other = train_once("lstm-alpha-beta", make_dataset(), settings=QUICK, seed=1)
    assert other.card.weights_hash != model.card.weights_hash


def test_dropout_too_follows_the_seed_and_global_state_stays():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    np_before = np.random.get_state()[1].copy()  # noqa: NPY002
    data = make_dataset(window=Window(1000, 100))
    first = train_once("deepchrome", data, settings=QUICK)
    torch.rand(3)
    second = train_once("deepchrome", data, settings=QUICK)
    assert first.card.weights_hash == second.card.weights_hash
    torch.set_rng_state(before)
    train_once("deepchrome", data, settings=QUICK)
    assert torch.equal(torch.get_rng_state(), before)
    assert (np.random.get_state()[1] == np_before).all()  # noqa: NPY002


def test_the_card_says_what_was_done(model):
    card = model.card
    assert card.genes == {"train": 20, "valid": 19, "test": 19}
    assert card.marks[3] == "H3K4me3"
    assert [row["epoch"] for row in card.curve] == [1, 2, 3]
    best = int(card.metrics["best_epoch"]) - 1
    assert card.metrics["valid_auc"] == card.curve[best]["valid_auc"]
    assert not model.module.training


def test_epochs_are_reported():
    rows = []
    train_once("lstm-alpha", make_dataset(), settings=QUICK, on_epoch=rows.append)
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert {"train_loss", "valid_loss", "valid_auc"} <= set(rows[0])


def after_epochs(epochs, **options):
    """A keeper that has seen epochs of (AUC, loss); each epoch's bias is its number."""
    keeper, module = BestEpoch(**options), torch.nn.Linear(1, 1)
    for number, (auc, loss) in enumerate(epochs):
        assert not keeper.stopped
        with torch.no_grad():
            module.bias.fill_(number)
        keeper.see({"valid_auc": auc, "valid_loss": loss}, module)
    return keeper


def test_the_best_auc_wins_among_epochs_of_low_loss():
    # The best AUC of all comes first, with a loss that says that nothing is learnt yet.
    epochs = [(0.95, 0.69), (0.90, 0.50), (0.92, 0.52), (0.91, 0.49), (0.99, 0.60)]
    keeper = after_epochs(epochs, patience=10, slack=0.1)
    assert keeper.best == 2
    assert keeper.kept[keeper.best]["bias"].item() == 2


def test_an_epoch_is_kept_for_when_the_champion_falls_out():
    keeper = after_epochs([(0.90, 0.55), (0.80, 0.51), (0.70, 0.47)], patience=10, slack=0.1)
    assert keeper.best == 1


def test_training_stops_when_neither_gets_better():
    keeper = after_epochs([(0.9, 0.5), (0.8, 0.6), (0.8, 0.6)], patience=2, slack=0.1)
    assert keeper.stopped


def test_an_interruption_is_not_taken_for_early_stopping():
    def interrupt(row):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_once("lstm-alpha", make_dataset(), settings=QUICK, on_epoch=interrupt)


def test_divergence_is_said():
    with pytest.raises(ChromvizError, match="training diverged"):
        train_once(
            "deepchrome",
            make_dataset(window=Window(1000, 100)),
            settings=Settings(learning_rate=1e30, clip_norm=1e30, max_epochs=3),
        )


def test_one_class_is_refused():
    data = make_dataset()
    data["label"][:] = 1
    with pytest.raises(ChromvizError, match="must include both ON and OFF"):
        train_once("lstm-alpha", data)


def test_small_data_gets_small_batches():
    assert [Settings().batch_for(n) for n in (100, 1000, 6601)] == [16, 50, 64]
    assert Settings(batch_size=7).batch_for(6601) == 7


def test_saved_and_loaded_gives_bitwise_the_same(model, tmp_path):
    x = make_dataset()["signal"].values[5:20]
    save_model(model, tmp_path / "a.b.seed0")
    again = load_model(tmp_path / "a.b.seed0")
    np.testing.assert_array_equal(logits(again.module, x), logits(model.module, x))
    assert again.card == model.card
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.b.seed0.json", "a.b.seed0.safetensors"]


@pytest.mark.parametrize("damage", ["cut", "other", "no weights", "card", "card of another"])
def test_a_damaged_model_is_refused(model, tmp_path, damage):
    stem = tmp_path / "m"
    save_model(model, stem)
    weights, card = tmp_path / "m.safetensors", tmp_path / "m.json"
    if damage == "cut":
        weights.write_bytes(weights.read_bytes()[:-100])
    elif damage == "other":
        raw = bytearray(weights.read_bytes())
        raw[-1] ^= 0x40
        weights.write_bytes(raw)
    elif damage == "no weights":
        weights.unlink()
    elif damage == "card":
        card.write_text("{")
    else:
        card.write_text(json.dumps(json.loads(card.read_text()) | {"name": "lstm-alpha"}))
    with pytest.raises(ChromvizError, match=r"delete m\.json and m\.safetensors"):
        load_model(stem)


def test_other_marks_or_bins_are_refused(model):
    with pytest.raises(ChromvizError, match="reads the marks"):
        check_input(model.card, make_dataset().isel(mark=[1, 0, 2, 3, 4]))
    with pytest.raises(ChromvizError, match="reads 10 bins of 100 bp"):
        check_input(model.card, make_dataset(window=Window(1000, 100)))


def test_the_key_follows_all_that_decides():
    base = ("lstm-alpha", "data", {"learning_rate": 0.1}, 0)
    keys = {
        training_key(*base),
        training_key("deepchrome", *base[1:]),
        training_key(base[0], "other", *base[2:]),
        training_key(*base[:2], {"learning_rate": 0.2}, 0),
        training_key(*base[:3], 1),
    }
    assert len(keys) == 5
    assert training_key("LSTM-alpha", *base[1:]) == training_key(*base)


#: One without an attention, one that is trained by compiled steps, and one without an LSTM.
NETWORKS = ("lstm", "lstm-alpha", "deepchrome")


@pytest.mark.parametrize(
    ("file", "old", "new", "models"),
    [
        ("models/descent.py", "start + BATCH_SIZE]", "start + BATCH_SIZE + 1]", "all"),
        ("models/recurrent.py", "hidden**-0.5)", "hidden**-0.4)", "lstms"),
        ("models/kernels.py", "of_c[j] *= f[j]", "of_c[j] /= f[j]", "lstms"),
        ("models/compiled.py", "grad.sum()", "grad.mean()", "lstm-alpha"),
        ("models/convolutional.py", "= 50, 10, 5", "= 50, 10, 4", "deepchrome"),
        ("settings.py", "max(n_train // 20, 16)", "max(n_train // 20, 8)", "all"),
        ("models/descent.py", "# The limit only falls", "# Other words: the limit", "none"),
        ("models/descent.py", "Keep the weights of the best", "Hold the weights of the", "none"),
        ("catalog.py", "mark averages, after", "averages of marks, after", "none"),
    ],
)
def test_a_change_of_the_code_that_trains_changes_the_key(
    tmp_path, monkeypatch, file, old, new, models
):
    """Of each model that runs the code, and of no other; the copy of the package is only read."""
    base = ({}, 0)
    before = {name: training_key(name, "data", *base) for name in NETWORKS}
    package = Path(chromviz.__file__).parent
    copy = tmp_path / "chromviz"
    shutil.copytree(package, copy, ignore=shutil.ignore_patterns("__pycache__"))
    text = (copy / file).read_text()
    assert old in text
    (copy / file).write_text(text.replace(old, new))
    find = definitions.find_spec

    def find_copy(name):
        if name != "chromviz":
            return find(name)
        return importlib.util.spec_from_file_location(
            name, copy / "__init__.py", submodule_search_locations=[str(copy)]
        )

    monkeypatch.setattr(definitions, "find_spec", find_copy)
    definitions.forget()
    try:
        after = {name: training_key(name, "data", *base) for name in before}
    finally:
        monkeypatch.undo()
        definitions.forget()
    changed = {name for name in before if after[name] != before[name]}
    groups = {"all": set(before), "lstms": {"lstm", "lstm-alpha"}, "none": set()}
    assert changed == groups.get(models, {models})


def test_a_session_leaves_no_trace_also_after_an_error():
    module = find_model("deepchrome").build(5, 100).train()
    module.mlp[0].eval()
    module.mlp[2].weight.requires_grad_(False)
    module(torch.rand(4, 5, 100)).sum().backward()
    grads = [None if p.grad is None else p.grad.clone() for p in module.parameters()]
    modes = [part.training for part in module.modules()]
    with pytest.raises(RuntimeError), session(module):
        assert not any(part.training for part in module.modules())
        assert not any(p.requires_grad for p in module.parameters())
        raise RuntimeError
    assert [part.training for part in module.modules()] == modes
    assert [p.requires_grad for p in module.parameters()].count(False) == 1
    for parameter, grad in zip(module.parameters(), grads, strict=True):
        assert (parameter.grad is None) == (grad is None)
        assert grad is None or torch.equal(parameter.grad, grad)


def test_a_session_rounds_no_convolution_to_ten_bits():
    cudnn = torch.backends.cudnn
    with cudnn.flags(enabled=cudnn.enabled, allow_tf32=True):
        with session(torch.nn.Identity()):
            assert not cudnn.allow_tf32
        assert cudnn.allow_tf32


@pytest.mark.skipif(not hasattr(torch.backends.cudnn, "conv"), reason="torch before 2.9")
def test_a_session_leaves_a_precision_that_is_set_for_each_operator():
    conv = torch.backends.cudnn.conv
    before = conv.fp32_precision
    conv.fp32_precision = "ieee"
    try:
        with session(torch.nn.Identity()):
            assert conv.fp32_precision == "ieee"
        assert conv.fp32_precision == "ieee"
    finally:
        conv.fp32_precision = before


def test_too_little_memory_on_a_device_is_one_error():
    with pytest.raises(ChromvizError, match="is too small"), session(torch.nn.Identity()):
        raise torch.OutOfMemoryError


def test_unknown_device():
    with pytest.raises(ChromvizError, match="device 'quantum' is not available"):
        logits(torch.nn.Identity(), np.zeros((1, 5, 10), np.float32), device="quantum")


def test_a_module_of_the_wrong_shape_is_refused():
    with pytest.raises(ChromvizError, match=r"output is \(2, 5, 10\) for a batch of 2 genes"):
        logits(torch.nn.Identity(), np.zeros((2, 5, 10), np.float32))


def test_the_toy_genes_train(real_data):
    from chromviz.data.cells import open_cell

    toy = open_cell("Toy", real_data / "deepchrome-csv")
    fitted = train_once("lstm-alpha-beta", toy, settings=QUICK)
    assert fitted.card.genes == {"train": 10, "valid": 10, "test": 10}


def test_the_paper_preset_is_what_was_published():
    paper = find_model("attentivechrome").settings("published")
    assert (paper.optimizer, paper.learning_rate, paper.batch_size) == ("adam", 2e-4, 16)
    assert (paper.max_epochs, paper.clip_norm, paper.patience) == (30, 1.0, None)
    deepchrome = find_model("deepchrome").settings("Paper")
    assert (deepchrome.optimizer, deepchrome.learning_rate, deepchrome.batch_size) == (
        *("sgd", 1e-3),
        1,
    )
    assert (deepchrome.max_epochs, deepchrome.clip_norm) == (100, None)
    with pytest.raises(ChromvizError, match="unknown preset 'publised'; did you mean published"):
        find_model("lstm").settings("publised")
    with pytest.raises(ChromvizError, match="no training settings were published for svm"):
        find_model("svm").settings("published")


@pytest.mark.parametrize(
    "settings",
    [
        Settings(max_epochs=2, class_weight=True),
        Settings(max_epochs=2, optimizer="sgd", learning_rate=0.1, clip_norm=None),
        replace(find_model("lstm-alpha").settings("published"), max_epochs=2),
    ],
)
def test_every_setting_is_deterministic_whatever_the_threads(settings):
    before = torch.get_num_threads()
    hashes = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        fitted = train_once("lstm-alpha", make_dataset(), settings=settings)
        hashes.append(fitted.card.weights_hash)
    torch.set_num_threads(before)
    assert hashes[0] == hashes[1]
    assert fitted.card.settings == asdict(settings) | {"input": "arcsinh"}
    json.dumps(asdict(fitted.card), allow_nan=False)


def test_class_weight_by_hand():
    # Three OFF genes for one ON gene: it weighs 3, so that both states weigh the same.
    label = np.array([1, 0, 0, 0], dtype=np.float32)
    weight = on_weight(label)
    assert weight.item() == 3
    loss = torch.nn.BCEWithLogitsLoss(pos_weight=weight)(torch.zeros(4), torch.from_numpy(label))
    assert loss.item() == pytest.approx((3 + 3) * np.log(2) / 4)


def test_class_weight_raises_the_probability_of_the_rare_state():
    data = make_dataset(300)
    rare = (data["label"].values == 1) & (np.arange(300) % 8 < 6)
    data["reason"].values[rare] = "left out"
    data["split"].values[rare] = "none"
    signal = data["signal"].values[data["split"].values == "test"]

    def mean_logit(weight):
        settings = Settings(max_epochs=3, class_weight=weight)
        return logits(train_once("lstm-alpha", data, settings=settings).module, signal).mean()

    assert mean_logit(True) > mean_logit(False) + 0.3


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"learning_rate": 0.0}, "learning rate must be above 0"),
        ({"learning_rate": float("nan")}, "learning rate must be above 0"),
        ({"max_epochs": 0}, "at least 1 epoch"),
        ({"batch_size": 0}, "batch size must be at least 1"),
        ({"patience": 0}, "patience must be at least 1"),
        ({"loss_slack": -0.1}, "loss slack must be at least 0"),
        ({"clip_norm": 0.0}, "gradient's norm must be above 0"),
        ({"max_epochs": "5"}, "at least 1 epoch, not '5'"),
        ({"max_epochs": 2.5}, "at least 1 epoch, not 2.5"),
        ({"class_weight": "yes"}, "class weight must be True or False"),
        ({"optimizer": 1}, "unknown optimizer '1'"),
        ({"optimizer": "adamw"}, "unknown optimizer 'adamw'; did you mean adam"),
    ],
)
def test_settings_out_of_range_are_refused(change, words):
    with pytest.raises(ChromvizError, match=words):
        Settings(**change)


def test_signal_that_is_no_number_is_refused():
    data = make_dataset()
    row = np.flatnonzero(data["split"].values == "train")[0]
    data["signal"].values[row, 0, 0] = np.nan
    with pytest.raises(ChromvizError, match="signal of 1 of its train genes holds NaN"):
        train_once("lstm", data)


def test_predict_gives_probabilities_by_gene(model):
    data = make_dataset()
    found = model.predict(data)
    here = data["split"].values == "test"
    assert list(found.index) == list(data["gene"].values[here].astype(str))
    assert (found.name, found.index.name) == ("probability", "gene")
    complete = ~np.isnan(data["signal"].values[here]).any(axis=(1, 2))
    expected = probabilities(logits(model.module, data["signal"].values[here][complete]))
    np.testing.assert_array_equal(found.values[complete], expected)
    one = model.predict(data, genes=[found.index[3]])
    np.testing.assert_allclose(one.values, found.values[3:4], rtol=1e-6)


def test_predict_keeps_a_gene_that_it_cannot_read_as_nan(model):
    data = make_dataset()
    broken = data.copy(deep=True)
    broken["signal"][7, 0, 0] = np.nan
    found = model.predict(broken, genes="all")
    assert len(found) == data.sizes["gene"]
    missing = np.isnan(broken["signal"].values).any(axis=(1, 2))
    np.testing.assert_array_equal(np.isnan(found.values), missing)
    assert missing[7]


def test_predict_refuses_what_it_does_not_know(model):
    data = make_dataset()
    with pytest.raises(ChromvizError, match=r"unknown gene 'training'.* Or name train"):
        model.predict(data, genes="training")
    with pytest.raises(ChromvizError, match="gene 'NOGENE'"):
        model.predict(data, genes=["NOGENE"])
    with pytest.raises(ChromvizError, match="reads the marks"):
        model.predict(data.isel(mark=slice(3)))
