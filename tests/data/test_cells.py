import numpy as np
import pandas as pd
import pytest

from chromviz import schema
from chromviz.data.cells import available_cells, open_cell
from chromviz.errors import ChromvizError
from chromviz.vocabulary import PAPER_CELLS, Window
from tests.conftest import make_dataset


def save(folder, cell):
    window = Window(flank=20, bin_width=10)
    genes = pd.DataFrame({"gene": ["A"], "symbol": "", "chrom": "chr1", "tss": 5, "strand": "+"})
    dataset = schema.build_dataset(
        cell=cell,
        genes=genes.assign(
            expression=np.ones(1), label=np.ones(1), split=np.array(["train"], object)
        ),
        marks=["m"],
        signal=np.ones((1, 1, 4), np.float32),
        window=window,
    )
    schema.save_dataset(dataset, folder / f"{cell}.nc")


def write_csv(folder):
    for split in ("train", "valid", "test"):
        file = folder / "classification" / f"{split}.csv"
        file.parent.mkdir(parents=True, exist_ok=True)
        rows = (f"{split},{position},0,0,0,1,0,1\n" for position in range(1, 101))
        file.write_text("".join(rows))


def test_both_formats_in_one_folder(tmp_path):
    save(tmp_path, "E123")
    write_csv(tmp_path / "E003")
    write_csv(tmp_path / "data" / "mine")
    (tmp_path / ".E116.x.part.nc").touch()
    assert available_cells(tmp_path) == ("E003", "E123", "mine")
    assert open_cell("k562", tmp_path).attrs["cell"] == "E123"
    assert open_cell("H1-hESC", tmp_path).attrs["signal_unit"] == "read counts"
    assert open_cell("MINE", tmp_path).attrs["cell"] == "mine"


def test_a_dataset_is_preferred_to_csv(tmp_path):
    save(tmp_path, "E003")
    write_csv(tmp_path / "E003")
    assert open_cell("E003", tmp_path).sizes["mark"] == 1


def test_only_the_wanted_cell_is_read(tmp_path):
    save(tmp_path, "E123")
    (tmp_path / "E116.nc").write_text("damaged")
    assert open_cell("E123", tmp_path).attrs["cell"] == "E123"
    with pytest.raises(ChromvizError, match=r"E116\.nc is not a whole NetCDF-4 file"):
        open_cell("GM12878", tmp_path)


def test_what_is_not_there(tmp_path):
    with pytest.raises(ChromvizError, match="contains no dataset"):
        available_cells(tmp_path)
    with pytest.raises(ChromvizError, match="does not exist"):
        available_cells(tmp_path / "absent")
    save(tmp_path, "E123")
    with pytest.raises(ChromvizError, match="is not a folder"):
        available_cells(tmp_path / "E123.nc")
    with pytest.raises(ChromvizError, match=r"no dataset for GM12878 \(E116\)"):
        open_cell("E116", tmp_path)
    with pytest.raises(ChromvizError, match="unknown cell type 'K526'"):
        open_cell("K526", tmp_path)


def test_without_a_folder_the_embedded_dataset_is_meant():
    assert available_cells(None) == PAPER_CELLS
    dataset = open_cell(PAPER_CELLS[0].lower())
    assert dataset.attrs["simulated"] == 1
    assert dataset.attrs["cell"] == PAPER_CELLS[0]


def test_a_file_whose_name_and_content_disagree_is_refused(tmp_path):
    schema.save_dataset(make_dataset(12, cell="E116"), tmp_path / "E123.nc")
    with pytest.raises(ChromvizError, match=r"contains the dataset of E116, not of E123"):
        open_cell("K562", tmp_path)


def test_a_common_name_may_name_the_file(tmp_path):
    schema.save_dataset(make_dataset(12, cell="E123"), tmp_path / "K562.nc")
    assert open_cell("K562", tmp_path).attrs["cell"] == "E123"
