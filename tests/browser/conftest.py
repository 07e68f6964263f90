"""Pages in a real browser, without a network and without an error that nobody reads."""

import os
import shutil
from contextlib import contextmanager

import pytest
from playwright.sync_api import sync_playwright

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

#: Set where the tests must run (CI does): what is missing then fails instead of skipping.
REQUIRED = "CHROMVIZ_BROWSER_TESTS"

#: What a page may ask for without a network.
_LOCAL = ("file:", "data:", "blob:", "about:", "chrome:")


def missing(what):
    """Fail where the browser tests must run, skip elsewhere."""
    if os.environ.get(REQUIRED):
        pytest.fail(f"{what}, and {REQUIRED} says that the browser tests must run")
    pytest.skip(what)


# Playwright leaves its event loop running between calls. The scope keeps that to this folder:
# elsewhere asyncio.run would be refused.
@pytest.fixture(scope="package")
def browser():
    """Headless Chromium, as the system has it."""
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        missing("no Chromium here: apt-get install chromium")
    # The sandbox refuses to run as root, which containers do.
    sandbox = os.geteuid() != 0
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=path, chromium_sandbox=sandbox)
        try:
            yield found
        finally:
            found.close()


@contextmanager
def watched(browser, viewport=(1280, 800), *, origin=""):
    """A page that raises AssertionError, at the end, for what went wrong in it unseen.

    That is an error on its console, an exception that nothing caught, and a request to anything
    but local files and `origin` (``http://host:port``); such a request gets no answer. Without an
    origin the page is offline. Pages that it opens are watched too.
    """
    wrong = []

    def allowed(url):
        return url.startswith(_LOCAL) or (bool(origin) and url.startswith(f"{origin}/"))

    def refuse(route):
        wrong.append(f"asked for {route.request.url}")
        route.abort()

    def note(message):
        if message.type == "error":
            wrong.append(f"console: {message.text}")

    width, height = viewport
    context = browser.new_context(
        viewport={"width": width, "height": height}, offline=not origin, service_workers="block"
    )
    try:
        context.route(lambda url: not allowed(url), refuse)
        context.route_web_socket(
            lambda url: True, lambda socket: wrong.append(f"asked for {socket.url}")
        )
        context.on("console", note)
        context.on("weberror", lambda error: wrong.append(f"not caught: {error.error}"))
        page = context.new_page()
        page.set_default_timeout(15_000)
        yield page
        # What the page set off last is still on its way here.
        for one in context.pages:
            one.evaluate("() => new Promise(done => setTimeout(done, 0))")
    finally:
        context.close()
    assert not wrong, "\n".join(wrong)


@pytest.fixture
def page(browser, request):
    """A watched page without a network, of 1280 × 800.

    Another size: ``@pytest.mark.parametrize("page", [(390, 844)], indirect=True)``.
    """
    with watched(browser, getattr(request, "param", (1280, 800))) as one:
        yield one
