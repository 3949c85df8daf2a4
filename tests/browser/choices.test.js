// What can be chosen says what is so: after the way back, in another document, and when a choice had no effect.

import assert from "node:assert/strict";
import { cp, mkdir } from "node:fs/promises";
import { join } from "node:path";
import test from "node:test";

import { eventually, golden, row, scratch, start, store, view, withFiles, withSnapshots } from "./harness/index.js";

const address = (page) => page.evaluate(() => decodeURIComponent(location.hash));
const addressed = (page, wanted, has = true) => eventually(async () => assert.equal(wanted.test(await address(page)), has, wanted));
const go = (page, hash) => page.evaluate((hash) => void (location.hash = hash), hash);
const chosen = (select) => select.evaluate((select) => select.selectedOptions[0]?.text);
const says = (select, wanted) => eventually(async () => assert.equal(await chosen(select), wanted));

test("the colour of the map and the filter of chunks are those of the address, also on the way back", async (t) => {
  const { page } = await withSnapshots(t, [3, 0]);
  await view(page, "layout");
  const colour = page.locator("#view-layout .toolbar select");
  for (const word of ["age", "type"]) await colour.selectOption(word);
  await page.getByRole("button", { name: "Zoom in" }).click();
  await addressed(page, /zoom=/);
  await page.getByRole("button", { name: "Whole" }).click();
  await colour.selectOption("age");
  await addressed(page, /colour=age/);
  await page.goBack();
  await addressed(page, /colour=/, false);
  await says(colour, "type of file");

  await view(page, "chunks");
  const show = page.locator("#view-chunks .toolbar select");
  for (const word of ["new", "shared", "all"]) await show.selectOption(word);
  const here = await address(page);
  for (const [word, text] of [["shared", "shared with an older snapshot"], ["new", "new"]]) {
    await go(page, `${here}&chunks=${word}`);
    await says(show, text);
  }
  await page.goBack();
  await says(show, "shared with an older snapshot");
});

test("an offset is one of the stream that is named, in the document that is shown", async (t) => {
  const i = await withFiles(t, ["mpxar", "ppxar"].map((half) => `${golden}/archives/kinds.${half}`));
  const { page } = i;
  await i.pick(".pick-files", ["mpxar", "ppxar"].map((half) => `${golden}/archives/attributes.${half}`));
  await page.locator(".switch").waitFor();
  await page.keyboard.press("g");
  const stream = page.getByLabel("Stream");
  for (const name of ["payload", "metadata", "payload"]) await stream.selectOption(name);
  await page.keyboard.press("Tab");
  await page.locator(".goto input").fill("0xffffffff");
  await page.keyboard.press("Enter");
  await page.locator(".goto .trouble").waitFor();
  await page.locator(".switch").selectOption({ index: 0 });
  await page.locator(".goto .trouble").waitFor({ state: "detached" });
  await says(stream, "metadata");
  await stream.selectOption("payload");
  await page.locator(".goto input").fill("0");
  await page.keyboard.press("Enter");
  await addressed(page, /item=payload:0x0/);
});

test("a datastore is chosen from in its own namespaces", async (t) => {
  const dir = await scratch(t);
  for (const name of ["one", "other"]) {
    for (const below of ["", "ns/a", ...(name === "one" ? ["ns/b"] : [])]) {
      await mkdir(join(dir, name, below, "host"), { recursive: true });
      await cp(`${store}/host/meta`, join(dir, name, below, `host/${name}${below.slice(3)}`), { recursive: true });
    }
    await cp(`${store}/.chunks`, join(dir, name, ".chunks"), { recursive: true });
  }
  const i = await start(t);
  const { page } = i;
  await i.pick(".pick-folder", join(dir, "one"));
  await page.getByLabel("Namespace").selectOption("b");
  await page.getByText("host/oneb", { exact: true }).click();
  await page.locator(".snapshot .jump", { hasText: "mpxar" }).first().click();
  await row(page, "large").waitFor();
  await i.pick(".pick-folder", join(dir, "other"));
  await page.getByText("host/other", { exact: true }).waitFor();
  await page.getByTitle("Snapshots of one").click();
  await page.getByLabel("Namespace").selectOption("b");
  await page.getByText("host/oneb", { exact: true }).waitFor();
  await page.getByTitle("Snapshots of other").click();
  await page.getByText("host/other", { exact: true }).waitFor();
  await says(page.getByLabel("Namespace"), "(root)");
});

test("what is open is told apart by its name, also on a narrow screen", async (t) => {
  const { page } = await withSnapshots(t, [3, 0]);
  await page.setViewportSize({ width: 400, height: 800 });
  const room = await page.locator(".switch").evaluate((select) => {
    const { font, paddingLeft, paddingRight } = getComputedStyle(select);
    const measure = document.createElement("canvas").getContext("2d");
    measure.font = font;
    const arrow = 20;
    const { width } = measure.measureText(select.selectedOptions[0].text.split(" ")[0]);
    return select.clientWidth - parseFloat(paddingLeft) - parseFloat(paddingRight) - arrow - width;
  });
  assert.ok(room > 0, `the time is cut off by ${-room} pixels`);
  // All that can be pressed beside it is still there.
  for (const button of await page.locator(".top button:visible").all()) {
    const box = await button.boundingBox();
    assert.ok(box.x >= 0 && box.x + box.width <= 400, await button.getAttribute("title"));
  }
});

test("archives of the same name have different titles wherever they can be chosen", async (t) => {
  const dir = await scratch(t);
  const i = await withFiles(t, [`${golden}/archives/kinds.pxar`]);
  const { page } = i;
  for (const name of ["one", "other"]) {
    await mkdir(join(dir, name));
    await cp(`${golden}/archives/kinds.pxar`, join(dir, name, "kinds.pxar"));
    await i.pick(".pick-files", join(dir, name, "kinds.pxar"));
    await page.locator(".status").getByRole("button", { name: "Cancel" }).waitFor({ state: "detached" });
  }
  const titles = await eventually(async () => {
    const titles = await page.locator(".switch option").allInnerTexts();
    assert.equal(titles.length, 3);
    return titles;
  });
  assert.equal(new Set(titles).size, 3, titles);
  assert.ok(titles.every((title) => title.includes("kinds.pxar")), titles);
  await view(page, "compare");
  const others = await page.locator("#compare-older option").allInnerTexts();
  assert.deepEqual(others.slice(1), titles.slice(0, 2));
});

test("of an index alone nothing is said of padding", async (t) => {
  const i = await start(t);
  const { page } = i;
  await i.pick(".pick-files", `${store}/host/legacy/2026-11-22T21:15:58Z/tree.pxar.didx`);
  await page.locator(".document .title").waitFor();
  await view(page, "chunks");
  await page.locator("#view-chunks [data-row='0']").click();
  await page.locator("#view-chunks section.chunk h2").waitFor();
  await page.locator("#entry h2", { hasText: "Chunk 0" }).waitFor();
  for (const part of ["#view-chunks", "#entry"]) {
    const text = await page.locator(part).innerText();
    assert.doesNotMatch(text, /with padding only|No chunk has padding|0 B used|dead|0 files|0 %/, part);
  }
  await page.locator("#view-chunks", { hasText: "the index alone does not tell" }).waitFor();
  // Of an archive it is.
  await page.locator(".document button.icon").click();
  await i.pick(".pick-folder", store);
  await page.getByText("host/legacy", { exact: true }).click();
  await page.locator(".snapshot .jump", { hasText: "pxar" }).first().click();
  await view(page, "chunks");
  await page.getByLabel("with padding only").check();
  await page.locator("#view-chunks [data-row='0'], #view-chunks .empty").first().waitFor();
});
