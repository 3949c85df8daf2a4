// The page starts, may do what it must and nothing else, and says so when it stops.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cp, readFile, readdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "node:test";

import { bundle, inspector, PATIENCE, scratch, serve } from "./harness/index.js";
import { WAYS_OUT } from "./harness/ways_out.js";

/** What the browser and scripts say when the policy holds. */
const BLOCKED = /Content Security Policy|Failed to fetch|dynamically imported module|NetworkError/;

/** The files that loading the page for the first time takes, without their digests. */
const FIRST = ["index.html", "pxkit-web.js", "pxkit-web_bg.wasm", "static/boot.js"];

test("the page starts without complaint, from any folder of a server", async (t) => {
  const server = await serve(t, bundle, { prefix: "/some/where/" });
  const { page } = await inspector(t, { url: server.url }).then(started);
  await page.waitForFunction(() => document.getElementById("app").childElementCount > 0);
  const missing = server.requests.filter((request) => request.status >= 400);
  assert.deepEqual(missing, []);
});

test("a server that does not know WebAssembly's type is good enough", async (t) => {
  const server = await serve(t, bundle, { types: { ".wasm": "application/octet-stream" } });
  await inspector(t, { url: server.url }).then(started);
});

test("what is loaded first stays below its ceiling, and all of it comes from one place", async (t) => {
  const server = await serve(t, bundle);
  const { page } = await inspector(t, { url: server.url }).then(started);
  const loaded = await page.evaluate(() => performance.getEntriesByType("resource").map((entry) => entry.name));
  assert.deepEqual(loaded.filter((url) => !url.startsWith(server.url)), []);
  const names = new Set([...FIRST, ...loaded.map((url) => new URL(url).pathname.slice(1))]);
  assert.ok(FIRST.every((name) => server.requests.some((request) => [name, ""].includes(request.path))));
  // Measured as `cargo xtask web` does it: the library of Node.js compresses a little less.
  const sizes = [...names].map((name) => execFileSync("gzip", ["-9", "-n", "-c", join(bundle, name)], { maxBuffer: 1 << 26 }).length);
  const sum = sizes.reduce((a, b) => a + b);
  // The same ceiling stands in xtask/src/web.rs.
  if (!bundle.endsWith("-debug")) assert.ok(sum <= 900_000, `${sum} bytes`);
  assert.ok(sum > 20_000, `${sum} bytes are too few to be true`);
});

test("references change with the files, so that caches cannot mix versions", async () => {
  const html = await readFile(join(bundle, "index.html"), "utf8");
  const references = [...html.matchAll(/(?:src|href|data-app|data-wasm)="([^"]*)"/g)].map((match) => match[1]);
  assert.ok(references.length >= 4);
  for (const reference of references) assert.match(reference, /^[\w./-]+\?[0-9a-f]{12}$/);
  assert.doesNotMatch(html, /trunk|nonce/i);
});

test("the page reaches no other place, neither from its thread nor from a worker", async (t) => {
  const [reached, foreign, framed] = [await somewhere(t), await somewhere(t), await somewhere(t)];
  // In a page without a policy they all get through.
  const dir = await scratch(t);
  await writeFile(join(dir, "index.html"), "<!doctype html><title>free</title><link rel=icon href=data:,>");
  const free = await inspector(t, { url: (await serve(t, dir)).url });
  for (const [name, { file, go }] of Object.entries(WAYS_OUT)) {
    assert.equal(await free.page.evaluate(go, reached.url + file), "loaded", `${name} without a policy`);
  }

  const { page } = await inspector(t, { allow: BLOCKED }).then(started);
  for (const [name, { file, go }] of Object.entries(WAYS_OUT)) {
    // Chromium opens a socket for a frame, and looks at the policy before it sends anything.
    const server = name === "frame" ? framed : foreign;
    assert.equal(await page.evaluate(go, server.url + file), "blocked", name);
  }
  const worker = await startedWorker(page);
  for (const [name, { file, go }] of Object.entries(WAYS_OUT).filter(([, way]) => way.worker)) {
    assert.equal(await worker.evaluate(go, foreign.url + file), "blocked", `${name} in the worker`);
  }
  assert.equal(foreign.connections(), 0);
  assert.deepEqual(framed.requests, []);
});

test("code that stands in the document or in text does not run", async (t) => {
  const { page } = await inspector(t, { allow: BLOCKED }).then(started);
  const ran = await page.evaluate(() => {
    const script = document.createElement("script");
    script.textContent = "globalThis.ran = 'a script element'";
    document.body.append(script);
    const image = document.createElement("div");
    image.setAttribute("onclick", "globalThis.ran = 'an attribute'");
    document.body.append(image);
    image.click();
    return globalThis.ran ?? null;
  });
  assert.equal(ran, null);
  // The debugger may evaluate what it likes, but not what its evaluation starts later.
  const evaluated = await page.evaluate(
    () => new Promise((resolve) => setTimeout(() => {
      try {
        resolve((0, eval)("'text'"));
      } catch (error) {
        resolve(error.name);
      }
    })),
  );
  assert.equal(evaluated, "EvalError");
});

test("the place that `?url=` names is reached from both, and it alone", async (t) => {
  const [given, other] = [await somewhere(t), await somewhere(t)];
  const query = `?url=${encodeURIComponent(`${given.url}some.pxar`)}`;
  const page = await inspector(t, { query, allow: BLOCKED }).then(started);
  const worker = await startedWorker(page.page);
  for (const scope of [page.page, worker]) {
    assert.equal(await scope.evaluate(WAYS_OUT.fetch.go, `${given.url}data`), "loaded");
    assert.equal(await scope.evaluate(WAYS_OUT.fetch.go, `${other.url}data`), "blocked");
  }
  // Data may come from there, but nothing that runs or shows.
  for (const name of ["import", "image", "style", "frame"]) {
    const { file, go } = WAYS_OUT[name];
    assert.equal(await page.page.evaluate(go, given.url + file), "blocked", name);
  }
  assert.equal(other.connections(), 0);
});

test("what is no URL in `?url=` opens nothing", async (t) => {
  const foreign = await somewhere(t);
  const tries = ["javascript:alert(1)", "* ; script-src *", "data:text/plain,x", "http://[", `x;${foreign.url}`];
  const query = `?${tries.map((text) => `url=${encodeURIComponent(text)}`).join("&")}`;
  const page = await inspector(t, { query, allow: BLOCKED }).then(started);
  assert.equal(await page.page.evaluate(WAYS_OUT.fetch.go, `${foreign.url}data`), "blocked");
  assert.equal(foreign.connections(), 0);
});

test("a worker runs the same program", async (t) => {
  const { page } = await inspector(t).then(started);
  const worker = await startedWorker(page);
  assert.equal(await worker.evaluate(() => self.name), "pxkit");
  assert.match(worker.url(), /^blob:/);
});

test("what is sent to a worker before its program runs arrives in order, with its ports", async (t) => {
  const { page } = await bootOf(t, `
    export default async () => {
      if (!self.WorkerGlobalScope) return performance.mark("pxkit-page");
      await new Promise((resolve) => setTimeout(resolve, 300));
      self.onmessage = ({ data, ports }) => ports.length ? ports[0].postMessage(data) : postMessage(data);
    }`);
  const heard = await page.evaluate(async () => {
    const worker = globalThis.pxkitWorker();
    const channel = new MessageChannel();
    const heard = [];
    const hear = ({ data }) => heard.push(data);
    worker.onmessage = channel.port1.onmessage = hear;
    worker.postMessage("first");
    worker.postMessage("by the port", [channel.port2]);
    for (let n = 0; n < 1000; n++) {
      worker.postMessage(n);
      if (n % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    }
    const deadline = performance.now() + 100_000;
    while (heard.length < 1002 && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 20));
    return heard;
  });
  assert.deepEqual(heard.filter((data) => data !== "by the port"), ["first", ...Array(1000).keys()]);
  assert.equal(heard.length, 1002);
});

for (const [how, glue] of Object.entries({
  "cannot start": `export default async () => { if (self.WorkerGlobalScope) throw new Error("made by the test"); performance.mark("pxkit-page"); }`,
  "breaks a promise": `export default async () => {
    if (!self.WorkerGlobalScope) return performance.mark("pxkit-page");
    self.onmessage = () => void Promise.reject(new Error("made by the test"));
  }`,
  "throws": `export default async () => {
    if (!self.WorkerGlobalScope) return performance.mark("pxkit-page");
    self.onmessage = () => { throw new Error("made by the test"); };
  }`,
})) {
  test(`the page is told when a worker ${how}`, async (t) => {
    const { page } = await bootOf(t, glue, /made by the test/);
    const message = await page.evaluate(async () => {
      const worker = globalThis.pxkitWorker();
      worker.postMessage("go");
      return new Promise((resolve) => worker.addEventListener("error", (event) => resolve(event.message), { once: true }));
    });
    assert.match(message, /made by the test/);
  });
}

test("a page that stops says so", async (t) => {
  const { page } = await inspector(t, { allow: /made by the test|second/ }).then(started);
  assert.equal(await page.locator("#stopped").isVisible(), false);
  await page.evaluate(() => setTimeout(() => { throw new Error("made by the test"); }));
  await page.locator("#stopped").waitFor();
  await page.evaluate(() => setTimeout(() => { throw new Error("second"); }));
  assert.match(await page.locator("#stopped").innerText(), /^The inspector stopped: made by the test\s+Load it again$/);
  await Promise.all([page.waitForEvent("load"), page.locator("#stopped button").click()]);
  assert.equal(await page.locator("#stopped").isVisible(), false);
});

test("a program that cannot be loaded is told of", async (t) => {
  const dir = await scratch(t);
  await cp(bundle, dir, { recursive: true });
  await writeFile(join(dir, "pxkit-web_bg.wasm"), "this is none");
  const { page } = await inspector(t, { url: (await serve(t, dir)).url, allow: /WebAssembly/ });
  await page.locator("#stopped").waitFor();
  assert.match(await page.locator("#stopped").innerText(), /The inspector stopped: .*WebAssembly/);
});

test("every file of the bundle is there to be loaded", async () => {
  const files = (await readdir(bundle, { recursive: true })).filter((name) => name.includes("."));
  for (const name of files) assert.ok((await stat(join(bundle, name))).size > 0, name);
});

async function started(inspector) {
  await inspector.mark("pxkit-page");
  return inspector;
}

/** A worker of the program, when that has started in it. */
async function startedWorker(page) {
  if (page.workers().length === 0) await page.evaluate(() => void (globalThis.kept = globalThis.pxkitWorker()));
  return lastWorker(page);
}

async function lastWorker(page) {
  const deadline = Date.now() + PATIENCE;
  for (;;) {
    const worker = page.workers().at(-1);
    const runs = await worker?.evaluate(() => performance.getEntriesByName("pxkit-worker").length).catch(() => 0);
    if (runs) return worker;
    assert.ok(Date.now() < deadline, "the worker did not start");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** The inspector's page and boot script with another program. */
async function bootOf(t, glue, allow) {
  const dir = await scratch(t);
  await cp(bundle, dir, { recursive: true });
  await writeFile(join(dir, "pxkit-web.js"), glue);
  await writeFile(join(dir, "pxkit-web_bg.wasm"), new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]));
  return inspector(t, { url: (await serve(t, dir)).url, allow }).then(started);
}

/** A server of another origin that lets everybody read. */
async function somewhere(t) {
  const dir = await scratch(t);
  await writeFile(join(dir, "data"), "data");
  await writeFile(join(dir, "code.js"), "export {};");
  await writeFile(join(dir, "style.css"), "/* empty */");
  await writeFile(join(dir, "page.html"), "<!doctype html><title>page</title>");
  await cp(join(bundle, "static/icon.svg"), join(dir, "icon.svg"));
  return serve(t, dir, { cors: true });
}
