import struct
import zlib

import h5py
import numpy as np
import pytest
import xarray as xr

from chromviz import schema
from chromviz.errors import ChromvizError, SchemaError, UnknownNameError
from tests.conftest import make_dataset


def test_a_dataset_survives_saving(dataset, tmp_path):
    schema.save_dataset(dataset, tmp_path / "E123.nc")
    again = schema.load_dataset(tmp_path / "E123.nc")
    xr.testing.assert_equal(again, dataset)
    assert schema.dataset_hash(again) == schema.dataset_hash(dataset)
    assert {"command", "versions", "created"} <= set(again.attrs)


def test_a_dataset_without_tracks_keeps_its_hash(tmp_path):
    dataset = make_dataset(coverage=False)
    schema.save_dataset(dataset, tmp_path / "a.nc")
    assert schema.dataset_hash(schema.load_dataset(tmp_path / "a.nc")) == schema.dataset_hash(
        dataset
    )


def test_the_file_opens_with_xarray_alone(dataset, tmp_path):
    schema.save_dataset(dataset, tmp_path / "E123.nc")
    with xr.open_dataset(tmp_path / "E123.nc") as plain:
        assert plain["signal"].dims == ("gene", "mark", "bin")
        assert plain.attrs["cell"] == "E123"


def test_files_are_read_as_xarray_reads_them(dataset, tmp_path):
    named = dataset.assign_coords(
        symbol=("gene", np.array([f"β-{i}" for i in range(60)], dtype=object))
    )
    for name, one in (("a", dataset), ("b", named), ("c", make_dataset(coverage=False))):
        schema.save_dataset(one, tmp_path / f"{name}.nc")
        ours = schema.load_dataset(tmp_path / f"{name}.nc")
        with xr.open_dataset(tmp_path / f"{name}.nc", engine="h5netcdf") as opened:
            theirs = opened.load()
        assert set(ours.coords) == set(theirs.coords)
        assert {key: str(value) for key, value in ours.attrs.items()} == {
            key: str(value) for key, value in theirs.attrs.items()
        }
        for variable in theirs.variables:
            assert ours[variable].dims == theirs[variable].dims
            np.testing.assert_array_equal(ours[variable].values, theirs[variable].values)
        assert schema.dataset_hash(ours) == schema.dataset_hash(one)


def test_files_that_others_wrote_are_read_too(dataset, tmp_path):
    packed = {"signal": {"zlib": True}, "expression": {"_FillValue": -1.0}}
    dataset.to_netcdf(tmp_path / "other.nc", engine="h5netcdf", encoding=packed)
    again = schema.load_dataset(tmp_path / "other.nc")
    assert schema.dataset_hash(again) == schema.dataset_hash(dataset)


def test_files_of_the_netcdf_library_are_read_too(dataset, tmp_path):
    schema.save_dataset(dataset, tmp_path / "a.nc")
    with h5py.File(tmp_path / "a.nc", "r+") as handle:
        for item in handle.values():
            # Which h5netcdf writes everywhere, and the library only where it must.
            if "CLASS" not in item.attrs:
                del item.attrs["_Netcdf4Coordinates"]
    again = schema.load_dataset(tmp_path / "a.nc")
    assert schema.dataset_hash(again) == schema.dataset_hash(dataset)


def test_a_variable_that_is_named_and_not_there_is_one_line(dataset, tmp_path):
    schema.save_dataset(dataset, tmp_path / "a.nc")
    with h5py.File(tmp_path / "a.nc", "r+") as handle:
        del handle["label"]
        handle["label"] = h5py.SoftLink("/nowhere")
    with pytest.raises(ChromvizError, match=r"a\.nc is not a whole NetCDF-4 file") as caught:
        schema.load_dataset(tmp_path / "a.nc")
    assert "\n" not in str(caught.value)


def test_the_hash_follows_values_and_not_time(dataset):
    later = dataset.assign_attrs(created="another day", command="another")
    assert schema.dataset_hash(later) == schema.dataset_hash(dataset)
    excluded = dataset.copy(deep=True)
    excluded["reason"][0], excluded["split"][0] = "left out by hand", "none"
    assert schema.dataset_hash(excluded) != schema.dataset_hash(dataset)
    changed = dataset.copy(deep=True)
    changed["signal"][0, 0, 0] += 1
    assert schema.dataset_hash(changed) != schema.dataset_hash(dataset)


def test_variables_say_what_they_are_and_old_files_without_that_load(dataset, tmp_path):
    lacking = [name for name, one in dataset.variables.items() if "long_name" not in one.attrs]
    assert lacking == []
    assert dataset["signal"].attrs["units"] == "counts"
    assert dataset["tss"].attrs["units"] == dataset["bin_start"].attrs["units"] == "bp"
    assert "units" not in dataset["coverage"].attrs  # nobody said
    schema.save_dataset(dataset, tmp_path / "new.nc")
    assert schema.load_dataset(tmp_path / "new.nc")["signal"].attrs == dataset["signal"].attrs
    with xr.open_dataset(tmp_path / "new.nc") as alone:
        assert alone["tss"].attrs == dataset["tss"].attrs
    old = dataset.copy(deep=True)
    for one in old.variables.values():
        one.attrs.clear()
    schema.save_dataset(old, tmp_path / "old.nc")
    loaded = schema.load_dataset(tmp_path / "old.nc")
    assert not loaded["signal"].attrs
    assert schema.dataset_hash(loaded) == schema.dataset_hash(dataset)
    weight = schema.build_attribution(
        np.zeros((60, 10)),
        ("gene", "bin"),
        dataset,
        schema.Origin(method="m", parameters={}, signed=True),
    )
    assert all("long_name" in one.attrs for one in weight.variables.values())


def test_nothing_is_dropped_and_reasons_are_counted(dataset):
    counts = schema.gene_counts(dataset)
    assert counts == {
        "annotated": 60,
        "used": 58,
        "no complete signal of H3K27me3": 1,
        "no complete signal of H3K4me1": 1,
    }
    assert schema.usable(dataset).sum() == 58


def _broken(dataset, rule):
    copy = dataset.copy(deep=True)
    if rule == "schema is":
        copy.attrs["schema"] = "other"
    elif rule == "schema_version":
        copy.attrs["schema_version"] = 99
    elif rule == "attributes are complete":
        del copy.attrs["assembly"]
    elif rule == "a dataset has label":
        copy = copy.drop_vars("label")
    elif rule == "signal has dimensions":
        copy["signal"] = copy["signal"].transpose("mark", "gene", "bin")
    elif rule == "gene names are unique":
        copy = copy.assign_coords(gene=["G000", *copy["gene"].values[:-1]])
    elif rule == "signal is float32":
        copy["signal"] = copy["signal"].astype("float64")
    elif rule == "signal is finite or NaN":
        copy["signal"][0, 0, 0] = np.inf
    elif rule == "label is one of":
        copy["label"][0] = 3
    elif rule == "split is one of":
        copy["split"][0] = "dev"
    elif rule == "strand is one of":
        copy["strand"].values[0] = "?"
    elif rule == "orientation is":
        copy.attrs["orientation"] = "sideways"
    elif rule == "bins are consecutive":
        copy["bin_start"].values[0] -= 7
    elif rule == "a gene without a reason":
        copy["signal"][0, 0, 0] = np.nan
    elif rule == "in no split":
        copy["split"][3] = "train"
    elif rule == "only simulated data has a truth":
        copy["truth"] = copy["signal"].astype("int8")
    return copy


@pytest.mark.filterwarnings("ignore:invalid value encountered in cast:RuntimeWarning")
@pytest.mark.parametrize(
    "rule",
    [
        "schema is",
        "schema_version",
        "attributes are complete",
        "a dataset has label",
        "signal has dimensions",
        "gene names are unique",
        "signal is float32",
        "signal is finite or NaN",
        "label is one of",
        "split is one of",
        "strand is one of",
        "orientation is",
        "bins are consecutive",
        "a gene without a reason",
        "in no split",
        "only simulated data has a truth",
    ],
)
def test_each_rule_is_checked_and_named(dataset, rule):
    broken = _broken(dataset, rule)
    with pytest.raises(SchemaError, match=rule):
        schema.check_dataset(broken)
    schema.check_dataset(dataset)


def test_a_broken_dataset_is_not_written(dataset, tmp_path):
    dataset["label"][0] = 3
    with pytest.raises(SchemaError):
        schema.save_dataset(dataset, tmp_path / "a.nc")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("damage", ["cut", "empty", "text"])
def test_a_damaged_file_is_one_clear_error(dataset, tmp_path, damage):
    path = tmp_path / "a.nc"
    schema.save_dataset(dataset, path)
    whole = path.read_bytes()
    path.write_bytes({"cut": whole[: len(whole) // 2], "empty": b"", "text": b"hello"}[damage])
    with pytest.raises(ChromvizError, match=r"a\.nc is not a whole NetCDF-4 file"):
        schema.load_dataset(path)


def test_a_gene_is_found_by_id_version_and_symbol(dataset):
    assert schema.find_gene(dataset, "g005") == 5
    assert schema.find_gene(dataset, "G005.3") == 5
    assert schema.find_gene(dataset, "sym5") == 5
    with pytest.raises(UnknownNameError, match="did you mean SYM"):
        schema.find_gene(dataset, "SYN5")


def test_a_symbol_of_two_genes_lists_their_ids(dataset):
    dataset["symbol"].values[:2] = "TWIN"
    with pytest.raises(ChromvizError, match=r"2 genes; name one id: G000, G001"):
        schema.find_gene(dataset, "TWIN")


def _attribution(dataset, weight, dims, **more):
    return schema.build_attribution(
        weight, dims, dataset, schema.Origin(method="m", parameters={"a": 1}, signed=False), **more
    )


def test_an_attribution_survives_saving(dataset, tmp_path):
    rows = np.array([5, 1])
    attribution = _attribution(
        dataset,
        np.random.default_rng(0).random((2, 5, 10)),
        ("gene", "mark", "bin"),
        genes=rows,
        probability=np.array([0.1, 0.9]),
    )
    assert list(attribution["gene"].values) == ["G005", "G001"]
    schema.save_attribution(attribution, tmp_path / "a.nc")
    xr.testing.assert_equal(schema.load_attribution(tmp_path / "a.nc"), attribution)
    assert attribution.attrs["dataset_hash"] == schema.dataset_hash(dataset)


@pytest.mark.parametrize(
    ("weight", "dims", "more", "rule"),
    [
        (np.ones((2, 3)), ("gene", "mark", "bin"), {}, "fit their dimensions"),
        (np.ones((5, 9)), ("mark", "bin"), {}, "fit their dimensions"),
        (np.full((5, 10), np.nan), ("mark", "bin"), {}, "weights are finite"),
        (np.ones((10, 5)), ("bin", "mark"), {}, "known dimensions"),
        (
            np.ones((1, 5)),
            ("gene", "mark"),
            {"genes": np.array([0]), "probability": np.array([1.5])},
            "between 0 and 1",
        ),
    ],
)
def test_attribution_rules(dataset, weight, dims, more, rule):
    with pytest.raises(SchemaError, match=rule):
        _attribution(dataset, weight, dims, **more)


def _content(dataset):
    """Return all that a file says: values, names and attributes."""
    own = {name: str(value) for name, value in dataset.attrs.items()}
    of = {str(name): dict(one.attrs) for name, one in dataset.variables.items()}
    return schema.dataset_hash(dataset), own, str(of)


def test_a_damaged_byte_is_an_error_and_never_another_number(dataset, tmp_path):
    path = tmp_path / "E123.nc"
    schema.save_dataset(dataset, path)
    whole, content = path.read_bytes(), _content(schema.load_dataset(path))
    with h5py.File(path) as handle:
        assert all(handle[str(name)].fletcher32 for name in dataset.variables)
        # Some in every variable, and some anywhere.
        blocks = [item.id.get_chunk_info(0) for item in handle.values() if item.chunks]
    rng = np.random.default_rng(0)
    inside = [one.byte_offset + int(rng.integers(one.size)) for one in blocks for _ in range(3)]
    refused = 0
    for at in [*inside, *rng.integers(0, len(whole), 60), 0]:
        damaged = bytearray(whole)
        damaged[at] ^= 1 << int(rng.integers(0, 8))
        path.write_bytes(damaged)
        try:
            found = schema.load_dataset(path)
        except ChromvizError as error:
            refused += "\n" not in str(error)
        else:
            assert at not in inside  # where no value is: a gap, or HDF5's own list of free space
            assert _content(found) == content
    assert refused >= len(inside)
    for end in rng.integers(0, len(whole), 10):
        path.write_bytes(whole[:end])
        with pytest.raises(ChromvizError):
            schema.load_dataset(path)


def test_files_of_earlier_versions_open(dataset, tmp_path):
    """They were contiguous, of the oldest layout, with a CRC-32 behind the end of the HDF5 data."""
    path = tmp_path / "old.nc"
    encoding = {
        name: {"dtype": "S1", "_FillValue": None} if one.dtype == object else {"_FillValue": None}
        for name, one in dataset.variables.items()
    }
    dataset.to_netcdf(path, engine="h5netcdf", encoding=encoding)
    whole = path.read_bytes()
    path.write_bytes(whole + struct.pack("<8sQI", b"chromviz", len(whole), zlib.crc32(whole)))
    again = schema.load_dataset(path)
    assert _content(again) == _content(dataset)
    schema.save_dataset(again, tmp_path / "new.nc")
    assert _content(schema.load_dataset(tmp_path / "new.nc")) == _content(dataset)
