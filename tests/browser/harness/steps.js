// What many tests begin with: something is opened, and it is there.

import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

import { bundle, golden, PATIENCE, scratch } from "./paths.js";
import { inspector } from "./inspector.js";
import { serve } from "./server.js";

/** The golden datastore, and the newest snapshot of its group `host/meta`. */
export const store = `${golden}/datastore`;
export const newest = "host/meta/2026-11-22T21:15:58Z";

/** The inspector without anything. Its server outlives it: what the page asks for at last is still answered. */
export async function start(t, options) {
  const { url } = await serve(t, bundle);
  const i = await inspector(t, { url, ...options });
  if (!options?.query?.includes("url=")) await i.page.locator(".pick-files:enabled").waitFor({ state: "attached" });
  return i;
}

/** The inspector with files open and rows on screen. */
export async function withFiles(t, files, options) {
  const i = await start(t, options);
  await i.pick(".pick-files", files);
  await rows(i.page).first().waitFor();
  return i;
}

/** The inspector with snapshots of a group of the golden datastore open, by their places in the list; the last one is shown. */
export async function withSnapshots(t, places = [0], { group = "host/meta", file = "mpxar", ...options } = {}) {
  const i = await start(t, options);
  await i.pick(".pick-folder", store);
  for (const [nth, place] of places.entries()) {
    if (nth > 0) await i.page.getByRole("button", { name: "Snapshots" }).click();
    await choose(i.page, group, { file, place });
    // The list goes when the snapshot is there.
    await i.page.locator(".chooser").waitFor({ state: "detached" });
    await rows(i.page).first().waitFor();
  }
  return i;
}

/** Chooses a group in the list of snapshots, and an archive of one of its snapshots, the newest first. */
export async function choose(page, group, { file = "mpxar", place = 0 } = {}) {
  await page.getByText(group, { exact: true }).click();
  await page.locator(".snapshot").nth(place).locator(".jump", { hasText: file }).first().click();
}

/** A unified archive that says it is of version 2: FORMAT_VERSION with that number, then the contents of version 1. No writer makes it, and it can be read. */
export async function bothVersions(t) {
  const version = Buffer.alloc(24);
  version.writeBigUInt64LE(0x730f6c75df16a40dn, 0);
  version.writeBigUInt64LE(24n, 8);
  version.writeBigUInt64LE(2n, 16);
  const file = join(await scratch(t), "both.pxar");
  await writeFile(file, Buffer.concat([version, await readFile(`${golden}/archives/kinds.pxar`)]));
  return file;
}

/** Calls `check` again until it throws nothing, and returns what it returns; what it throws in the end is the failure. */
export async function eventually(check) {
  for (const end = Date.now() + PATIENCE; ; ) {
    try {
      return await check();
    } catch (error) {
      if (Date.now() > end) throw error;
    }
    await pause(50);
  }
}

/** Waits until an element has been where it is for some frames, and returns its box. */
export async function still(locator) {
  let [before, frames] = [null, 0];
  return eventually(async () => {
    const box = await locator.boundingBox();
    frames = box && JSON.stringify(box) === before ? frames + 1 : 0;
    before = JSON.stringify(box);
    await locator.evaluate(() => new Promise(requestAnimationFrame));
    if (frames < 3) throw new Error(`it still moves: ${before}`);
    return box;
  });
}

/** Closes what is said of problems. */
export async function dismissAll(page) {
  const all = page.locator("button[title=Dismiss]");
  for (let left = await all.count(); left > 0; left = await all.count()) {
    await all.first().click();
    await eventually(async () => {
      if ((await all.count()) >= left) throw new Error("it does not go");
    });
  }
}

export const rows = (page) => page.locator("#view-files [data-row]");
/** The row of an entry whose name is exactly this. */
export const row = (page, name) => rows(page).filter({ has: page.locator(".text", { hasText: new RegExp(`^${name}( →|$)`) }) }).first();
/** Waits for a text in the line beside the views. */
export const summary = (page, text) => page.locator(".tabs .summary", { hasText: text }).waitFor();
/** Waits for what the document is said to be. */
export const kind = (page, text) => page.locator(".document > .facts", { hasText: text }).waitFor();
/** Goes to a view by its key. */
export async function view(page, name) {
  const key = ["files", "layout", "chunks", "structure", "findings", "compare"].indexOf(name) + 1;
  await page.keyboard.press(String(key));
  await page.locator(`#view-${name}`).waitFor();
}
/** The exact number in a title: `1,234 bytes`. */
export const exact = async (locator) => number(await locator.getAttribute("title"));
export const number = (text) => Number(/[\d,]+/.exec(text)[0].replaceAll(",", ""));

/**
 * Waits until a canvas shows a picture that stays: two looks in a row see the same, which is not empty and is not `unlike`. Returns a text that
 * tells it from others.
 */
export async function drawn(page, canvas, { unlike = null } = {}) {
  const found = await page.waitForFunction(look, [canvas, unlike], { polling: 100 });
  return found.jsonValue();
}

/** Runs in the page. */
function look([selector, unlike]) {
  const canvas = document.querySelector(selector);
  if (!canvas?.width || !canvas.height) return false;
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let [hash, ink] = [0x811c9dc5, 0];
  for (const pixel of new Uint32Array(data.buffer)) {
    hash = Math.imul(hash ^ pixel, 0x01000193) >>> 0;
    ink += pixel !== 0;
  }
  const [before, now] = [canvas.lastLook, `${canvas.width}x${canvas.height} ${hash}`];
  canvas.lastLook = now;
  return ink > data.length / 400 && now === before && now !== unlike && now;
}
