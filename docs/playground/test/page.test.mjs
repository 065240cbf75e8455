// Drives the built page in a browser, CHROMIUM. PAGE is the page, SHUNT the command
// line that it has to agree with.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import { createRequire } from "node:module";
import os from "node:os";
import path from "node:path";
import { after, afterEach, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import zlib from "node:zlib";
import { chromium } from "playwright-core";

const page = readFileSync(process.env.PAGE);
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const work = mkdtempSync(path.join(os.tmpdir(), "playground-"));
const origin = () => `http://127.0.0.1:${server.address().port}/`;

let browser, server;
let complaints; // what a page had to say on its console, or asked of the network

before(async () => {
  server = http.createServer((_, response) => response.setHeader("Content-Type", "text/html").end(page));
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM,
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
});

after(async () => {
  await browser?.close();
  server?.close();
  rmSync(work, { recursive: true });
});

// Whatever a test does: no console error, and no request but for the page.
afterEach(async () => {
  for (const context of browser.contexts()) {
    await context.close();
  }
  assert.deepEqual(complaints, []);
});

async function open({ url = origin(), ...options } = {}) {
  complaints = [];
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, permissions: url.startsWith("http") ? ["clipboard-read", "clipboard-write"] : [], ...options });
  context.setDefaultTimeout(60000);
  const p = await context.newPage();
  p.on("console", (m) => ["error", "warning"].includes(m.type()) && complaints.push(m.text()));
  p.on("pageerror", (err) => complaints.push(err.message));
  p.on("request", (r) => r.url().split("#")[0] !== url.split("#")[0] && !r.url().startsWith("blob:") && complaints.push(r.url()));
  await p.goto(url);
  await settled(p);
  return p;
}

const settled = (p) => p.waitForSelector("#answer:not([aria-busy]) #result:not(:has(.loading))");

const text = (p, selector) => p.locator(selector).textContent();
const copied = (p) => p.evaluate(() => navigator.clipboard.readText());
const saved = async (p) => {
  const [download] = await Promise.all([p.waitForEvent("download"), p.click("#save")]);
  return readFileSync(await download.path(), "utf8");
};
const link = (state) => origin() + "#q=" + zlib.deflateRawSync(JSON.stringify(state)).toString("base64url");
const answer = async (p, action) => {
  await action();
  await settled(p);
};

// shunt runs one of the page's lines for a terminal.
function shunt(line) {
  const words = line.match(/'[^']*'|\S+/g).map((w) => w.replaceAll("'", ""));
  try {
    return execFileSync(process.env.SHUNT, words.slice(1), { cwd: work, encoding: "utf8", stdio: "pipe" });
  } catch (err) {
    if (err.status !== 1) {
      throw err;
    }
    return err.stdout; // lint has found something
  }
}

const line = (p, verb) => text(p, `[data-verb=${verb}]`);

test("each example, each of its workloads: the command line answers the same", async () => {
  const p = await open();
  const examples = await p.locator("#example option").evaluateAll((all) => all.map((o) => o.value).filter(Boolean));
  assert.ok(examples.length >= 12);
  let compared = 0;
  for (const example of examples) {
    await answer(p, () => p.selectOption("#example", example));
    writeFileSync(path.join(work, "manifest.yaml"), await saved(p));
    const found = JSON.parse(shunt(await line(p, "lint") + " -o json")).findings;
    const shown = await p.locator("#findings li").allTextContents();
    assert.equal(shown.length, found.length, example);
    found.forEach((f, i) => assert.ok(shown[i].includes(f.message) && shown[i].includes(f.fix) && shown[i].startsWith(`Line ${f.line}${f.severity}`), shown[i]));
    for (const id of await p.locator("#workload option").evaluateAll((all) => all.map((o) => o.value))) {
      await answer(p, () => p.selectOption("#workload", id));
      const shown = await p.evaluate(() => {
        const text = (selector) => document.querySelector(selector)?.textContent;
        return {
          command: text("[data-verb=explain]"), transcript: text("#transcript"), verdict: text("#verdict"), why: text("#because"), lands: text("#lands"),
          plan: text("[data-verb=plan]"),
          rows: [...document.querySelectorAll("#settings tbody tr, #inbound-rules tbody tr, #outbound-rules tbody tr")].map((row) =>
            [...row.cells].map((cell) => cell.textContent.replace("decides", "")).join(" ")),
        };
      });
      if (!shown.transcript) {
        continue; // a setting that is wrong
      }
      const explained = shunt(shown.command);
      assert.equal(shown.transcript, explained, `${example} ${id}`);
      assert.ok(explained.includes(`\nVerdict   ${shown.verdict}\nWhy       ${shown.why}\nLands on  ${shown.lands}\n`));
      const planned = shunt(shown.plan).replace(/ +/g, " ");
      shown.rows.forEach((row) => assert.ok(planned.includes(row), `${example} ${id}: ${row}\n${planned}`));
      compared++;
    }
  }
  assert.ok(compared >= 20, `only ${compared} compared`);
});

test("assumptions are flags of the command line", async () => {
  const p = await open();
  await answer(p, () => p.selectOption("#example", "namespace-elsewhere.yaml"));
  assert.equal(await text(p, "#injected"), "not injected");
  await p.click(".assume summary");
  await answer(p, () => p.check("#assume"));
  assert.equal(await text(p, "#injected"), "injected");
  await answer(p, () => p.selectOption("#mode", "cni"));
  await answer(p, () => p.fill("#release", "2.10"));
  writeFileSync(path.join(work, "manifest.yaml"), await saved(p));
  assert.match(await line(p, "explain"), / --mode cni --assume-injected$/);
  assert.equal(await text(p, "#transcript"), shunt(await line(p, "explain")));
  assert.match(await line(p, "lint"), / --linkerd-version 2.10 --assume-injected$/);
  assert.equal(JSON.parse(shunt(await line(p, "lint") + " -o json")).linkerd, "2.10");
  assert.match(await text(p, "#findings"), /Linkerd 2\.10/);
  await answer(p, () => p.fill("#release", "1.0"));
  assert.match(await text(p, "#broken"), /^unknown release of Linkerd "1\.0"/);
});

test("a change is written into the manifest, keeps its comments, and can be undone", async () => {
  const p = await open();
  const was = await saved(p);
  assert.equal(await text(p, "#verdict"), "bypass");
  await answer(p, () => p.click("#changes .edit"));
  assert.equal(await text(p, "#verdict"), "redirect to :4140");
  assert.equal(await p.evaluate(() => document.activeElement.id), "answer");
  assert.match(await text(p, "#live"), /Written: config.linkerd.io\/skip-outbound-ports: "". redirect to :4140/);
  assert.equal(await saved(p), was.replace('skip-outbound-ports: "3306"', 'skip-outbound-ports: ""'));
  await answer(p, () => p.click("#note button"));
  assert.equal(await saved(p), was);
  assert.equal(await text(p, "#verdict"), "bypass");
});

test("a workload that is not injected is, after one button", async () => {
  const p = await open({ url: link({ manifest: "kind: Pod\nmetadata: {name: web} # mine\nspec: {containers: []}\n", connection: { direction: "inbound", port: "80" } }) });
  assert.equal(await text(p, "#injected"), "not injected");
  assert.equal(await text(p, "#verdict"), "bypass");
  await answer(p, () => p.click("#inject button"));
  assert.equal(await text(p, "#injected"), "injected");
  assert.equal(await text(p, "#verdict"), "redirect to :4143");
  assert.equal(await saved(p), 'kind: Pod\nmetadata: {annotations: {linkerd.io/inject: "enabled"}, name: web} # mine\nspec: {containers: []}\n');
});

test("the drawing lights the rule that decides, greys what is not reached, and shows the proxy's own leg", async () => {
  const p = await open();
  assert.deepEqual(await p.locator("#way text").allTextContents(), [
    "user 1000, group 0", "in Deployment shop/orders", "OUTBOUND RULES",
    "1 proxy-uid", "socket owner's uid 2102", "no match", "2 loopback", "leaves by lo", "no match",
    "3 skip-outbound-ports", "tcp, destination port 3306", "bypass", "4 redirect-outbound", "tcp", "not reached",
    "203.0.113.7:3306", "where it was going, without the proxy"]);
  await answer(p, () => p.fill("#port", "80"));
  const texts = await p.locator("#way text").allTextContents();
  assert.deepEqual(texts.slice(texts.indexOf("the proxy, port 4140")), [
    "the proxy, port 4140", "knows from the socket where it was going", "the proxy's own connection, user 2102",
    "1 proxy-uid", "socket owner's uid 2102", "bypass", "203.0.113.7:80", "by way of the proxy"]);
  assert.match(await p.getAttribute("#way svg", "aria-label"), /redirect to :4140\. .*Lands on 127\.0\.0\.1:4140/);
});

test("by keyboard alone", async () => {
  const p = await open();
  const focused = () => p.evaluate(() => document.activeElement.id || document.activeElement.className);
  const tabTo = async (what) => {
    for (let i = 0; i < 40 && !(await focused()).includes(what); i++) {
      await p.keyboard.press("Tab");
    }
    assert.ok((await focused()).includes(what), `${what} is not reached`);
  };
  await p.keyboard.press("Tab");
  assert.equal(await focused(), "skip");
  await tabTo("example");
  await answer(p, () => p.keyboard.press("ArrowDown"));
  assert.equal(await p.inputValue("#example"), "skip-ports.yaml");
  await tabTo("cm-content"); // into the editor
  await p.keyboard.press("F8");
  assert.match(await text(p, ".cm-diagnostic"), /skip|meshed|Linkerd/i);
  await p.keyboard.press("Control+End");
  await answer(p, () => p.keyboard.type("# typed"));
  await tabTo("workload"); // and out of it
  await tabTo("inbound");
  await answer(p, () => p.keyboard.press("ArrowLeft"));
  assert.ok(await p.isVisible("#uid"));
  await tabTo("uid");
  await answer(p, () => p.keyboard.type("1000"));
  await tabTo("to");
  await p.keyboard.type("10.0.0.5");
  await tabTo("port");
  await p.keyboard.press("Control+A");
  await answer(p, () => p.keyboard.type("5432"));
  assert.equal(await text(p, "#verdict"), "redirect to :4140");
  assert.match(await text(p, "#live"), /^redirect to :4140: rule 4/);
  await tabTo("edit");
  await answer(p, () => p.keyboard.press("Enter"));
  assert.equal(await text(p, "#verdict"), "bypass");
  assert.equal(await focused(), "answer");
  assert.match(await saved(p), /skip-outbound-ports: "4567-4568,5432,8080"[^]*# typed$/);
});

test("what is wrong with the connection is said at its field", async () => {
  const p = await open();
  await answer(p, () => p.fill("#to", "mysql.shop"));
  assert.match(await text(p, "#wrong"), /^"mysql\.shop" is not an address/);
  assert.equal(await p.getAttribute("#to", "aria-invalid"), "true");
  assert.equal(await p.getAttribute("#to", "aria-describedby"), "wrong");
  await answer(p, () => p.fill("#to", "10.0.0.5"));
  assert.ok(await p.isHidden("#wrong"));
  assert.equal(await p.getAttribute("#to", "aria-invalid"), null);
});

test("a broken manifest is said at its line, and what was there stays until it is whole", async () => {
  const p = await open();
  await p.click(".cm-content");
  await p.keyboard.press("Control+End");
  await answer(p, () => p.keyboard.type("---\nkind: Pod\nmetadata: {name: [\n"));
  const wrong = await text(p, "#broken");
  writeFileSync(path.join(work, "broken.yaml"), await saved(p));
  assert.throws(() => shunt("shunt explain outbound --to 10.0.0.5:80 -f broken.yaml"), (err) =>
    err.stderr.includes(wrong.replace(/ Line \d+$/, "").replace("manifest.yaml", "broken.yaml")));
  assert.ok(await p.locator("#findings li.error", { hasText: "invalid-document" }).isVisible());
  assert.ok(await p.locator(".cm-gutter-lint .cm-lint-marker-error").first().isVisible());
  assert.ok(await p.locator("#result.stale #verdict").isVisible());
  await p.click("#broken button");
  assert.equal(await text(p, ".cm-activeLineGutter.cm-gutterElement >> nth=0"), String(Math.min(/line (\d+)/.exec(wrong)[1], (await saved(p)).split("\n").length)));
  await p.click(".cm-content");
  for (let i = 0; i < 3 && await p.isVisible("#broken"); i++) {
    await answer(p, () => p.keyboard.press("Control+Z"));
  }
  assert.ok(await p.isHidden("#broken"));
  assert.equal(await text(p, "#verdict"), "bypass");
});

test("a program that crashes is said, and another answers the next question", async () => {
  const p = await open();
  await p.evaluate(() => {
    const { postMessage } = Worker.prototype;
    Worker.prototype.postMessage = function (message) {
      if (message.request?.manifest === "crash") {
        this.dispatchEvent(new ErrorEvent("error", { message: "out of stack" }));
      } else {
        postMessage.call(this, message);
      }
    };
  });
  await p.evaluate((url) => location.assign(url), link({ manifest: "crash" }));
  await p.waitForSelector("#broken");
  assert.equal(await text(p, "#broken"), "The program failed: out of stack ");
  await answer(p, () => p.selectOption("#example", "skip-ports.yaml"));
  assert.ok(await p.isHidden("#broken"));
  assert.equal(await p.locator("#result.stale").count(), 0);
});

test("a link carries the question", async () => {
  const p = await open();
  await answer(p, () => p.selectOption("#example", "emoji.yaml"));
  await answer(p, () => p.selectOption("#workload", "emoji/Deployment/emoji"));
  await answer(p, () => p.click("label[for=inbound]"));
  await answer(p, () => p.fill("#port", "8801"));
  await answer(p, () => p.click("#share"));
  await p.waitForSelector("#note");
  const url = await copied(p);
  assert.ok(url.startsWith(origin() + "#q="));
  const [manifest, why] = [await saved(p), await text(p, "#because")];

  const other = await open({ url });
  assert.equal(await saved(other), manifest);
  assert.equal(await other.inputValue("#workload"), "emoji/Deployment/emoji");
  assert.equal(await text(other, "#because"), why);
  assert.equal(await text(other, "#verdict"), "bypass");

  const cut = await open({ url: url.slice(0, -20) });
  assert.match(await text(cut, "#note"), /^The link is not whole/);
  assert.equal(await text(cut, "#verdict"), "bypass");
});

test("a link of somebody else's cannot run anything", async () => {
  const evil = "</text><script>window.evil = 1</script><img src=x onerror='window.evil = 2'>";
  const p = await open({ url: link({
    manifest: JSON.stringify({ kind: "Pod", metadata: { name: evil, namespace: evil, annotations: { "linkerd.io/inject": "enabled", [evil]: evil, "config.linkerd.io/skip-subnets": evil } } }),
    workload: evil, mode: evil, release: "", connection: { direction: "inbound", port: "80", from: "" } }) });
  assert.ok((await text(p, "#workload")).includes(evil));
  await answer(p, () => p.fill("#from", evil));
  assert.equal(await p.evaluate(() => window.evil), undefined);
  assert.equal(await p.evaluate(() => fetch("/").then(() => "sent", () => "refused")), "refused");
  assert.ok(complaints.splice(0).every((c) => /Content Security Policy/.test(c)));
});

test("a manifest of one mebibyte does not hold up the page", async (t) => {
  let manifest = "";
  for (let i = 0; manifest.length < 1 << 20; i++) {
    manifest += `---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web-${i}, namespace: shop}\nspec:\n  template:\n    metadata:\n      annotations:\n` +
      `        linkerd.io/inject: enabled\n        config.linkerd.io/skip-outbound-port: "3306"\n    spec:\n      containers: [{name: web, image: "registry.example/web:1", ports: [{containerPort: 8080}]}]\n`;
  }
  const p = await open();
  await p.evaluate(() => {
    window.gap = 0;
    let last = performance.now();
    const frame = (now) => {
      window.gap = Math.max(window.gap, now - last);
      last = now;
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  });
  await p.evaluate((url) => (location.href = url), link({ manifest, connection: { direction: "outbound", to: "10.0.0.5", port: "80" } }));
  await p.waitForSelector("#answer[aria-busy]");
  await p.click("label[for=inbound]"); // it listens while the program works
  assert.ok(await p.isVisible("#from"));
  await answer(p, () => p.click("label[for=outbound]"));
  assert.match(await text(p, "#counts"), /^errors: \d{4}/);
  assert.equal(await p.locator("#findings li").count(), 500);
  assert.equal(await text(p, "#verdict"), "redirect to :4140");
  t.diagnostic(`the longest time without a frame: ${Math.round(await p.evaluate(() => window.gap))} ms`);
});

test("nothing is cut off or overlaps in any width", async () => {
  const p = await open();
  for (const width of [320, 390, 600, 960, 1280]) {
    await answer(p, () => p.setViewportSize({ width, height: 800 }));
    for (const example of ["mysql-client.yaml", "not-injected.yaml", "findings.yaml"]) {
      await answer(p, () => p.selectOption("#example", example));
      await p.waitForFunction(() => {
        const [svg, room] = [document.querySelector("#way svg"), document.querySelector("#answer")];
        return Math.abs(svg.width.baseVal.value - Math.min(760, Math.max(300, room.clientWidth))) <= 8;
      });
      assert.ok(await p.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `the page scrolls sideways at ${width}, ${example}`);
      assert.deepEqual(await p.evaluate(() => {
        const svg = document.querySelector("#way svg"), all = [...svg.querySelectorAll("text")].map((e) => [e.textContent, e.getBBox()]);
        const wide = svg.viewBox.baseVal.width, bad = [];
        all.forEach(([what, a], i) => {
          if (a.x < 0 || a.x + a.width > wide - 8) {
            bad.push(`${what} is cut off`);
          }
          all.slice(i + 1).forEach(([other, b]) => {
            if (a.x < b.x + b.width && b.x < a.x + a.width && a.y + 3 < b.y + b.height - 3 && b.y + 3 < a.y + a.height - 3) {
              bad.push(`${what} overlaps ${other}`);
            }
          });
        });
        return bad;
      }), [], `${width}, ${example}`);
    }
  }
});

for (const [colorScheme, width] of [["light", 1280], ["dark", 390]]) {
  test(`accessible: names, roles and contrast, ${colorScheme}, ${width} wide`, async () => {
    const p = await open({ colorScheme, viewport: { width, height: 900 } });
    for (const example of ["findings.yaml", "not-injected.yaml"]) {
      await answer(p, () => p.selectOption("#example", example));
      await p.locator("details").evaluateAll((all) => all.forEach((d) => (d.open = true)));
      await p.evaluate(axe.replace(/^/, "0;"));
      const { violations } = await p.evaluate(() => axe.run({ runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"] }));
      assert.deepEqual(violations.map((v) => `${v.id}: ${v.help}: ${v.nodes.map((n) => n.html.slice(0, 120) + " " + (n.any[0]?.message ?? "")).join(" | ")}`), [], example);
    }
    // The drawing's texts, which axe leaves out: 4.5 to 1 against what is behind them.
    assert.deepEqual(await p.evaluate(contrasts), []);
  });
}

// contrasts returns the texts of the drawing that are too faint (WCAG 2.1, 1.4.3).
function contrasts() {
  const light = (colour) => {
    const [r, g, b] = colour.match(/[\d.]+/g).map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const svg = document.querySelector("#way svg"), areas = [...svg.querySelectorAll("rect")];
  return [...svg.querySelectorAll("text")].flatMap((e) => {
    const box = e.getBBox(), [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
    const behind = areas.filter((a) => (a = a.getBBox(), a.x <= x && x <= a.x + a.width && a.y <= y && y <= a.y + a.height)).at(-1);
    const [a, b] = [light(getComputedStyle(e).fill), light(getComputedStyle(behind).fill)].sort((m, n) => n - m);
    const ratio = (a + 0.05) / (b + 0.05);
    return ratio >= 4.5 ? [] : [`${e.textContent}: ${ratio.toFixed(2)}`];
  });
}

test("opened from a file, without a server", async (t) => {
  const p = await open({ url: pathToFileURL(process.env.PAGE).href });
  assert.equal(await text(p, "#verdict"), "bypass");
  t.diagnostic(`the first answer: ${await p.evaluate(() => document.documentElement.dataset.firstAnswer)} ms after the page was opened`);
});
