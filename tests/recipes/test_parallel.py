"""Training in worker processes gives what training here does."""

from chromviz.models.store import Job, cache_folder, train_missing, trained
from chromviz.progress import Reporter
from chromviz.vocabulary import Window
from tests.conftest import make_dataset


def test_workers_fill_the_cache_with_the_same_models(workers, monkeypatch, tmp_path):
    dataset = make_dataset(60, window=Window(1000, 100))
    lines, steps = [], []
    reporter = Reporter(lambda *step: steps.append(step), lines.append)
    jobs = [Job("lstm-alpha", dataset), Job("deepchrome", dataset)]
    train_missing(jobs, reporter=reporter)
    assert len(list(cache_folder().glob("*.safetensors"))) == 2
    assert sorted(line.split()[0] for line in lines) == ["deepchrome", "lstm-alpha"]
    assert steps
    names = [job.name for job in jobs]
    hashes = {name: trained(name, dataset)[0].card.weights_hash for name in names}
    monkeypatch.setenv("CHROMVIZ_CACHE", str(tmp_path / "other"))
    assert {name: trained(name, dataset)[0].card.weights_hash for name in names} == hashes
