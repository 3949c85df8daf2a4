// Everything that can be opened, by every way to open it: what is shown of it, and what is said where something is missing or wrong.

import assert from "node:assert/strict";
import { createHash, randomUUID } from "node:crypto";
import { cp, mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "node:test";

import { bothVersions, bundle, choose, dismissAll, golden, inspect, inspector, kind, newest, pxkit, row, scratch, serve, start, store, summary } from "./harness/index.js";

const archives = `${golden}/archives`;
const archive = (name) => `${archives}/${name}`;
const legacy = newest.replace("meta", "legacy");

const closeAll = async (page) => {
  await page.getByRole("button", { name: /^Close / }).first().click();
};

test("archives of both versions, dropped: what they are, and their entries", async (t) => {
  const i = await start(t);
  for (const [name, entries, version] of [["names", 24, 1], ["attributes", 15, 1], ["kinds", 28, 1]]) {
    await i.drop(archive(`${name}.pxar`));
    await kind(i.page, `version ${version}`);
    await summary(i.page, `${entries} entries`);
    await closeAll(i.page);
    await i.page.getByText("Look into a backup").waitFor();
  }
  await i.drop([archive("goodbye.mpxar"), archive("goodbye.ppxar")]);
  await kind(i.page, "version 2");
  await summary(i.page, "466 entries");
  // What belongs together is found by contents and names, in whatever order it is given, and it is one document.
  assert.equal(await i.page.locator(".document .title").innerText(), "goodbye.mpxar + goodbye.ppxar");
});

test("a unified archive that says it is of version 2", async (t) => {
  const file = await bothVersions(t);
  const i = await start(t);
  await i.drop(file);
  await kind(i.page, "version 2");
  await summary(i.page, "28 entries");
  assert.equal(await i.page.locator(".document .title").innerText(), "both.pxar");
  await row(i.page, "seeded-4097").click();
  await i.page.locator("#entry .actions button:not([disabled])", { hasText: "Save" }).waitFor();
  await i.page.keyboard.press("5");
  await i.page.locator("#view-findings [data-row]", { hasText: "inline contents in a version 2 archive" }).first().waitFor();
});

test("metadata alone says what is missing; the payload may come later", async (t) => {
  const i = await start(t);
  await i.drop(archive("kinds.mpxar"));
  await summary(i.page, "28 entries");
  await i.page.locator(".status .hint", { hasText: ".ppxar" }).waitFor();
  await row(i.page, "seeded-4097").click();
  await i.page.locator("#entry h2", { hasText: "seeded-4097" }).waitFor();
  assert.equal(await i.page.locator("#entry .actions button:not([disabled])", { hasText: "Save" }).count(), 0);
  await i.drop(archive("kinds.ppxar"));
  await i.page.locator("#entry .actions button:not([disabled])", { hasText: "Save" }).waitFor();
  await i.page.locator(".status .hint").waitFor({ state: "detached" });
  // It is still the same document.
  assert.equal(await i.page.locator(".document select.switch").count(), 0);
});

test("an index alone has chunks; with the folder of chunks beside it, it is the archive", async (t) => {
  const i = await start(t);
  const snapshot = `${store}/${legacy}`;
  await i.drop(`${snapshot}/tree.pxar.didx`);
  await kind(i.page, "dynamic index");
  await i.page.keyboard.press("3");
  await i.page.locator("#view-chunks [data-row]").first().waitFor();
  await closeAll(i.page);
  await i.drop([`${snapshot}/tree.pxar.didx`, `${store}/.chunks`]);
  await summary(i.page, "134 entries");
  await kind(i.page, "version 1");
});

test("both indexes of a split archive with chunks, picked", async (t) => {
  const i = await start(t);
  const snapshot = `${store}/${newest}`;
  await i.drop([`${snapshot}/tree.mpxar.didx`, `${snapshot}/tree.ppxar.didx`, `${store}/.chunks`]);
  await summary(i.page, "134 entries");
  await kind(i.page, "version 2");
  await row(i.page, "text").click();
  await i.page.locator("#entry .actions button", { hasText: "Save" }).waitFor();
});

test("blobs, manifests, fixed indexes and catalogs say what is in them", async (t) => {
  const i = await start(t);
  const dir = await scratch(t);
  const fixed = join(dir, "drive.img.fidx");
  await writeFile(fixed, fixedIndex());
  const shown = async (paths, what, item) => {
    await i.pick(".pick-files", paths);
    await kind(i.page, what);
    await i.page.keyboard.press("4");
    await i.page.locator("#view-structure .item-row", { hasText: item }).first().waitFor();
    await closeAll(i.page);
    await i.page.getByText("Look into a backup").waitFor();
  };
  await shown([`${store}/${newest}/index.json.blob`], "manifest of a snapshot", /MANIFEST|JSON|HEADER|BLOB/i);
  await shown([fixed], "fixed index", /HEADER|INDEX/i);
  // A catalog is chunked as archives are.
  await i.pick(".pick-folder", store);
  await choose(i.page, "host/legacy", { file: "catalog" });
  await kind(i.page, "catalog");
});

test("a datastore that is dropped has its snapshots", async (t) => {
  const i = await start(t);
  await i.drop(store);
  for (const group of ["host/data", "host/enc", "host/legacy", "host/meta", "host/sign"]) {
    await i.page.getByText(group, { exact: true }).waitFor();
  }
  await i.page.locator(".groups li", { hasText: "host/meta" }).getByText("4 snapshots").waitFor();
  await choose(i.page, "host/meta");
  await summary(i.page, "134 entries");
  await row(i.page, "text").click();
  // Contents come through the handle of the folder, which lists no snapshots.
  const saved = await i.save("#entry .actions button");
  assert.equal((await readFile(saved.path)).length, 387_000);
});

test("a file of a snapshot costs its chunks, and no others are read", async (t) => {
  const i = await start(t);
  await i.drop(store);
  await choose(i.page, "host/meta");
  await summary(i.page, "134 entries");
  const lines = await pxkit("list", "--json", `${newest}/tree.pxar`, "--repository", store);
  const entries = lines.trim().split("\n").map((line) => JSON.parse(line));
  const { payload_offset: start_, size } = entries.find((entry) => entry.path === "/text");
  const chunks = await chunksOf(`${store}/${newest}/tree.ppxar.didx`, start_, start_ + 16 + size);
  const sizes = await Promise.all(chunks.map(async (digest) => (await stat(`${store}/.chunks/${digest.slice(0, 4)}/${digest}`)).size));
  const all = sizes.reduce((sum, size) => sum + size, 0);
  assert.ok(chunks.length >= 2, "a file in several chunks");

  const read = await i.countReads();
  await row(i.page, "text").click();
  await i.page.locator("#entry .look").waitFor();
  const selected = await read();
  assert.ok(selected > 0 && selected <= all, `${selected} bytes of ${all} were read`);
  const saved = await i.save("#entry .actions button");
  assert.equal((await stat(saved.path)).size, size);
  // What the preview took is not read again.
  assert.equal(await read(), all);
});

/** The digests of the chunks that hold a range of the stream of a dynamic index. */
async function chunksOf(index, from, to) {
  const bytes = await readFile(index);
  const digests = [];
  for (let at = 4096, begin = 0; at < bytes.length; at += 40) {
    const end = Number(bytes.readBigUInt64LE(at));
    if (begin < to && end > from) digests.push(bytes.subarray(at + 8, at + 40).toString("hex"));
    begin = end;
  }
  return digests;
}

test("namespaces of a datastore", async (t) => {
  const dir = await scratch(t);
  const root = join(dir, "spaces");
  await cp(`${store}/.chunks`, join(root, ".chunks"), { recursive: true });
  await cp(`${store}/host/data`, join(root, "host/data"), { recursive: true });
  await cp(`${store}/host/meta`, join(root, "ns/a/ns/b/host/deep"), { recursive: true });
  await mkdir(join(root, "ns/empty"), { recursive: true });
  await writeFile(join(root, "ns/empty/owner"), "root@pam\n");
  for (const way of ["picked", "dropped"]) {
    const i = await start(t);
    if (way === "picked") await i.pick(".pick-folder", root);
    else await i.drop(root);
    await i.page.getByText("host/data", { exact: true }).waitFor();
    await i.page.locator(".chooser select").selectOption("a/b");
    await i.page.locator(".groups li", { hasText: "host/deep" }).getByText("4 snapshots").waitFor();
    await choose(i.page, "host/deep");
    await summary(i.page, "134 entries");
    await i.page.waitForFunction(() => location.hash.includes("ns=a/b") && location.hash.includes("snapshot=host/deep/"));
  }
});

test("encrypted and signed snapshots: without a key, with a wrong one, with the right one", async (t) => {
  const dir = await scratch(t);
  const key = JSON.parse(await readFile(`${golden}/key.json`, "utf8"));
  const wrong = join(dir, "wrong.json");
  await writeFile(wrong, JSON.stringify({ ...key, data: Buffer.alloc(32, 7).toString("base64"), fingerprint: undefined }));
  const i = await start(t);
  await i.pick(".pick-folder", store);
  await i.page.getByText("host/enc", { exact: true }).click();
  await i.page.locator(".snapshot .tag", { hasText: "encrypted" }).first().waitFor();
  await i.page.locator(".snapshot .jump", { hasText: "mpxar" }).first().click();
  const complaint = i.page.locator(".banner.bad", { hasText: /encrypted.*key/i });
  await complaint.waitFor();
  await i.page.locator("button[title=Dismiss]").click();

  const use = async (file, outcome) => {
    await i.page.locator(".key > summary").click();
    await i.page.locator(".key-form input[type=file]").setInputFiles(file);
    await i.page.locator(".key-form button").click();
    await i.page.locator(".key-form", { hasText: outcome }).waitFor();
    await i.page.locator(".key > summary").click();
  };
  await use(`${golden}/kinds.json`, /The key file is none that can be read/);
  await use(wrong, "Taken");
  await i.page.locator(".snapshot .jump", { hasText: "mpxar" }).first().click();
  await i.page.locator(".banner.bad", { hasText: /key/i }).waitFor();
  await i.page.locator("button[title=Dismiss]").click();

  await use(`${golden}/key.json`, key.fingerprint.slice(0, 11));
  await i.page.locator(".snapshot .jump", { hasText: "mpxar" }).first().click();
  await summary(i.page, "134 entries");
  await row(i.page, "text").click();
  const saved = await i.save("#entry .actions button");
  const plain = await start(t);
  await plain.pick(".pick-folder", store);
  await choose(plain.page, "host/sign");
  await row(plain.page, "text").click();
  const same = await plain.save("#entry .actions button");
  const digest = async (path) => createHash("sha256").update(await readFile(path)).digest("hex");
  assert.equal(await digest(saved.path), await digest(same.path));
});

test("an address with an archive elsewhere is read by ranges, and one with a snapshot is opened when its store is given", async (t) => {
  const site = await serve(t, archives, { cors: true });
  const i = await start(t, { query: `?url=${encodeURIComponent(new URL("wide.pxar", site.url).href)}` });
  await summary(i.page, "2,001 entries");
  assert.ok(site.requests.every((request) => request.method !== "GET" || request.range), "every request has a range");

  const link = `#/files?snapshot=${newest}&archive=tree.pxar&path=/dir4`;
  const other = await start(t, { query: link });
  await other.pick(".pick-folder", store);
  await summary(other.page, "134 entries");
  await other.page.locator("#entry h2", { hasText: "dir4" }).waitFor();
});

test("what the program serves: an archive, a group, a snapshot; and its policy is the page's", async (t) => {
  const file = await inspector(t, { url: await inspect(t, "--assets", bundle, archive("names.mpxar"), archive("names.ppxar")) });
  await summary(file.page, "24 entries");

  const group = await inspector(t, { url: await inspect(t, "--assets", bundle, "--repository", store, "host/legacy") });
  await group.page.locator('.groups [aria-pressed="true"]', { hasText: "host/legacy" }).waitFor();
  await group.page.locator(".snapshot .jump", { hasText: "tree.pxar" }).waitFor();

  const address = await inspect(t, "--assets", bundle, "--repository", store, newest);
  const responses = [];
  const one = await inspector(t, { url: address, before: (page) => page.on("response", (response) => responses.push(response)) });
  await summary(one.page, "134 entries");
  const page = responses.find((response) => response.request().isNavigationRequest() && response.status() === 200);
  const header = page.headers()["content-security-policy"];
  const inserted = await one.page.locator('meta[http-equiv="Content-Security-Policy"]').getAttribute("content");
  const parts = (policy) => policy.split(";").map((part) => part.trim()).sort();
  // The only one that a page cannot say itself.
  assert.deepEqual(parts(header), [...parts(inserted), "frame-ancestors 'none'"].sort());
});

test("what is picked while a served datastore is still listed stays on screen", async (t) => {
  const dir = await scratch(t);
  await cp(bundle, dir, { recursive: true });
  await mkdir(join(dir, "slow/list"), { recursive: true });
  await writeFile(join(dir, "slow/list/index.html"), JSON.stringify([{ name: ".chunks", dir: true }]));
  await writeFile(join(dir, "sources.json"), JSON.stringify({ sources: [{ name: "slow store", directory: "slow/", open: [] }] }));
  let release;
  const released = new Promise((resolve) => (release = resolve));
  const { url } = await serve(t, dir, { hold: (path) => path.startsWith("slow/list") && released });
  const i = await inspector(t, { url, query: "?served", allow: /404/ });
  await i.page.locator(".status", { hasText: "slow store" }).waitFor();
  await i.pickBy(".ways button.first", archive("wide.pxar"));
  await summary(i.page, "2,001 entries");
  release();
  // The datastore is there, and waits to be asked for.
  await i.page.getByRole("button", { name: "Snapshots" }).waitFor();
  await summary(i.page, "2,001 entries");
  assert.equal(await i.page.locator(".chooser").count(), 0);
  await i.page.getByRole("button", { name: "Snapshots" }).click();
  await i.page.locator(".chooser", { hasText: "slow store" }).waitFor();
});

test("files of a picker that was opened before something else came are taken", async (t) => {
  const i = await start(t);
  const [chooser] = await Promise.all([i.page.waitForEvent("filechooser"), i.page.locator(".ways button.first").click()]);
  await i.pick(".pick-folder", store);
  await i.page.locator(".chooser").waitFor();
  await chooser.setFiles(archive("wide.pxar"));
  await summary(i.page, "2,001 entries");
});

test("a split archive in a datastore is one thing, and its payload's index a second way to it", async (t) => {
  const i = await start(t);
  await i.pick(".pick-folder", store);
  await i.page.getByText("host/meta", { exact: true }).click();
  const snapshot = i.page.locator(".snapshot").first();
  await snapshot.waitFor();
  const names = await snapshot.locator("li > :first-child").allInnerTexts();
  assert.deepEqual(names.filter((name) => name.includes("pxar")), ["tree.mpxar + tree.ppxar"]);
  await snapshot.getByRole("button", { name: "payload index" }).click();
  await i.page.locator("#view-chunks [data-row]").first().waitFor();
  await summary(i.page, "134 entries");
});

test("the keyboard goes to what was opened", async (t) => {
  const i = await start(t);
  const within = (selector) => i.page.waitForFunction((selector) => document.activeElement?.closest(selector), selector);
  await i.pick(".pick-folder", store);
  await choose(i.page, "host/meta");
  await within("#view-files .list");
  // By keys alone: another snapshot, opened over the first one in another view.
  await i.page.keyboard.press("3");
  await i.page.locator("#view-chunks").waitFor();
  await i.page.getByRole("button", { name: "Snapshots" }).focus();
  await i.page.keyboard.press("Enter");
  const other = i.page.locator(".snapshot").nth(1).locator(".jump").first();
  await other.focus();
  await i.page.keyboard.press("Enter");
  await i.page.locator(".chooser").waitFor({ state: "detached" });
  await within("#view-chunks, main");
  await i.page.keyboard.press("1");
  await i.page.keyboard.press("ArrowDown");
  await i.page.locator("#view-files .row.current").waitFor();
});

test("an address that cannot be opened: where, and what is wrong there", async (t) => {
  const dir = await scratch(t);
  await cp(archive("wide.pxar"), join(dir, "wide.pxar"));
  const banner = async (url) => {
    const i = await start(t, { query: `?url=${encodeURIComponent(`${url}?token=secret`)}`, allow: /./ });
    const text = await i.page.locator(".banner.bad").innerText();
    const { host, pathname } = new URL(url);
    assert.ok(text.includes(`${host}${pathname}`) && !text.includes("secret"), text);
    return text;
  };
  const closed = await serve(t, dir);
  assert.match(await banner(new URL("wide.pxar", closed.url).href), /CORS/);
  const open = await serve(t, dir, { cors: true });
  assert.match(await banner(new URL("folder/missing.pxar", open.url).href), /nothing at .*404/);
  assert.match(await banner("http://127.0.0.1:9/wide.pxar"), /no server can be reached/);
});

test("what is no archive gets a sentence", async (t) => {
  const dir = await scratch(t);
  const i = await start(t);
  const cases = [
    ["empty.pxar", "", /empty/],
    ["notes.pxar", "just a few words\n".repeat(20), /text/],
    ["picture.didx", Buffer.from("89504e470d0a1a0a0000000d49484452", "hex"), /PNG|picture|image|known/i],
    ["noise.blob", Buffer.from(createHash("sha512").update("x").digest()), /./],
  ];
  for (const [name, content, sentence] of cases) {
    await writeFile(join(dir, name), content);
    await i.drop(join(dir, name));
    await i.page.locator(".banner.bad", { hasText: sentence }).waitFor();
    const said = await i.page.locator(".banner.bad p").first().innerText();
    assert.match(said, /[a-z].*[.)]/, said);
    // Nothing of it could be read.
    assert.doesNotMatch(said, /What comes before/, said);
    if (await i.page.getByRole("button", { name: /^Close / }).count()) await closeAll(i.page);
    await dismissAll(i.page);
  }
});

/** A fixed index of two chunks of 4 MiB, as the format's specification has it. */
function fixedIndex() {
  const head = Buffer.alloc(4096);
  Buffer.from([47, 127, 65, 237, 145, 253, 15, 205]).copy(head);
  Buffer.from(randomUUID().replaceAll("-", ""), "hex").copy(head, 8);
  head.writeBigInt64LE(1_700_000_000n, 24);
  const digests = Buffer.concat([1, 2].map((it) => createHash("sha256").update(`${it}`).digest()));
  createHash("sha256").update(digests).digest().copy(head, 32);
  head.writeBigUInt64LE(8n << 20n, 64);
  head.writeBigUInt64LE(4n << 20n, 72);
  return Buffer.concat([head, digests]);
}
