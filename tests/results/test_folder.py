import json
from pathlib import Path

import pytest

from chromviz.errors import ChromvizError
from chromviz.results.folder import ResultFolder, default_folder
from chromviz.results.reading import open_results


def step(folder, made_from="a", text="hello"):
    def make():
        (folder.path / "a.txt").write_text(text)

    folder.once("write", made_from, ["a.txt"], make)


def test_a_step_is_done_once(tmp_path):
    first = ResultFolder(tmp_path, "compare X")
    step(first)
    assert (first.made, first.kept) == (["write"], [])
    second = ResultFolder(tmp_path, "compare X")
    step(second, text="never written")
    assert (second.made, second.kept) == ([], ["write"])
    assert (tmp_path / "a.txt").read_text() == "hello"


@pytest.mark.parametrize("change", ["inputs", "file changed", "file gone"])
def test_a_step_is_done_again_when_anything_changed(tmp_path, change):
    step(ResultFolder(tmp_path, "compare X"))
    if change == "file changed":
        (tmp_path / "a.txt").write_text("tampered")
    elif change == "file gone":
        (tmp_path / "a.txt").unlink()
    again = ResultFolder(tmp_path, "compare X")
    step(again, made_from="b" if change == "inputs" else "a")
    assert again.made == ["write"]
    assert (tmp_path / "a.txt").read_text() == "hello"


def test_an_interrupted_step_is_not_recorded(tmp_path):
    folder = ResultFolder(tmp_path, "compare X")
    step(folder)

    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        folder.once("second", "x", ["b.txt"], interrupted)
    record = json.loads((tmp_path / "manifest.json").read_text())
    assert list(record["steps"]) == ["write"]


def test_a_folder_keeps_to_its_subject(tmp_path):
    step(ResultFolder(tmp_path, "compare X"))
    with pytest.raises(ChromvizError, match="holds the results of 'compare X', not of 'compare Y'"):
        ResultFolder(tmp_path, "compare Y")


def test_a_foreign_manifest_is_not_overwritten(tmp_path):
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(ChromvizError, match="not a manifest of chromviz"):
        ResultFolder(tmp_path, "compare X")
    assert (tmp_path / "manifest.json").read_text() == "{}"


def test_a_manifest_without_a_seed_is_not_one_of_results(tmp_path):
    folder = ResultFolder(tmp_path, "compare X")
    step(folder)
    folder.finish()
    with pytest.raises(ChromvizError, match="not a manifest of finished results"):
        open_results(tmp_path, "compare")
    folder["seed"] = 0
    folder.save()
    assert open_results(tmp_path, "compare").seed == 0


def test_finishing_takes_away_what_an_earlier_run_left(tmp_path):
    first = ResultFolder(tmp_path, "compare X")
    step(first)
    first.once("other", "x", ["b.txt"], lambda: (tmp_path / "b.txt").write_text("old"))
    (tmp_path / "mine.txt").write_text("the user's own")
    (tmp_path / ".a.k3x_9.part.txt").write_text("half of a file, from a kill")
    first.finish()
    second = ResultFolder(tmp_path, "compare X")
    step(second)
    second.finish()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.txt", "manifest.json", "mine.txt"]


def test_a_manifest_cannot_make_it_delete_outside(tmp_path):
    outside = tmp_path / "outside.txt"
    outside.write_text("precious")
    folder = ResultFolder(tmp_path / "results", "compare X")
    step(folder)
    path = tmp_path / "results" / "manifest.json"
    record = json.loads(path.read_text())
    record["steps"]["evil"] = {"key": "", "seconds": 0, "files": {"../outside.txt": ""}}
    path.write_text(json.dumps(record))
    ResultFolder(tmp_path / "results", "compare X").finish()
    assert outside.read_text() == "precious"


def test_without_a_folder_results_go_where_the_cell_type_is_named():
    assert default_folder("E123") == Path("results/K562")
    assert default_folder("E071") == Path("results/E071")
    assert default_folder("mine") == Path("results/mine")
