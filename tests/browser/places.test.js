// What is marked, listed and named is what is selected, asked for and shown: after turning a table round, in another document, and on the way back.

import assert from "node:assert/strict";
import { cp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "node:test";

import {
  bothVersions, choose, eventually, golden, newest, number, pxkitJson, row, rows, scratch, start, store, view, withFiles, withSnapshots,
} from "./harness/index.js";

const oldest = "host/meta/2026-11-22T21:15:54Z";
const address = (page) => page.evaluate(() => decodeURIComponent(location.hash));
const texts = (locator) => locator.allInnerTexts().then((all) => all.map((text) => text.replace(/\s+/g, " ").trim()));
const chosen = (select) => select.evaluate((select) => select.selectedOptions[0]?.text);
const marked = (page, name) => page.locator(`#view-${name} .row.current`);

/** Waits until a list has exactly so many rows. */
const count = (page, name, wanted) => page.locator(`#view-${name} [aria-rowcount="${wanted + 1}"]`).waitFor();

/** The comparison of the oldest and the newest snapshot. */
async function compared(t) {
  const i = await withSnapshots(t, [3, 0]);
  await i.page.getByRole("button", { name: "Compare them" }).click();
  await i.page.locator("#view-compare .differences [data-row]").first().waitFor();
  return i;
}

test("a chunk is marked in its own row, or in none, when the table turns", async (t) => {
  const { page } = await withSnapshots(t);
  await view(page, "chunks");
  await page.locator("#view-chunks [data-row='2']").click();
  await page.locator("#view-chunks section.chunk h2", { hasText: "Chunk 2" }).waitFor();
  assert.equal(number(await marked(page, "chunks").innerText()), 2);
  const head = (name) => page.locator("#view-chunks [role=columnheader] button", { hasText: name });
  await head("Dead").click();
  await page.locator('#view-chunks [aria-sort="descending"]', { hasText: "Dead" }).waitFor();
  await eventually(async () => {
    const first = await page.locator("#view-chunks [data-row='2'] [role=gridcell]").first().innerText();
    assert.notEqual(number(first), 2, "another one is there now");
  });
  assert.deepEqual(await texts(marked(page, "chunks")), []);
  await page.locator("#view-chunks [data-row='2']").click();
  await marked(page, "chunks").waitFor();
  await head("#").click();
  await eventually(async () => {
    const of = await page.locator("#view-chunks section.chunk h2").innerText();
    assert.equal(number(await marked(page, "chunks").innerText()), number(of));
  });
});

test("a difference is marked while it is what is selected", async (t) => {
  const { page } = await compared(t);
  const differences = page.locator("#view-compare .differences [data-row]");
  await differences.filter({ hasText: "/text" }).click();
  await marked(page, "compare").filter({ hasText: "/text" }).waitFor();
  await page.getByRole("button", { name: "largest first" }).click();
  await marked(page, "compare").waitFor({ state: "detached" });
  await differences.filter({ hasText: "/text" }).click();
  await marked(page, "compare").filter({ hasText: "/text" }).waitFor();
  await row(page, "dir0").click();
  await marked(page, "compare").waitFor({ state: "detached" });
});

test("what was removed is nothing of the newer archive, and leads to the older", async (t) => {
  const { page } = await compared(t);
  const differences = page.locator("#view-compare .differences [data-row]");
  await differences.filter({ hasText: "/text" }).click();
  await page.locator("#entry h2", { hasText: "text" }).waitFor();
  const removed = differences.filter({ hasText: "removed" }).first();
  await removed.click();
  await marked(page, "compare").filter({ hasText: "removed" }).waitFor();
  await page.locator("#entry h2", { hasText: "text" }).waitFor({ state: "detached" });
  // The keyboard goes on from there.
  await page.keyboard.press("j");
  await marked(page, "compare").filter({ hasNotText: "removed" }).waitFor();
  await removed.dblclick();
  await page.locator('.shell[data-tab="files"]').waitFor();
  assert.match(await chosen(page.locator(".switch")), /15:54Z/);
  // The comparison is still that of these two, not turned round.
  await view(page, "compare");
  await page.locator("#view-compare .empty", { hasText: "Choose the older" }).waitFor();
  await page.locator(".switch").selectOption({ index: 1 });
  await differences.first().waitFor();
  assert.match(await page.locator("#view-compare .toolbar strong").innerText(), /15:58Z/);
  assert.match(await chosen(page.locator("#compare-older")), /15:54Z/);
  // All that were three steps.
  for (const [tab, title] of [["compare", /15:54Z/], ["files", /15:54Z/], ["compare", /15:58Z/]]) {
    await page.goBack();
    await page.locator(`.shell[data-tab="${tab}"]`).waitFor();
    await eventually(async () => assert.match(await chosen(page.locator(".switch")), title));
  }
});

test("a comparison has an address", async (t) => {
  const i = await compared(t);
  await i.page.locator("#view-compare .differences [data-row]").filter({ hasText: "/text" }).click();
  await eventually(async () => assert.match(await address(i.page), /path=\/text/));
  const hash = await i.page.evaluate(() => location.hash);
  assert.ok(decodeURIComponent(hash).includes(`older=${oldest}`), hash);
  // In another window, beside something else, whose number is that of the older one here.
  const other = await start(t, { query: hash });
  const { page } = other;
  await other.pick(".pick-files", `${golden}/archives/kinds.pxar`);
  await page.locator(".document .title", { hasText: "kinds" }).waitFor();
  await other.pick(".pick-folder", store);
  await page.locator("#view-compare .differences [data-row]").first().waitFor();
  assert.match(await page.locator("#view-compare .toolbar strong").innerText(), /15:58Z/);
  assert.match(await chosen(page.locator("#compare-older")), /15:54Z/);
  await page.locator("#entry h2", { hasText: "text" }).waitFor();
  await page.waitForFunction((hash) => location.hash === hash, hash);
  // What was closed is opened again by the address.
  const title = await page.locator(".switch").evaluate((select) => select.selectedOptions[0].text);
  await page.locator(".switch").selectOption({ label: await page.locator("#compare-older").evaluate((select) => select.selectedOptions[0].text) });
  await page.locator(".document button.icon").click();
  await eventually(async () => assert.equal(await page.locator(".switch option").count(), 2));
  await page.locator(".switch").selectOption({ label: title });
  await page.locator("#view-compare .empty", { hasText: "Choose the older" }).waitFor();
  await page.evaluate((hash) => void (location.hash = hash), hash);
  await page.locator("#view-compare .differences [data-row]").first().waitFor();
  assert.match(await chosen(page.locator("#compare-older")), /15:54Z/);
  // One that is not there is said to be missing, and the rest of the address holds.
  const missing = hash.replace(/older=[^&]*/, "older=host/meta/2026-11-22T00:00:00Z");
  await page.evaluate((hash) => void (location.hash = hash), missing);
  await page.locator(".banner", { hasText: "2026-11-22T00:00:00Z" }).waitFor();
  await page.locator("#view-compare .empty", { hasText: "Choose the older" }).waitFor();
  await eventually(async () => assert.doesNotMatch(await address(page), /older=/));
});

test("the choice of documents says which one is shown, also on the way back", async (t) => {
  const { page } = await withSnapshots(t, [3, 0]);
  for (const index of [0, 1]) {
    await page.locator(".switch").selectOption({ index });
    await eventually(async () => assert.match(await address(page), index ? /15:58Z/ : /15:54Z/));
  }
  await page.goBack();
  await eventually(async () => assert.match(await chosen(page.locator(".switch")), /15:54Z/));
});

test("the list of a comparison is saved", async (t) => {
  const i = await compared(t);
  const { previous } = await pxkitJson("layout", "--json", "--repository", store, "--previous", `${oldest}/tree.pxar`, `${newest}/tree.pxar`);
  const kinds = ["added", "removed", "contents", "metadata", "kind", "moved"];
  const wanted = kinds.reduce((sum, kind) => sum + previous.changes[kind].entries, 0);
  const menu = async (format) => {
    await i.page.locator(".menu > summary", { hasText: "Export" }).click();
    return i.save(`.menu li:has-text("All differences") ~ li button:has-text("${format}") >> nth=0`);
  };
  const json = await menu("JSON");
  assert.match(json.name, /differences\.json$/);
  assert.equal(JSON.parse(await readFile(json.path, "utf8")).length, wanted);
  const csv = await menu("CSV");
  assert.match(csv.name, /differences\.csv$/);
  assert.equal((await readFile(csv.path, "utf8")).trim().split("\n").length, wanted + 1);
  await view(i.page, "files");
  assert.equal(await i.page.locator(".menu li", { hasText: "All differences" }).count(), 0, "nothing is compared here");
});

test("an older snapshot is opened beside the one that is shown, and chosen only if it is there", async (t) => {
  const dir = join(await scratch(t), "store");
  await cp(store, dir, { recursive: true });
  await writeFile(join(dir, oldest, "tree.mpxar.didx"), Buffer.alloc(100, "x"));
  const i = await start(t);
  const { page } = i;
  await i.pick(".pick-folder", dir);
  await choose(page, "host/meta");
  await row(page, "large").click();
  await page.locator("#entry h2", { hasText: "large" }).waitFor();
  await view(page, "compare");
  const select = page.locator("#compare-older");
  await select.selectOption(`snapshot:${oldest}`);
  await page.locator(".said", { hasText: "is no archive" }).waitFor();
  await page.locator("#view-compare .empty").waitFor();
  assert.equal(await chosen(select), "choose…");
  assert.equal(await page.getByRole("button", { name: "swap" }).count(), 0);
  await select.selectOption("snapshot:host/meta/2026-11-22T21:15:56Z");
  await page.locator("#view-compare .differences [data-row]").first().waitFor();
  assert.match(await chosen(select), /15:56Z/);
  await eventually(async () => assert.match(await address(page), /path=\/large/));
  await page.locator("#entry h2", { hasText: "large" }).waitFor();
});

test("a finding is marked while it is selected, whatever is found since", async (t) => {
  const dir = await scratch(t);
  const [meta, payload] = ["kinds.mpxar", "kinds.ppxar"].map((name) => join(dir, name));
  const item = (type) => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(type);
    return bytes;
  };
  // Headers of payloads that are none, and a goodbye table that leads nowhere: what its check finds stands before those in the list.
  const contents = await readFile(`${golden}/archives/kinds.ppxar`);
  for (let nth = 0; nth < 3; nth++) {
    const at = contents.indexOf(item(0x28147a1b0b7c1a25n));
    contents.fill(0, at, at + 8);
  }
  await writeFile(payload, contents);
  const archive = await readFile(`${golden}/archives/kinds.mpxar`);
  const table = archive.indexOf(item(0x2fec4fa642d5731dn)) + 16;
  archive.fill(0, table, table + 8);
  await writeFile(meta, archive);
  const i = await withFiles(t, [meta, payload]);
  const { page } = i;
  await view(page, "findings");
  await page.getByRole("button", { name: "Check headers" }).click();
  const cell = (row) => page.locator(`#view-findings [data-row='${row}'] [role=gridcell].text`).first();
  await cell(1).click();
  await marked(page, "findings").waitFor();
  const [before] = await texts(marked(page, "findings"));
  await row(page, "pipe").click();
  await marked(page, "findings").waitFor({ state: "detached" });
  await cell(1).click();
  await marked(page, "findings").waitFor();
  assert.deepEqual(await texts(marked(page, "findings")), [before]);
  await page.getByRole("button", { name: "Check tables" }).click();
  await eventually(async () => {
    const at = Number(await marked(page, "findings").getAttribute("data-row"));
    assert.ok(at > 1, "others were found before it");
    assert.deepEqual(await texts(marked(page, "findings")), [before]);
  });
  // In another archive none is.
  await i.pick(".pick-files", await bothVersions(t));
  await page.locator(".switch").waitFor();
  await page.locator("#view-findings [data-row='1']").waitFor();
  assert.deepEqual(await texts(marked(page, "findings")), []);
  await page.keyboard.press("]");
  await marked(page, "findings").waitFor();
});

test("what is not known of a document filters nothing", async (t) => {
  const { page } = await withSnapshots(t, [3, 0]);
  await view(page, "chunks");
  const all = async () => number(await page.locator("#view-chunks .facts dd").first().innerText());
  await page.locator("#view-chunks .toolbar select").selectOption("shared");
  await eventually(async () => {
    const rows = Number(await page.locator("#view-chunks .list").getAttribute("aria-rowcount")) - 1;
    assert.ok(rows > 0 && rows < (await all()));
  });
  await page.locator(".switch").selectOption({ index: 0 });
  await page.locator("#view-chunks .toolbar select").waitFor({ state: "detached" });
  await count(page, "chunks", await all());
});

test("areas of another document begin at its root", async (t) => {
  const { page } = await withSnapshots(t, [3, 0]);
  await view(page, "layout");
  await page.getByRole("button", { name: "Areas" }).click();
  await row(page, "dir4").click();
  await page.locator("#entry h2", { hasText: "dir4" }).waitFor();
  await page.locator("#view-layout .areas").focus();
  await eventually(async () => {
    await page.keyboard.press("Enter");
    await eventually(async () => assert.match(await address(page), /dir=/));
  });
  await page.locator(".switch").selectOption({ index: 0 });
  await eventually(async () => assert.match(await address(page), /15:54Z/));
  await eventually(async () => assert.doesNotMatch(await address(page), /dir=/));
  assert.deepEqual(await texts(page.locator("#view-layout nav.path li")), ["/"]);
});

test("filters that an address brings are seen, and can be cleared", async (t) => {
  const { page } = await withSnapshots(t, [3, 0]);
  const here = await page.evaluate(() => location.hash);
  const go = (more) => page.evaluate((hash) => void (location.hash = hash), here + more);
  const kinds = page.getByLabel("Kind of entry");
  await go("&list&reused=no");
  await page.getByLabel("not reused").waitFor();
  assert.ok(await page.getByLabel("not reused").isChecked());
  await page.getByLabel("not reused").uncheck();
  await eventually(async () => assert.doesNotMatch(await address(page), /reused/));
  await go("&list&kind=1,2");
  await eventually(async () => assert.match(await chosen(kinds), /,/));
  await kinds.selectOption({ label: "sockets" });
  const empty = page.locator("#view-files .empty");
  await empty.filter({ hasText: "Nothing matches" }).waitFor();
  await empty.getByRole("button", { name: "Clear the filters" }).click();
  await rows(page).first().waitFor();
  await eventually(async () => {
    assert.equal(await chosen(kinds), "all kinds");
    assert.doesNotMatch(await address(page), /kind=/);
  });
});

test("the files of a chunk are a step of their own", async (t) => {
  const { page } = await withSnapshots(t);
  await view(page, "chunks");
  await page.locator("#view-chunks [data-row='2']").click();
  await page.locator("#entry button", { hasText: "list" }).click();
  await page.locator('.shell[data-tab="files"]').waitFor();
  await eventually(async () => assert.match(await address(page), /in-chunk=2/));
  await page.goBack();
  await page.locator('.shell[data-tab="chunks"]').waitFor();
  await eventually(async () => assert.doesNotMatch(await address(page), /in-chunk/));
  await page.locator("#view-chunks [data-row='3']").click();
  await eventually(async () => assert.match(await address(page), /[?&]chunk=3/));
  await page.keyboard.press("Enter");
  await page.locator('.shell[data-tab="layout"]').waitFor();
  await eventually(async () => assert.match(await address(page), /zoom=/));
  await page.goBack();
  await page.locator('.shell[data-tab="chunks"]').waitFor();
  await eventually(async () => assert.doesNotMatch(await address(page), /zoom=/));
});

test("an address of what is not open leads to what is, and says so", async (t) => {
  const i = await withFiles(t, [`${golden}/archives/kinds.pxar`]);
  const { page } = i;
  await i.pick(".pick-files", `${golden}/archives/wide.pxar`);
  await page.locator(".switch").selectOption({ index: 0 });
  await page.locator(".document button.icon").click();
  await page.locator(".switch").waitFor({ state: "detached" });
  await page.goBack();
  await page.goBack();
  await page.locator(".document .title", { hasText: "wide" }).waitFor();
  await rows(page).first().waitFor();
  await page.evaluate((newest) => void (location.hash = `#/files?snapshot=${newest}&path=/large`), newest);
  await page.locator(".said, .banner", { hasText: "open its datastore" }).first().waitFor();
  await view(page, "layout");
  await eventually(async () => assert.doesNotMatch(await address(page), /snapshot=/));
});
