// The views show the right things: their numbers are those of `pxkit layout --json` and `pxkit list`, what is selected in one is in all,
// and what is saved is what was archived.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, lstat, readlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "node:test";

import {
  axe, choose, eventually, exact, golden, newest, number, pxkit, pxkitJson, row, scratch, start, store, view, withFiles, withSnapshots,
} from "./harness/index.js";

const oldest = "host/meta/2026-11-22T21:15:54Z";
const layout = (...args) => pxkitJson("layout", "--json", "--repository", store, ...args);
const hash = (page, ...parts) =>
  page.waitForFunction((parts) => parts.every((part) => decodeURIComponent(location.hash).includes(part)), parts);

/** Everything below a folder, with digests of files. */
async function tree(dir, below = "") {
  const found = {};
  for (const name of (await readdir(join(dir, below))).sort()) {
    const path = below ? `${below}/${name}` : name;
    const info = await lstat(join(dir, path));
    if (info.isDirectory()) Object.assign(found, { [path]: "directory" }, await tree(dir, path));
    else if (info.isSymbolicLink()) found[path] = `→ ${await readlink(join(dir, path))}`;
    else found[path] = createHash("sha256").update(await readFile(join(dir, path))).digest("hex");
  }
  return found;
}

test("a folder saved as tar and as zip is the folder", async (t) => {
  const i = await withSnapshots(t);
  const dir = await scratch(t);
  await pxkit("restore", "--repository", store, newest, "tree.pxar", join(dir, "whole"));
  const wanted = await tree(join(dir, "whole/dir2"));
  await row(i.page, "dir2").click();
  for (const [name, unpack] of [["tar", ["tar", "-xf"]], ["zip", ["unzip", "-q"]]]) {
    const saved = await i.save(`#entry .actions button:has-text("${name}")`);
    assert.equal(saved.name, `dir2.${name}`);
    const to = join(dir, name);
    execFileSync("mkdir", [to]);
    execFileSync(unpack[0], [...unpack.slice(1), saved.path], { cwd: to });
    const top = await readdir(to);
    assert.deepEqual(await tree(join(to, ...(top.length === 1 ? top : []))), wanted, name);
  }
});

test("sizes and numbers of entries are those of the lists", async (t) => {
  const i = await withSnapshots(t);
  const wanted = await layout(`${newest}/tree.pxar`);
  await i.page.locator(".tabs .summary", { hasText: `${wanted.entries} entries` }).waitFor();
  await eventually(async () => {
    const title = await i.page.locator(".tabs .summary span").last().getAttribute("title");
    assert.equal(number(title), wanted.padding.bytes);
  });
  await i.page.getByLabel("as a list").check();
  await i.page.getByRole("button", { name: "Size", exact: true }).click();
  await i.page.locator('[aria-sort="descending"]', { hasText: "Size" }).waitFor();
  // The root holds everything; the largest file comes next. The head of the table is a row, too.
  await i.page.locator('#view-files [data-row="1"]', { hasText: "/large" }).waitFor();
  await i.page.locator(`#view-files [aria-rowcount="${wanted.entries + 1}"]`).waitFor();
});

test("two snapshots compared: the numbers are those of the report, each difference leads to its file", async (t) => {
  const i = await withSnapshots(t, [3, 0]);
  const { page } = i;
  const { previous, generations } = await layout("--previous", `${oldest}/tree.pxar`, `${newest}/tree.pxar`);
  await page.getByRole("button", { name: "Compare them" }).click();
  const kinds = page.locator("#view-compare .kinds .kind");
  await kinds.first().waitFor();
  // What was offered is done.
  await page.locator(".banner").waitFor({ state: "detached" });
  const words = { added: "added", removed: "removed", contents: "changed", metadata: "metadata only", kind: "type changed", moved: "moved", unchanged: "unchanged" };
  for (const [key, word] of Object.entries(words)) {
    const kind = kinds.filter({ has: page.locator("span", { hasText: new RegExp(`^${word}$`) }) });
    assert.equal(number(await kind.locator("strong").innerText()), previous.changes[key].entries, word);
    assert.equal(await exact(kind.locator("[title]")), previous.changes[key].bytes, word);
    // The figures are inside of their box.
    const [outer, inner] = [await kind.boundingBox(), await kind.locator("strong").boundingBox()];
    assert.ok(inner.y + inner.height <= outer.y + outer.height, `${word} sticks out`);
  }
  for (const name of ["gone", "shared", "new"]) {
    const part = page.locator(`#view-compare .bar-line .${name}`);
    const [, chunks, bytes] = /: ([\d,]+) chunks?, ([\d,]+) bytes?/.exec(await part.getAttribute("title")).map((it) => it.replaceAll(",", ""));
    assert.deepEqual([Number(chunks), Number(bytes)], [previous.chunks[name].chunks, previous.chunks[name].bytes], name);
  }
  // A chunk may be injected at several places: they are counted, not the chunks.
  const injected = page.locator("#view-compare .chunk-bar dl > div").last();
  const [, times] = /injected\s+([\d,]+) times/.exec(await injected.innerText());
  assert.equal(Number(times.replaceAll(",", "")), generations[1].chunks);
  const again = kinds.filter({ hasText: "read again for nothing" });
  assert.equal(number(await again.locator("strong").innerText()), previous.stored_again.unchanged.files);

  const differences = page.locator("#view-compare .differences [data-row]");
  await differences.filter({ hasText: "/dir4/small03 → /dir4/small03-renamed" }).waitFor();
  await kinds.filter({ hasText: "added" }).click();
  await page.waitForFunction(() => document.querySelectorAll("#view-compare .differences [data-row]").length === 1);
  await differences.filter({ hasText: "/dir2/new-file" }).click();
  await page.locator("#entry h2", { hasText: "new-file" }).waitFor();
  await differences.first().dblclick();
  await page.locator('.shell[data-tab="files"]').waitFor();
  await page.locator("#view-files .row.current", { hasText: "new-file" }).waitFor();
});

test("snapshots with different keys are compared by their metadata, and the page says why", async (t) => {
  const dir = await scratch(t);
  const at = (name) => join(dir, name);
  await mkdir(at("tree"));
  await writeFile(at("tree/same"), "the same in both");
  for (const nth of [1, 2]) {
    await pxkit("key", "create", "--kdf", "none", at(`${nth}.json`));
    const how = ["--state", "off", "--backup-id", "keys", "--backup-time", `${1_800_000_000 + nth}`, "--keyfile", at(`${nth}.json`)];
    await pxkit("backup", "--repository", at("store"), ...how, `root.pxar:${at("tree")}`);
    await writeFile(at("tree/new"), "only in the second");
  }
  const { page } = await start(t).then(async (i) => (await i.pick(".pick-folder", at("store")), i));
  await page.locator(".key > summary").click();
  for (const nth of [1, 2]) {
    const { fingerprint } = JSON.parse(await readFile(at(`${nth}.json`), "utf8"));
    await page.locator(".key-form input[type=file]").setInputFiles(at(`${nth}.json`));
    await page.locator(".key-form button").click();
    await page.locator(".key-form [role=status]", { hasText: fingerprint }).waitFor();
  }
  await page.locator(".key > summary").click();
  await choose(page, "host/keys", { place: 0 });
  await row(page, "new").waitFor();
  await view(page, "compare");
  await page.locator("#compare-older").selectOption("snapshot:host/keys/2027-01-15T08:00:01Z");
  await page.locator("#view-compare .note", { hasText: "encrypted with different keys" }).waitFor();
  // What changed is told; what would come from the chunks is not there, rather than wrong.
  const counts = async (word) => number(await page.locator("#view-compare .kind", { has: page.locator("span", { hasText: new RegExp(`^${word}$`) }) }).locator("strong").innerText());
  assert.deepEqual([await counts("added"), await counts("removed"), await counts("changed"), await counts("unchanged")], [1, 0, 0, 1]);
  assert.equal(await page.locator("#view-compare .chunk-bar, #view-compare .needless").count(), 0);
  await page.locator("#view-compare .differences [data-row]", { hasText: "/new" }).waitFor();
});

test("whoever comes back to the snapshots finds the group of the one that is shown", async (t) => {
  const { page } = await withSnapshots(t);
  await page.getByRole("button", { name: "Snapshots" }).click();
  await page.locator('.groups [aria-pressed="true"]', { hasText: "host/meta" }).waitFor();
  await page.locator(".snapshot").nth(3).waitFor();
});

test("generations of a group: each snapshot's figures are those of its own report", async (t) => {
  const { page } = await withSnapshots(t);
  await view(page, "compare");
  await page.getByRole("button", { name: "Show padding by generation" }).click();
  const lines = page.locator("#view-compare .generations tbody tr");
  await lines.nth(3).waitFor();
  assert.equal(await lines.count(), 4);
  for (let nth = 0; nth < 4; nth += 1) {
    const cells = lines.nth(nth).locator("td");
    const wanted = await layout(`host/meta/${await cells.nth(0).innerText()}/tree.pxar`);
    assert.equal(await exact(cells.nth(1)), wanted.live);
    assert.equal(await exact(cells.nth(2)), wanted.padding.bytes);
    assert.equal(number(await cells.nth(5).innerText()), wanted.chunks.count);
  }
  // Snapshots of one day are told apart by their time.
  const labels = await page.locator("#view-compare .generations g > text").allTextContents();
  assert.equal(new Set(labels).size, 4, `${labels}`);
});

test("structure, bytes and entries lead to each other", async (t) => {
  const { page } = await withFiles(t, ["mpxar", "ppxar"].map((ending) => `${golden}/archives/kinds.${ending}`));
  await row(page, "seeded-4097").click();
  await view(page, "structure");
  const current = page.locator("#view-structure .item-row.current");
  await current.filter({ hasText: "FILENAME" }).filter({ hasText: "seeded-4097" }).waitFor();
  // The item is marked in the bytes, all of it and nothing else.
  await eventually(async () => {
    const text = await page.locator("#view-structure .hex-head").innerText();
    const marked = await page.locator("#view-structure .hex .digits .selected").evaluateAll((all) => all.map((it) => it.textContent.trim()).join(" ").split(/\s+/).length);
    assert.equal(`(${marked} bytes)`, /\(\d+ bytes\)/.exec(text)?.[0]);
    assert.ok(marked > 16, "more than a header");
  });
  // A field selects its bytes, a byte its field.
  await page.locator("#view-structure .fields button", { hasText: "name" }).click();
  await hash(page, "bytes=meta:");
  await eventually(async () => {
    const letters = await page.locator("#view-structure .hex .letters .selected").evaluateAll((all) => all.map((it) => it.textContent).join(""));
    assert.equal(letters, "seeded-4097");
  });
  await page.locator("#view-structure .hex .letters .field").first().click({ position: { x: 2, y: 8 } });
  await page.locator('#view-structure .fields tr.selected', { hasText: "type" }).waitFor();
  // A reference leads into the payload stream, and back.
  await page.locator("#view-structure .items").focus();
  await page.keyboard.press("j");
  await page.keyboard.press("j");
  await current.filter({ hasText: "PAYLOAD_REF" }).waitFor();
  await page.locator("#view-structure .fields .jump", { hasText: "→" }).first().click();
  await hash(page, "item=payload:");
  await page.locator("#view-structure .item-row.current", { hasText: "PAYLOAD" }).waitFor();
  await page.locator("#entry h2", { hasText: "seeded-4097" }).waitFor();
  await page.goBack();
  await current.filter({ hasText: "PAYLOAD_REF" }).waitFor();
  // An offset that is typed.
  await page.keyboard.press("g");
  await page.locator(".goto input:focus").waitFor();
  await page.keyboard.type("0x0");
  await page.keyboard.press("Enter");
  await current.filter({ hasText: "FORMAT_VERSION" }).waitFor();
  await page.locator("#view-structure .item", { hasText: "split: metadata here" }).waitFor();
});

test("goodbye tables are drawn as trees whose records lead to their entries", async (t) => {
  const { page } = await withFiles(t, [`${golden}/archives/goodbye.pxar`]);
  await view(page, "structure");
  await page.locator("#view-structure .item-row.current").waitFor();
  await page.locator("#view-structure .items").focus();
  await page.keyboard.press("End");
  await page.locator("#view-structure .item-row.current", { hasText: "GOODBYE" }).waitFor();
  await page.locator("#view-structure .goodbye svg .record").first().waitFor();
  await page.locator("#view-structure .goodbye svg .record").first().click();
  await page.locator("#view-structure .item-row.current", { hasText: "FILENAME" }).waitFor();
});

test("checks look at what decoding does not; ghosts are in the map", async (t) => {
  const { page } = await withSnapshots(t);
  await view(page, "findings");
  const { ghosts } = await layout("--ghosts", `${newest}/tree.pxar`);
  for (const [check, outcome] of [["headers", "all right"], ["tables", "all right"], ["digests", "all right"], ["ghosts", `${ghosts.count} found`]]) {
    await page.getByRole("button", { name: `Check ${check}` }).click();
    await page.locator(".check-state", { hasText: check }).filter({ hasText: outcome }).waitFor();
  }
  await page.locator(".status", { hasText: `${ghosts.count} ghosts` }).waitFor();
  await page.getByRole("button", { name: "show in the map" }).click();
  const fact = page.locator("#view-layout .facts > div", { hasText: "ghosts" });
  await eventually(async () => assert.equal(await exact(fact), ghosts.bytes));
});

test("all by keyboard: from the tree to an entry, the map, a chunk, the bytes, and back", async (t) => {
  const i = await withSnapshots(t);
  const { page } = i;
  await page.keyboard.press("/");
  await page.keyboard.type("new-file");
  await page.locator(".filter .count", { hasText: "1 match" }).waitFor();
  // To the first row, then from directory to directory: each key is pressed when the one before has moved the selection.
  await page.keyboard.press("Enter");
  const current = page.locator("#view-files .row.current");
  await current.and(page.locator('[data-row="0"]')).waitFor();
  await page.locator('#view-files [data-row="2"]', { hasText: "new-file" }).waitFor();
  for (const nth of [1, 2]) {
    await page.keyboard.press("j");
    await current.and(page.locator(`[data-row="${nth}"]`)).waitFor();
  }
  await page.locator("#entry h2", { hasText: "new-file" }).waitFor();
  const download = page.waitForEvent("download");
  await page.keyboard.press("s");
  assert.equal((await download).suggestedFilename(), "new-file");
  await view(page, "layout");
  await page.locator("#view-layout .detail canvas").waitFor();
  await page.keyboard.press("Enter");
  await hash(page, "zoom=");
  await view(page, "chunks");
  await page.locator("#view-chunks .row.needed").first().waitFor();
  await view(page, "structure");
  await page.locator("#view-structure .item-row.current", { hasText: "new-file" }).waitFor();
  await page.keyboard.press("?");
  await page.locator(".keys").waitFor();
  await page.keyboard.press("Escape");
  await page.locator(".keys").waitFor({ state: "detached" });
  await page.keyboard.press("p");
  await page.locator("#entry").waitFor({ state: "detached" });
  await page.keyboard.press("p");
  await page.locator("#entry").waitFor();
});

test("no key is too early: what is typed before the answers are there is done when they are", async (t) => {
  // Whatever the worker says is late: no key waits for what the one before it causes.
  const late = () => {
    const { set } = Object.getOwnPropertyDescriptor(Worker.prototype, "onmessage");
    Object.defineProperty(Worker.prototype, "onmessage", {
      set(hear) {
        set.call(this, hear && ((event) => setTimeout(() => hear.call(this, event), globalThis.late ?? 0)));
      },
    });
  };
  const { page } = await withSnapshots(t, [0], { before: (page) => page.addInitScript(late) });
  await page.evaluate(() => void (globalThis.late = 400));
  const keys = async (...names) => {
    for (const name of names) await page.keyboard.press(name);
  };
  const download = page.waitForEvent("download");
  await keys("/", ..."new-file", "Enter", "j", "j", "s");
  assert.equal((await download).suggestedFilename(), "new-file");
  await keys("k", "j", "2", "Enter");
  await hash(page, "zoom=", "path=/dir2/new-file");
  await keys("j", "j", "k", "Enter");
  const neighbour = page.locator("#entry h2");
  await neighbour.filter({ hasNotText: "new-file" }).waitFor();
  await keys("4", "End");
  await page.locator("#view-structure .item-row.current", { hasText: "GOODBYE" }).waitFor();
});

test("an address leads to the same place in another window", async (t) => {
  const { page } = await withSnapshots(t, [0]);
  await row(page, "large").click();
  await view(page, "layout");
  await page.locator("#view-layout .detail").focus();
  await page.keyboard.press("Enter");
  await hash(page, "zoom=", "path=/large");
  const address = await page.evaluate(() => location.hash);
  const other = await start(t, { query: address });
  await other.pick(".pick-folder", store);
  await other.page.locator("#view-layout").waitFor();
  await other.page.locator("#entry h2", { hasText: "large" }).waitFor();
  await other.page.waitForFunction((hash) => location.hash === hash, address);
  // Another snapshot of a store that is open, by its address.
  await other.page.evaluate((hash) => (location.hash = hash), address.replace("21:15:58Z", "21:15:54Z"));
  await other.page.locator(".document select.switch").waitFor();
  await hash(other.page, "21:15:54Z");
});

test("nothing sticks out at any width", async (t) => {
  const i = await withSnapshots(t, [1, 0]);
  await row(i.page, "dir4").click();
  for (const name of ["files", "layout", "chunks", "structure", "findings", "compare"]) {
    await view(i.page, name);
    for (const width of [400, 700, 1000, 1440]) {
      await i.page.setViewportSize({ width, height: 800 });
      // What is measured by the page is drawn again in the next frames.
      await eventually(async () => {
        const wide = await i.page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(() => resolve(document.documentElement.scrollWidth)))));
        assert.ok(wide <= width, `${name} is ${wide} wide in ${width}`);
      });
    }
  }
  // The summary of an item ends with an ellipsis rather than being cut.
  await view(i.page, "structure");
  await i.page.setViewportSize({ width: 1000, height: 800 });
  const style = await i.page.locator("#view-structure .item-row .summary").first().evaluate((it) => [getComputedStyle(it).display, getComputedStyle(it).textOverflow]);
  assert.deepEqual(style, ["block", "ellipsis"]);
});

test("a comparison is read again when a filter is set, and swapped", async (t) => {
  const { page } = await withSnapshots(t, [3, 0]);
  await page.getByRole("button", { name: "Compare them" }).click();
  await page.locator("#view-compare .differences [data-row]").first().waitFor();
  await page.getByLabel("Path contains").fill("dir4");
  await page.waitForFunction(() => document.querySelectorAll("#view-compare .differences [data-row]").length === 2);
  await page.getByRole("button", { name: "swap" }).click();
  await page.locator("#view-compare strong", { hasText: oldest }).waitFor();
  const added = page.locator("#view-compare .kind.added strong").first();
  await page.waitForFunction(() => document.querySelector("#view-compare .kind.added strong")?.textContent === "4");
  assert.equal(await added.innerText(), "4");
});

for (const viewport of [{ width: 1440, height: 900 }, { width: 400, height: 800 }]) {
  test(`axe: every view with something in it, ${viewport.width}`, async (t) => {
    const i = await withSnapshots(t, [3, 0], { viewport });
    const { page } = i;
    await page.getByRole("button", { name: "Compare them" }).click();
    await page.locator("#view-compare .differences [data-row]").first().waitFor();
    await page.getByRole("button", { name: "Show padding by generation" }).click();
    await page.locator("#view-compare .generations tbody tr").first().waitFor();
    await axe(i);
    await view(page, "files");
    await row(page, "text").click();
    await page.locator("#entry .look").waitFor();
    await axe(i);
    await view(page, "structure");
    await page.locator("#view-structure .fields").waitFor();
    await axe(i);
    await page.getByRole("button", { name: "Snapshots" }).click();
    await page.getByText("host/enc", { exact: true }).click();
    await page.locator(".snapshot").first().waitFor();
    await page.locator(".key > summary").click();
    await axe(i);
    await page.keyboard.press("Escape");
    await page.locator("button[title='Open more']").click();
    await page.locator(".over-open").waitFor();
    await axe(i);
    await page.keyboard.press("Escape");
    await page.keyboard.press("g");
    await page.locator(".goto").waitFor();
    await axe(i);
  });
}
