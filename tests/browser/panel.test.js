// What files hold that are no archives, and what pictures are shown.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "node:test";
import { crc32, deflateSync } from "node:zlib";

import { kind, newest, pxkit, row, scratch, start, store, view, withFiles } from "./harness/index.js";

/** A blob that is stored as it is. */
function blob(data) {
  const header = Buffer.from("42ab3807be8370a100000000", "hex");
  header.writeUInt32LE(crc32(data), 8);
  return Buffer.concat([header, data]);
}

/** A picture of noise, which has at least three bytes for each dot. */
function noise(width, height) {
  const chunk = (type, data) => {
    const body = Buffer.concat([Buffer.from(type), data]);
    const [before, behind] = [Buffer.alloc(4), Buffer.alloc(4)];
    before.writeUInt32BE(data.length);
    behind.writeUInt32BE(crc32(body));
    return Buffer.concat([before, body, behind]);
  };
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, 2], 8);
  const rows = randomBytes((1 + width * 3) * height);
  for (let y = 0; y < height; y += 1) rows[y * (1 + width * 3)] = 0;
  const signature = Buffer.from("89504e470d0a1a0a", "hex");
  const data = deflateSync(rows, { level: 0 });
  return Buffer.concat([signature, chunk("IHDR", head), chunk("IDAT", data), chunk("IEND", Buffer.alloc(0))]);
}

/** An archive of files, by their names. */
async function archive(t, files) {
  const dir = await scratch(t);
  await mkdir(join(dir, "tree"));
  for (const [name, data] of Object.entries(files)) await writeFile(join(dir, "tree", name), data);
  await pxkit("create", "--quiet", join(dir, "tree.pxar"), join(dir, "tree"));
  return join(dir, "tree.pxar");
}

test("what a blob and a manifest hold is shown, and saved", async (t) => {
  const i = await start(t);
  const { page } = i;
  const file = join(await scratch(t), "some.conf.blob");
  const text = "port: 8007\nname: Grüße\n";
  await writeFile(file, blob(Buffer.from(text)));
  await i.pick(".pick-files", file);
  await kind(page, "blob");
  await page.locator("#entry .look.text", { hasText: "Grüße" }).waitFor();
  const saved = await i.save("#entry .actions button");
  assert.equal(saved.name, "some.conf");
  assert.equal(await readFile(saved.path, "utf8"), text);
  // A manifest is compressed.
  await page.locator(".document button.icon").click();
  await i.pick(".pick-files", `${store}/${newest}/index.json.blob`);
  await kind(page, "manifest");
  await page.locator("#entry .look.text", { hasText: '"backup-id": "meta"' }).waitFor();
  const [download] = await Promise.all([page.waitForEvent("download"), page.keyboard.press("s")]);
  assert.equal(download.suggestedFilename(), "index.json");
  assert.equal(JSON.parse(await readFile(await download.path(), "utf8"))["backup-id"], "meta");
});

test("pictures are shown up to their limit, and of larger ones it is said", async (t) => {
  const [small, large] = [noise(800, 700), noise(2400, 2400)];
  assert.ok(small.length > 1 << 20 && large.length > 16 << 20);
  const { page } = await withFiles(t, await archive(t, { "small.png": small, "large.png": large }));
  await row(page, "small.png").click();
  const picture = page.locator("#entry img.picture");
  await picture.waitFor();
  await page.waitForFunction((picture) => picture.naturalWidth === 800, await picture.elementHandle());
  await row(page, "large.png").click();
  await page.locator("#entry", { hasText: "The first 4.00 KiB of 16.5 MiB. Pictures of up to 16.0 MiB are shown." }).waitFor();
});

test("a key with a passphrase is taken without a datastore", async (t) => {
  const key = join(await scratch(t), "key.json");
  process.env.PBS_ENCRYPTION_PASSWORD = "two words";
  await pxkit("key", "create", "--kdf", "pbkdf2", key);
  const i = await start(t);
  const { page } = i;
  await i.pick(".pick-files", key);
  await page.locator(".banner", { hasText: "locked with a passphrase" }).filter({ hasText: "Key…" }).waitFor();
  await page.locator(".key > summary").click();
  await page.locator(".key-form input[type=file]").setInputFiles(key);
  await page.locator(".key-form input[type=password]").fill("one word");
  await page.locator(".key-form button").click();
  await page.locator(".key-form [role=alert]", { hasText: /^The key file has another passphrase\.$/ }).waitFor();
  await page.locator(".key-form input[type=password]").fill("two words");
  await page.locator(".key-form button").click();
  await page.locator(".key-form [role=status]", { hasText: "Taken" }).waitFor();
});

test("what has no chunks to show says what has", async (t) => {
  const i = await start(t);
  const { page } = i;
  await i.pick(".pick-files", `${store}/${newest}/index.json.blob`);
  await kind(page, "manifest");
  await view(page, "chunks");
  await page.locator("#view-chunks .empty", { hasText: "Only archives and indexes have chunks." }).waitFor();
});
