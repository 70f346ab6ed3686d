"""The report in a real browser: it asks for nothing, complains of nothing, fits a phone, and its controls work."""

import json
import os
import shutil

import pytest

import hardmine as hm
from tests.report_pages import AUDIT, HOSTILE, SWEEP, hostile_collection, mined

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
DRIVER = shutil.which("chromedriver")

pytestmark = [
    pytest.mark.skipif(BROWSER is None or DRIVER is None, reason="no chromium with chromedriver on this machine"),
    pytest.mark.timeout(110),
    # The driver leaves sockets to the collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

SECONDS = 40
"""What one command of the browser may take on a busy machine before the test fails."""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """A browser without a window that logs what it is asked for; nothing is ever downloaded to get it."""
    webdriver = pytest.importorskip("selenium.webdriver")
    from selenium.webdriver.chrome.service import Service
    from selenium.webdriver.remote.client_config import ClientConfig  # noqa: F401 - a release that knows time-outs

    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    profile = tmp_path_factory.mktemp("profile")
    for argument in (
        "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync", "--window-size=1200,900",
        f"--user-data-dir={profile}",
    ):  # fmt: skip
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    before = os.environ.get("SE_OFFLINE")
    os.environ["SE_OFFLINE"] = "true"
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    driver.command_executor.client_config.timeout = SECONDS
    driver.set_page_load_timeout(SECONDS)
    driver.set_script_timeout(SECONDS)
    yield driver
    driver.quit()
    if before is None:
        del os.environ["SE_OFFLINE"]


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A page with hostile texts everywhere, as the address of its file."""
    path = tmp_path_factory.mktemp("page") / "report.html"
    selection = hm.Selection(3, ceiling=hm.PercPos(1.4))
    found = mined(hostile_collection(), teacher=HOSTILE[0], selection=selection)
    found.report_html(path, title=HOSTILE[3], sweep=SWEEP, audit=AUDIT)
    return path.as_uri()


@pytest.fixture
def opened(browser, page):
    """The page, freshly opened on a light screen of 1200 pixels."""
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    emulate(browser, "light")
    browser.get_log("browser")
    browser.get_log("performance")
    browser.get(page)
    return browser


def emulate(browser, scheme, media=""):
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": features})


def visible(browser):
    script = "return [...document.querySelectorAll('.example')].filter(e => !e.hidden).map(e => ({...e.dataset}))"
    return browser.execute_script(script)


def choose(browser, key, value):
    browser.execute_script(
        "const e = document.getElementById(arguments[0]); e.value = arguments[1];"
        "e.dispatchEvent(new Event(e.tagName === 'INPUT' ? 'input' : 'change', {bubbles: true}));",
        f"rows-{key}", value,
    )  # fmt: skip


def test_no_complaint_and_no_request_beyond_the_file(opened, page):
    opened.execute_script("document.querySelectorAll('details').forEach(e => { e.open = true; })")
    assert opened.get_log("browser") == []
    messages = [json.loads(entry["message"])["message"] for entry in opened.get_log("performance")]
    asked = [each["params"]["request"]["url"] for each in messages if each["method"] == "Network.requestWillBeSent"]
    assert [address for address in asked if not address.startswith("data:")] == [page]


def test_no_text_has_become_a_script(opened):
    assert opened.execute_script("return window.broken") is None
    assert opened.title == HOSTILE[3].strip()
    shown = opened.execute_script("return document.querySelector('main').textContent")
    for text in HOSTILE:
        assert text.replace("\x00", "\ufffd").replace("\x07", "\ufffd") in shown


def test_rows_are_sorted_by_suspicion_and_otherwise_as_asked(opened):
    def keys(name):
        return [float(each[name]) for each in visible(opened)]

    assert len(keys("suspicion")) == 8
    assert keys("suspicion") == sorted(keys("suspicion"), reverse=True)
    choose(opened, "sort", "row")
    assert keys("row") == list(range(8))
    choose(opened, "sort", "score")
    assert keys("score") == sorted(keys("score"), reverse=True)
    choose(opened, "sort", "few")
    assert keys("count") == sorted(keys("count"))


def test_the_filter_shows_what_it_names(opened):
    every = visible(opened)
    above = [each for each in every if "above" in each]
    assert 0 < len(above) < len(every)
    choose(opened, "show", "above")
    assert visible(opened) == above
    assert opened.execute_script("return document.getElementById('rows-count').textContent") == (
        f"{len(above)} of {len(every)} rows"
    )
    choose(opened, "show", "short")
    assert [each["why"] for each in visible(opened)] == ["short"] * sum(each["why"] == "short" for each in every)


def test_the_search_finds_words_in_any_order(opened):
    script = "return document.querySelector('.example[data-row=\"2\"]').textContent"
    words = opened.execute_script(script)
    assert "onerror" in words
    choose(opened, "search", "ONERROR 'window.broken")
    found = visible(opened)
    assert "2" in [each["row"] for each in found]
    choose(opened, "search", "no such word anywhere")
    assert visible(opened) == []
    choose(opened, "search", "")
    assert len(visible(opened)) == 8


@pytest.mark.parametrize("width", [320, 360, 768])
def test_nothing_is_wider_than_the_screen(opened, width):
    opened.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": True},
    )
    opened.execute_script("document.querySelectorAll('details').forEach(e => { e.open = true; })")
    wide = opened.execute_script(
        "const w = document.documentElement.clientWidth;"
        "const scrolls = e => e.closest('.scrolls') && !e.classList.contains('scrolls');"
        "return [document.documentElement.scrollWidth, w, [...document.querySelectorAll('body *')]"
        ".filter(e => !scrolls(e) && !e.closest('svg') && e.getBoundingClientRect().right > w + 0.5)"
        ".map(e => e.tagName + '.' + e.className)]"
    )
    assert wide == [width, width, []]


def test_the_keyboard_reaches_and_opens(opened):
    from selenium.webdriver.common.keys import Keys

    seen = []
    for _ in range(60):
        opened.switch_to.active_element.send_keys(Keys.TAB)
        at = opened.execute_script(
            "const e = document.activeElement; return [e.tagName, e.id, getComputedStyle(e).outlineStyle]"
        )
        seen.append(at)
        if at[1] == "rows-search":
            break
    assert seen[-1][1] == "rows-search", seen
    assert {outline for _, _, outline in seen} == {"solid"}
    opened.switch_to.active_element.send_keys("onerror")
    assert 0 < len(visible(opened)) < 8
    button = opened.find_element("id", "rows-open")
    button.send_keys(Keys.ENTER)
    assert button.get_attribute("aria-pressed") == "true"
    assert opened.execute_script("return [...document.querySelectorAll('.example')].every(e => e.open)")
    button.send_keys(Keys.SPACE)
    assert not opened.execute_script("return [...document.querySelectorAll('.example')].some(e => e.open)")
    summary = opened.find_element("css selector", ".example:not([hidden]) > summary")
    summary.send_keys(Keys.ENTER)
    assert opened.execute_script("return document.querySelector('.example:not([hidden])').open")


COLOURS = (
    "return [getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color,"
    "getComputedStyle(document.querySelector('.chart text')).fill,"
    "getComputedStyle(document.querySelector('.chart path[fill]')).fill]"
)


def contrast(one, two):
    """Contrast of two colours as WCAG defines it."""

    def light(colour):
        parts = [int(part) / 255 for part in colour.partition("(")[2].rstrip(")").split(",")[:3]]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted([light(one), light(two)], reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_light_dark_and_print(opened):
    light = opened.execute_script(COLOURS)
    emulate(opened, "dark")
    dark = opened.execute_script(COLOURS)
    assert all(one != two for one, two in zip(light, dark, strict=True))
    for paper, ink, label, shape in (light, dark):
        assert contrast(paper, ink) > 7
        assert contrast(paper, label) > 4.5
        assert contrast(paper, shape) > 3
    emulate(opened, "dark", "print")
    assert opened.execute_script(COLOURS) == light
    assert opened.execute_script("return getComputedStyle(document.getElementById('rows-controls')).display") == "none"


def test_without_a_script_everything_is_there_but_search_and_sort(opened, page):
    opened.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    opened.get(page)
    tree = opened.execute_cdp_cmd("DOM.getDocument", {"depth": 0})
    search = opened.execute_cdp_cmd("DOM.querySelector", {"nodeId": tree["root"]["nodeId"], "selector": "#rows-search"})
    rows = opened.execute_cdp_cmd(
        "DOM.querySelectorAll", {"nodeId": tree["root"]["nodeId"], "selector": "details.example"}
    )
    assert len(rows["nodeIds"]) == 8
    from selenium.common.exceptions import WebDriverException

    assert "model" in opened.execute_cdp_cmd("DOM.getBoxModel", {"nodeId": rows["nodeIds"][0]})
    with pytest.raises(WebDriverException, match="box model"):  # it has none: it is not displayed
        opened.execute_cdp_cmd("DOM.getBoxModel", {"nodeId": search["nodeId"]})


def test_nothing_moves_while_the_page_opens(opened):
    shifts = opened.execute_script(
        "return new Promise(done => { let sum = 0; new PerformanceObserver(list => {"
        "for (const each of list.getEntries()) sum += each.value; }).observe({type: 'layout-shift', buffered: true});"
        "setTimeout(() => done(sum), 300); })"
    )
    assert shifts == 0
