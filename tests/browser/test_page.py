"""The page as a colleague opens it: from a file, with the network off, by mouse and by keyboard."""

import csv
import io
import re

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import expect

from chromviz.reporting.explorer import CellPart, explore
from chromviz.reporting.page import Page, Picture, write_page
from chromviz.reporting.tables import table3_grid
from chromviz.schema import Origin, build_attribution, load_attribution, save_attribution
from chromviz.vocabulary import Window
from tests.browser.conftest import watched
from tests.conftest import make_dataset

N = 260
TAG, QUOTE = "<script>alert(1)</script>", '"&'
MODELS = ("lstm-alpha-beta", "deepchrome")
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c63"
    "f8cfc0f01f0005000fff56c7a2a50000000049454e44ae426082"
)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A page of 260 genes and two models, and what it was made from."""
    folder = tmp_path_factory.mktemp("page")
    dataset = make_dataset(N, window=Window(5000, 500))
    symbols, chroms = dataset["symbol"].values.copy(), dataset["chrom"].values.copy()
    symbols[[10, 11, 250]] = [TAG, QUOTE, "PAX5"]
    symbols[100] = "PAX52"
    chroms[200:] = "chr9"
    dataset = dataset.assign_coords(symbol=("gene", symbols), chrom=("gene", chroms))
    dataset.attrs |= {"assembly": "hg19", "simulated": 1, "label_threshold": 5.0}
    rows = np.flatnonzero(dataset["reason"].values == "")
    found = {}
    for seed, (model, method, dims, signed) in enumerate(
        [
            (MODELS[0], "alpha", ("gene", "mark", "bin"), False),
            (MODELS[0], "saliency", ("gene", "mark", "bin"), True),
            (MODELS[0], "beta", ("gene", "mark"), False),
            (MODELS[1], "saliency", ("gene", "mark", "bin"), True),
        ]
    ):
        rng = np.random.default_rng(seed)
        shape = [{**dataset.sizes, "gene": len(rows)}[dim] for dim in dims]
        values = rng.normal(size=shape) if signed else rng.dirichlet(np.ones(shape[-1]), shape[:-1])
        path = folder / f"{model}.{method}.nc"
        save_attribution(
            build_attribution(
                values,
                dims,
                dataset,
                Origin(method=method, parameters={}, signed=signed, model=model, model_hash="0"),
                genes=rows,
                probability=np.random.default_rng(MODELS.index(model)).random(len(rows)),
            ),
            path,
        )
        found[model, method] = load_attribution(path)
    write_page(folder / "report.html", page_of(dataset, list(found.values())))
    return folder / "report.html", dataset, found


def page_of(dataset, attributions):
    table = pd.DataFrame(
        [{"model": MODELS[0], "method": "alpha", "estimate": 0.5, "note": TAG}]
    ).assign(
        cell="E123", mark="H3K4me3", track="H3K27ac", ci_low=0.4, ci_high=0.6, n_genes=9,
        n_reference_genes=9, paper=0.9, simulated=1, gene_set="predicted ON",
    )  # fmt: skip
    return Page(
        title=f"K562 (E123) {QUOTE}",
        lead=["Models use 258 of 260 genes."],
        simulated=True,
        sentences=[f"alpha of {TAG}: nothing can be said"],
        grids=[table3_grid(table)],
        figures=[Picture("Figure 2a: a dot", "figure2a.pdf, figure2a.csv", PNG)],
        settings=[],
        provenance=[("command", "chromviz compare --cell K562")],
        files=[("table3.csv", "ab" * 32)],
        explorer=explore([CellPart(dataset, attributions)], 10**7),
    )


@pytest.fixture(scope="module")
def shared(browser):
    """One page for the tests that follow one another: a new one takes seconds to draw."""
    with watched(browser) as one:
        yield one


@pytest.fixture
def opened(shared, made):
    """The page as it is when it has just been opened."""
    shared.emulate_media(media="screen")
    shared.goto("about:blank")
    shared.goto(made[0].as_uri())
    drawn(shared)
    return shared


def drawn(page):
    page.wait_for_function(
        "window.chromviz && performance.getEntriesByName('chromviz-drawn').length"
    )
    page.evaluate("() => window.chromviz.drawn")


def names(page):
    return page.locator("#rows tr td:first-child").all_inner_texts()


def values(page):
    """What the line below the picture says: numbers by what they are of."""
    shown = page.locator("#readout b")
    return {
        one.get_attribute("data-what"): float(one.inner_text().replace("−", "-"))
        for one in shown.all()
    }


def to_bin(page, bins, *, up=0):
    """Put the mark on a bin and so many lines up, by the keyboard."""
    page.locator("#plot").focus()
    page.keyboard.press("Home")
    for _ in range(bins):
        page.keyboard.press("ArrowRight")
    for _ in range(up):
        page.keyboard.press("ArrowUp")


def test_it_opens_and_says_what_it_is(opened):
    assert opened.title() == f"K562 (E123) {QUOTE} (simulated data)"
    assert opened.locator(".simulated").inner_text().startswith("SIMULATED DATA")
    assert opened.locator("#count").inner_text() == f"{N - 2} of {N - 2} genes"
    assert opened.locator("#plot .hm").count() == 2
    assert "simulated data" in opened.locator("#plot .gtitle").text_content()


def test_search_for_pax5_shows_pax5(opened):
    opened.locator("#search").fill("pax5")
    assert names(opened) == ["PAX5", "PAX52"]
    assert opened.locator("#gene-name").inner_text() == "PAX5 (G250)"
    opened.locator("#search").fill("G25")
    assert opened.locator("#count").inner_text().startswith("10 of")
    opened.locator("#search").fill("chr9:1,255,000-1,260,500")
    assert "PAX5" in names(opened)
    opened.locator("#search").fill("no such gene")
    assert opened.locator("#count").inner_text().startswith("0 of")
    assert names(opened) == []


def test_a_track_without_data_has_no_scale(opened):
    def scale(gene):
        opened.locator("#search").fill(gene)
        opened.evaluate("() => window.chromviz.drawn")
        return opened.evaluate("() => document.getElementById('plot').layout.yaxis3.showticklabels")

    assert scale("G008")
    assert not scale("G007")
    assert "H3K27ac coverage no data" in opened.locator("#readout").inner_text()


@pytest.mark.parametrize(
    ("gene", "bin_", "mark"), [("G250", 0, 3), ("G008", 12, 4), ("G044", 19, 0)]
)
def test_three_numbers_are_those_of_the_netcdf(opened, made, gene, bin_, mark):
    _, dataset, found = made
    opened.locator("#search").fill(gene)
    for model, method in (key for key in found if key[1] != "beta"):
        opened.locator("#model").select_option(str(MODELS.index(model)))
        opened.locator("#method").select_option(method)
        opened.evaluate("() => window.chromviz.drawn")
        to_bin(opened, bin_)
        opened.evaluate(f"() => window.chromviz.mark({{ panel: 'weight', line: {mark} }})")
        shown = values(opened)
        attribution = found[model, method]
        place = list(attribution["gene"].values).index(gene)
        row = list(dataset["gene"].values).index(gene)
        label = {"alpha": "α map weight", "saliency": "saliency (signed) weight"}[method]
        expected = {
            "signal": dataset["signal"].values[row, mark, bin_],
            label: attribution["weight"].values[place, mark, bin_],
            "H3K27ac coverage": dataset["coverage"].values[0, row, bin_],
        }
        assert shown == {name: float(f"{value:.4g}") for name, value in expected.items()}
        p = attribution["probability"].values[place]
        assert f"{p:.3f}" in opened.locator("#rows tr").first.inner_text()


def test_another_method_is_another_heatmap(opened):
    def heatmap():
        return opened.evaluate(
            "() => JSON.stringify(document.getElementById('plot').data.at(-2).z)"
        )

    seen = [heatmap()]
    for name, value in (("method", "saliency"), ("model", "1")):
        opened.locator(f"#{name}").select_option(value)
        opened.evaluate("() => window.chromviz.drawn")
        seen.append(heatmap())
    assert len(set(seen)) == 3
    # DeepChrome has no β: its bars are gone.
    assert not opened.evaluate(
        "() => document.getElementById('plot').data.some((one) => one.type === 'bar')"
    )


def test_the_bin_is_explained_from_the_tss_and_on_the_genome(opened, made):
    _, dataset, _ = made
    opened.locator("#search").fill("PAX5")
    to_bin(opened, 12)
    tss = int(dataset["tss"].values[250])
    words = opened.locator("#readout").inner_text()
    assert "+1,000 to +1,500 bp from the TSS" in words
    assert f"chr9:{tss + 1001:,}–{tss + 1500:,} (1-based)" in words


def test_the_pointer_marks_the_bin_under_it(opened):
    opened.locator("#plot").scroll_into_view_if_needed()
    area = opened.locator("#plot .hm image").first.bounding_box()
    opened.mouse.move(area["x"] + area["width"] * 0.025, area["y"] + area["height"] * 0.5)
    opened.wait_for_function(
        "() => document.getElementById('readout').textContent.includes('−5,000 to −4,500')"
    )
    assert "H3K4me1" in opened.locator("#readout").inner_text()


def test_filters_count_right(opened, made):
    _, dataset, found = made
    used = dataset["reason"].values == ""
    label, chrom = dataset["label"].values[used], dataset["chrom"].values[used]
    p = found[MODELS[0], "alpha"]["probability"].values
    wrong = (p > 0.5) != (label == 1)

    def count(**choices):
        opened.locator("#filters button[type=reset]").click()
        opened.wait_for_function("() => document.getElementById('state').value === ''")
        for name, value in choices.items():
            opened.locator(f"#{name}").select_option(value)
        return int(opened.locator("#count").inner_text().split(" of ")[0])

    assert count(predicted="ON") == (p > 0.5).sum()
    assert count(predicted="OFF", state="ON") == ((p <= 0.5) & (label == 1)).sum()
    assert count(chrom="chr9") == (chrom == "chr9").sum()
    assert count(warning="0") == wrong.sum()
    other = found[MODELS[1], "saliency"]["probability"].values
    assert count(model="1", predicted="ON") == (other > 0.5).sum()
    some, none = count(warning="any"), count(warning="none")
    assert some + none == used.sum()
    assert some >= wrong.sum()


def test_sorting_by_probability(opened, made):
    p = np.sort(made[2][MODELS[0], "alpha"]["probability"].values)
    head = opened.locator('th[data-key="p"]')
    for order, expected in (("ascending", p[:100]), ("descending", p[::-1][:100])):
        head.locator("button").click()
        assert head.get_attribute("aria-sort") == order
        shown = opened.locator("#rows td:nth-child(4)").all_inner_texts()
        assert shown == [f"{value:.3f}" for value in expected]


@pytest.mark.parametrize("name", [TAG, QUOTE])
def test_names_are_text_everywhere(opened, name):
    opened.locator("#search").fill(name)
    assert names(opened) == [name]
    assert opened.locator("#gene-name").inner_text().startswith(name)
    opened.evaluate("() => window.chromviz.drawn")
    title = opened.locator("#plot .gtitle").text_content()
    assert title.startswith(name)
    assert opened.locator("#summary script, #plot script, #gene script").count() == 0
    assert TAG in opened.locator("#summary").inner_text()


def test_tab_reaches_everything_and_arrows_move(opened):
    opened.locator("body").focus()
    reached = []
    for _ in range(60):
        opened.keyboard.press("Tab")
        one = opened.evaluate(
            "() => { const e = document.activeElement;"
            " return e.id || e.dataset.row || e.textContent.trim(); }"
        )
        if one in reached:
            break
        reached.append(one)
    wanted = [
        "Skip to the genes",
        "Provenance",
        "theme",
        "search",
        "model",
        "method",
        "predicted",
        "state",
        "chrom",
    ]
    wanted += ["warning", "Reset", "gene", "place", "p(ON)", "0", "later", "table-csv", "plot"]
    wanted += ["gene-csv", "svg", "png"]
    assert [one for one in wanted if one not in reached] == []
    opened.locator("#rows tr[tabindex='0']").focus()
    opened.keyboard.press("ArrowDown")
    opened.keyboard.press("ArrowDown")
    assert opened.locator("#gene-name").inner_text() == "SYM2 (G002)"
    opened.keyboard.press("PageDown")
    assert opened.locator("#page").inner_text() == "page 2 of 3"
    opened.keyboard.press("End")
    assert opened.locator("#gene-name").inner_text() == f"SYM{N - 1} (G{N - 1})"
    assert opened.evaluate("() => document.activeElement.dataset.row") == str(N - 3)


def test_downloads_hold_the_shown_numbers(opened, made, tmp_path):
    _, dataset, found = made
    opened.locator("#search").fill("PAX5")
    opened.evaluate("() => window.chromviz.drawn")
    text = download(opened, "gene-csv", tmp_path, "PAX5.alpha.csv").decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    attribution = found[MODELS[0], "alpha"]
    place = list(attribution["gene"].values).index("G250")
    shown = np.float32([row["value"] for row in rows if row["method"] == "alpha"])
    np.testing.assert_array_equal(shown, attribution["weight"].values[place].ravel())
    signal = np.float32([row["value"] for row in rows if row["kind"] == "signal"])
    np.testing.assert_array_equal(signal, dataset["signal"].values[250].ravel())
    assert {row["simulated"] for row in rows} == {"1"}
    assert rows[0]["start"] == str(int(dataset["tss"].values[250]) - 5000)
    svg = download(opened, "svg", tmp_path, "PAX5.alpha.svg").decode()
    assert svg.startswith("<svg")
    assert "PAX5 (G250)" in svg
    assert download(opened, "png", tmp_path, "PAX5.alpha.png")[:4] == b"\x89PNG"
    opened.locator("#state").select_option("ON")
    opened.locator("#search").fill("")
    listed = list(
        csv.DictReader(io.StringIO(download(opened, "table-csv", tmp_path, "genes.csv").decode()))
    )
    assert len(listed) == int(opened.locator("#count").inner_text().split(" of ")[0])
    assert {row["label"] for row in listed} == {"ON"}


def download(page, button, folder, name):
    with page.expect_download() as waiting:
        page.locator(f"#{button}").click()
    assert waiting.value.suggested_filename == name
    waiting.value.save_as(folder / name)
    return (folder / name).read_bytes()


def test_links_lead_to_the_gene_in_public_browsers(opened, made):
    opened.locator("#search").fill("PAX5")
    tss = int(made[1]["tss"].values[250])
    links = [one.get_attribute("href") for one in opened.locator("#links a").all()]
    assert links[0] == (
        "https://genome.ucsc.edu/cgi-bin/hgTracks?db=hg19"
        f"&position=chr9%3A{tss + 1 - 5000}-{tss + 5000}"
    )
    assert links[1].startswith("https://grch37.ensembl.org/Homo_sapiens/Location/View?r=9%3A")


def test_dark_colours_and_print(opened):
    def background():
        return opened.evaluate("() => getComputedStyle(document.body).backgroundColor")

    def plot():
        opened.evaluate("() => window.chromviz.drawn")
        return opened.evaluate("() => document.getElementById('plot').layout.paper_bgcolor")

    assert background() == "rgb(255, 255, 255)"
    opened.locator("#theme").click()
    assert background() == "rgb(16, 21, 28)"
    assert plot() == "#10151c"
    opened.emulate_media(media="print")
    assert not opened.locator("#filters").is_visible()
    assert opened.locator("#plot").is_visible()
    assert background() == "rgb(255, 255, 255)"
    opened.evaluate("() => window.dispatchEvent(new Event('beforeprint'))")
    assert plot() == "#ffffff"
    opened.evaluate("() => window.dispatchEvent(new Event('afterprint'))")
    assert plot() == "#10151c"


@pytest.mark.parametrize("page", [(390, 844)], indirect=True)
def test_on_a_phone_nothing_is_wider_than_the_screen(page, made):
    page.goto(made[0].as_uri())
    drawn(page)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 390
    assert page.locator("#plot .hm").count() == 2


def test_a_gene_can_be_linked_to(shared, made):
    page = shared
    page.goto("about:blank")
    page.goto(f"{made[0].as_uri()}#gene=PAX5")
    drawn(page)
    name = page.locator("#gene-name")
    assert name.inner_text() == "PAX5 (G250)"
    page.evaluate("() => { location.hash = '#gene=g008'; }")
    expect(name).to_have_text("SYM8 (G008)")
    page.evaluate("() => { location.hash = '#gene=100%'; }")  # no gene, and no error
    expect(name).to_have_text("SYM8 (G008)")


def test_the_page_forbids_itself_the_network(browser, made, tmp_path):
    # Not only is nothing asked for: what is asked for is refused, before any request.
    with (
        pytest.raises(AssertionError, match=re.escape("Content Security Policy")),
        watched(browser) as page,
    ):
        page.goto(made[0].as_uri())
        drawn(page)
        page.evaluate("() => fetch('https://example.org/').catch(() => 0)")
