"""Every drawing of chromviz on a small table made by hand, and its stored picture.

python -m tests.plot.drawings           # draws the stored pictures anew; look at each before commit
"""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd

from chromviz.plot.curves import draw_deletion, draw_learning_curve, draw_learning_curves
from chromviz.plot.dots import (
    draw_calibration,
    draw_suite,
    draw_table3,
    draw_truth,
    draw_validation,
    draw_verdicts,
)
from chromviz.plot.gene_rows import draw_genes
from chromviz.plot.heatmap import draw_changes, draw_consensus, draw_figure2c
from chromviz.plot.profile_lines import draw_figure2, draw_figure2a, draw_figure2b
from chromviz.plot.style import figure_style
from chromviz.validation.verdict import QUESTIONS
from chromviz.vocabulary import MARKS, Window

BASELINE = Path(__file__).parent / "baseline"
NAN = float("nan")
# Enough to see a line move by its own width, and small enough for a repository.
_DPI = 60
MODELS = ("lstm-alpha", "lstm-alpha-beta", "deepchrome")


def profile(mark, peak, scale):
    window = Window()
    centre = (window.bin_start + 50) / 1000
    mean = scale * (1 + peak * np.exp(-((centre - 0.4) ** 2)))
    columns = {"mark": mark, "bin_start": window.bin_start, "bin_width": window.bin_width}
    return pd.DataFrame({**columns, "mean": mean, "ci_low": 0.9 * mean, "ci_high": 1.1 * mean})


def profiles(peaks=(0.0, 0.2, 0.4, 1.5, 0.1)):
    parts = [profile(mark, peak, 0.008) for mark, peak in zip(MARKS, peaks, strict=True)]
    return pd.concat(parts, ignore_index=True)


def figure2a_table():
    parts = [
        profiles().assign(state="ON", n_genes=3214),
        profiles((0.6, 0.0, 0.0, 0.1, 0.5)).assign(state="OFF", n_genes=3387),
    ]
    source = {"cell": "E116", "model": "lstm-alpha-beta", "method": "alpha", "simulated": 1}
    return pd.concat(parts, ignore_index=True).assign(**source)


def figure2b_table():
    coverage = profile("H3K27ac", 4.0, 3.0).assign(
        role="coverage", n_genes=9105, unit="reads per 100 bp bin", model="", method=""
    )
    weight = profiles().assign(
        role="weight", n_genes=3214, unit="", model="lstm-alpha-beta", method="alpha"
    )
    parts = pd.concat([coverage, weight], ignore_index=True)
    return parts.assign(cell="E116", simulated=1)


def beta_table():
    cells = {
        "E003": ((0.41, 0.12, 0.14, 0.21, 0.12), 0.034, 0, "test"),
        "E116": ((0.08, 0.21, 0.17, 0.46, 0.08), 0.947, 1, "train"),
        "E123": ((0.35, 0.10, 0.20, 0.22, 0.13), NAN, -1, "none"),
    }
    rows = [
        {"cell": cell, "mark": mark, "weight": weight, "probability": p, "label": y, "split": split}
        for cell, (weights, p, y, split) in cells.items()
        for mark, weight in zip(MARKS, weights, strict=True)
    ]
    return pd.DataFrame(rows).assign(
        gene="ENSG00000196092", symbol="PAX5", expression=1.0, simulated=1
    )


def agreement_table():
    rows = [
        # A control between the methods: the order of groups is the printer's work.
        ("", "raw_signal", 0.953, 0.941, 0.962, NAN, ""),
        ("lstm-alpha-beta", "alpha", 0.912, 0.881, 0.934, 0.9027, ""),
        ("deepchrome", "saliency", -0.131, -0.29, 0.06, 0.2238, ""),
        ("deepchrome", "saliency_absolute", 0.62, NAN, NAN, NAN, "3 genes left out"),
        ("", "uniform", NAN, NAN, NAN, NAN, "r is undefined: the weights do not vary"),
    ]
    names = ["model", "method", "estimate", "ci_low", "ci_high", "paper", "note"]
    return pd.DataFrame(rows, columns=names).assign(
        cell="E123",
        mark="H3K4me3",
        track="H3K27ac",
        n_genes=[NAN, 3102.0, 3102.0, 3102.0, 3102.0],
        n_reference_genes=9012,
        simulated=1,
        gene_set="test genes predicted ON",
    )


def genes_table(rows=12, signed=False):
    """Genes in rows, two a row; one row has no coverage, and expression falls by halves."""
    starts = Window(1000, 100).bin_start
    centre = np.exp(-(((starts + 50) / 300) ** 2))
    strength = np.linspace(1, 0, rows)[:, None]
    layers = {
        "signal": ("H3K4me3", 20 * strength * centre, "-log10 p"),
        "weight": ("H3K4me3", 0.05 + strength * (centre - (0.5 if signed else 0)), ""),
        "coverage": ("H3K27ac", 3 * strength * centre[::-1], "reads"),
    }
    parts = []
    for layer, (name, values, unit) in layers.items():
        values = values.copy()
        known = np.full(rows, 2)
        if layer == "coverage":
            values[4], known[4] = NAN, 0
        table = pd.DataFrame({"layer": layer, "name": name, "unit": unit, "row": np.arange(rows)})
        table = table.assign(n_known=known, expression=2.0 ** (8 - np.arange(rows)))
        by_bin = pd.DataFrame(values, columns=[str(start) for start in starts])
        parts.append(pd.concat([table, by_bin], axis=1))
    return pd.concat(parts, ignore_index=True).assign(
        cell="E123", model="lstm-alpha-beta", method="alpha", n_genes=2, threshold=3.0,
        expression_unit="RPKM", n_unsorted=3, bin_width=100, simulated=1, missing="nan",
    )  # fmt: skip


def consensus_table(models=MODELS):
    methods = ["alpha", "saliency", "saliency_absolute", "input_x_gradient", "raw_signal"]
    rows = [
        {"model": model, "one": one, "other": other, "statistic": statistic, "estimate": value}
        for shift, model in enumerate(models)
        for first, one in enumerate(methods)
        for second, other in enumerate(methods[first + 1 :], first + 1)
        for statistic, value in (
            ("spearman", 0.8 - 0.3 * (second - first) - 0.02 * shift),
            ("top_overlap", 0.1 * (second + first)),
            ("rbo", 0.5),
        )
    ]
    return pd.DataFrame(rows).assign(cell="E123", n=200, note="", simulated=1, missing="nan")


def deletion_table(models=MODELS):
    methods = {"raw_signal": 1.0, "random": 0.2, "alpha": 1.5, "occlusion": 4.0, "saliency": 2.0}
    shares = np.array([0, 0.01, 0.05, 0.1, 0.2, 0.5, 1])
    parts = []
    for place, model in enumerate(models):
        for method, speed in methods.items():
            fall = 0.5 + 0.4 * np.exp(-speed * (4 - place) * shares)
            for way, mean in (("deletion", fall), ("insertion", 1.4 - fall)):
                parts.append(pd.DataFrame({"share": shares, "mean": mean}).assign(
                    model=model, method=method, way=way
                ))  # fmt: skip
    table = pd.concat(parts, ignore_index=True)
    return table.assign(
        ci_low=table["mean"] - 0.02, ci_high=table["mean"] + 0.02, n=200, cell="E123", simulated=1
    )


def truth_table():
    rows = []
    explained = [("lstm-alpha-beta", "alpha"), ("deepchrome", "saliency_absolute")]
    for place, (model, method) in enumerate(explained):
        for step, done in enumerate(("", "untrained", "permuted labels")):
            rows.append((model, done, method, 0.7 - 0.2 * step - 0.1 * place))
    rows += [("", "", "raw_signal", 0.6), ("", "", "random", 0.2)]
    table = pd.DataFrame(
        [
            (*row[:3], statistic, row[3] + 0.05 * place)
            for row in rows
            for place, statistic in enumerate(
                ("auprc", "causal_mass", "pointing", "causes_over_decoys")
            )
        ],
        columns=["model", "variant", "method", "statistic", "estimate"],
    )
    table.loc[len(table)] = ["", "", "prevalence", "auprc", 0.15]
    return table.assign(
        ci_low=table["estimate"] - 0.04, ci_high=table["estimate"] + 0.04, n=762, cell="E123",
        test="planted truth", simulated=1,
    )  # fmt: skip


def curve_table(models=("lstm",), seeds=2, simulated=1):
    rows = [
        {
            "cell": "E123",
            "model": model,
            "seed": seed,
            "epoch": epoch,
            "train_loss": 0.7 / epoch,
            "valid_loss": (0.8 + 0.05 * seed) / epoch,
            "valid_auc": 0.6 + epoch / 20 - 0.02 * seed,
            "kept": int(epoch == 2 + seed),
            "simulated": simulated,
        }
        for model in models
        for seed in range(seeds)
        for epoch in range(1, 5)
    ]
    return pd.DataFrame(rows)


def suite_table():
    rows = [
        {"model": model, "cell": cell, "seed": 0, "auc": auc + shift, "simulated": 1}
        for model, auc in (("deepchrome", 0.8), ("lstm-alpha-beta", 0.82), ("rules", 0.7))
        for cell, shift in (("E003", 0.0), ("E116", 0.05), ("E123", 0.02))
    ]
    return pd.DataFrame(rows)


def calibration_table():
    middle = np.linspace(0.1, 0.9, 5)
    one = pd.DataFrame({"probability": middle, "share_on": middle**1.5, "n": 100})
    one = one.assign(ci_low=one["share_on"] * 0.8, ci_high=1 - (1 - one["share_on"]) * 0.8)
    parts = [one.assign(model=model) for model in (*MODELS, "svm")]
    return pd.concat(parts, ignore_index=True).assign(simulated=1)


def gain_table():
    table = agreement_table()
    gain = table.assign(
        **{name: table[name] - 0.953 for name in ("estimate", "ci_low", "ci_high")},
        statistic="gain",
    )
    both = [table.assign(statistic="pearson"), gain]
    return pd.concat(both, ignore_index=True).assign(variant="")


def verdict_table():
    rows = [
        {
            "model": model,
            "variant": variant,
            "method": method,
            **dict(zip((*QUESTIONS, "passes"), answers, strict=True)),
        }
        for model, variant, method, answers in (
            ("lstm-alpha-beta", "", "alpha", (1, 1, 0, NAN, 1, 1, 0)),
            ("lstm-alpha-beta", "permuted labels", "alpha", (0, 1, 1, 0, NAN, 1, 0)),
            ("deepchrome", "", "occlusion", (1, 1, 1, 1, 1, 1, 1)),
        )
    ]
    return pd.DataFrame(rows).assign(cell="E123", simulated=1)


def change_table(n=24):
    """Changes of genes between two cell types, the first with no interval."""
    rng = np.random.default_rng(9)
    beta = rng.normal(0, 0.1, (n, 5))
    beta -= beta.mean(axis=1, keepdims=True)
    shift = beta[:, 1:4].sum(axis=1)
    order = np.argsort(-np.abs(shift), kind="stable")
    beta, shift = beta[order], shift[order]
    half = np.r_[NAN, rng.uniform(0.02, 0.3, n - 1)]
    table = pd.DataFrame(
        {
            "gene": [f"ENSG{place:011d}" for place in range(n)],
            "symbol": ["PAX5", "", *(f"GENE{place}" for place in range(2, n))][:n],
            "on_cell": "E116",
            "off_cell": np.where(np.arange(n) % 2, "E003", "E123"),
            "shift": shift,
            "ci_low": shift - half,
            "ci_high": shift + half,
        }
    )
    for column, mark in enumerate(MARKS):
        table[f"beta_{mark}"] = beta[:, column]
    return table.assign(model="lstm-alpha-beta", seeds=3, simulated=1)


#: Each drawing that a recipe writes, by the name of its stored picture.
DRAWINGS = {
    "figure2": lambda: draw_figure2(figure2a_table(), figure2b_table(), beta_table()),
    "figure2a": lambda: draw_figure2a(figure2a_table()),
    "figure2b": lambda: draw_figure2b(figure2b_table()),
    "figure2c": lambda: draw_figure2c(beta_table()),
    "methods": lambda: draw_table3(agreement_table()),
    "genes": lambda: draw_genes(genes_table()),
    "genes_signed": lambda: draw_genes(genes_table(signed=True)),
    "consensus": lambda: draw_consensus(consensus_table()),
    "deletion": lambda: draw_deletion(deletion_table()),
    "truth": lambda: draw_truth(truth_table()),
    "learning": lambda: draw_learning_curves(curve_table(MODELS)),
    "learning_one": lambda: draw_learning_curve(curve_table()),
    "suite_auc": lambda: draw_suite(suite_table()),
    "calibration": lambda: draw_calibration(calibration_table()),
    "gain": lambda: draw_validation(gain_table()),
    "changes": lambda: draw_changes(change_table()),
    "verdicts": lambda: draw_verdicts(verdict_table()),
}


def picture(fig, path):
    """Write a figure as a small PNG, with the font that comes with matplotlib."""
    with figure_style(), mpl.rc_context({"font.sans-serif": ["DejaVu Sans"]}):
        fig.savefig(path, dpi=_DPI, metadata={"Software": None})


if __name__ == "__main__":
    BASELINE.mkdir(exist_ok=True)
    for name, draw in DRAWINGS.items():
        picture(draw(), BASELINE / f"{name}.png")
