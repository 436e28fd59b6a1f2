"""The page in a real browser: it renders, loads nothing, runs nothing of a page's, and serves everyone."""

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
"""Gives each chart's picture; an empty one for an empty canvas."""

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: `apt-get install chromium`")


@dataclass
class Visit:
    """An open page, and what the browser said and asked for."""

    page: Page
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        # Chromium's own sandbox cannot be had as root, as in most containers.
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
    seen.page.on("console", lambda message: seen.said.append(message.text))
    seen.page.on("pageerror", lambda error: seen.said.append(str(error)))
    seen.page.on("dialog", lambda dialog: seen.said.append(dialog.message))
    seen.page.on("request", lambda request: seen.asked.append(request.url))
    seen.page.goto(file.as_uri())
    return seen


@pytest.fixture
def desktop(browser: Browser, file: Path) -> Iterator[Visit]:
    with browser.new_context(viewport={"width": 1280, "height": 900}) as context:
        yield visit(context, file)


@pytest.mark.parametrize("size", SIZES)
def test_the_page_is_whole_and_open_to_everyone(browser: Browser, file: Path, size: str) -> None:
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
        assert (seen.said, seen.asked) == ([], [file.as_uri()])


def test_nothing_of_a_page_runs(desktop: Visit) -> None:
    desktop.page.evaluate("document.querySelectorAll('details').forEach((details) => { details.open = true; })")
    assert desktop.page.evaluate("window.broken") is None
    assert desktop.page.locator("#articles h3", has_text="<img src=x onerror=").count() > 0


def test_the_policy_stops_what_would_be_added(desktop: Visit) -> None:
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
    assert any("Content Security Policy" in line for line in desktop.said)


def shown(page: Page, name: str) -> int:
    return page.locator(f"[data-counted={name}]:visible").count()


def test_the_filter_works_by_keyboard(desktop: Visit) -> None:
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
    heard = page.locator("#articles article:visible .heard").all_text_contents()
    assert heard and all("Ivana Petrović" in line for line in heard)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert (shown(page, "articles"), shown(page, "reasons")) == (articles, reasons)
    expect(page.get_by_role("combobox", name="Site")).to_have_value("")


def test_a_filter_that_leaves_nothing_says_so(desktop: Visit) -> None:
    desktop.page.get_by_role("combobox", name="Site").select_option("hostile.example")
    desktop.page.get_by_role("combobox", name="Speaker").select_option(SPEAKERS[0])
    expect(desktop.page.locator("#articles .empty")).to_be_visible()
    expect(desktop.page.get_by_role("status")).to_contain_text("0 of")


def test_all_quotes_come_on_demand(desktop: Visit) -> None:
    few = shown(desktop.page, "quotes")
    desktop.page.get_by_role("button", name="Show all quotes").press("Enter")
    assert shown(desktop.page, "quotes") > few
    expect(desktop.page.locator("[data-counted=quotes]").nth(few)).to_be_focused()


def test_the_speaker_is_shown_at_pointer_focus_and_tap(browser: Browser, file: Path, desktop: Visit) -> None:
    page, tip = desktop.page, desktop.page.locator("#tip")
    mark = page.locator("article:visible mark").first
    name = page.locator("article .heard span").first.text_content() or "?"
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


def test_without_scripts_the_numbers_are_there(browser: Browser, file: Path) -> None:
    with browser.new_context(java_script_enabled=False) as context:
        page = visit(context, file).page
        expect(page.get_by_role("search", name="Filter")).to_be_hidden()
        page.locator("#voices summary").first.click()
        expect(page.locator("#voices td").first).to_be_visible()
