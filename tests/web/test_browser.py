"""The page of a study in headless Chromium, as its voters use it."""

import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from haarmony.evaluation.study.questions import QUESTIONS
from haarmony.evaluation.study.study import INVITATIONS, Study
from haarmony.evaluation.study.votes import changed, votes
from studies import make_study, served

CHROMIUM, DRIVER = Path("/usr/bin/chromium"), shutil.which("chromedriver")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--window-size=1280,860",
    "--lang=en-US",
)
STEPS = 2 * len(QUESTIONS)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not CHROMIUM.exists() or DRIVER is None,
        reason="the study's page is tried in Chromium: apt install chromium chromium-driver",
    ),
]


class Page:
    """One tab of the browser, on the page of a study."""

    def __init__(self, driver, address):
        self.driver = driver
        driver.get(address)
        self.until(
            "return !document.getElementById('main').hidden || !document.getElementById('note').hidden"
        )

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def until(self, script):
        from selenium.webdriver.support.wait import WebDriverWait

        return WebDriverWait(self.driver, 8, poll_frequency=0.02).until(lambda _: self.run(script))

    def press(self, *keys):
        from selenium.webdriver import ActionChains

        for key in keys:
            ActionChains(self.driver, duration=0).send_keys(key).perform()

    def click(self, selector, number=0):
        self.run("document.querySelectorAll(arguments[0])[arguments[1]].click()", selector, number)

    @property
    def question(self):
        return self.run("return document.getElementById('question').textContent")

    @property
    def chosen(self):
        return self.run("return [...document.querySelectorAll('#outputs figure')].findIndex("
                        "one => one.classList.contains('chosen'))")  # fmt: skip

    def asks(self, text):
        self.until(f"return document.getElementById('question').textContent.includes({text!r})")

    def saved(self, text="Saved"):
        self.until(f"return document.getElementById('saving').textContent === {text!r}")

    def done(self):
        self.until(
            "return !document.getElementById('again').hidden && !document.getElementById('note').hidden"
        )


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture
def browser(driver):
    """The browser, as if new."""
    driver.execute_cdp_cmd("Network.enable", {})
    driver.execute_cdp_cmd("Network.clearBrowserCookies", {})
    yield driver
    driver.get("about:blank")


@contextmanager
def serving(study, port):
    """The command, in a process of its own, which is killed at the end: the address."""
    command = [sys.executable, "-m", "haarmony", "study", "serve", str(study), "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=dict(os.environ)) as process:
        try:
            yield process.stdout.readline().split()[0]
        finally:
            process.kill()


def cast(study):
    return votes(Study.load(study).votes)


def test_vote_go_back_change_and_reload(browser, study):
    with served(study) as address:
        page = Page(browser, address)
        page.click(".choose", 1)
        page.asks("light and colours")
        page.click(".choose", 0)
        page.asks("like best")
        page.click("#back")
        page.click("#back")
        page.asks("artefacts")
        assert page.chosen == 1
        page.click(".choose", 2)
        page.saved()
        page = Page(browser, address)
        page.asks("like best")  # where it was left
        page.click("#back")
        assert page.chosen == 0
        page.click("#back")
        assert page.chosen == 2
        problems = [
            entry["message"] for entry in browser.get_log("browser") if "favicon" not in entry["message"]
        ]
        assert problems == []
    assert len(cast(study)) == 2
    assert changed(Study.load(study).votes) == 1


def test_an_impatient_finger_answers_one_question(browser, study):
    with served(study) as address:
        page = Page(browser, address)
        # All in one script: keys that are sent one by one can come later than the page's pause.
        page.run(
            "const b = document.querySelectorAll('.choose')[1]; b.click(); b.click(); b.click();"
            "document.dispatchEvent(new KeyboardEvent('keydown', {key: '1', bubbles: true}))"
        )
        page.asks("light and colours")
        page.saved()
        assert page.chosen == -1
        page.click("#back")
        assert page.chosen == 1
    assert [vote.question for vote in cast(study)] == ["artefacts"]
    assert changed(Study.load(study).votes) == 0


def test_two_voters_at_once(browser, study):
    with served(study) as address:
        tabs = [browser.current_window_handle]
        first = Page(browser, address)
        browser.switch_to.new_window("tab")
        tabs.append(browser.current_window_handle)
        second = Page(browser, address.replace("127.0.0.1", "localhost"))  # whose cookies are others
        for question in ("artefacts", "light and colours"):
            for tab, page in zip(tabs, (first, second), strict=True):
                browser.switch_to.window(tab)
                page.asks(question)
                page.click(".choose", 0)
        for tab, page in zip(tabs, (first, second), strict=True):
            browser.switch_to.window(tab)
            page.asks("like best")
            page.saved()
        browser.close()
        browser.switch_to.window(tabs[0])
    assert len(cast(study)) == 4
    assert len({vote.voter for vote in cast(study)}) == 2


def test_an_invited_voter_whose_cookies_are_cleared_is_the_same(browser, tmp_path):
    study = make_study(tmp_path, voters=1)
    link = (study / INVITATIONS).read_text().strip()
    with served(study) as address:
        page = Page(browser, address)
        assert "invitation" in page.run("return document.querySelector('#note h1').textContent")
        page = Page(browser, f"{address}/{link}")
        assert browser.current_url == f"{address}/"
        page.click(".choose", 1)
        page.saved()
        browser.delete_all_cookies()
        page.asks("light and colours")
        page.click(".choose", 1)  # nobody known votes: what was said is kept until the link is opened again
        page.until("return !document.getElementById('note').hidden")
        page = Page(browser, f"{address}/{link}")
        page.asks("like best")
        page.saved()
    assert len(cast(study)) == 2
    assert len({vote.voter for vote in cast(study)}) == 1


def test_where_anybody_may_vote_a_cleared_cookie_loses_no_vote(browser, study):
    with served(study) as address:
        page = Page(browser, address)
        page.click(".choose", 1)
        page.saved()
        page.asks("light and colours")
        browser.delete_all_cookies()
        page.click(".choose", 1)
        page.until("return Object.values(localStorage).every(one => !one.includes('item'))")
        page.saved()
        first = cast(study)
        Page(browser, address)
    assert [vote.question for vote in first] in (["artefacts", "stylization"], ["stylization", "artefacts"])
    assert len({vote.voter for vote in first}) == 2  # as a browser that forgot is a new one
    assert cast(study) == first


def test_a_page_whose_votes_are_refused_says_so_and_is_in_no_hurry(browser, study):
    with served(study) as address:
        page = Page(browser, address)
        page.run(
            "const real = fetch; window.sent = 0; window.fetch = (to, how) => {"
            "if (how?.body) { window.sent++; how.headers['X-Study-Token'] = '0'; } return real(to, how); }"
        )
        page.click(".choose", 1)
        page.saved("Not saved yet, trying again…")
        page.until("return window.sent > 1")
        assert page.run("return new Promise(done => setTimeout(() => done(window.sent), 500))") < 4
        page = Page(browser, address)  # and what it kept is taken from a page that is right
        page.saved()
    assert [vote.question for vote in cast(study)] == ["artefacts"]


def test_votes_survive_a_server_that_is_killed_and_started_again(browser, study):
    with serving(study, 0) as address:
        page = Page(browser, address)
        page.click(".choose", 0)
        page.saved()
        page.asks("light and colours")
    page.click(".choose", 1)
    page.until("return document.getElementById('saving').textContent.startsWith('Not saved')")
    page.asks("like best")
    assert len(cast(study)) == 1
    with serving(study, int(address.rstrip("/").rpartition(":")[2])):
        page.saved()
        assert len(cast(study)) == 2
        Page(browser, address).asks("like best")
    assert len({vote.voter for vote in cast(study)}) == 1


def test_a_forged_choice_is_refused_by_the_server(browser, study):
    with served(study) as address:
        page = Page(browser, address)
        statuses = browser.execute_async_script("""
            const done = arguments[0], ballot = await (await fetch("/ballot")).json();
            const [one, other] = ballot.items;
            const send = async (vote, token) => (await fetch("/votes", {
                method: "POST",
                body: JSON.stringify(vote),
                headers: { "Content-Type": "application/json", "X-Study-Token": token },
            })).status;
            const vote = { item: one.item, question: "artefacts", output: one.outputs[0] };
            done([await send({ ...vote, output: other.outputs[0] }, ballot.token), await send(vote, "0"),
                  await send({ ...vote, voter: "somebody" }, ballot.token)]);
        """)
        assert statuses == [400, 403, 400]
        assert page.chosen == -1
    assert cast(study) == []


def test_the_keyboard_alone(browser, study):
    from selenium.webdriver.common.keys import Keys

    with served(study) as address:
        page = Page(browser, address)
        page.press("9", "1")
        page.asks("light and colours")
        page.press(Keys.ARROW_LEFT)
        assert page.chosen == 0
        page.press(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)  # no further than the question without an answer
        page.asks("light and colours")
        page.run("document.querySelector('.look').focus()")
        page.press(Keys.ENTER)
        page.until("return document.getElementById('zoom').open")
        page.press("2", Keys.ENTER)
        page.asks("like best")
        page.saved()
        page.press(Keys.ARROW_LEFT)
        assert page.chosen == 1
    assert len(cast(study)) == 2


def test_a_phone_shows_large_pictures_in_korean_to_the_end(browser, study):
    korean = {"userAgent": browser.execute_script("return navigator.userAgent"), "acceptLanguage": "ko-KR,ko"}
    phone = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
    browser.execute_cdp_cmd("Network.setUserAgentOverride", korean)
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    try:
        with served(study) as address:
            page = Page(browser, address)
            assert page.run("return document.documentElement.lang") == "ko"
            sizes = page.run(
                "return [...document.querySelectorAll('.look img')].map(one => [one.width, one.height])"
            )
            assert len({tuple(size) for size in sizes}) == 1
            assert sizes[0][0] > 340
            assert page.run("return document.documentElement.scrollWidth <= innerWidth")
            for question in 2 * ["흔적", "예시", "마음"]:
                page.asks(question)
                page.click(".choose", 1)
            page.done()
            assert "감사합니다" in page.run("return document.querySelector('#note h1').textContent")
            page.click("#language")
            assert "Thank you" in page.run("return document.querySelector('#note h1').textContent")
            page.saved()
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        browser.execute_cdp_cmd("Network.setUserAgentOverride", {**korean, "acceptLanguage": "en-US,en"})
    assert len(cast(study)) == STEPS
