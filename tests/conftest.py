"""Small datasets that tests share."""

import gc
import io
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import settings
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from chromviz.catalog import find_method
from chromviz.schema import build_dataset, reasons
from chromviz.vocabulary import MARKS, Window

# How long an example takes says how busy the machine is, not whether the code is right.
settings.register_profile("chromviz", deadline=None)
settings.load_profile("chromviz")

# Before torch is imported: the suite runs in two processes, whose threads would wait for one
# another. Processes that tests start inherit it.
os.environ.setdefault("OMP_NUM_THREADS", "1")

REAL = Path(__file__).parents[1].parent / "shared" / "data"


def pytest_make_parametrize_id(val):
    """Name gzip bytes by what they are: their header holds the second in which they were packed.

    The workers that share the suite must collect the same names, in whichever second each starts.
    """
    return "gzip" if isinstance(val, bytes) and val.startswith(b"\x1f\x8b") else None


def pytest_collection_modifyitems(items):
    """Begin with the files that take longest, so that the workers end together."""
    long = {"recipes", "browser", "test_cli.py"}
    items.sort(key=lambda item: long.isdisjoint(item.path.parts))


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    """No test reads or writes the user's cache."""
    monkeypatch.setenv("CHROMVIZ_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="session", autouse=True)
def no_workers():
    """No test starts worker processes unless it asks for them: the suite runs in two itself."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOKY_MAX_CPU_COUNT", "1")
        yield


@pytest.fixture
def workers(monkeypatch):
    """Two worker processes, on any number of cores."""
    monkeypatch.delenv("LOKY_MAX_CPU_COUNT")
    monkeypatch.setattr("joblib.cpu_count", lambda: 2)


#: Where files of figures are tested; elsewhere they stay blank, because most of a run is drawing.
DRAWN = {"plot", "browser", "test_compare.py"}

#: Where whole commands run: thirty steps of class optimization do there; its own tests take more.
WHOLE = {"recipes", "reporting", "test_cli.py", "test_api.py", "test_choice.py"}


@pytest.fixture(scope="module", autouse=True)
def shorter(request):
    """Figures as files without a drawing, unless the module is about them, and few steps."""
    with pytest.MonkeyPatch.context() as patch:
        if DRAWN.isdisjoint(request.path.parts):
            _blank(patch)
        if not WHOLE.isdisjoint(request.path.parts):
            patch.setitem(find_method("class_optimization").parameters, "steps", 30)
        yield


@pytest.fixture
def blank_figures(monkeypatch):
    """Figures as files without a drawing, for tests of other things."""
    _blank(monkeypatch)


def _blank(patch):
    def render(fig, kind, metadata):
        texts, buffer = PngInfo(), io.BytesIO()
        for name, text in metadata.items():
            texts.add_text(name, text)
        Image.new("RGB", (8, 8)).save(buffer, "png", pnginfo=texts)
        return buffer.getvalue()

    patch.setattr("chromviz.plot.style.render_figure", render)


@pytest.fixture
def real_data():
    """The folder of real data, where it is."""
    if not REAL.is_dir():
        pytest.skip("the real data is not here")
    return REAL


def make_dataset(n_genes=60, *, seed=0, window=None, cell="E123", coverage=True) -> xr.Dataset:
    """A dataset whose label follows the middle of the fourth mark; two genes have gaps."""
    window = window or Window(500, 100)
    rng = np.random.default_rng(seed)
    signal = rng.gamma(1.0, 1.0, (n_genes, len(MARKS), window.n_bins)).astype(np.float32)
    on = np.arange(n_genes) % 2
    middle = slice(window.n_bins // 2 - 1, window.n_bins // 2 + 1)
    signal[:, 3, middle] += 6 * on[:, None]
    signal[3, 0, 0] = np.nan
    signal[4, 2, 1] = np.nan
    label = on.astype(np.int8)
    split = np.array(["train", "train", "valid", "valid", "test", "test"], dtype=object)
    split = split[np.arange(n_genes) % 6]
    reason = reasons(signal, MARKS, label)
    split[reason != ""] = "none"
    h3k27ac = rng.gamma(1.0, 1.0, (n_genes, window.n_bins)).astype(np.float32)
    h3k27ac[:, middle] += 4 * on[:, None]
    h3k27ac[7] = np.nan
    genes = pd.DataFrame(
        {
            "gene": [f"G{i:03d}" for i in range(n_genes)],
            "symbol": [f"SYM{i}" for i in range(n_genes)],
            "chrom": "chr1",
            "tss": 10_000 + 5_000 * np.arange(n_genes),
            "strand": "+",
        }
    )
    return build_dataset(
        cell=cell,
        genes=genes.assign(expression=on * 10.0 + rng.random(n_genes), label=label, split=split),
        marks=MARKS,
        signal=signal,
        window=window,
        coverage={"H3K27ac": h3k27ac} if coverage else {},
        signal_unit="counts",
    )


@pytest.fixture
def dataset():
    return make_dataset()


@pytest.fixture
def agreement_table():
    """Table 3 as a recipe writes it."""
    from tests.plot import drawings

    return drawings.agreement_table()


def pytest_collection_finish():
    """Leave what imports made out of garbage collection: it stays, and is most of the objects."""
    gc.collect()
    gc.freeze()
