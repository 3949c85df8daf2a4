// What goes wrong: damaged archives, a decoder that stops, work that is taken back.

import assert from "node:assert/strict";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "node:test";

import { dismissAll, eventually, golden, million, row, scratch, start, summary, withFiles } from "./harness/index.js";

/** Numbers that are the same in each run (Park and Miller). */
function random(seed) {
  let state = seed;
  return (below) => {
    state = (state * 48271) % 2147483647;
    return state % below;
  };
}

test("fifty damaged archives: a sentence, and a page that goes on", async (t) => {
  const dir = await scratch(t);
  const next = random(20_261_126);
  const names = ["kinds", "names", "attributes", "goodbye"];
  const files = [];
  for (let nth = 0; nth < 50; nth += 1) {
    const ending = nth % 3 === 0 ? "mpxar" : "pxar";
    const bytes = Buffer.from(await readFile(`${golden}/archives/${names[nth % names.length]}.${ending}`));
    let damaged = bytes;
    switch (nth % 5) {
      case 0:
        damaged = bytes.subarray(0, next(bytes.length));
        break;
      case 1:
        bytes[next(bytes.length)] ^= 1 << next(8);
        break;
      case 2:
        // A size that no file could have.
        bytes.writeBigUInt64LE(2n ** 63n - 1n, 8 + 8 * next(Math.floor(bytes.length / 8) - 2));
        break;
      case 3:
        bytes.fill(next(256), next(bytes.length - 64)).subarray(0, 64);
        break;
      default:
        damaged = Buffer.concat([bytes.subarray(0, next(bytes.length)), bytes.subarray(next(bytes.length))]);
    }
    const path = join(dir, `damaged-${nth}.${ending}`);
    await writeFile(path, damaged);
    files.push(path);
  }
  const i = await start(t);
  const { page } = i;
  let sentences = 0;
  for (const [nth, file] of files.entries()) {
    await i.pick(".pick-files", file);
    // It is decoded as far as that goes, or a sentence says why not.
    const close = page.getByRole("button", { name: /^Close damaged/ });
    const dismiss = page.locator("button[title=Dismiss]");
    await close.or(dismiss).first().waitFor();
    await page.locator(".status progress").waitFor({ state: "detached" });
    assert.equal(await page.locator(".failure").count(), 0, `the decoder stopped at ${file}`);
    for (const banner of await page.locator(".banner.bad p").allInnerTexts()) {
      assert.match(banner, /^damaged-\d+\.m?pxar.*\.$/s, banner);
      assert.doesNotMatch(banner, /undefined|NaN|panicked/);
      sentences += 1;
    }
    if (await close.count()) {
      // Every view can be looked at.
      for (const key of nth % 5 === 0 ? ["2", "4", "5", "1"] : ["5", "1"]) {
        await page.keyboard.press(key);
        await page.locator(".view, #view-files").last().waitFor();
      }
      await close.first().click();
    }
    await dismissAll(page);
    await page.getByText("Look into a backup").waitFor();
  }
  assert.ok(sentences >= 25, `${sentences} sentences`);
  // The decoder still works.
  await i.pick(".pick-files", `${golden}/archives/kinds.pxar`);
  await summary(page, "28 entries");
});

test("a decoder that stops says so, and starts again with what was open", async (t) => {
  const i = await withFiles(t, ["mpxar", "ppxar"].map((ending) => `${golden}/archives/kinds.${ending}`), { allow: /out of luck/ });
  await row(i.page, "seeded-4097").click();
  await i.page.waitForFunction(() => location.hash.includes("path=/seeded-4097"));
  await (await i.worker()).evaluate(() => void setTimeout(() => { throw new Error("out of luck"); }));
  await i.page.locator(".failure", { hasText: "out of luck" }).waitFor();
  await i.page.getByRole("button", { name: "Restart and open again" }).click();
  await summary(i.page, "28 entries");
  await i.page.locator("#view-files .row.current", { hasText: "seeded-4097" }).waitFor();
  await eventually(async () => assert.equal(i.page.workers().length, 1));
});

test("opening and checks can be cancelled; what is asked next is answered", async (t) => {
  const dir = await scratch(t);
  await mkdir(join(dir, "big"));
  const { meta, payload } = await million(join(dir, "big"), { entries: 400_000, gib: 1 });
  const i = await start(t);
  const { page } = i;
  // Its work is slow to begin: what is read is held back until the test has seen the bar.
  const worker = await i.worker();
  await worker.evaluate(() => {
    const read = Blob.prototype.arrayBuffer;
    globalThis.hold = (beyond) => {
      globalThis.beyond = beyond;
      globalThis.held = new Promise((resolve) => (globalThis.release = resolve));
    };
    let large = 0;
    Blob.prototype.arrayBuffer = async function () {
      large += this.size > 1 << 20;
      if (this.size > globalThis.beyond && large !== 1) await globalThis.held;
      return read.call(this);
    };
    globalThis.hold(1 << 20);
  });
  await i.pick(".pick-files", [meta, payload]);
  await page.locator(".status .job progress").waitFor();
  await page.locator(".status .job button", { hasText: "Cancel" }).click();
  await page.getByText("Look into a backup").waitFor();
  await worker.evaluate(() => globalThis.release());
  await i.pick(".pick-files", `${golden}/archives/kinds.pxar`);
  await summary(page, "28 entries");
  await page.locator(".status .job").waitFor({ state: "detached" });

  await i.drop([meta, payload]);
  await summary(page, /400,00\d entries/);
  await page.locator(".status progress").waitFor({ state: "detached" });
  await page.keyboard.press("5");
  await worker.evaluate(() => globalThis.hold(0));
  await page.getByRole("button", { name: "Check headers" }).click();
  await page.locator("#view-findings .checks button", { hasText: "Cancel" }).click();
  await page.getByRole("button", { name: "Check headers" }).waitFor();
  await page.locator(".status .job", { hasText: "headers" }).waitFor({ state: "detached" });
  await worker.evaluate(() => globalThis.release());
});
