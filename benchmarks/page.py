"""How large the page is, and how soon a browser shows it, at the paper's size.

    python benchmarks/page.py [--genes 19802] [--out FOLDER]

6,600 test genes and the three models of Table 3 with the methods that ``compare`` gives them, on
simulated data. Networks are trained for two epochs: what they learn does not matter here, only
that their weights differ from gene to gene. The browser is a system Chromium, headless, with the
network off; it is started anew for each load, so that nothing is in its cache. Needs the test
extra (playwright) and chromium.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from playwright.sync_api import sync_playwright

from chromviz.data.simulate import simulate
from chromviz.extractors.explain import extract
from chromviz.models.training import train_once
from chromviz.reporting.explorer import CellPart, explore
from chromviz.reporting.page import Page, room, write_page
from chromviz.settings import Settings

METHODS = {
    "lstm-alpha": ("alpha", "saliency", "saliency_absolute"),
    "lstm-alpha-beta": ("alpha", "beta", "saliency", "saliency_absolute"),
    "deepchrome": ("saliency", "saliency_absolute"),
}
_DRAWN = "performance.getEntriesByName('chromviz-drawn')"


def load(path: Path) -> float:
    """Return the seconds from opening a page to its first gene's picture, in a new browser."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_context(offline=True).new_page()
        page.goto(path.as_uri())
        page.wait_for_function(f"{_DRAWN}.length > 0", timeout=60_000)
        milliseconds = float(page.evaluate(f"{_DRAWN}[0].startTime"))
        browser.close()
    return milliseconds / 1000


def main() -> None:
    """Make the page and open it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--genes", type=int, default=19_802)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--loads", type=int, default=5)
    arguments = parser.parse_args()
    out = arguments.out or Path(tempfile.mkdtemp())
    dataset = simulate("E123", n_genes=arguments.genes)
    attributions = []
    for name, methods in METHODS.items():
        model = train_once(name, dataset, settings=Settings(max_epochs=2), seed=0)
        attributions += [extract(method, dataset, model) for method in methods]
    started = time.perf_counter()
    explorer = explore([CellPart(dataset, attributions)], room([]))
    page = Page("benchmark", [], True, [], [], [], [], [], [], explorer)
    path = out / "page.html"
    write_page(path, page)
    made = time.perf_counter() - started
    genes = len(explorer.record["genes"]["id"])
    print(
        f"{genes:,} genes, {len(METHODS)} models, {len(attributions)} methods: {explorer.precision}"
    )
    print(f"written in {made:.1f} s, {path.stat().st_size / 1e6:.2f} MB")
    seconds = [load(path) for _ in range(arguments.loads)]
    shown = ", ".join(f"{one:.2f}" for one in seconds)
    print(f"opened and drawn in {statistics.median(seconds):.2f} s (median of {shown})")
    print(f"least {np.min(seconds):.2f}, most {np.max(seconds):.2f}")


if __name__ == "__main__":
    main()
