"""Controls that a plug-in adds are drawn and tabulated as controls: the catalog alone decides."""

import pandas as pd
import pytest
from matplotlib.colors import to_hex

from chromviz import catalog
from chromviz.plot.curves import plot_deletion
from chromviz.plot.dots import plot_gain, plot_table3
from chromviz.reporting.grid import to_markdown
from chromviz.reporting.tables import table3_grid
from tests.plot import drawings


@pytest.fixture
def plugin(monkeypatch):
    """A control from another package, in the catalog as an entry point puts it there."""
    extra = catalog.Method("gc_content", "plugin:gc", "", "control: GC content", label="GC content")
    known = {**catalog.methods(), "gc_content": extra}
    monkeypatch.setattr(catalog, "methods", lambda: known)


def alone(table, method, model=""):
    """One row with a value and an interval, as that of another method."""
    row = table[table["method"] == "raw_signal"].head(1)
    return row.assign(method=method, model=model)


def colours_of(axes):
    return sorted(to_hex(line.get_color()) for line in axes.get_lines())


def test_table_3_groups_it_with_the_controls(plugin, agreement_table):
    extra = alone(agreement_table, "gc_content")
    text = to_markdown(table3_grid(pd.concat([agreement_table, extra], ignore_index=True)))
    assert text.index("**Methods**") < text.index("**Controls**") < text.index("GC content")


def test_table_3_draws_it_in_the_colour_of_controls(plugin, agreement_table):
    drawn = {
        method: colours_of(plot_table3(alone(agreement_table, method, model)))
        for method, model in (("gc_content", ""), ("tss_distance", ""), ("saliency", "lstm"))
    }
    assert drawn["gc_content"] == drawn["tss_distance"] != drawn["saliency"]


def test_gain_draws_it_in_the_colour_of_controls(plugin):
    table = drawings.gain_table().query("statistic == 'pearson'")
    drawn = {
        method: colours_of(plot_gain(alone(table, method, model), "pearson"))
        for method, model in (("gc_content", ""), ("tss_distance", ""), ("saliency", "lstm"))
    }
    assert drawn["gc_content"] == drawn["tss_distance"] != drawn["saliency"]


def test_deletion_names_it_a_control(plugin):
    table = drawings.deletion_table(("lstm-alpha",))
    table = table.assign(method=table["method"].replace("random", "gc_content"))
    labels = plot_deletion(table[table["way"] == "deletion"]).get_legend_handles_labels()[1]
    assert "control: GC content" in labels
