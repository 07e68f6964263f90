"""Training in worker processes gives what training here does."""

from chromviz.models.store import Training, kept_at, train_missing, trained
from chromviz.models.training import Settings
from chromviz.progress import Reporter
from chromviz.vocabulary import Window
from tests.conftest import make_dataset


def test_workers_fill_the_cache_with_the_same_models(workers, monkeypatch, tmp_path):
    dataset = make_dataset(60, window=Window(1000, 100))
    lines, steps = [], []
    reporter = Reporter(lambda *step: steps.append(step), lines.append)
    trainings = [Training(name, dataset, 0, Settings(max_epochs=2)) for name in ("lstm-alpha", "deepchrome")]
    train_missing(trainings, reporter=reporter)
    for stem in map(kept_at, trainings):
        assert stem.with_name(f"{stem.name}.safetensors").is_file()
    assert sorted(line.split()[0] for line in lines) == ["deepchrome", "lstm-alpha"]
    assert steps
    hashes = [trained(one).card.weights_hash for one in trainings]
    monkeypatch.setenv("CHROMVIZ_CACHE", str(tmp_path / "other"))
    assert [trained(one).card.weights_hash for one in trainings] == hashes
