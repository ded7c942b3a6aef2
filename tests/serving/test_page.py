"""The page in a browser: what it shows is what the API answers, and people with keyboards and readers can use it."""

import base64
import io
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib import resources
from pathlib import Path

import PIL.Image
import pytest
from chromium import CHROMIUM, DRIVER, Page, browsing
from shapes import draw_shape
from web_client import Client

from seq2seq.serving.models import Models

Start = Callable[..., Client]
FILES = list((resources.files("seq2seq.serving") / "page").iterdir())

in_chromium = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="there is no Chromium with chromedriver here")


@pytest.fixture(scope="module")
def browser() -> Iterator[Page]:
    with browsing() as page:
        yield page


@pytest.fixture
def page(browser: Page) -> Iterator[Page]:
    browser.faults()
    yield browser
    browser.reset()
    assert browser.faults() == []


@pytest.fixture
def opened(page: Page, server: Client) -> Page:
    page.open(server.url)
    page.run("localStorage.clear()")
    page.open(server.url)
    return page


def best(models: Models, text: str, run: str = "en-es") -> str:
    return models[run].predictor.best([text])[0].text


def test_the_page_is_small_and_needs_nothing_from_elsewhere() -> None:
    assert sum(len(file.read_bytes()) for file in FILES) < 60_000
    for file in FILES:
        assert not re.search(r"""https?:|["'(]//""", file.read_text(encoding="utf-8")), file.name


@in_chromium
def test_what_is_typed_is_translated_with_alternatives(opened: Page, models: Models) -> None:
    opened.type("9291784")
    opened.wait_for_output(best(models, "9291784"))
    opened.type("06\n739796")
    opened.wait_for_output(f"{best(models, '929178406')}\n{best(models, '739796')}")
    shown = opened.run("return [...document.querySelectorAll('#choices li > :last-child')].map((e) => e.textContent)")
    expected = models["en-es"].predictor.nbest(["929178406", "739796"], 5)
    assert shown == [one.text or "(nothing)" for found in expected for one in found]
    opened.empty()
    opened.wait_for_output("")
    assert not opened.is_shown("alternatives")


@in_chromium
def test_an_answer_that_comes_late_is_dropped(opened: Page, models: Models) -> None:
    """The first answer comes 800 ms late, as if it had not been aborted."""
    opened.run("""
        const real = fetch;
        window.answers = 0;
        window.fetch = async (path, { signal, ...options }) => {
            const response = await real(path, options);
            if (!window.late) await new Promise((done) => setTimeout(done, (window.late = 800)));
            window.answers += 1;
            return response;
        };""")
    opened.type("1 2 3")
    opened.wait(lambda: opened.run("return window.late"))
    opened.empty()
    opened.type("9 8 7 6")
    opened.wait(lambda: opened.run("return window.answers") == 2)
    opened.wait_for_output(best(models, "9 8 7 6"))


@in_chromium
def test_attention_is_shown_between_words_and_a_click_pins_it(opened: Page, server: Client) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    text = "1 2 3 4 5"
    body = {"sentences": [text], "alignments": True, "model": "en-es"}
    alignment = server.post("/v1/translate", body).json["translations"][0]["alignment"]
    opened.type(text)
    opened.wait(lambda: opened.all("#output .word"))
    (word, *_), mirror = opened.all("#output .word"), opened.all("#mirror .word")
    assert [one.get_attribute("textContent") for one in mirror] == text.split()

    ActionChains(opened.driver).move_to_element(word).perform()
    opened.wait(lambda: opened.all("#output .active"))
    shown = [float(opened.run("return arguments[0].style.getPropertyValue('--weight')", one)) for one in mirror]
    # The word's weights, but for the source's end mark; its subwords are characters, and the first may be a space.
    count = len(word.text) + alignment["target"][0].startswith("▁") * (alignment["target"][0] == "▁")
    rows = alignment["weights"][:count]
    assert sum(shown) == pytest.approx(sum(sum(row[:-1]) for row in rows) / len(rows), abs=0.01)
    assert opened.text("detail").startswith(f"“{word.text}”, probability ")

    word.click()
    ActionChains(opened.driver).move_to_element(opened.find("h1")).perform()
    assert len(opened.all("#output .active")) == 1
    word.click()
    ActionChains(opened.driver).move_to_element(opened.find("h1")).perform()
    assert not opened.all(".active, .lit")
    ActionChains(opened.driver).move_to_element(mirror[1]).perform()
    opened.wait(lambda: opened.text("detail").startswith("“2”"))


@in_chromium
def test_words_are_reached_with_the_keyboard(opened: Page) -> None:
    from selenium.webdriver.common.keys import Keys

    opened.type("1 2 3 4 5\n6 7 8\n9 0")
    opened.wait(lambda: len(opened.all("#output .word")) > 2)
    opened.type(Keys.TAB)

    def active() -> list[int]:
        return [
            place for place, one in enumerate(opened.all("#output .word")) if "active" in one.get_attribute("class")
        ]

    def press(*keys: str) -> None:
        opened.driver.switch_to.active_element.send_keys(*keys)

    assert opened.driver.switch_to.active_element.get_attribute("id") == "output"
    press(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    assert active() == [1]
    assert "probability" in opened.text("detail")
    press(Keys.ENTER, Keys.TAB)
    assert active() == [1]  # pinned
    press(Keys.SHIFT, Keys.TAB)
    press(Keys.HOME)
    assert active() == [0]
    press(Keys.ESCAPE)
    assert not opened.all(".active, .lit")


@in_chromium
def test_languages_are_swapped_and_the_history_brings_a_text_back(opened: Page, models: Models) -> None:
    opened.type("1 2 3")
    there = best(models, "1 2 3")
    opened.wait_for_output(there)
    opened.wait(lambda: opened.all(".entry"))
    opened.find("#swap").click()
    opened.wait_for_output(best(models, there, "es-en"))
    assert opened.find("#source").get_attribute("value") == there
    assert (opened.text("source-name"), opened.text("target-name")) == ("Spanish", "English")
    opened.driver.refresh()
    opened.wait(lambda: opened.is_shown("swap") and opened.all(".entry"))
    next(one for one in opened.all(".entry") if one.text.startswith("1 2 3")).click()
    opened.wait_for_output(there)
    opened.find("#forget").click()
    assert not opened.is_shown("history")
    assert opened.run("return localStorage.getItem('seq2seq history')") == "[]"


@in_chromium
def test_markup_stays_text(page: Page, start: Start, models: Models) -> None:
    hostile = "<img src=x onerror=\"document.title='bad'\"></textarea><script>document.title='bad'</script>"
    page.open(start({"en-es": replace(models["en-es"], card=hostile)}).url)
    page.type(hostile)
    page.wait(lambda: page.text("output"))
    page.wait(lambda: page.all(".entry"))
    page.find("summary:not(#choices *)").click()
    page.wait(lambda: page.text("card") == hostile)
    assert page.run("return document.title") == "seq2seq"
    assert len(page.all("img, script")) == 2  # the page's own
    assert page.text("mirror") == f"{hostile}\n"


@in_chromium
def test_a_failure_is_said_and_can_be_tried_again(opened: Page, models: Models) -> None:
    opened.network(offline=True)
    opened.type("1 2 3")
    opened.wait(lambda: opened.is_shown("problem"))
    assert opened.text("reason") == "The server cannot be reached."
    assert opened.text("output") == ""
    opened.network(offline=False)
    opened.find("#retry").click()
    opened.wait_for_output(best(models, "1 2 3"))
    assert not opened.is_shown("problem")
    opened.run("document.getElementById('source').value = '1 '.repeat(3000)")
    opened.type("1")
    opened.wait(lambda: "at most 5000 characters" in opened.text("reason"))


@in_chromium
def test_a_key_is_asked_for_where_one_is_needed(page: Page, start: Start, models: Models) -> None:
    page.driver.get(start(api_key="secret").url)
    page.wait(lambda: page.is_shown("unlock"))
    page.find("#key").send_keys("secret\n")
    page.wait(lambda: not page.is_shown("problem"))
    page.type("1 2 3")
    page.wait_for_output(best(models, "1 2 3"))


@in_chromium
def test_pictures_are_dropped_or_chosen(page: Page, start: Start, captioning: Models, tmp_path: Path) -> None:
    """The large one is made smaller before it is sent, since the server takes a megabyte."""
    page.open(start(captioning).url)
    assert not page.is_shown("source")
    server = Client(int(page.driver.current_url.rpartition(":")[2].strip("/")))
    small, large = io.BytesIO(), tmp_path / "noise.png"
    draw_shape("red", "circle", random.Random(1)).save(small, "png")
    PIL.Image.effect_noise((1500, 1100), 90).save(large)
    assert large.stat().st_size > 1_000_000

    page.network(offline=True)
    page.run(
        """const bytes = Uint8Array.from(atob(arguments[0]), (letter) => letter.charCodeAt(0));
        const dataTransfer = new DataTransfer();
        dataTransfer.items.add(new File([bytes], "a.png", { type: "image/png" }));
        const dropped = new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true });
        document.getElementById("drop").dispatchEvent(dropped);""",
        base64.b64encode(small.getvalue()).decode(),
    )
    page.wait(lambda: page.is_shown("problem"))
    page.driver.save_screenshot(str(tmp_path / "offline.png"))
    page.network(offline=False)
    page.find("#retry").click()
    form = (
        b'--x\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n' + small.getvalue() + b"\r\n--x--"
    )
    reply = server.ask("POST", "/v1/caption", form, {"Content-Type": "multipart/form-data; boundary=x"})
    page.wait_for_output(reply.json["captions"][0]["text"])
    assert page.run("return document.getElementById('preview').naturalWidth") == 64
    page.find("#picture").send_keys(str(large))
    page.wait(lambda: page.run("return document.getElementById('preview').naturalWidth") == 1500)
    page.wait(lambda: page.run("return document.getElementById('output').ariaBusy") == "false")
    assert not page.is_shown("problem")
    assert len(page.all("#choices li")) > 1
    page.driver.save_screenshot(str(tmp_path / "captions.png"))


CONTRASTS = """
const luminance = (rgb) => rgb.map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
const over = (colours) => {
    canvas.clearRect(0, 0, 1, 1);
    for (const colour of colours) { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); }
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
};
const found = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.checkVisibility() || element.closest("#mirror")) continue;
    const behind = [];
    for (let one = element; one; one = one.parentElement) behind.unshift(getComputedStyle(one).backgroundColor);
    const [ink, paper] = [over([...behind, getComputedStyle(element).color]), over(behind)].map(luminance);
    found.push([(Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05), walker.currentNode.data.trim()]);
}
return found;
"""


@in_chromium
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1440])
def test_it_fits_the_screen_and_can_be_read(opened: Page, width: int, theme: str, tmp_path: Path) -> None:
    """WCAG 2.2 AA: contrast of text is at least 4.5, also where attention is highest; nothing scrolls sideways."""
    opened.look(width=width, theme=theme)
    opened.type("1 2 3 4 5")
    opened.wait(lambda: opened.all(".entry") and opened.all("#output .word"))
    opened.run("""for (const word of document.querySelectorAll("#output .word")) {
        word.classList.add("lit");
        word.style.setProperty("--weight", "1");
    }""")
    opened.driver.save_screenshot(str(tmp_path / "page.png"))
    contrasts = opened.run(CONTRASTS)
    assert len(contrasts) > 20
    assert [one for one in contrasts if one[0] < 4.5] == []
    assert opened.run("return document.documentElement.scrollWidth <= innerWidth")
    panes = [one.rect for one in opened.all(".pane")]
    assert (panes[0]["y"] == panes[1]["y"]) == (width > 800)


@in_chromium
def test_everything_that_takes_the_focus_has_a_name(opened: Page) -> None:
    opened.type("1 2 3")
    opened.wait(lambda: opened.all(".entry"))
    nodes = opened.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    names = {
        (node["role"]["value"], node["name"]["value"])
        for node in nodes
        if not node["ignored"]
        and any(one["name"] == "focusable" and one["value"]["value"] for one in node["properties"])
        and node["role"]["value"] != "RootWebArea"
    }
    assert len(names) > 6
    assert [role for role, name in names if not name.strip()] == []
