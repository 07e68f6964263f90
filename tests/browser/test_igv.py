"""An exported session opens in igv.js as it lies there, and shows the numbers of the bigWigs."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pyBigWig
import pytest

from chromviz.data.signal.chromosomes import find_assembly
from chromviz.recipes.export import export
from chromviz.schema import Origin, build_attribution, save_dataset
from chromviz.vocabulary import Window
from tests.browser import igv
from tests.browser.conftest import missing, watched
from tests.conftest import make_dataset
from tests.recipes.test_export import put
from tests.server import serve

# igv.js knows hg19 from a list in the network; here its sizes do.
PAGE = """<!doctype html><meta charset=utf-8><title>session</title><div id=here></div>
<script src=igv.min.js></script>"""
OPEN = """async () => {
  const hg19 = {id: "hg19", name: "hg19", fastaURL: "hg19.sizes", format: "chromsizes"}
  window.shown = await igv.createBrowser(document.getElementById("here"), {
    sessionURL: "session.xml", loadDefaultGenomes: false, genomeList: [hg19]})
  const tracks = shown.trackViews.map(view => view.track).filter(track => track.url)
  return tracks.map(({url, name, color, altColor}) => ({url, name, color, altColor}))
}"""
READ = """async ([url, chr, start, end]) => {
  const {track} = shown.trackViews.find(view => view.track.url === url)
  const found = await track.getFeatures(chr, start, end, 1)
  return found.map(({start, end, value}) => [start, end, value])
}"""


@pytest.fixture(scope="module")
def script():
    if not igv.SCRIPT.exists():
        missing("no igv.js here: make igv")
    return igv.SCRIPT.read_bytes()


def exported(place, form):
    """Export weights of both signs of a few genes on chr1 of hg19."""
    data = make_dataset(24, window=Window(1000, 100))
    data.attrs["assembly"] = "hg19"
    save_dataset(data, place / "data" / "E123.nc")
    rows = np.flatnonzero(data["split"].values == "test")
    weight = np.random.default_rng(0).normal(size=(len(rows), 5, 20)).astype(np.float32)
    one = build_attribution(
        weight,
        ("gene", "mark", "bin"),
        data,
        Origin(method="saliency", parameters={}, signed=True, model="deepchrome", model_hash="x"),
        genes=rows,
        probability=np.full(len(rows), 0.7),
    )
    put(place, {"deepchrome.saliency": one})
    return export("K562", data=place / "data", results=place / "results", formats=[form, "bed"])


@pytest.mark.parametrize("form", ["bigwig", "bedgraph"])
def test_a_session_opens_with_its_names_colours_and_numbers(browser, script, tmp_path, form):
    folder = exported(tmp_path, form).folder
    session = ET.parse(folder / "session.xml").getroot()  # noqa: S314 - our own
    wanted = {
        one.get("id"): (one.get("name"), f"rgb({one.get('color')})")
        for one in session.iter("Track")
    }
    sizes = find_assembly("hg19", None).sizes
    files = {f"/{path.name}": path.read_bytes() for path in folder.iterdir()}
    files["/igv.min.js"], files["/page.html"] = script, PAGE.encode()
    files["/hg19.sizes"] = "".join(f"{name}\t{size}\n" for name, size in sizes.items()).encode()
    with serve(files) as server, watched(browser, origin=server.url) as page:
        page.goto(f"{server.url}/page.html")
        shown = page.evaluate(OPEN)
        assert {one["url"]: (one["name"], one["color"]) for one in shown} == wanted
        assert len(shown) == 5 + 1 + 5
        # What is below zero has a colour too: igv.js makes "rgb(null)" of none.
        assert all(one["altColor"] == one["color"] for one in shown)
        locus = re.sub(",", "", page.evaluate("shown.currentLoci()"))
        assert locus == session.get("locus")
        name = next(name for name in wanted if name.startswith("deepchrome.saliency.H3K4me3"))
        got = page.evaluate(READ, [name, "chr1", 20_000, 100_000])
    want = entries(folder, name)
    assert any(value < 0 for *_, value in want)
    np.testing.assert_array_equal([row[:2] for row in got], [row[:2] for row in want])
    np.testing.assert_allclose([row[2] for row in got], [row[2] for row in want], rtol=1e-6)


def entries(folder, name):
    """What another program reads in the same place."""
    if name.endswith(".bw"):
        with pyBigWig.open(str(folder / name)) as file:
            return [list(one) for one in file.intervals("chr1", 20_000, 100_000)]
    lines = (folder / name).read_text().splitlines()[1:]
    rows = [line.split("\t") for line in lines]
    return [
        [int(start), int(end), float(value)]
        for _, start, end, value in rows
        if int(end) > 20_000 and int(start) < 100_000
    ]
