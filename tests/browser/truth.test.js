// What the page says is true at that moment: numbers and notes go with what they are about, and what was open comes back as it was.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { cp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "node:test";
import { crc32 } from "node:zlib";

import { choose, eventually, golden, inspect, inspector, newest, pxkit, row, rows, scratch, start, store, summary, view, withFiles, withSnapshots } from "./harness/index.js";

/** An index of chunks of `size` bytes with other digests than the bytes have. */
function index(bytes, size) {
  const entries = Buffer.alloc(Math.ceil(bytes / size) * 40);
  for (let at = 0; at * 40 < entries.length; at += 1) {
    entries.writeBigUInt64LE(BigInt(Math.min(bytes, (at + 1) * size)), at * 40);
    createHash("sha256").update(`${at}`).digest().copy(entries, at * 40 + 8);
  }
  const header = Buffer.alloc(4096);
  Buffer.from([28, 145, 78, 165, 25, 186, 179, 205]).copy(header);
  header.writeBigInt64LE(1_600_000_000n, 24);
  createHash("sha256").update(entries).digest().copy(header, 32);
  return Buffer.concat([header, entries]);
}

/** Lets a test keep back what the worker says, with `hold(page)`, until `release(page)`. */
const holding = {
  before: (page) =>
    page.addInitScript(() => {
      const { get, set } = Object.getOwnPropertyDescriptor(Worker.prototype, "onmessage");
      Object.defineProperty(Worker.prototype, "onmessage", {
        configurable: true,
        get,
        set(listener) {
          const hear = (event) => (globalThis.held ? globalThis.held.push([listener, event]) : listener.call(this, event));
          set.call(this, listener && hear);
        },
      });
    }),
};
const hold = (page) => page.evaluate(() => void (globalThis.held = []));
const release = (page) =>
  page.evaluate(() => {
    const held = globalThis.held;
    globalThis.held = null;
    for (const [listener, event] of held) listener(event);
  });

const note = (page, check) => page.locator("#view-findings .check-state", { has: page.getByRole("button", { name: `Check ${check}` }) }).locator("span");
const titles = (page) => page.locator(".switch option").allInnerTexts();

async function restart(i) {
  await (await i.worker()).evaluate(() => void setTimeout(() => { throw new Error("out of luck"); }));
  await i.page.locator(".failure", { hasText: "out of luck" }).waitFor();
  await i.page.getByRole("button", { name: "Restart and open again" }).click();
}

test("what a check found is said as long as it is so", async (t) => {
  const dir = await scratch(t);
  const [meta, payload] = ["kinds.mpxar", "kinds.ppxar"].map((name) => join(dir, name));
  await cp(`${golden}/archives/kinds.mpxar`, meta);
  const bytes = await readFile(`${golden}/archives/kinds.ppxar`);
  const header = Buffer.from("251a7c0b1b7a1428", "hex");
  for (let [at, left] = [bytes.indexOf(header), 3]; left > 0; left -= 1, at = bytes.indexOf(header, at + 1)) bytes.fill(0, at, at + 8);
  await writeFile(payload, bytes);
  await writeFile(`${payload}.didx`, index(bytes.length, 4096));
  const i = await withFiles(t, [meta, payload]);
  const { page } = i;
  await view(page, "findings");
  await page.getByRole("button", { name: "Check headers" }).click();
  await note(page, "headers").filter({ hasText: "3 found" }).waitFor();
  await page.locator("#view-findings .count", { hasText: "3 findings" }).waitFor();
  // Also for who comes back.
  await view(page, "files");
  await view(page, "findings");
  await note(page, "headers").filter({ hasText: "3 found" }).waitFor();
  await i.pick(".pick-files", `${payload}.didx`);
  await page.locator("#view-findings .count", { hasText: /^(0|no) findings/ }).waitFor();
  await note(page, "headers").waitFor({ state: "detached" });
});

test("what is typed stays until it holds, whatever the worker answers meanwhile", async (t) => {
  const i = await withFiles(t, [`${golden}/archives/kinds.pxar`], holding);
  const { page } = i;
  const least = page.locator("input.size").first();
  await hold(page);
  await page.getByLabel("as a list").check();
  await page.waitForFunction(() => globalThis.held.length > 0);
  await least.fill("4 KiB");
  await release(page);
  await page.locator("#view-files [role=grid]").waitFor();
  await page.evaluate(() => new Promise((done) => setTimeout(done)));
  assert.equal(await least.inputValue(), "4 KiB");
  await page.keyboard.press("Enter");
  await page.locator(".filter .count", { hasText: /[1-9]/ }).waitFor();
  assert.match(await least.inputValue(), /^4/);
  await page.waitForFunction(() => location.hash.includes("least=4096"));
  // An address brings another.
  await page.evaluate(() => void (location.hash = location.hash.replace(/least=\d+/, "least=1")));
  await eventually(async () => assert.match(await least.inputValue(), /^1/));
});

test("what was opened for nobody is closed", async (t) => {
  const i = await start(t, holding);
  const { page } = i;
  await i.pick(".pick-folder", store);
  await page.getByText("host/meta", { exact: true }).click();
  await page.locator(".snapshot").nth(3).waitFor();
  await hold(page);
  await page.locator(".snapshot").nth(3).locator(".jump", { hasText: "mpxar" }).first().click();
  // The answer is on its way when it is taken back.
  await page.waitForFunction(() => globalThis.held.length > 0);
  await page.locator(".status").getByRole("button", { name: "Cancel" }).click();
  await release(page);
  await page.locator(".snapshot").nth(0).locator(".jump", { hasText: "mpxar" }).first().click();
  await rows(page).first().waitFor();
  await view(page, "chunks");
  await page.locator("#view-chunks [data-row]").first().waitFor();
  assert.equal(await page.locator("#view-chunks .toolbar select").count(), 0, "there is no older snapshot to share chunks with");
});

test("the panel of a chunk knows of an older snapshot as soon as it is there", async (t) => {
  const i = await withSnapshots(t, [0], holding);
  const { page } = i;
  await view(page, "chunks");
  await page.locator("#view-chunks [data-row='2']").click();
  await page.locator("#entry h2", { hasText: "Chunk" }).waitFor();
  assert.equal(await page.locator("#entry dt", { hasText: "earlier snapshot" }).count(), 0);
  await view(page, "compare");
  await page.locator("#compare-older").selectOption({ label: "open host/meta/2026-11-22T21:15:54Z" });
  await page.locator("#view-compare .differences").waitFor();
  await page.locator("#entry dt", { hasText: "earlier snapshot" }).waitFor();
  // And that it is gone.
  await page.locator(".switch").selectOption({ index: 1 });
  await page.locator(".document button.icon").click();
  await page.locator(".switch").waitFor({ state: "detached" });
  await view(page, "chunks");
  await page.locator("#view-chunks [data-row='2']").click();
  await page.locator("#entry h2", { hasText: "Chunk" }).waitFor();
  await page.locator("#entry dt", { hasText: "earlier snapshot" }).waitFor({ state: "detached" });
});

test("generations are those of the group that is shown", async (t) => {
  const i = await withSnapshots(t, [0], holding);
  const { page } = i;
  await page.getByRole("button", { name: "Snapshots" }).click();
  await choose(page, "host/sign");
  await page.locator(".switch").waitFor();
  await page.locator(".switch").selectOption({ index: 0 });
  await view(page, "compare");
  const button = page.getByRole("button", { name: "Show padding by generation" });
  await page.locator(".generations h2", { hasText: "host/meta" }).waitFor();
  await hold(page);
  await button.click();
  await page.waitForFunction(() => globalThis.held.length > 0);
  await page.locator(".switch").selectOption({ index: 1 });
  await page.locator(".generations h2", { hasText: "host/sign" }).waitFor();
  await release(page);
  await page.locator(".status").getByRole("button", { name: "Cancel" }).waitFor({ state: "detached" });
  assert.equal(await page.locator(".generations figure").count(), 0);
  await button.click();
  await page.locator(".generations figure").waitFor();
  assert.equal(await page.locator(".generations tbody tr").count(), 1);
});

test("a key that is dropped is known to banners and lists", async (t) => {
  const dir = join(await scratch(t), "store");
  await cp(store, dir, { recursive: true });
  const snapshot = "host/sign/2026-11-22T21:15:58Z";
  const text = await pxkit("restore", "--repository", store, "--keyfile", `${golden}/key.json`, snapshot, "index.json", "-");
  const forged = Buffer.from(text.replace(/("signature": ")(.)/, (_, before, digit) => before + (digit === "0" ? "1" : "0")));
  assert.notEqual(forged.toString(), text);
  const head = Buffer.from([66, 171, 56, 7, 190, 131, 112, 161, 0, 0, 0, 0]);
  head.writeUInt32LE(crc32(forged), 8);
  await writeFile(join(dir, snapshot, "index.json.blob"), Buffer.concat([head, forged]));

  const i = await start(t);
  const { page } = i;
  await i.pick(".pick-folder", dir);
  await choose(page, "host/enc");
  const banner = page.locator(".banner.bad", { hasText: "give its key file" });
  await banner.waitFor();
  await page.getByText("host/sign", { exact: true }).click();
  await page.locator(".snapshots[aria-label$='host/sign'] .snapshot").waitFor();
  assert.equal(await page.locator(".snapshot .trouble").count(), 0);
  await i.pick(".pick-files", `${golden}/key.json`);
  await page.locator(".snapshot .trouble", { hasText: "signature" }).waitFor();
  await banner.waitFor({ state: "detached" });
});

test("what was open comes back from its datastore, with its key, and nothing else", async (t) => {
  const i = await start(t, { allow: /out of luck/ });
  const { page } = i;
  await i.pick(".pick-folder", store);
  await page.locator(".key > summary").click();
  await page.locator(".key-form input[type=file]").setInputFiles(`${golden}/key.json`);
  await page.locator(".key-form button").click();
  await page.locator(".key-form [role=status]").waitFor();
  await page.locator(".key > summary").click();
  await choose(page, "host/enc");
  await summary(page, "134 entries");
  await i.pick(".pick-files", [`${golden}/archives/wide.pxar`, `${golden}/archives/kinds.pxar`]);
  await page.locator(".switch").waitFor();
  await page.locator(".switch").selectOption({ label: "wide.pxar" });
  await summary(page, "2,001 entries");
  await page.locator(".document button.icon").click();
  await eventually(async () => assert.equal((await titles(page)).length, 2));
  await page.locator(".switch").selectOption({ label: "kinds.pxar" });
  await row(page, "seeded-4097").click();
  await page.waitForFunction(() => location.hash.includes("path=/seeded-4097"));
  const [before, address] = [await titles(page), await page.evaluate(() => location.hash)];
  await restart(i);
  await eventually(async () => assert.deepEqual(await titles(page), before));
  await summary(page, "28 entries");
  await page.locator("#view-files .row.current", { hasText: "seeded-4097" }).waitFor();
  await page.locator(".status").getByRole("button", { name: "Cancel" }).waitFor({ state: "detached" });
  assert.deepEqual(await titles(page), before);
  assert.equal(await page.evaluate(() => location.hash), address);
  assert.equal(await page.locator(".banner.bad").count(), 0);
  // Its contents can be read.
  await page.locator(".switch").selectOption({ index: 0 });
  await summary(page, "134 entries");
});

test("a datastore that is served comes back with its snapshots", async (t) => {
  const url = await inspect(t, "--repository", store, "host/meta");
  const i = await inspector(t, { url, allow: /out of luck/ });
  const { page } = i;
  await page.locator(".snapshot").first().locator(".jump", { hasText: "mpxar" }).first().click();
  await summary(page, "134 entries");
  // One that Compare opens is no other.
  await view(page, "compare");
  await page.locator("#compare-older").selectOption({ label: "open host/meta/2026-11-22T21:15:54Z" });
  await page.locator("#view-compare .differences").waitFor();
  const before = await titles(page);
  await restart(i);
  await eventually(async () => assert.deepEqual(await titles(page), before));
  await page.locator("#view-compare .differences").waitFor();
  await summary(page, "134 entries");
  assert.ok(decodeURIComponent(await page.evaluate(() => location.hash)).includes(newest));
  assert.equal(await page.locator(".banner.bad").count(), 0);
});
