"""The paper's figures and tables, each rebuilt from finished result folders."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd

from chromviz import provenance
from chromviz.catalog import methods
from chromviz.errors import ChromvizError, UnknownNameError
from chromviz.models import find_model
from chromviz.plot.profile_lines import draw_figure2
from chromviz.plot.style import save_figure
from chromviz.reporting.figures import file_metadata
from chromviz.reporting.grid import in_three_forms
from chromviz.reporting.tables import suite_grid, table1_grid, table3_grid
from chromviz.results.reading import Results, open_all
from chromviz.results.tables import parse_csv, to_csv
from chromviz.validation.paper_values import TABLE_1


@dataclass(frozen=True)
class Item:
    """A figure or table of the paper, made from result folders of `command` (if any) by `make`."""

    what: str
    command: str
    make: Callable[[Sequence[Results], Path], list[Path]]
    several: bool = False


def rebuild(name: str, results: Sequence[Path], out: Path) -> list[Path]:
    """Make one of :data:`ITEMS` again from result folders, and return its files in `out`.

    A folder that is missing, incomplete, or of another command or version is refused.
    """
    if name not in ITEMS:
        raise UnknownNameError("figure or table", name, ITEMS)
    item = ITEMS[name]
    if not item.command and results:
        raise ChromvizError(f"{name} is made from no result folder; leave {results[0]} out")
    if item.command and not results:
        raise ChromvizError(f"{name} is made from a result folder of 'chromviz {item.command}'")
    if len(results) > 1 and not item.several:
        raise ChromvizError(f"{name} is made from one result folder, not from {len(results)}")
    found = open_all(results, item.command)
    with provenance.output_folder(out):
        return item.make(found, out)


def table1() -> pd.DataFrame:
    """Return Table 1, with one row per model: what it can do, and how chromviz can explain its own.

    The paper's judgement is 1 or 0 (section 3). For the model as chromviz builds it, ``own`` are
    the explanations that come with it, ``gradient`` is 1 if its output has one, and ``n_methods``
    is the number of methods that can explain it.
    """
    rows = []
    for name, published in TABLE_1.items():
        gives = find_model(name).gives
        explaining = [one for one in methods().values() if not one.is_control]
        rows.append(
            {
                "model": name,
                **published,
                "own": ",".join(one for one in gives if one not in ("gradient", "output")),
                "gradient": int("gradient" in gives),
                "n_methods": sum(not one.refusal(name, gives) for one in explaining),
            }
        )
    return pd.DataFrame(rows)


def _figure2(found: Sequence[Results], out: Path) -> list[Path]:
    (results,) = found
    csv = {f"figure2{panel}.csv": results.text(f"figure2{panel}.csv") for panel in "abc"}
    tables = [results.table(name) for name in csv]
    metadata = file_metadata(
        "Figure 2 of Attend and Predict",
        results.subject,
        results.seed,
        "".join(csv.values()),
        simulated=any(table["simulated"].any() for table in tables),
    )
    fig = draw_figure2(*tables)
    return [*_written(out, csv), *save_figure(fig, out / "figure2", metadata=metadata)]


def _table1(_: Sequence[Results], out: Path) -> list[Path]:
    table = table1()
    return _written(out, in_three_forms("table1", to_csv(table), table1_grid(table)))


def _table3(found: Sequence[Results], out: Path) -> list[Path]:
    # As text, so that the numbers stay as they are written.
    parts = [one.text("table3.csv").partition("\n") for one in found]
    if len({header for header, _, _ in parts}) > 1:
        raise ChromvizError(
            f"the tables of {', '.join(str(one.path) for one in found)} have different columns; "
            "make them with one version of chromviz"
        )
    csv = "".join([parts[0][0], "\n", *(rows for _, _, rows in parts)])
    return _written(out, in_three_forms("table3", csv, table3_grid(parse_csv(csv))))


def _suite_table(name: str, found: Sequence[Results], out: Path) -> list[Path]:
    (results,) = found
    file = f"table{name}.csv"
    grid = suite_grid(name, results.table(file))
    return _written(out, in_three_forms(f"table{name.upper()}", results.text(file), grid))


def _written(out: Path, texts: dict[str, str]) -> list[Path]:
    for name, text in texts.items():
        provenance.write_text(out / name, text)
    return [out / name for name in texts]


#: The paper's figures of results and its tables. Figures 1, S1 and S2 are schemes of the networks.
ITEMS: dict[str, Item] = {
    "figure2": Item("Figure 2: α by mark, with H3K27ac, and β of one gene", "compare", _figure2),
    "table1": Item("Table 1: what the models of earlier studies can do", "", _table1),
    "table2": Item("Table 2: test AUC of the networks", "suite", partial(_suite_table, "2")),
    "table3": Item(
        "Table 3: agreement with H3K27ac, for any cell types", "compare", _table3, several=True
    ),
    "tableS1": Item("Table S1: AUC on one mark at a time", "suite", partial(_suite_table, "s1")),
    "tableS2": Item(
        "Table S2: F1 of DeepChrome and AttentiveChrome", "suite", partial(_suite_table, "s2")
    ),
    "tableS3": Item(
        "Table S3: AUC of older models and networks", "suite", partial(_suite_table, "s3")
    ),
}
