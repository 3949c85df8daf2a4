// The worker in the browser, without the page: files, folders and addresses as sources, messages in both directions.

import assert from "node:assert/strict";
import { appendFile, copyFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "node:test";

import { bundle, golden, inspect, scratch, serve } from "./harness/index.js";
import { worker } from "./harness/worker.js";

const MIB = 1 << 20;

test("golden archives, unified and split", async (t) => {
  const w = await worker(t);
  for (const [name, entries] of [["kinds", 28], ["names", 24], ["attributes", 15], ["goodbye", 466], ["wide", 2001]]) {
    for (const endings of [["pxar"], ["mpxar", "ppxar"]]) {
      const opened = await w.open(endings.map((ending) => `${golden}/archives/${name}.${ending}`));
      assert.deepEqual([opened.documents.length, opened.problems], [1, []]);
      const document = await w.decoded(opened.documents[0].id);
      assert.deepEqual([document.entries, document.state, document.has_contents], [entries, "Complete", true]);
      await w.ask({ Close: document.id });
    }
  }
});

test("numbers of 64 bits pass in both directions", async (t) => {
  const w = await worker(t);
  // A payload behind 2^60, whose position a number of JavaScript could not hold.
  const [at, size] = [2n ** 60n + 1n, 2n ** 55n + 3n];
  const make = (meta) => [new File([Uint8Array.from(atob(meta), (c) => c.charCodeAt(0))], "far.mpxar")];
  const { documents } = await w.openMade(make, metadata(at, size).toString("base64"));
  const document = await w.decoded(documents[0].id);
  assert.equal(document.content, size);
  for (const offset of [at, at + 15n, at + size]) {
    const spot = await w.ask({ Spot: [document.id, offset] });
    assert.deepEqual([spot.offset, spot.range.start, spot.range.end], [offset, at, at + 16n + size]);
  }
  const memory = await w.ask("Memory");
  assert.equal(typeof memory.read, "bigint");
  assert.ok(memory.wasm > 1_000_000n);
  assert.equal((await w.problem({ Close: 4_000_000_000 })).kind, "Request");
});

test("a datastore from a folder that was picked, by drop, and from the page's server", async (t) => {
  const check = async (w, opened) => {
    assert.deepEqual([opened.problems, opened.stores.length], [[], 1]);
    const store = opened.stores[0];
    assert.deepEqual(store.groups.map((group) => group.name), ["host/data", "host/enc", "host/legacy", "host/meta", "host/sign"]);
    for (const [snapshot, entries] of [["host/meta/2026-11-22T21:15:58Z", 134], ["host/legacy/2026-11-22T21:15:58Z", 134]]) {
      const query = { store: store.id, snapshot: { namespace: "", snapshot, archive: undefined } };
      const { documents } = await w.ask({ OpenSnapshot: query });
      const document = await w.decoded(documents[0].id);
      assert.deepEqual([document.entries, document.state, document.has_contents, document.has_chunks], [entries, "Complete", true, true]);
      const digests = await w.ask({ Check: [document.id, { what: "Digests", range: undefined }] });
      assert.deepEqual([digests.found, digests.unreadable], [0n, 0n]);
    }
  };
  const picked = await worker(t);
  await check(picked, await picked.openFolder(`${golden}/datastore`));

  const dropped = await worker(t);
  await dropped.page.evaluate(() => {
    document.body.ondragover = (event) => event.preventDefault();
    document.body.addEventListener("drop", async (event) => {
      event.preventDefault();
      event.stopImmediatePropagation();
      globalThis.handle = await event.dataTransfer.items[0].getAsFileSystemHandle();
    }, { capture: true });
  });
  await dropped.opened.drop(`${golden}/datastore`);
  await dropped.page.waitForFunction(() => globalThis.handle);
  const opened = await dropped.page.evaluate(() => ask({ Open: { items: [{ Directory: { handle: 0, name: handle.name, hidden: [] } }] } }, [handle]));
  // Chromium hides names with colons from such handles; that is told.
  assert.match(opened.Ok.Opened.problems[0].message, /colons/);

  const url = await inspect(t, "--assets", bundle, `${golden}/datastore`);
  const served = await worker(t, { url });
  const items = [{ ServedDirectory: { url: new URL("d/0/", url).href, name: "datastore", open: [] } }];
  await check(served, await served.openItems(items));
});

test("contents far behind four and eight gigabytes", async (t) => {
  const w = await worker(t);
  // A payload file with holes: the archive's first file lies behind nine gigabytes of padding.
  const make = ([meta, at]) => {
    const bytes = Uint8Array.from(atob(meta), (c) => c.charCodeAt(0));
    const hole = new Blob([new Uint8Array(64 << 20)]);
    const marker = new Uint8Array(16);
    new DataView(marker.buffer).setBigUint64(0, 0x834c68c2194a4ed2n, true);
    new DataView(marker.buffer).setBigUint64(8, 16n, true);
    const parts = [marker];
    for (let left = at - 16; left > 0; left -= 64 << 20) parts.push(hole.slice(0, Math.min(left, 64 << 20)));
    const header = new Uint8Array(16);
    new DataView(header.buffer).setBigUint64(0, 0x28147a1b0b7c1a25n, true);
    new DataView(header.buffer).setBigUint64(8, 16n + 11n, true);
    parts.push(header, "far, far on");
    return [new File([bytes], "far.mpxar"), new File(parts, "far.ppxar")];
  };
  for (const at of [5 * 2 ** 30 + 1, 9 * 2 ** 30 + 7]) {
    const meta = metadata(BigInt(at), 11n);
    const { documents, problems } = await w.openMade(make, [meta.toString("base64"), at]);
    assert.deepEqual([documents.length, problems], [1, []]);
    const document = await w.decoded(documents[0].id);
    assert.deepEqual([document.entries, document.payload_size], [2, BigInt(at) + 27n]);
    const before = (await w.ask("Memory")).read;
    const saved = await w.save(document.id, { File: 1 });
    assert.equal(saved.bytes.toString(), "far, far on");
    assert.ok((await w.ask("Memory")).read - before <= BigInt(MIB));
    await w.ask({ Close: document.id });
  }
});

test("addresses: by range, as a whole where the server knows none, and what goes wrong", async (t) => {
  const dir = await scratch(t);
  await copyFile(`${golden}/archives/wide.pxar`, join(dir, "wide.pxar"));
  await writeFile(join(dir, "text"), "no archive at all, only text");
  await writeFile(join(dir, "large"), "x".repeat(2 * MIB));
  for (const ranges of [true, false]) {
    const site = await serve(t, dir, { ranges, cors: true });
    const w = await worker(t, { query: `?url=${encodeURIComponent(new URL("wide.pxar", site.url).href)}`, allow: /./ });
    const open = (name) => w.openItems([{ Url: { url: new URL(name, site.url).href } }]);
    const { documents } = await open("wide.pxar");
    assert.deepEqual([documents[0].title, (await w.decoded(documents[0].id)).entries], ["wide.pxar", 2001]);
    const missing = await open("missing.pxar");
    assert.match(missing.problems[0].message, /status 404/);
    const text = await open("text");
    assert.match(text.documents[0].state.Damaged.message, /looks like text/);
    if (ranges) {
      // Far behind the block that was read when it was opened.
      const large = await open("large");
      await appendFile(join(dir, "large"), "and more of it");
      const changed = await w.problem({ Bytes: [large.documents[0].id, "Meta", { offset: BigInt(MIB), len: 8 }] });
      assert.equal(changed.kind, "Read");
      assert.match(changed.message, /changed on its server/);
    }
  }
});

test("two hundred requests at once, and one that is taken back", async (t) => {
  const w = await worker(t);
  const { documents } = await w.open([`${golden}/archives/wide.pxar`]);
  await w.decoded(documents[0].id);
  const found = await w.page.evaluate(async (id) => {
    const all = Array.from({ length: 200 }, () => ask("Memory", []));
    const replies = await Promise.all(all);
    const checked = ask({ Check: [id, { what: "Tables", range: undefined }] }, []);
    return [replies.filter((reply) => reply.Ok?.Memory).length, Boolean((await checked).Ok)];
  }, documents[0].id);
  assert.deepEqual(found, [200, true]);
});

/** Metadata of an archive with one file `far` whose payload header lies at `offset`. */
function metadata(offset, size) {
  const item = (htype, ...parts) => {
    const content = Buffer.concat(parts);
    return Buffer.concat([u64(htype), u64(16n + BigInt(content.length)), content]);
  };
  const u64 = (value) => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(value);
    return bytes;
  };
  const entry = (mode) => item(0xd5956474e588acefn, u64(mode), Buffer.alloc(32));
  const head = Buffer.concat([item(0x730f6c75df16a40dn, u64(2n)), entry(0o40755n)]);
  const child = Buffer.concat([item(0x16701121063917b3n, Buffer.from("far\0")), entry(0o100644n), item(0x419d3d6bc4ba977en, u64(offset), u64(size))]);
  const goodbye = BigInt(head.length + child.length);
  // The hash of the name is not right; nothing here looks the file up.
  const record = Buffer.concat([u64(1n), u64(BigInt(child.length)), u64(BigInt(child.length))]);
  const tail = Buffer.concat([u64(0xef5eed5b753e1555n), u64(goodbye), u64(16n + 48n)]);
  return Buffer.concat([head, child, item(0x2fec4fa642d5731dn, record, tail)]);
}
