// What a person is promised and no other file of tests looks at: exports, previews, attributes by name, what the pointer is over, copies, all filters,
// colours, and that nothing but the files themselves is needed.

import assert from "node:assert/strict";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "node:test";

import { bothVersions, choose, drawn, eventually, golden, number, pxkit, pxkitJson, row, rows, scratch, start, store, newest, summary, view, withFiles, withSnapshots } from "./harness/index.js";

const archive = (name) => `${golden}/archives/${name}`;
const halves = (name) => [archive(`${name}.mpxar`), archive(`${name}.ppxar`)];
/** A picture of one pixel. */
const PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

test("what is exported is the report of the program, and lists with a line for each thing", async (t) => {
  const i = await withSnapshots(t);
  const { page } = i;
  const save = async (list, nth) => {
    await page.locator(".menu > summary", { hasText: "Export" }).click();
    const { path } = await i.save(`.menu li:has-text("${list}") ${nth === null ? "" : `~ li >> nth=${nth} >> `}button`);
    return (await readFile(path)).toString();
  };
  const report = JSON.parse(await save("Layout report", null));
  const own = await pxkitJson("layout", "--repository", store, "--json", `${newest}/tree.pxar`);
  for (const part of ["size", "entries", "files", "live", "padding"]) assert.deepEqual(report[part], own[part], part);
  const files = JSON.parse(await save("Files as shown", 0));
  const lines = (await save("Files as shown", 1)).trim().split(/\r?\n/);
  assert.equal(lines.length, (files).length + 1);
  const chunks = JSON.parse(await save("Chunks", 0));
  await view(page, "chunks");
  const shown = number(await page.locator("#view-chunks .list").getAttribute("aria-rowcount")) - 1;
  assert.equal(chunks.length, shown);
});

test("previews: text, pictures, bytes", async (t) => {
  const dir = await scratch(t);
  await mkdir(join(dir, "tree"));
  await writeFile(join(dir, "tree/words"), "plain words\nin two lines\n");
  await writeFile(join(dir, "tree/picture"), Buffer.from(PIXEL, "base64"));
  await writeFile(join(dir, "tree/bytes"), Buffer.from([0, 1, 2, 253, 254, 255]));
  const made = join(dir, "made.pxar");
  await pxkit("create", made, join(dir, "tree"));
  const { page } = await withFiles(t, [made]);
  await row(page, "words").click();
  await page.locator("#entry .look.text", { hasText: "in two lines" }).waitFor();
  await row(page, "picture").click();
  await page.waitForFunction(() => document.querySelector("#entry img.picture")?.naturalWidth === 1);
  await row(page, "bytes").click();
  await page.locator("#entry .look.mono", { hasText: "00 01 02 fd fe ff" }).waitFor();
});

test("times of an entry are local, with UTC beside them", async (t) => {
  const { page } = await withFiles(t, halves("kinds"), { timezoneId: "America/St_Johns" });
  await row(page, "pipe").click();
  await page.locator("#entry h2", { hasText: "pipe" }).waitFor();
  const moment = page.locator("#entry dd:has(.moment)");
  const [, local, nanos, zone] = /^([-\d]{10} [:\d]{8})\.(\d{9}) ([-+]\d\d:\d\d)$/.exec((await moment.innerText()).replace(/\s+/g, " "));
  const [, utc] = /^([-T:\d]{19})\.\d{9}Z, stored as \d+\.\d{9}$/.exec(await moment.getAttribute("title"));
  assert.ok((await moment.getAttribute("title")).includes(`.${nanos}Z`));
  assert.match(zone, /^-0[23]:30$/);
  assert.equal(new Date(`${local.replace(" ", "T")}${zone}`).getTime(), new Date(`${utc}Z`).getTime());
});

test("the menu of exports closes without choosing", async (t) => {
  const { page } = await withSnapshots(t);
  await row(page, "large").click();
  await page.locator("#entry h2", { hasText: "large" }).waitFor();
  const [menu, list] = [page.locator(".menu > summary", { hasText: "Export" }), page.locator(".menu li", { hasText: "Layout report" })];
  await menu.click();
  await list.waitFor();
  await page.keyboard.press("Escape");
  await list.waitFor({ state: "hidden" });
  await menu.click();
  await list.waitFor();
  await page.locator(".status").click();
  await list.waitFor({ state: "hidden" });
  await page.locator("#entry h2", { hasText: "large" }).waitFor();
});

test("a ghost that is selected keeps the name of what it was", async (t) => {
  const { page } = await withSnapshots(t, [2, 0]);
  const earlier = "host/meta/2026-11-22T21:15:54Z/tree.pxar";
  const all = await pxkit("layout", "--json=padding", "--ghosts", "--repository", store, "--previous", earlier, `${newest}/tree.pxar`);
  const ghost = all.trim().split("\n").map((line) => JSON.parse(line)).find(({ path, remains }) => path && remains === "ghost");
  const here = await page.evaluate(() => location.hash);
  const go = (what) => page.evaluate((hash) => void (location.hash = hash), here.replace("#/files", "#/layout") + what);
  await go(`&bytes=payload:${ghost.start}-${ghost.end}`);
  await page.locator("#entry dd", { hasText: `ghost was ${ghost.path}` }).waitFor();
  await go(`&item=payload:${ghost.start}`);
  await page.locator("#entry h2", { hasText: "Bytes" }).waitFor();
  await page.locator("#entry dd", { hasText: `ghost was ${ghost.path}` }).waitFor();
});

test("attributes have their names", async (t) => {
  const { page } = await withFiles(t, halves("attributes"));
  for (const [name, expected] of [["capability", /cap_net_bind_service=ep/], ["acl", /^user 1000$/], ["capability-and-xattr", /user\./]]) {
    await row(page, name).click();
    await page.locator("#entry h2").getByText(name, { exact: true }).waitFor();
    await page.locator("#entry").getByText(expected).first().waitFor();
  }
});

test("the pointer over the map tells what is there", async (t) => {
  const { page } = await withSnapshots(t);
  await view(page, "layout");
  await drawn(page, "#view-layout .detail canvas");
  const box = await page.locator("#view-layout .detail").boundingBox();
  let before;
  for (const x of [0.1, 0.6, 0.9]) {
    await page.mouse.move(box.x + box.width * x, box.y + box.height * 0.45);
    before = await eventually(async () => {
      const text = await page.locator("#view-layout p:has(.what)").innerText();
      assert.match(text, /0x[0-9a-f_]+ – 0x[0-9a-f_]+/);
      assert.match(text, /chunk/);
      assert.notEqual(text, before);
      return text;
    });
  }
});

test("what is told of the map is what is under the pointer, also when the map moves below it", async (t) => {
  const { page } = await withSnapshots(t);
  await view(page, "layout");
  await drawn(page, "#view-layout .detail canvas");
  const box = await page.locator("#view-layout .detail").boundingBox();
  const at = [box.x + box.width * 0.9, box.y + box.height * 0.45];
  const told = () => page.locator("#view-layout p:has(.what)").innerText();
  const zoom = async (key, times) => {
    for (let time = 0; time < times; time += 1) await page.keyboard.press(key);
  };
  await zoom("+", 6);
  await page.mouse.move(...at);
  const wanted = await eventually(told);
  // The pointer stays where it is from now on.
  await zoom("0", 1);
  await eventually(async () => assert.notEqual(await told(), wanted));
  await zoom("+", 6);
  await eventually(async () => assert.equal(await told(), wanted));
});

test("paths and digests are copied", async (t) => {
  const { page } = await withSnapshots(t);
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  await row(page, "text").click();
  await page.locator("#entry h2", { hasText: "text" }).waitFor();
  await page.keyboard.press("c");
  await page.locator(".status", { hasText: "Copied the path" }).waitFor();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), "/text");
  await view(page, "chunks");
  await page.locator("#view-chunks [data-row]").first().click();
  await page.keyboard.press("c");
  await page.locator(".status", { hasText: "Copied the digest" }).waitFor();
  assert.match(await page.evaluate(() => navigator.clipboard.readText()), /^[0-9a-f]{64}$/);
});

test("filters by kind, size, what is irregular and what was used again", async (t) => {
  const { page } = await withSnapshots(t, [1, 0]);
  await page.getByRole("button", { name: "Compare them" }).click();
  await page.locator("#view-compare").waitFor();
  await page.keyboard.press("1");
  // What is not said to be old is the answer to what is asked, at every moment.
  await page.evaluate(() => {
    const count = document.querySelector(".filter .count");
    const take = () => count.ariaBusy === "true" || window.said.add(count.innerText);
    window.said = new Set();
    new MutationObserver(take).observe(count, { subtree: true, characterData: true, childList: true, attributes: true });
  });
  const count = async () => page.locator('.filter .count[aria-busy="false"]').innerText();
  const matches = async (not) =>
    eventually(async () => {
      const text = await count();
      assert.ok(/\d/.test(text) && text !== not, text);
      return text;
    });
  await page.getByLabel("Kind of entry").selectOption({ index: 2 });
  const kinds = await matches("");
  // Before the worker can have answered, the answer of before is there, and said to be old.
  const after = await page.evaluate(async () => {
    const select = document.querySelector('[aria-label="Kind of entry"]');
    select.selectedIndex = 1;
    select.dispatchEvent(new Event("change", { bubbles: true }));
    for (let turn = 0; turn < 100; turn += 1) await null;
    const count = document.querySelector(".filter .count");
    return [count.ariaBusy, count.innerText];
  });
  assert.deepEqual(after, ["true", kinds]);
  const files = await matches(kinds);
  await page.getByLabel("Kind of entry").selectOption({ index: 0 });
  await eventually(async () => assert.equal(await count(), ""));
  await page.locator("input.size").first().fill("100 KiB");
  await page.keyboard.press("Enter");
  const large = await matches("");
  assert.notEqual(large, kinds);
  await page.locator("input.size").first().fill("");
  await page.keyboard.press("Enter");
  await eventually(async () => assert.equal(await count(), ""));
  await page.getByLabel("reused").check();
  const reused = await matches("");
  assert.ok(number(reused) > 10 && number(reused) < 134, `${reused} are reused`);
  assert.deepEqual(await page.evaluate(() => [...window.said].sort()), ["", kinds, files, large, reused].sort());
});

test("what was used again is known when an earlier snapshot is open, and not before", async (t) => {
  const { page } = await withSnapshots(t);
  const reused = page.getByLabel("reused");
  assert.ok(await reused.isDisabled());
  assert.match(await page.locator("label.check", { hasText: "reused" }).getAttribute("title"), /no earlier snapshot/);
  await page.getByRole("button", { name: "Snapshots" }).click();
  await choose(page, "host/meta", { file: "mpxar", place: 1 });
  await page.locator(".chooser").waitFor({ state: "detached" });
  await page.locator(".document select.switch").selectOption({ index: 0 });
  await eventually(async () => assert.ok(await reused.isEnabled()));
  await reused.check();
  await eventually(async () => assert.match(await page.locator('.filter .count[aria-busy="false"]').innerText(), /^\d+ matches/));
  // What is shown is asked for again when that goes.
  await page.locator(".document select.switch").selectOption({ index: 1 });
  await page.getByRole("button", { name: /^Close / }).click();
  await page.locator(".files-table .empty", { hasText: "No earlier snapshot of this group is open" }).waitFor();
});

test("what is irregular is a filter, and each finding leads to its entry and its bytes", async (t) => {
  const { page } = await withFiles(t, [await bothVersions(t)]);
  await page.getByLabel("finding", { exact: true }).check();
  await eventually(async () => {
    const matches = number(await page.locator('.filter .count[aria-busy="false"]').innerText());
    assert.ok(matches > 3 && matches < 28, `${matches} entries`);
  });
  await view(page, "findings");
  const found = page.locator("#view-findings [data-row]");
  const offset = await found.first().locator(".jump .mono").last().innerText();
  await found.first().locator(".jump").last().click();
  await page.locator("#view-structure .item-row.current", { hasText: offset }).waitFor();
  // The next one by its key, wherever one is.
  // What is said of it goes by itself after some seconds: whoever waits for it begins before. That it is selected stays.
  const said = page.locator(".status", { hasText: /Finding \d+ of \d+/ }).waitFor();
  await page.keyboard.press("]");
  await said;
  await page.waitForFunction(() => location.hash.includes("finding-at=1"));
  await view(page, "findings");
  const path = await found.nth(1).locator(".jump").first().innerText();
  await found.nth(1).locator(".jump").first().click();
  await page.locator("#entry h2", { hasText: path.split("/").pop() }).waitFor();
});

test("the prelude is explained by the patterns in it", async (t) => {
  const dir = await scratch(t);
  await mkdir(join(dir, "tree"));
  await writeFile(join(dir, "tree/kept"), "kept");
  const [metadata, payload] = [join(dir, "made.mpxar"), join(dir, "made.ppxar")];
  await pxkit("create", metadata, join(dir, "tree"), "--payload-output", payload, "--exclude", "*.gone", "--exclude", "!stays");
  const { page } = await withFiles(t, [metadata, payload]);
  await view(page, "structure");
  await page.locator("#view-structure .item-row", { hasText: "PRELUDE" }).click();
  await page.locator("#view-structure p", { hasText: "exclude patterns of the command line as JSON" }).waitFor();
  await page.locator("#view-structure", { hasText: "leaves out" }).getByText("*.gone").first().waitFor();
});

test("nothing moves for whoever wants that", async (t) => {
  const { page } = await withFiles(t, halves("kinds"));
  const moving = () => page.evaluate(() => [...document.querySelectorAll("*")].filter((element) => {
    const { transitionDuration, animationName } = getComputedStyle(element);
    return animationName !== "none" || !/^0s(, 0s)*$/.test(transitionDuration);
  }).length);
  // Nothing does today; whatever may one day is kept from it.
  await page.evaluate(() => (document.querySelector("#entry, main").style.transition = "all 1s"));
  await page.emulateMedia({ reducedMotion: "no-preference" });
  assert.equal(await moving(), 1);
  await page.emulateMedia({ reducedMotion: "reduce" });
  assert.equal(await moving(), 0);
});

test("what is open needs no network, and the colours are what was chosen", async (t) => {
  const i = await start(t, { colorScheme: "dark", allow: /ERR_INTERNET_DISCONNECTED/ });
  await i.worker();
  await i.page.waitForLoadState("networkidle");
  // The browser itself looks for the icon of its tab again when the title changes.
  const missed = [];
  i.page.on("requestfailed", (request) => missed.push(request.url()));
  await i.page.context().setOffline(true);
  await i.drop(halves("kinds"));
  await rows(i.page).first().waitFor();
  assert.deepEqual(missed.filter((url) => !url.includes("icon.svg")), []);
  const back = () => i.page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const dark = await back();
  await i.page.getByRole("button", { name: /^Colours/ }).click();
  await i.page.locator('html[data-theme="light"]').waitFor();
  const light = await back();
  assert.notEqual(light, dark);
  await i.page.context().setOffline(false);
  await i.page.reload();
  await i.page.locator('html[data-theme="light"]').waitFor();
  assert.equal(await back(), light);
});
