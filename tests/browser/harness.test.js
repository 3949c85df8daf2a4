// The harness tells the truth: what it drops arrives, what it counts is there, and what goes wrong fails a test.

import assert from "node:assert/strict";
import { mkdir, open, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "node:test";

import { axe, eventually, inspector, scratch, serve } from "./harness/index.js";

test("dropped files and folders arrive as such, with their bytes", async (t) => {
  const dir = await scratch(t);
  await mkdir(join(dir, "folder/inner"), { recursive: true });
  await writeFile(join(dir, "folder/inner/deep"), "far down");
  await writeFile(join(dir, "one"), "first");
  await writeFile(join(dir, "two"), "second");
  const opened = await page(t, `
    document.body.ondragover = (event) => event.preventDefault();
    document.body.ondrop = async (event) => {
      event.preventDefault();
      const handles = [...event.dataTransfer.items].map((item) => item.getAsFileSystemHandle());
      const walk = async (handle) => handle.kind === "file" ? (await handle.getFile()).text()
        : Object.fromEntries(await Promise.all((await Array.fromAsync(handle.values())).map(async (h) => [h.name, await walk(h)])));
      globalThis.dropped = await Promise.all(handles.map(async (handle) => {
        const found = await handle;
        return [found.name, await walk(found)];
      }));
    };`);
  await opened.drop(["one", "two", "folder"].map((name) => join(dir, name)));
  const dropped = await opened.page.waitForFunction(() => globalThis.dropped);
  assert.deepEqual(await dropped.jsonValue(), [
    ["one", "first"],
    ["two", "second"],
    ["folder", { inner: { deep: "far down" } }],
  ]);
});

test("files and folders are picked, by an input and by a button", async (t) => {
  const dir = await scratch(t);
  await mkdir(join(dir, "folder/inner"), { recursive: true });
  await writeFile(join(dir, "folder/inner/deep"), "far down");
  await writeFile(join(dir, "one"), "first");
  await writeFile(join(dir, "two"), "second");
  const opened = await page(t, `
    document.body.innerHTML = "<input id=file type=file hidden><input id=folder type=file webkitdirectory hidden><button>Open</button>";
    for (const input of document.querySelectorAll("input"))
      input.onchange = async () => document.title = await input.files[0].text() + ", " + input.files[0].webkitRelativePath;
    document.querySelector("button").onclick = () => document.querySelector("#file").click();`);
  await opened.pick("#file", join(dir, "one"));
  await opened.page.waitForFunction(() => document.title === "first,");
  await opened.pick("#folder", join(dir, "folder"));
  await opened.page.waitForFunction(() => document.title === "far down, folder/inner/deep");
  await opened.pickBy("button", join(dir, "two"));
  await opened.page.waitForFunction(() => document.title === "second,");
});

test("saved files arrive", async (t) => {
  const opened = await page(t, `
    const link = Object.assign(document.createElement("a"), { download: "name.pxar", href: URL.createObjectURL(new Blob(["text"])), textContent: "save" });
    document.body.append(link);`);
  const saved = await opened.save("a");
  assert.equal(saved.name, "name.pxar");
  assert.equal(await readFile(saved.path, "utf8"), "text");
});

test("long tasks of the page are seen, short ones and those of workers are not", async (t) => {
  const opened = await page(t, `
    const busy = (ms) => { const end = performance.now() + ms; while (performance.now() < end); };
    globalThis.work = (ms) => setTimeout(() => busy(ms), 10);
    globalThis.worker = new Worker(URL.createObjectURL(new Blob([busy.toString().replace(/^/, "const busy = ") + "; onmessage = () => { busy(200); postMessage(0); }"])));`);
  // On a busy machine any task may be interrupted for long: one round in which that does not happen is enough.
  await eventually(async () => {
    await opened.forgetLongTasks();
    await opened.page.evaluate(() => new Promise((resolve) => { globalThis.worker.onmessage = resolve; globalThis.worker.postMessage(0); }));
    assert.deepEqual(await opened.longTasks(), []);
  });
  await eventually(async () => {
    await opened.forgetLongTasks();
    await opened.page.evaluate(() => { globalThis.work(120); });
    await opened.page.waitForFunction(() => globalThis.longTasks.some((task) => task >= 100));
    const [task, ...more] = await opened.longTasks();
    assert.ok(task < 1_000, `${task}`);
    assert.deepEqual(more, []);
  });
});

test("WebAssembly memory is counted in the page and in its workers", async (t) => {
  const opened = await page(t, `
    globalThis.kept = new WebAssembly.Memory({ initial: 3 });
    const text = "globalThis.kept = [new WebAssembly.Memory({ initial: 5 }), new WebAssembly.Memory({ initial: 2 })]; postMessage(0);";
    const worker = new Worker(URL.createObjectURL(new Blob([text])));
    worker.onmessage = () => { globalThis.ready = worker; };`);
  await opened.page.waitForFunction(() => globalThis.ready);
  assert.deepEqual(await opened.memory(), { page: 3 * 65_536, workers: [7 * 65_536] });
  // It can be asked again, and follows what grows.
  await opened.page.evaluate(() => { globalThis.kept.grow(10); });
  assert.equal((await opened.memory()).page, 13 * 65_536);
});

test("bytes that a worker reads of a big file are counted, beyond 8 GiB too", async (t) => {
  const file = join(await scratch(t), "big");
  const handle = await open(file, "w");
  await handle.write("the end", 9 * 2 ** 30);
  await handle.close();
  const text = `
    let kept;
    onmessage = async ({ data }) => {
      kept = data ?? kept;
      postMessage(await kept.slice(9 * 2 ** 30, 9 * 2 ** 30 + 7).arrayBuffer().then((bytes) => new TextDecoder().decode(bytes)));
      const reader = kept.slice(0, 1000).stream().getReader();
      while (!(await reader.read()).done);
      postMessage("done");
    };`;
  const opened = await page(t, `
    const worker = new Worker(URL.createObjectURL(new Blob([${JSON.stringify(text)}])));
    globalThis.said = [];
    worker.onmessage = ({ data }) => globalThis.said.push(data);
    document.body.innerHTML = "<input type=file>";
    document.querySelector("input").onchange = ({ target }) => worker.postMessage(target.files[0]);`);
  await opened.page.waitForFunction(() => globalThis.said);
  const read = await opened.countReads();
  await opened.pick("input", file);
  await opened.page.waitForFunction(() => globalThis.said.includes("done"));
  assert.equal(await opened.page.evaluate(() => globalThis.said[0]), "the end");
  assert.equal(await read(), 1007);
});

test("complaints of the page and of a worker are kept", async (t) => {
  const opened = await page(t, `console.error("one"); setTimeout(() => { throw new Error("two"); });
    new Worker(URL.createObjectURL(new Blob(["console.error('three'); Promise.reject(new Error('four'));"])));
    fetch("/missing");`, /one|two|three|four|404/);
  await eventually(async () => {
    const missing = ["one", "two", "three", "404"].filter((word) => !opened.complaints.some((complaint) => complaint.includes(word)));
    assert.deepEqual(missing, [], JSON.stringify(opened.complaints));
  });
  assert.deepEqual(opened.unexpected(), []);
  opened.allow = null;
  assert.throws(() => opened.assertQuiet(), /complaints in the browser/);
  opened.allow = /./;
});

test("axe sees what is wrong, in the dark as well", async (t) => {
  const fine = "<main><h1>Title</h1><p>Text</p></main>";
  const opened = await page(t, `document.documentElement.lang = "en"; document.title = "page"; document.body.innerHTML = ${JSON.stringify(fine)};`);
  await axe(opened);
  await opened.page.addStyleTag({ content: "@media (prefers-color-scheme: dark) { body { background: #222; color: #333; } }" });
  await axe(opened, { themes: ["light"] });
  await assert.rejects(axe(opened), /accessibility, dark/);
});

test("ranges are answered as servers do", async (t) => {
  const dir = await scratch(t);
  await writeFile(join(dir, "ten"), "0123456789");
  const server = await serve(t, dir);
  const get = async (range, url = server.url) => {
    const answer = await fetch(`${url}ten`, { headers: { Range: range } });
    return [answer.status, await answer.text(), answer.headers.get("Content-Range")];
  };
  assert.deepEqual(await get("bytes=2-4"), [206, "234", "bytes 2-4/10"]);
  assert.deepEqual(await get("bytes=7-"), [206, "789", "bytes 7-9/10"]);
  assert.deepEqual(await get("bytes=-2"), [206, "89", "bytes 8-9/10"]);
  assert.deepEqual(await get("bytes=8-99"), [206, "89", "bytes 8-9/10"]);
  assert.deepEqual(await get("bytes=10-"), [416, "", "bytes */10"]);
  assert.equal(server.bytes("ten"), 3 + 3 + 2 + 2);
  const without = await serve(t, dir, { ranges: false });
  assert.deepEqual(await get("bytes=2-4", without.url), [200, "0123456789", null]);
});

/** A page of the test's own with this script. */
async function page(t, script, allow) {
  const dir = await scratch(t);
  await writeFile(join(dir, "index.html"), `<!doctype html><meta charset=utf-8><link rel=icon href=data:,><body style="min-height: 400px"><script type=module>${script}</script>`);
  return inspector(t, { url: (await serve(t, dir)).url, allow });
}
