"""The page that browser tests share notices what goes wrong in it."""

import pytest

from tests.browser.conftest import watched
from tests.server import serve


def write(folder, body):
    path = folder / "page.html"
    path.write_text(f"<!doctype html><meta charset=utf-8><title>t</title>{body}", "utf-8")
    return path.as_uri()


@pytest.mark.parametrize("page", [(390, 844)], indirect=True)
def test_a_local_page_with_scripts_and_pictures_passes(page, tmp_path):
    (tmp_path / "one.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')
    page.goto(write(tmp_path, "<img src=one.svg><img src='data:,'><p>α</p>"))
    assert page.inner_text("p") == "α"
    assert page.evaluate("innerWidth") == 390
    assert not page.evaluate("navigator.onLine")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("<script>console.error('broken: 1')</script>", "console: broken: 1"),
        ("<script>setTimeout(() => nothing.here)</script>", "not caught: nothing is not defined"),
        ("<script>Promise.reject(new Error('late'))</script>", "not caught: late"),
        ("<img src=http://example.org/a.png>", "asked for http://example.org/a.png"),
        ("<script src=https://example.org/a.js></script>", "asked for https://example.org/a.js"),
        ("<script>new WebSocket('wss://example.org/')</script>", "asked for wss://example.org/"),
        ("<script>fetch('http://127.0.0.1:9/x').catch(() => 0)</script>", "asked for http://127.0"),
        ("<img src=absent.png>", "console: Failed to load"),
    ],
)
def test_what_goes_wrong_unseen_fails(browser, tmp_path, body, words):
    with pytest.raises(AssertionError, match=words), watched(browser) as page:
        page.goto(write(tmp_path, body))


def test_a_page_with_an_origin_reaches_that_alone(browser):
    files = {"/a.html": b"<!doctype html><title>here</title>", "/b": b"1"}
    with serve(files) as server, serve(files) as other:
        with watched(browser, origin=server.url) as page:
            page.goto(f"{server.url}/a.html")
            assert page.title() == "here"
            assert page.evaluate("fetch('/b').then(answer => answer.text())") == "1"
        with (
            pytest.raises(AssertionError, match=f"asked for {other.url}/b"),
            watched(browser, origin=server.url) as page,
        ):
            page.goto(f"{server.url}/a.html")
            page.evaluate(f"fetch('{other.url}/b').catch(() => 0)")
        assert not other.requests
