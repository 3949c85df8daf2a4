// The page: files, the entry, findings, addresses, keys.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import test from "node:test";

import { axe, bundle, eventually, golden, inspector, serve } from "./harness/index.js";

const kinds = ["mpxar", "ppxar"].map((ending) => `${golden}/archives/kinds.${ending}`);

/** The inspector, whose server outlives it: what the page asks for at last is still answered. */
async function start(t, options) {
  const { url } = await serve(t, bundle);
  return inspector(t, { url, ...options });
}

/** The inspector with files open and rows on screen. */
async function opened(t, files, options) {
  const app = await start(t, options);
  await app.page.locator(".pick-files:enabled").waitFor({ state: "attached" });
  await app.pick(".pick-files", files);
  await app.page.locator("#view-files [data-row]").first().waitFor();
  return app;
}

const current = (page) => page.locator("#view-files .row.current .text");
const heading = (page) => page.locator("#entry h2");

test("keys move through the tree, and the entry follows", async (t) => {
  const { page } = await opened(t, kinds);
  await page.locator('[data-row="1"]', { hasText: "a-text" }).click();
  await page.keyboard.press("j");
  await heading(page).getByText("dir", { exact: true }).waitFor();
  await page.locator('.row.current[aria-expanded="false"]', { hasText: "dir" }).waitFor();
  await page.keyboard.press("l");
  await page.locator('.row.current[aria-expanded="true"]').waitFor();
  await page.keyboard.press("l");
  await page.locator('.row.current[aria-level="3"]').waitFor();
  await page.waitForFunction(() => /path=\/dir\/./.test(location.hash));
  await page.keyboard.press("h");
  await page.locator('.row.current[aria-level="2"]').waitFor();
  // The focus is on the row.
  await page.waitForFunction(() => document.activeElement.classList.contains("current"));
  await page.keyboard.press("Escape");
  await page.waitForFunction(() => !location.hash.includes("path="));
});

test("views are steps back and forward, and an address leads to its place", async (t) => {
  const { page } = await opened(t, kinds);
  await page.locator("[data-row]", { hasText: "seeded-4097" }).click();
  await page.waitForFunction(() => location.hash.includes("path=/seeded-4097"));
  await page.keyboard.press("4");
  await page.locator("#view-structure").waitFor();
  await page.keyboard.press("5");
  await page.locator("#view-findings").waitFor();
  await page.goBack();
  await page.locator("#view-structure").waitFor();
  await page.goBack();
  await page.locator('.shell[data-tab="files"]').waitFor();
  await page.goForward();
  await page.locator("#view-structure").waitFor();

  const other = await opened(t, kinds, { query: "#/files?path=/dir/file&sort=size&desc" });
  await other.page.locator('[aria-sort="descending"]', { hasText: "Size" }).waitFor();
  // The path is looked up after the first rows are there.
  await current(other.page).filter({ hasText: /^file/ }).waitFor();
});

test("a filter shows what matches, and says when it is malformed", async (t) => {
  const { page } = await opened(t, kinds);
  await page.keyboard.press("/");
  await page.keyboard.type("set");
  await page.locator(".filter .count", { hasText: "2 matches" }).waitFor();
  // Rows come after their number.
  await eventually(async () => assert.deepEqual(await page.locator("#view-files mark").allInnerTexts(), ["set", "set"]));
  await page.getByRole("button", { name: "Regular expression" }).click();
  await page.locator(".filter input.find").fill("se(");
  await page.locator(".filter .trouble").waitFor();
  await page.locator(".filter input.find").press("Escape");
  await page.locator("[data-row]", { hasText: "zz-last" }).waitFor();
});

test("what is saved is what was archived", async (t) => {
  const app = await opened(t, kinds);
  await app.page.locator("[data-row]", { hasText: "seeded-4097" }).click();
  await app.page.locator("#entry .look").waitFor();
  const saved = await app.save("#entry .actions button");
  assert.equal(saved.name, "seeded-4097");
  const bytes = await readFile(saved.path);
  // The payload file holds the same bytes at the offset that the panel tells.
  const offset = Number(await app.page.locator('#entry section[aria-label="Contents"] .place .jump').last().innerText());
  const payload = await readFile(kinds[1]);
  const digest = (data) => createHash("sha256").update(data).digest("hex");
  assert.equal(bytes.length, 4097);
  assert.equal(digest(bytes), digest(payload.subarray(offset, offset + 4097)));
});

test("a sample datastore: a snapshot is chosen, a directory's chunks are told", async (t) => {
  const { page } = await start(t);
  await page.getByText("Open a sample datastore").click();
  await page.locator(".snapshot .jump", { hasText: "mpxar" }).first().click();
  await page.locator("[data-row]", { hasText: "docs" }).click();
  await page.locator('#entry section[aria-label="Restore"]').waitFor();
  await page.waitForFunction(() => /snapshot=host\/web\//.test(location.hash));
});

test("a damaged archive: a sentence with the place, and what comes before", async (t) => {
  const { page } = await start(t);
  await page.getByText("a damaged archive").click();
  await page.locator(".banner.bad", { hasText: "expected a known item type" }).waitFor();
  await page.locator("[data-row]", { hasText: "module_0" }).waitFor();
  const said = page.locator(".status", { hasText: "Finding 1 of" }).waitFor();
  await page.keyboard.press("]");
  await said;
});

for (const colorScheme of ["light", "dark"]) {
  test(`axe: ${colorScheme}`, async (t) => {
    const empty = await start(t, { colorScheme });
    await empty.page.getByText("Look into a backup").waitFor();
    await axe(empty);
    const app = await opened(t, kinds, { colorScheme });
    await app.page.locator("[data-row]", { hasText: "seeded-4097" }).click();
    await app.page.locator("#entry .look").waitFor();
    await axe(app);
    await app.page.keyboard.press("5");
    await app.page.locator("#view-findings").waitFor();
    await axe(app);
    await app.page.keyboard.press("?");
    await app.page.locator(".keys").waitFor();
    await axe(app);
  });
}
