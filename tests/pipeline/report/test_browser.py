"""The report in a real browser: rendering, isolation, accessibility and filters."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.support.invented import SPEAKERS

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SIZES = {"phone": (360, 780), "desktop": (1280, 900)}

DRAWN = """[...document.querySelectorAll("canvas")].map((canvas) => {
  const blank = document.createElement("canvas");
  [blank.width, blank.height] = [canvas.width, canvas.height];
  return canvas.toDataURL() === blank.toDataURL() ? "" : canvas.toDataURL();
})"""
"""The image of each chart; empty for an empty canvas."""

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: `apt-get install chromium`")


@dataclass
class Visit:
    """An open page with the messages and requests of the browser."""

    page: Page
    messages: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        # Chromium's sandbox does not work as root, as in most containers.
        options = ["--no-sandbox"] if os.geteuid() == 0 else []
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=options)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def file(page: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(page, encoding="utf-8")
    return path


def visit(context: BrowserContext, file: Path) -> Visit:
    seen = Visit(context.new_page())
    seen.page.on("console", lambda message: seen.messages.append(message.text))
    seen.page.on("pageerror", lambda error: seen.messages.append(str(error)))
    seen.page.on("dialog", lambda dialog: seen.messages.append(dialog.message))
    seen.page.on("request", lambda request: seen.requests.append(request.url))
    seen.page.goto(file.as_uri())
    return seen


@pytest.fixture
def desktop(browser: Browser, file: Path) -> Iterator[Visit]:
    with browser.new_context(viewport={"width": 1280, "height": 900}) as context:
        yield visit(context, file)


@pytest.mark.parametrize("size", SIZES)
def test_layout_charts_and_accessibility(browser: Browser, file: Path, size: str) -> None:
    width, height = SIZES[size]
    with browser.new_context(viewport={"width": width, "height": height}, color_scheme="light") as context:
        seen = visit(context, file)
        page = seen.page
        page.evaluate("document.querySelectorAll('details').forEach((d, at) => { d.open = at < 9; })")
        assert page.evaluate("document.documentElement.scrollWidth") == width
        drawn = page.evaluate(DRAWN)
        assert len(drawn) == 6 and all(drawn)
        found = Axe().run(page)
        assert not found.response["violations"], found.generate_report()
        page.emulate_media(color_scheme="dark")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(21, 23, 26)"
        page.wait_for_function(f"(light) => !{DRAWN}.some((chart) => light.includes(chart))", arg=drawn)
        found = Axe().run(page, options={"runOnly": ["color-contrast"]})
        assert not found.response["violations"], found.generate_report()
        assert found.response["passes"]
        assert (seen.messages, seen.requests) == ([], [file.as_uri()])


def test_hostile_texts_do_not_run(desktop: Visit) -> None:
    desktop.page.evaluate("document.querySelectorAll('details').forEach((details) => { details.open = true; })")
    assert desktop.page.evaluate("window.broken") is None
    assert desktop.page.locator("#articles h3", has_text="<img src=x onerror=").count() > 0


def test_policy_blocks_added_elements(desktop: Visit) -> None:
    desktop.page.evaluate(
        """() => {
          document.body.append(document.createRange().createContextualFragment("<script>window.added = 1</script>"));
          const image = new Image();
          image.src = "http://127.0.0.1:9/pixel.png";
          document.body.append(image);
        }"""
    )
    desktop.page.wait_for_timeout(200)
    assert desktop.page.evaluate("window.added") is None
    assert any("Content Security Policy" in line for line in desktop.messages)


def shown(page: Page, name: str) -> int:
    return page.locator(f"[data-counted={name}]:visible").count()


def test_filter_by_keyboard(desktop: Visit) -> None:
    page = desktop.page
    articles, reasons = shown(page, "articles"), shown(page, "reasons")
    status = page.get_by_role("status")
    page.get_by_role("combobox", name="Site").focus()
    page.keyboard.type("paper-03")
    page.keyboard.press("Tab")
    expect(page.get_by_role("combobox", name="Speaker")).to_be_focused()
    assert 0 < shown(page, "articles") < articles and 0 < shown(page, "reasons") < reasons
    assert page.locator("#articles article:visible .by .site").all_text_contents() == ["paper-03.example"] * shown(
        page, "articles"
    )
    expect(status).to_contain_text(f"Shown: {shown(page, 'articles')} of {articles} articles")
    page.keyboard.type("Ivana")
    quoted = page.locator("#articles article:visible .quoted").all_text_contents()
    assert quoted and all("Ivana Petrović" in line for line in quoted)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert (shown(page, "articles"), shown(page, "reasons")) == (articles, reasons)
    expect(page.get_by_role("combobox", name="Site")).to_have_value("")


def test_filter_without_matches(desktop: Visit) -> None:
    desktop.page.get_by_role("combobox", name="Site").select_option("hostile.example")
    desktop.page.get_by_role("combobox", name="Speaker").select_option(SPEAKERS[0])
    expect(desktop.page.locator("#articles .empty")).to_be_visible()
    expect(desktop.page.get_by_role("status")).to_contain_text("0 of")


def test_all_quotes_on_demand(desktop: Visit) -> None:
    few = shown(desktop.page, "quotes")
    desktop.page.get_by_role("button", name="Show all quotes").press("Enter")
    assert shown(desktop.page, "quotes") > few
    expect(desktop.page.locator("[data-counted=quotes]").nth(few)).to_be_focused()


def test_note_with_the_speaker(browser: Browser, file: Path, desktop: Visit) -> None:
    page, tip = desktop.page, desktop.page.locator("#tip")
    mark = page.locator("article:visible mark").first
    name = page.locator("article .quoted span").first.text_content() or "?"
    mark.scroll_into_view_if_needed()
    mark.hover()
    expect(tip).to_contain_text(name)
    expect(tip).to_be_in_viewport(ratio=1)
    page.mouse.move(2, 2)
    expect(tip).to_be_hidden()
    page.locator("article summary").first.focus()
    page.keyboard.press("Tab")
    expect(mark).to_be_focused()
    expect(tip).to_contain_text(name)
    expect(mark).to_have_accessible_description(page.locator("#tip").inner_text().replace("\n", " "))
    page.keyboard.press("Escape")
    expect(tip).to_be_hidden()
    with browser.new_context(viewport={"width": 360, "height": 780}, has_touch=True) as context:
        phone = visit(context, file).page
        phone.locator("article:visible mark").first.tap()
        expect(phone.locator("#tip")).to_contain_text(name)
        expect(phone.locator("#tip")).to_be_in_viewport(ratio=1)


def test_without_scripts(browser: Browser, file: Path) -> None:
    with browser.new_context(java_script_enabled=False) as context:
        page = visit(context, file).page
        expect(page.get_by_role("search", name="Filter")).to_be_hidden()
        page.locator("#people summary").first.click()
        expect(page.locator("#people td").first).to_be_visible()
