"""The status page in a real browser against a real server: `test_page.py PATH_OF_AWARE [SCREENSHOT_FOLDER]`."""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request

from webdriver import Browser

AWARE, SHOTS = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else tempfile.mkdtemp(prefix="aware-page-")
ROWS = "[...document.querySelectorAll('.applications tbody tr')]"

# Contrast of every visible text against what is painted behind it (WCAG 2.2, 1.4.3), and controls without a name.
AUDIT = r"""
const parse = (text) => (text.match(/[\d.]+/g) ?? []).map(Number);
const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
const rgb = (color) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1);
  const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data; return [r, g, b, a / 255]; };
const over = (top, under) => [0, 1, 2].map((i) => top[i] * top[3] + under[i] * (1 - top[3])).concat(1);
const luminance = (c) => [0.2126, 0.7152, 0.0722].reduce((sum, weight, i) => { const v = c[i] / 255;
  return sum + weight * (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); }, 0);
function behind(node) { const layers = [];
  for (let at = node; at; at = at.parentElement) layers.push(rgb(getComputedStyle(at).backgroundColor));
  return layers.reverse().reduce((under, top) => over(top, under), [255, 255, 255, 1]); }
const bad = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) { const node = walker.currentNode.parentElement;
  if (!walker.currentNode.data.trim() || node.closest('.unseen, .skip, script, noscript, option, :disabled')) continue;
  if (!node.checkVisibility()) continue;
  const style = getComputedStyle(node); const back = behind(node);
  const front = over(rgb(node.closest('svg') ? style.fill : style.color), back);
  const [a, b] = [luminance(front), luminance(back)]; const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  if (ratio < 4.5) bad.push(`contrast ${ratio.toFixed(2)}: ${walker.currentNode.data.trim().slice(0, 40)}`); }
for (const node of document.querySelectorAll('a, button, input, select, [tabindex="0"]')) {
  const name = node.getAttribute('aria-label') || node.labels?.[0]?.textContent || node.textContent || node.title;
  if (!name?.trim()) bad.push(`no name: ${node.outerHTML.slice(0, 80)}`); }
return bad;
"""


class Server:
    def __init__(self, *flags):
        self.folder = tempfile.mkdtemp(prefix="aware-page-")
        self.flags = flags
        self.port = 0
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [AWARE, "serve", "--listen", f"127.0.0.1:{self.port}", "--data", self.folder, *self.flags],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for line in self.process.stdout:
            found = re.search(r"http://127\.0\.0\.1:(\d+)", line)
            if found:
                self.port = int(found[1])
                break
        self.base = f"http://127.0.0.1:{self.port}"

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        self.process.stdout.close()
        self.process.wait(20)

    def ask(self, path, body=None, method=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self.base + path, data, {"Content-Type": "application/json"}, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def observe(self, names, step):
        self.ask("/v1/decisions", [
            {"application": name, "replicas": 3, "cpuLimit": "512m", "memoryLimit": "512Mi",
             "cpuUtilization": 0.4 + 0.01 * ((step * 7 + i) % 50), "memoryUtilization": 0.5,
             "memoryPeakUtilization": 0.97 if step == 5 else 0.6, "oomKills": 1 if step == 5 else 0,
             "latencySeconds": 0.2 + 0.01 * ((step * 3 + i) % 60), "requestRate": 100 + step}
            for i, name in enumerate(names)])


class PageTests(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.names = [f"shop-{i:02}" for i in range(8)]
        for name in cls.names:
            cls.server.ask(f"/v1/applications/{name}", {"episodeSteps": 5}, "PUT")
        for step in range(24):
            cls.server.observe(cls.names, step)
        cls.browser = Browser()

    @classmethod
    def tearDownClass(cls):
        cls.browser.close()
        cls.server.stop()

    def setUp(self):
        self.browser.look(1280, 900)

    def show(self, fragment="", wanted=f"{ROWS}.length > 0"):
        # A change of the fragment alone loads nothing: leave the page first.
        self.browser.open("about:blank")
        self.browser.log()
        self.browser.open(self.server.base + "/" + fragment)
        self.browser.wait(wanted)

    def quiet(self):
        """Nothing was written to the console: no error, no violation of the content security policy."""
        entries = [e["message"] for e in self.browser.log() if e["level"] in ("SEVERE", "WARNING")]
        self.assertEqual(entries, [])

    def test_overview_shows_what_the_api_says(self):
        self.show()
        said = self.server.ask("/v1/applications?sort=attention&order=desc&limit=50")
        drawn = self.browser.run(f"return {ROWS}.map((row) => [...row.cells].map((cell) => cell.innerText.trim()))")
        self.assertEqual([row[0].split("\n")[0] for row in drawn], [item["name"] for item in said["items"]])
        for row, item in zip(drawn, said["items"]):
            self.assertEqual(row[1], item["stage"])
            self.assertEqual(row[2], item["source"])
            self.assertEqual(row[3], f"{item['window']['reward']:.3f}")
            self.assertIn(f"{item['window']['violations'] * 100:.1f} %", row[5])
            share = round((item["window"]["bill"] / item["window"]["rulesBill"] - 1) * 100)
            self.assertEqual(row[6], f"{'−' if share < 0 else '+' if share > 0 else '±'}{abs(share)} %")
            self.assertTrue(row[7].startswith(f"{item['replicas']} × {item['cpu']}, {item['memory']}"), row[7])
            self.assertEqual("at limit" in row[7], item["atLimit"])
        # Where the rules act nothing is called better or worse than they are.
        self.assertEqual({row[4] for row, item in zip(drawn, said["items"]) if item["source"] != "policy"},
                         {"not compared"})
        health = self.browser.run("return document.querySelector('.health').innerText")
        self.assertEqual("All quiet." in health, said["counts"]["missing"] + said["counts"]["alarm"]
                         + said["counts"]["hold"] + said["counts"]["worse"] == 0, health)
        self.browser.wait("document.querySelector('.health').innerText.includes('decisions/s')")
        self.assertIn(" stored, ", health)
        self.assertIn(" free.", health)
        self.quiet()

    def test_application_shows_what_the_api_says(self):
        self.show("#/app/shop-01", "document.querySelector('.steps-plot svg') && document.querySelector('.chart svg')")
        said = self.server.ask("/v1/applications/shop-01/decisions?limit=1&observation=true")["items"][0]
        seen = self.browser.run("return document.querySelector('.decision .seen').innerText")
        self.assertIn(f"{said['observation']['requestRate']:.1f} requests/s", seen)
        kills = self.server.ask("/v1/applications/shop-01/series")["oomKills"]
        crosses = self.browser.run("return document.querySelectorAll('.kills path').length")
        self.assertEqual(crosses, sum(1 for k in kills if k))
        self.assertGreater(crosses, 0)
        self.browser.run("document.querySelector('.steps-plot svg').focus()")
        self.browser.key("\ue014")
        self.browser.key("\ue011")
        self.assertIn("episode 1,", self.browser.run("return document.querySelector('.readout').textContent"))
        self.quiet()

    def test_how_it_looks(self):
        """Pictures for people: SHOTS has them afterwards."""
        os.makedirs(SHOTS, exist_ok=True)
        for name, width, dark in [("light", 1280, False), ("dark", 1280, True), ("narrow", 400, False)]:
            self.browser.look(width, 1000, dark)
            for view, fragment, wanted in [("overview", "", f"{ROWS}.length > 0"),
                                           ("application", "#/app/shop-06", "document.querySelector('.chart svg')")]:
                self.show(fragment, wanted)
                path = os.path.join(SHOTS, f"{view}-{name}.png")
                self.browser.screenshot(path)
                self.assertGreater(os.path.getsize(path), 10_000)

    def test_a_dragged_range_stands_in_the_address(self):
        self.show("#/app/shop-04", "document.querySelector('.chart svg[data-key=plot]')")
        self.browser.run("""
            const svg = document.querySelector('.chart svg[data-key=plot]'), box = svg.getBoundingClientRect();
            const at = (type, x) => svg.dispatchEvent(new PointerEvent(type, { clientX: box.left + x, clientY: box.top + 60,
              button: 0, pointerId: 1, pointerType: 'mouse', bubbles: true }));
            svg.setPointerCapture = () => {};
            at('pointerdown', 60); at('pointermove', box.width / 2); at('pointerup', box.width * 0.7);""")
        address = self.browser.run("return location.hash")
        found = re.search(r"from=(\d+)&to=(\d+)$", address)
        self.assertTrue(found, address)
        first, last = int(found[1]), int(found[2])
        self.assertLess(first, last)
        label = "document.querySelector('.chart svg[data-key=plot]').getAttribute('aria-label')"
        self.assertIn(f"Reward of episodes {first} to {last}", self.browser.run("return " + label))
        # The same address shows the same.
        self.show(address, f"document.querySelector('.chart svg[data-key=plot]') && {label}.includes('episodes {first} to {last}')")
        self.browser.run("[...document.querySelectorAll('.chart .chip')].find((chip) => chip.innerText === 'All').click()")
        self.assertNotIn("from=", self.browser.run("return location.hash"))
        self.quiet()

    def test_a_decision_can_be_linked_to_and_knowledge_is_told(self):
        said = self.server.ask("/v1/applications/shop-04/decisions?limit=10")["items"][-1]
        self.show(f"#/app/shop-04?decision={said['id']}", "document.querySelector('.linked .verdict')")
        application = self.server.ask("/v1/applications/shop-04")
        known = application["knowledge"]
        text = self.browser.run("return document.querySelector('.knowledge').innerText")
        rules = application["status"]["rules"]
        self.assertEqual(rules["calibrated"], "The rules aim at" in text, text)
        if rules["calibrated"]:
            self.assertIn(f"{round(rules['cpuTarget'] * 100)} %", text)
        self.assertIn(f"{float('%.3g' % (known['cpuSecondsPerRequest'] * 1000)):g} ms of CPU", text)
        self.assertIn(known["memoryFloor"], text)
        self.quiet()

    def test_what_people_did_is_marked_in_the_chart(self):
        self.server.ask("/v1/applications/shop-05/mode", {"mode": "pause", "reason": "a mark"}, "PUT")
        self.server.ask("/v1/applications/shop-05/mode", {"mode": "running", "reason": "over"}, "PUT")
        self.show("#/app/shop-05", "document.querySelector('.chart .marker.control')")
        self.quiet()

    def test_the_guide_is_searched(self):
        self.browser.open("about:blank")
        self.browser.log()
        self.browser.open(self.server.base + "/guide")
        self.browser.type("#words", "three morning")
        found = self.browser.wait("document.querySelector('#found a')?.innerText", 10)
        self.assertEqual(found, "At three in the morning")
        self.browser.open(self.server.base + "/guide/api")
        self.browser.wait("document.querySelectorAll('#routes .route').length > 30", 10)
        self.assertEqual(self.browser.run(AUDIT), [])
        self.browser.look(400, 900)
        self.browser.open(self.server.base + "/guide/operating")
        wide = self.browser.run("return document.documentElement.scrollWidth - document.documentElement.clientWidth")
        self.assertEqual(wide, 0)
        self.quiet()

    def act(self, key, reason, **fields):
        browser = self.browser
        browser.run("const s = document.querySelector('main .control select'); s.value = arguments[0];"
                    "s.dispatchEvent(new Event('change'))", key)
        for name, value in fields.items():
            browser.type(f"main .control-fields [name={name}]", value)
        browser.run("document.querySelector('main .control-result').textContent = ''")
        browser.type("main .control [name=reason]", reason)
        browser.click("main .control button")
        return browser.wait("document.querySelector('main .control-result').textContent")

    def test_each_act_is_carried_out_and_shown_with_its_audit_entry(self):
        path = "/v1/applications/shop-02"
        self.show("#/app/shop-02", "document.querySelector('main .control select')")
        banner = "document.querySelector('.override-banner[data-kind={}]')?.innerText"
        for key, kind in [("pause", "pause"), ("freezeDown", "freezeDown"), ("freezeUp", "freezeUp")]:
            self.assertIn("Audit entry", self.act(key, f"drill {key}"))
            text = self.browser.wait(banner.format(kind))
            self.assertIn(f"drill {key}", text)
            self.assertIn("127.0.0.1", text)
            self.assertEqual(self.server.ask(path + "/control")["mode"], key)
        self.act("running", "drill over")
        self.browser.wait("document.querySelector('.override-banner') === null")
        self.assertIn("Done.", self.act("pin", "sale", replicas="7", seconds="3600"))
        self.assertIn(" until ", self.browser.wait(banner.format("pin")))
        self.assertEqual(self.server.ask(path + "/control")["pin"]["replicas"], 7)
        self.assertIn("Not done", self.act("pin", "too many", replicas="9999"))
        self.assertIn("Done.", self.act("unpin", "sale is over"))
        self.assertIn("Done.", self.act("retrain", "a test"))
        self.act("stage", "watch it")
        self.browser.run("document.querySelector('main .control-fields [name=hold]').checked = true")
        self.browser.run("document.querySelector('main .control-result').textContent = ''")
        self.browser.click("main .control button")
        self.browser.wait("document.querySelector('main .control-result').textContent")
        self.assertIn("watch it", self.browser.wait(banner.format("stageHold")))
        # The browser itself asks for the reason; the API would too.
        self.browser.type("main .control [name=reason]", "")
        self.assertFalse(self.browser.run("return document.querySelector('main .control [name=reason]').checkValidity()"))

    def test_the_kill_switch_stands_over_every_view(self):
        self.server.ask("/v1/killswitch", {"reason": "bad release", "actor": "ann"}, "PUT")
        try:
            for fragment in ["", "#/app/shop-03"]:
                self.show(fragment, "document.querySelector('#notices .override-banner')")
                text = self.browser.run("return document.querySelector('#notices').innerText")
                self.assertIn("ann", text)
                self.assertIn("bad release", text)
        finally:
            self.server.ask("/v1/killswitch", {"reason": "over"}, "DELETE")

    def test_keyboard_names_and_contrast(self):
        for dark in [False, True]:
            self.browser.look(1280, 900, dark)
            for fragment, wanted in [("", f"{ROWS}.length > 0"),
                                     ("#/app/shop-00", "document.querySelector('.chart svg')")]:
                self.show(fragment, wanted)
                self.assertEqual(self.browser.run(AUDIT), [], f"dark: {dark}, {fragment}")
        self.show()
        self.browser.key("/")
        self.assertEqual(self.browser.run("return document.activeElement.type"), "search")
        self.browser.run("document.querySelector('th:nth-child(1) button').focus()")
        self.browser.key("\ue007")
        self.browser.wait("document.querySelector('th[aria-sort=ascending]')?.innerText.trim() === 'Application'")
        self.browser.wait(f"{ROWS}[0].querySelector('a').innerText === 'shop-00'")

    def test_narrow_and_steady(self):
        for fragment, wanted in [("", f"{ROWS}.length > 0"), ("#/app/shop-00", "document.querySelector('.chart svg')")]:
            self.browser.look(400, 900)
            self.show(fragment, wanted)
            wide = self.browser.run("return document.documentElement.scrollWidth - document.documentElement.clientWidth")
            self.assertEqual(wide, 0, fragment)
        self.browser.look(1280, 900)
        self.show()
        time.sleep(4)
        shift = self.browser.run(
            "return new Promise((done) => new PerformanceObserver((list) => done(list.getEntries()"
            ".reduce((sum, e) => sum + e.value, 0))).observe({ type: 'layout-shift', buffered: true })"
            " || setTimeout(() => done(0), 200))")
        self.assertLessEqual(shift, 0.01)

    def test_the_server_goes_and_comes_back(self):
        self.show()
        self.server.stop(signal.SIGKILL)
        self.browser.wait("document.querySelector('#banner.away')", 15)
        self.assertIn("does not answer", self.browser.run("return document.querySelector('#banner').innerText"))
        self.assertNotIn("Live", self.browser.run("return document.querySelector('#live').innerText"))
        self.server.start()
        self.browser.wait("document.querySelector('#live.good')", 20)
        self.browser.log()

    def test_it_is_small_and_soon_there(self):
        page = self.server.base
        names = ["/"] + sorted(set(re.findall(r'(?:from|src=|href=) ?"(?:\.)?(/[a-z]+\.(?:js|css|svg))"', "".join(
            urllib.request.urlopen(page + name).read().decode() for name in ("/", "/app.js", "/application.js", "/list.js", "/chart.js")))))
        size = 0
        for name in names:
            request = urllib.request.Request(page + name, headers={"Accept-Encoding": "gzip"})
            size += len(urllib.request.urlopen(request).read())
        self.assertLessEqual(size, 100_000)
        self.show()
        paint = self.browser.run("return performance.getEntriesByName('first-contentful-paint')[0]?.startTime")
        print(f"{len(names)} files, {size / 1000:.1f} kB compressed, first paint after {paint:.0f} ms")

    def test_a_wrong_token_is_said_to_be_unknown(self):
        self.show()
        self.browser.run("import('/api.js').then((api) => api.setToken('wrong'))")
        text = self.browser.wait("document.querySelector('#banner.away')?.innerText", 10)
        self.assertIn("That token is not known", text)
        self.browser.run("import('/api.js').then((api) => api.setToken(''))")
        self.browser.log()


class Busy(unittest.TestCase):
    def test_it_draws_fast_and_forgets(self):
        """Fifty rows that change all the time: frames a second, and memory after many refreshes."""
        server, browser = Server(), Browser()
        try:
            self.busy(server, browser)
        finally:
            browser.close()
            server.stop()

    def busy(self, server, browser):
        names = [f"busy-{i:02}" for i in range(50)]
        for step in range(3):
            server.observe(names, step)
        browser.open(server.base + "/")
        browser.wait(f"{ROWS}.length === 50")
        browser.run("""
            window.frames = 0; window.stop = false;
            const count = () => { window.frames += 1; if (!window.stop) requestAnimationFrame(count); };
            requestAnimationFrame(count);""")
        begin, step = time.monotonic(), 3
        while time.monotonic() - begin < 8:
            server.observe(names, step)
            step += 1
            time.sleep(0.05)
        frames = browser.run("window.stop = true; return window.frames") / (time.monotonic() - begin)
        def heap():
            browser.devtools("HeapProfiler.enable")
            browser.devtools("HeapProfiler.collectGarbage")
            return browser.devtools("Runtime.getHeapUsage")["usedSize"]
        refresh = ("return new Promise(async (done) => { const { ListView } = await import('/list.js'); const view = new ListView(() => {});"
                   "const signal = new AbortController().signal; for (let i = 0; i < 200; i += 1) { view.show(await view.load(signal)); }"
                   "window.gc?.(); done(null); })")
        browser.run(refresh)
        before = heap()
        # Twelve hundred refreshes are an hour's.
        for _ in range(5):
            browser.run(refresh)
        after = heap()
        print(f"{frames:.0f} frames/s with 50 rows changing; heap {before / 1e6:.1f} MB, after 1,000 refreshes {after / 1e6:.1f} MB")
        self.assertGreater(frames, 30)
        self.assertLess(after - before, 3e6)


class ManyApplications(unittest.TestCase):
    def test_five_thousand_are_sorted_searched_and_paged_by_the_server(self):
        server = Server()
        browser = Browser()
        try:
            names = [f"app-{i:04}" for i in range(5000)]
            for start in range(0, 5000, 250):
                server.observe(names[start:start + 250], 1)
            browser.open(server.base + "/")
            browser.wait(f"{ROWS}.length === 50", 20)
            self.assertIn("of 5,000", browser.run("return document.querySelector('.pages').innerText"))
            browser.click("th:nth-child(1) button")
            browser.wait(f"{ROWS}[0].querySelector('a').innerText === 'app-0000'")
            browser.click(".pages button:last-child")
            browser.wait(f"{ROWS}[0].querySelector('a').innerText === 'app-0050'")
            browser.type("input[type=search]", "499")
            browser.wait(f"{ROWS}.length === 15 && {ROWS}[0].querySelector('a').innerText === 'app-0499'")
            times = []
            for _ in range(5):
                begin = time.monotonic()
                server.ask("/v1/applications?limit=50&sort=difference")
                times.append(time.monotonic() - begin)
            print(f"list of 50 among 5,000: {sorted(times)[2] * 1000:.0f} ms")
        finally:
            browser.close()
            server.stop()


if __name__ == "__main__":
    os.makedirs(SHOTS, exist_ok=True)
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]], verbosity=2)
