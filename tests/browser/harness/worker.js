// The worker without the page: a test asks it as the page does.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";

import { launched } from "./chromium.js";
import { inspector } from "./inspector.js";
import { codec, sources } from "./protocol.js";

/** Opens the inspector for a test and starts a worker of its own beside that of the page. Options as those of `inspector`. */
export async function worker(t, options) {
  const opened = await inspector(t, options);
  await opened.page.waitForFunction(() => globalThis.pxkitWorker);
  await opened.page.evaluate(`globalThis.codec = (${codec})(${JSON.stringify(sources)})`);
  await opened.page.evaluate(start);
  return new Worker(opened);
}

class Worker {
  constructor(opened) {
    this.opened = opened;
    this.page = opened.page;
  }

  /**
   * Asks, and returns what the reply holds. `request` is as in `web/src/protocol`: `{ Rows: [1, { start: 0, count: 10 }] }`. Numbers of 64 bits
   * are BigInt in both directions. A problem fails the test; `problem` expects one.
   */
  async ask(request) {
    const { Ok, Err } = await this.page.evaluate((request) => ask(request, []), request);
    assert.equal(Err, undefined);
    return typeof Ok === "string" ? Ok : Object.values(Ok)[0];
  }

  async problem(request) {
    const { Ok, Err } = await this.page.evaluate((request) => ask(request, []), request);
    assert.equal(Ok, undefined);
    return Err;
  }

  /** Opens files of the disk. */
  async open(paths) {
    await this.page.locator("#files").setInputFiles(paths);
    return this.#opened(() => openFiles([...document.querySelector("#files").files]));
  }

  /** Opens a folder of the disk, file by file. */
  async openFolder(path) {
    await this.page.locator("#folder").setInputFiles(path);
    return this.#opened(() => openFiles([...document.querySelector("#folder").files]));
  }

  /** Opens what a function, which runs in the page, makes: a list of `File`s. */
  async openMade(make, argument) {
    const source = `(${make})(${JSON.stringify(argument ?? null)})`;
    return this.#opened((source) => openFiles((0, eval)(source)), source);
  }

  /** Opens items of the protocol that need no handle (`{ Url: { url } }`). */
  async openItems(items) {
    return this.#opened((items) => ask({ Open: { items } }, []), items);
  }

  async #opened(call, argument) {
    const { Ok, Err } = await this.page.evaluate(call, argument);
    assert.equal(Err, undefined);
    return Ok.Opened;
  }

  /** Returns a function that tells how many milliseconds of the processor the threads of workers have taken so far, as the kernel counts. */
  async processor() {
    const session = await (await launched()).newBrowserCDPSession();
    const { processInfo } = await session.send("SystemInfo.getProcessInfo");
    await session.detach();
    const renderers = processInfo.filter(({ type }) => type === "renderer").map(({ id }) => `/proc/${id}/task`);
    // A worker may start only when it is asked something.
    const threads = () => renderers.flatMap((dir) => readdirSync(dir).map((thread) => `${dir}/${thread}`));
    const workers = () => threads().filter((dir) => readFileSync(`${dir}/comm`, "utf8").startsWith("DedicatedWorker"));
    const nanoseconds = (dir) => Number(readFileSync(`${dir}/schedstat`, "utf8").split(" ")[0]);
    return () => workers().reduce((sum, dir) => sum + nanoseconds(dir), 0) / 1e6;
  }

  /** Waits until decoding of a document ends; returns what the page was told last. */
  async decoded(id) {
    const ended = (id) => documents.has(id) && documents.get(id).state.Loading === undefined;
    await this.page.waitForFunction(ended, id, { polling: 20 });
    return this.page.evaluate((id) => documents.get(id), id);
  }

  /** Bytes of the file that `Save` makes, as an array of numbers in base64. */
  async save(id, what) {
    const base64 = await this.page.evaluate(async ([id, what]) => {
      const { Ok, Err, handles } = await ask({ Save: [id, what] }, []);
      if (Err) throw new Error(Err.message);
      const url = await new Promise((resolve) => {
        const reader = Object.assign(new FileReader(), { onload: () => resolve(reader.result) });
        reader.readAsDataURL(handles[0]);
      });
      return [Ok.Saved, url.slice(url.indexOf(",") + 1)];
    }, [id, what]);
    return { ...base64[0], bytes: Buffer.from(base64[1], "base64") };
  }
}

/** Runs in the page. */
function start() {
  const worker = globalThis.pxkitWorker();
  const waiting = new Map();
  let next = 1;
  Object.assign(globalThis, {
    documents: new Map(),
    progress: [],
    died: null,
    ask: (request, handles) =>
      new Promise((resolve) => {
        const id = next++;
        waiting.set(id, resolve);
        worker.postMessage({ body: codec.encode("Ask", { id, request }), handles });
      }),
    openFiles: (files) => {
      const items = files.map((file, handle) => ({ File: { handle, path: file.webkitRelativePath || file.name } }));
      return ask({ Open: { items } }, files);
    },
    ended: new Map(),
  });
  worker.onerror = (event) => (globalThis.died = event.message);
  worker.onmessage = ({ data }) => {
    const at = performance.now();
    const [body, handles] = [codec.decode("Tell", data.body), data.handles];
    if (body.Reply) {
      const { id, result } = body.Reply;
      waiting.get(id)({ ...result, handles, at });
      for (const document of result.Ok?.Opened?.documents ?? []) documents.set(document.id, documents.get(document.id) ?? document);
    } else if (body.Document) {
      documents.set(body.Document.id, body.Document);
      ended.set(body.Document.id, at);
    } else if (body.Progress) {
      progress.push(body.Progress);
    }
  };
  document.body.insertAdjacentHTML("beforeend", "<input id=files type=file multiple hidden><input id=folder type=file webkitdirectory hidden>");
}
