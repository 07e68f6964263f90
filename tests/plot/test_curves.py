import pandas as pd
import pytest

from chromviz.errors import ChromvizError
from chromviz.plot.curves import draw_learning_curve, plot_learning_curve
from chromviz.plot.style import says_simulated
from tests.plot.drawings import curve_table


def table(seeds=2, simulated=1):
    return curve_table(seeds=seeds, simulated=simulated)


def test_lines_are_the_numbers_of_the_table():
    axes = plot_learning_curve(table())
    lines = axes.get_lines()
    assert len(lines) == 2 * 3  # training, validation and the kept epoch of each seed
    assert lines[0].get_ydata().tolist() == [0.7, 0.35, 0.7 / 3, 0.175]
    assert (list(lines[2].get_xdata()), list(lines[2].get_ydata())) == ([2], [0.4])
    auc = plot_learning_curve(table(1), what="auc").get_lines()
    assert len(auc) == 2
    assert auc[1].get_ydata()[0] == pytest.approx(0.7)


def test_simulated_data_is_said_and_other_is_not():
    assert says_simulated(draw_learning_curve(table()))
    assert not says_simulated(draw_learning_curve(table(simulated=0)))


def test_wrong_tables_are_refused():
    with pytest.raises(ChromvizError, match="needs the column kept"):
        plot_learning_curve(table().drop(columns="kept"))
    with pytest.raises(ChromvizError, match="at least one row; its table is empty"):
        plot_learning_curve(table().iloc[:0])
    with pytest.raises(ChromvizError, match="not 'f1'"):
        plot_learning_curve(table(), what="f1")
    with pytest.raises(ChromvizError, match="needs one model"):
        draw_learning_curve(pd.concat([table(), table().assign(model="svm")]))
