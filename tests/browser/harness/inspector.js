// A page with the inspector, and what a person does with it.

import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { launched } from "./chromium.js";
import { cleanup } from "./cleanup.js";
import { bundle, PATIENCE, screenshots } from "./paths.js";
import { withPalette } from "./png.js";
import { serve } from "./server.js";
import { Scope } from "./scope.js";

/**
 * Opens the inspector in a new browser context for a test. It is closed when the test ends, and the test fails if anything was
 * complained of meanwhile: an error in the console of the page or a worker, an exception, a violation of the policy.
 *
 * Options: `url`, where it is served (default: the bundle, by a server of this test); `query`, appended to it (`?url=…#…`); `allow`, a regular
 * expression of complaints that the test wants; `viewport`, `colorScheme`, and others of Playwright's contexts; `before(page)`,
 * called before the page is loaded.
 */
export async function inspector(t, { url, query = "", allow = null, before = null, ...context } = {}) {
  // Before the page, so that it is there as long as the page.
  const home = url ?? (await serve(t, bundle)).url;
  const browser = await launched();
  const opened = await browser.newContext({ viewport: { width: 1440, height: 900 }, colorScheme: "light", ...context });
  opened.setDefaultTimeout(PATIENCE);
  const inspector = new Inspector(await opened.newPage(), allow);
  cleanup(t, async () => {
    await opened.close();
    inspector.assertQuiet();
  });
  await inspector.page.addInitScript(observeLongTasks);
  await before?.(inspector.page);
  await inspector.page.goto(new URL(query, home).href);
  return inspector;
}

export class Inspector {
  constructor(page, allow) {
    this.page = page;
    this.complaints = [];
    this.allow = allow;
    page.on("console", (message) => {
      if (message.type() === "error") this.complaints.push(`console: ${message.text()}`);
    });
    page.on("pageerror", (error) => this.complaints.push(`exception: ${error.message}`));
    page.on("crash", () => this.complaints.push("the page crashed"));
  }

  /** What was complained of and is not allowed. */
  unexpected() {
    return this.complaints.filter((complaint) => !this.allow?.test(complaint));
  }

  assertQuiet() {
    assert.deepEqual(this.unexpected(), [], "complaints in the browser");
  }

  /** Waits for a mark of the program in the page's timeline and returns its time in milliseconds since navigation began. */
  async mark(name, { timeout = PATIENCE } = {}) {
    const found = await this.page.waitForFunction((wanted) => performance.getEntriesByName(wanted).at(-1)?.startTime, name, {
      timeout,
      polling: 20,
    });
    return found.jsonValue();
  }

  /** Drops files and folders on an element, by their paths, as a file manager would. */
  async drop(paths, { on = "body" } = {}) {
    const box = await this.page.locator(on).first().boundingBox();
    assert.ok(box, `nothing to drop on: ${on}`);
    const data = { items: [], files: [paths].flat(), dragOperationsMask: 1 };
    const at = { x: box.x + box.width / 2, y: box.y + Math.min(box.height / 2, 300), data };
    const session = await this.page.context().newCDPSession(this.page);
    for (const type of ["dragEnter", "dragOver", "drop"]) {
      await session.send("Input.dispatchDragEvent", { type, ...at });
    }
    await session.detach();
  }

  /** Picks files, or one folder if the input asks for folders, in an `<input type=file>` (which may be hidden). */
  async pick(input, paths) {
    await this.page.locator(input).setInputFiles(paths);
  }

  /** Clicks something that opens the browser's own picker, and answers that with these paths. */
  async pickBy(button, paths) {
    const [chooser] = await Promise.all([this.page.waitForEvent("filechooser"), this.page.locator(button).click()]);
    await chooser.setFiles(paths);
  }

  /** Clicks something that saves a file; returns where it lies and the name that was suggested. */
  async save(button) {
    const [download] = await Promise.all([this.page.waitForEvent("download"), this.page.locator(button).click()]);
    return { path: await download.path(), name: download.suggestedFilename() };
  }

  /** The tasks of the page's thread over 50 ms since it was loaded or since `forgetLongTasks`, in milliseconds. */
  async longTasks() {
    // What is still in the observer's queue is delivered before the timer.
    return this.page.evaluate(() => new Promise((resolve) => setTimeout(() => resolve([...globalThis.longTasks]), 100)));
  }

  async forgetLongTasks() {
    await this.longTasks();
    await this.page.evaluate(() => globalThis.longTasks.splice(0));
  }

  /** The inspector's worker, which starts when the page has been painted. */
  async worker() {
    return this.page.workers()[0] ?? this.page.waitForEvent("worker");
  }

  /** Bytes of WebAssembly memory in the page and in each of its workers. */
  async memory() {
    const page = await Scope.page(this.page);
    const workers = await Scope.workers(this.page);
    return { page: await page.wasmMemory(), workers: await Promise.all(workers.map((worker) => worker.wasmMemory())) };
  }

  /**
   * Counts from now on what the worker reads of files that were dropped or picked; call it before they are. Returns a function that
   * tells the bytes so far.
   */
  async countReads() {
    const worker = await this.worker();
    assert.equal(this.page.workers().length, 1, "one worker");
    await worker.evaluate(() => {
      globalThis.bytesRead = 0;
      // A blob that is read is as a rule a slice; a stream counts as a whole, which is too much rather than too little.
      for (const method of ["arrayBuffer", "stream", "text", "bytes"]) {
        const original = Blob.prototype[method];
        if (!original) continue;
        Blob.prototype[method] = function () {
          globalThis.bytesRead += this.size;
          return original.call(this);
        };
      }
    });
    return () => worker.evaluate(() => globalThis.bytesRead);
  }

  /** Takes a picture of the window. */
  async screenshot(name) {
    const picture = await this.page.screenshot({ animations: "disabled", caret: "hide" });
    await mkdir(screenshots, { recursive: true });
    await writeFile(join(screenshots, `${name}.png`), withPalette(picture));
  }
}

function observeLongTasks() {
  globalThis.longTasks = [];
  const keep = (list) => globalThis.longTasks.push(...list.getEntries().map((task) => task.duration));
  new PerformanceObserver(keep).observe({ type: "longtask", buffered: true });
}
