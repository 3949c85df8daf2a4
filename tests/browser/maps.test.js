// The layout as a map and as areas, and the table of chunks: what they show is what `pxkit layout --json` says.

import assert from "node:assert/strict";
import test from "node:test";

import { axe, choose, drawn, eventually, exact, newest, pxkitJson, start, still, store, view, withSnapshots } from "./harness/index.js";

/** Opens snapshots of the golden datastore by their place in the list, and shows the last one in a view. */
async function opened(t, { places = [0], tab = "layout", ...options } = {}) {
  const i = await withSnapshots(t, places, options);
  await view(i.page, tab);
  if (tab === "layout") {
    await i.page.locator('ul[aria-label="Colours"] button').first().waitFor();
    await still(i.page.locator(detail));
    await drawn(i.page, detail);
  }
  return i;
}

const detail = "#view-layout .detail canvas";
const areas = "#view-layout .areas canvas";
const fact = (page, view, name) => page.locator(`${view} .facts > div`, { hasText: name }).first();
/** Waits until the address has a zoom for which `is` is true. */
async function zoomed(page, is) {
  return eventually(async () => {
    const now = await page.evaluate(() => {
      const found = /zoom=0x([0-9a-f]+)-0x([0-9a-f]+)/.exec(location.hash);
      return found && [parseInt(found[1], 16), parseInt(found[2], 16)];
    });
    if (!is(now)) throw new Error(`zoom is ${JSON.stringify(now)}`);
    return now;
  });
}
const report = () => pxkitJson("layout", "--json", "--repository", store, `${newest}/tree.pxar`);

test("numbers of the map are those of the report", async (t) => {
  const { page } = await opened(t);
  const wanted = await report();
  await fact(page, "#view-layout", "stream").waitFor();
  assert.equal(await exact(fact(page, "#view-layout", "stream")), wanted.size);
  assert.equal(await exact(fact(page, "#view-layout", "used")), wanted.live);
  assert.equal(await exact(fact(page, "#view-layout", "padding")), wanted.padding.bytes);
  const number = async (name) => Number((await fact(page, "#view-layout", name).locator("dd").innerText()).replaceAll(",", ""));
  assert.equal(await number("files"), wanted.files);
  assert.equal(await number("chunks"), wanted.chunks.count);
  for (const [word, name] of [["head", "head"], ["inner", "inner"], ["tail", "tail"], ["whole", "whole chunk"]]) {
    const kind = page.locator('ul[aria-label="Padding"] button', { hasText: name });
    if (wanted.padding[word] === 0) {
      assert.equal(await kind.count(), 0);
    } else {
      const title = await kind.getAttribute("title");
      assert.equal(Number(/: ([\d,]+) byte/.exec(title)[1].replaceAll(",", "")), wanted.padding[word]);
    }
  }
  const bytes = await page.locator('ul[aria-label="Colours"] button').evaluateAll((buttons) =>
    buttons.map((button) => Number(/: ([\d,]+) byte/.exec(button.title)[1].replaceAll(",", ""))));
  assert.equal(bytes.reduce((sum, one) => sum + one, 0), wanted.live);
});

test("numbers of the chunks are those of the report", async (t) => {
  const { page } = await opened(t, { tab: "chunks" });
  const { chunks, padding, live, worst_chunks: [worst] } = await report();
  await fact(page, "#view-chunks", "bytes").waitFor();
  assert.equal(await exact(fact(page, "#view-chunks", "bytes")), chunks.bytes);
  assert.equal(await exact(fact(page, "#view-chunks", "used")), live);
  assert.equal(await exact(fact(page, "#view-chunks", "padding")), padding.bytes);
  // The worst chunk by dead bytes for used ones is the first when the least used come first.
  await page.getByRole("button", { name: "Used" }).click();
  await page.waitForFunction(() => /chunks=use/.test(location.hash));
  await page.locator(`#view-chunks [data-row="0"] .digest[title="${worst.digest}"]`).waitFor();
  await page.getByLabel("with padding only").check();
  const rows = page.locator("#view-chunks .list");
  await page.waitForFunction((count) => document.querySelector("#view-chunks .list")?.getAttribute("aria-rowcount") === String(count + 1), chunks.with_padding);
  await rows.locator('[data-row="0"]').click();
  await page.waitForFunction((number) => location.hash.includes(`chunk=${number}`), worst.chunk);
  await page.locator("#view-chunks .chunk li").first().waitFor();
  await eventually(async () => assert.equal(await page.locator("#view-chunks .chunk li").count(), worst.files));
});

test("zoom and pan by wheel, keys, drag and brush; back goes back", async (t) => {
  const { page } = await opened(t);
  const { size } = await report();
  const canvas = page.locator("#view-layout .detail canvas");
  const box = await still(canvas);
  const at = 0.25;
  await page.mouse.move(box.x + box.width * at, box.y + 60);
  await page.mouse.wheel(0, -300);
  let [start, end] = await zoomed(page, (now) => now !== null);
  assert.ok(Math.abs((start + (end - start) * at) / size - at) < 0.01, "what is under the pointer stays there");
  const before = end - start;
  await page.locator("#view-layout .detail").focus();
  await page.keyboard.press("+");
  [start, end] = await zoomed(page, (now) => now && now[1] - now[0] < before);
  await page.keyboard.press("End");
  await zoomed(page, (now) => now?.[1] === size);
  await page.keyboard.press("Home");
  await zoomed(page, (now) => now?.[0] === 0);
  // Dragging to the left shows what comes behind.
  await page.mouse.move(box.x + box.width * 0.8, box.y + 60);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.3, box.y + 60, { steps: 5 });
  await page.mouse.up();
  // The address follows the pointer a moment later.
  const half = ([from, to]) => Math.abs(from / (to - from) - 0.5) < 0.02;
  await zoomed(page, (now) => now && half(now));
  assert.ok(!/entry=|path=|chunk=/.test(await page.evaluate(() => location.hash)), "a drag selects nothing");
  for (let turn = 0; turn < 60; turn += 1) await page.keyboard.press("+");
  await zoomed(page, (now) => now && now[1] - now[0] === 16);
  await page.keyboard.press("0");
  await zoomed(page, (now) => now === null);
  await page.goBack();
  await zoomed(page, (now) => now && now[1] - now[0] === 16);
});

test("a click selects everywhere; a selection is marked in the map", async (t) => {
  const { page } = await opened(t);
  const canvas = page.locator("#view-layout .detail canvas");
  const box = await still(canvas);
  await page.mouse.move(box.x + box.width * 0.5, box.y + box.height * 0.4);
  await page.locator("#view-layout .readout .what b").waitFor();
  const told = await page.locator("#view-layout .readout .what b").last().innerText();
  await page.mouse.click(box.x + box.width * 0.5, box.y + box.height * 0.4);
  if (told.startsWith("/")) {
    await page.waitForFunction((path) => decodeURIComponent(location.hash).includes(`path=${path}`), told);
    await page.locator("#entry", { hasText: told.split("/").at(-1) }).waitFor();
  } else {
    await page.waitForFunction(() => /bytes=|item=/.test(location.hash));
  }
  // The lane of chunks selects chunks.
  await page.mouse.click(box.x + box.width * 0.5, box.y + box.height * 0.08);
  await page.waitForFunction(() => /chunk=\d/.test(location.hash));
  await page.keyboard.press("3");
  await page.locator("#view-chunks .chunk .digest").waitFor();
  // And what is selected in the tree is marked in the map.
  await page.keyboard.press("2");
  await page.keyboard.press("Escape");
  await page.waitForFunction(() => !/entry=|path=|chunk=/.test(location.hash));
  await page.mouse.move(1, 1);
  const without = await drawn(page, detail);
  await page.locator("#view-files [data-row]").nth(1).click();
  await drawn(page, detail, { unlike: without });
});

test("every range can be reached with the keyboard", async (t) => {
  const { page } = await opened(t);
  await page.locator("#view-layout .detail").focus();
  await page.keyboard.press("Home");
  const seen = new Set();
  for (let step = 0; step < 6; step += 1) {
    const before = await page.evaluate(() => location.hash);
    await page.keyboard.press("j");
    // A number is what is written until the path is known.
    await page.waitForFunction((before) => location.hash !== before && !location.hash.includes("entry="), before);
    seen.add(await page.evaluate(() => location.hash));
  }
  assert.equal(seen.size, 6, [...seen].join("\n"));
  await page.keyboard.press("Enter");
  await zoomed(page, (now) => now !== null);
});

test("the legend fades what is hidden, and the address keeps it", async (t) => {
  const { page } = await opened(t);
  await page.locator('ul[aria-label="Colours"] button').first().waitFor();
  const before = await drawn(page, "#view-layout .strip canvas");
  const button = page.locator('ul[aria-label="Colours"] button').first();
  await button.click();
  await page.locator('ul[aria-label="Colours"] button[aria-pressed="false"]').first().waitFor();
  await page.waitForFunction(() => /hide=\d/.test(location.hash));
  await drawn(page, "#view-layout .strip canvas", { unlike: before });
  for (const word of ["dir", "use", "age"]) {
    await page.locator("#view-layout select").selectOption(word);
    await page.waitForFunction((wanted) => location.hash.includes(`colour=${wanted}`), word);
    await page.locator('ul[aria-label="Colours"] button').first().waitFor();
  }
});

test("ghosts are found where the padding is looked through", async (t) => {
  const { page } = await opened(t);
  const wanted = await pxkitJson("layout", "--json", "--ghosts", "--repository", store, `${newest}/tree.pxar`);
  await page.getByRole("button", { name: "Scan for ghosts here" }).click();
  await page.getByText(/looked at, \d+ ghosts? found/).waitFor();
  const ghosts = fact(page, "#view-layout", "ghosts");
  await ghosts.waitFor();
  await eventually(async () => {
    assert.equal(Number((await ghosts.locator("dd").innerText()).split(" ")[0]), wanted.ghosts.count);
    assert.equal(await exact(ghosts), wanted.ghosts.bytes);
  });
});

test("areas: a click selects, a double click goes in, the path leads back", async (t) => {
  const { page } = await opened(t);
  await page.getByRole("button", { name: "Areas" }).click();
  const canvas = page.locator(areas);
  const box = await still(canvas);
  await drawn(page, areas);
  await eventually(async () => assert.match(await canvas.getAttribute("aria-label"), /\d/));
  await page.mouse.click(box.x + 30, box.y + 60);
  await page.waitForFunction(() => /path=|entry=/.test(location.hash));
  await page.mouse.dblclick(box.x + 30, box.y + 60);
  await page.waitForFunction(() => /dir=\d/.test(location.hash));
  await page.locator("#view-layout .path li").nth(1).waitFor();
  await page.locator("#view-layout .path .jump").first().click();
  await page.waitForFunction(() => !/dir=\d/.test(location.hash));
});

test("an older snapshot beside: what is shared and how old it is", async (t) => {
  const { page } = await opened(t, { places: [1, 0], tab: "chunks" });
  await fact(page, "#view-chunks", "shared").waitFor();
  await page.locator('#view-chunks [role="columnheader"]', { hasText: "Since" }).waitFor();
  await page.locator("#view-chunks select").selectOption("shared");
  await page.waitForFunction(() => location.hash.includes("shared"));
  await eventually(async () => {
    const text = await fact(page, "#view-chunks", "shared").locator("dd").innerText();
    const count = Number(text.split(" ")[0].replaceAll(",", ""));
    assert.equal(Number(await page.locator("#view-chunks .list").getAttribute("aria-rowcount")), count + 1);
  });
});

test("ghosts of which older snapshots tell are in the legend", async (t) => {
  const { page } = await opened(t, { places: [3, 1, 0], tab: "layout" });
  await page.locator("#view-layout .legend button", { hasText: "ghost" }).waitFor();
});

test("which snapshot is older, its name says, whenever its indexes were written", async (t) => {
  const { page } = await start(t);
  // The sample's indexes were all written in the same second.
  await page.getByText("Open a sample datastore").click();
  for (const place of [2, 0]) {
    if (place === 0) await page.getByRole("button", { name: "Snapshots" }).click();
    await choose(page, "host/web", { place });
    await page.locator(".chooser").waitFor({ state: "detached" });
    await page.locator("#view-files [data-row]").first().waitFor();
  }
  await view(page, "layout");
  await page.locator("#view-layout .legend button", { hasText: "ghost" }).waitFor();
  await view(page, "chunks");
  await fact(page, "#view-chunks", "shared").waitFor();
});

test("a directory's restore: its chunks are told and marked", async (t) => {
  const { page } = await opened(t, { tab: "chunks" });
  await page.locator("#view-files [data-row]").nth(1).click();
  await page.locator("#view-chunks .needs", { hasText: /reads \d+ chunks? \(/ }).waitFor();
  // The table goes to them, also if they lie far behind its start.
  await page.locator("#view-files [data-row]").last().click();
  await page.locator("#view-chunks .row.needed").first().waitFor();
});

for (const colorScheme of ["light", "dark"]) {
  for (const viewport of [{ width: 1440, height: 900 }, { width: 400, height: 800 }]) {
    test(`axe: map, areas, chunks; ${colorScheme}, ${viewport.width}`, async (t) => {
      const i = await opened(t, { colorScheme, viewport });
      await axe(i, { themes: [colorScheme] });
      await i.page.getByRole("button", { name: "Areas" }).click();
      await drawn(i.page, areas);
      await axe(i, { themes: [colorScheme] });
      await view(i.page, "chunks");
      await i.page.locator("#view-chunks [data-row]").first().waitFor();
      await axe(i, { themes: [colorScheme] });
    });
  }
}
