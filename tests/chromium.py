"""Headless Chromium with the server's page."""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
# Seconds for what takes a fraction of one, on a machine with other work.
PATIENCE = 60


@dataclass(frozen=True)
class Page:
    """The page, by the ids of its elements."""

    driver: Any

    def open(self, url: str) -> None:
        self.driver.get(url)
        self.wait(lambda: self.run("return document.querySelectorAll('#run option').length"))

    def run(self, script: str, *arguments: object) -> Any:
        return self.driver.execute_script(script, *arguments)

    def find(self, selector: str) -> Any:
        return self.driver.find_element("css selector", selector)

    def all(self, selector: str) -> list[Any]:
        return self.driver.find_elements("css selector", selector)

    def text(self, name: str) -> str:
        return self.run("return document.getElementById(arguments[0]).textContent", name)

    def is_shown(self, name: str) -> bool:
        return self.find(f"#{name}").is_displayed()

    def type(self, text: str) -> None:
        self.find("#source").send_keys(text)

    def empty(self) -> None:
        """As a person does; WebDriver's own way is no input."""
        self.type("\ue009a\ue009\ue017")  # Ctrl+A, Delete

    def wait(self, condition: Callable[[], Any]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, f"the page did not get there; it shows:\n{self.find('body').text}"
            time.sleep(0.02)

    def wait_for_output(self, text: str) -> None:
        self.wait(lambda: self.text("output") == text)

    def network(self, *, offline: bool) -> None:
        conditions = {"offline": offline, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
        self.driver.execute_cdp_cmd("Network.enable", {})
        self.driver.execute_cdp_cmd("Network.emulateNetworkConditions", conditions)

    def look(self, *, width: int, theme: str) -> None:
        """A screen of so many pixels; ``theme``: light or dark."""
        features = [{"name": "prefers-color-scheme", "value": theme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def reset(self) -> None:
        self.network(offline=False)
        self.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})

    def faults(self) -> list[str]:
        """Errors of scripts and breaches of the policy since the last call; not answers that refuse."""
        return [one["message"] for one in self.driver.get_log("browser") if one["source"] in ("javascript", "security")]


@contextmanager
def browsing() -> Iterator[Page]:
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for option in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    try:
        yield Page(driver)
    finally:
        driver.quit()
