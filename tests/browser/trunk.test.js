// What Trunk builds is the same page. `cargo xtask test` runs `trunk build` before.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import test from "node:test";

import { eventually, inspector, serve } from "./harness/index.js";

const built = process.env.PXKIT_TRUNK;

test("the page that Trunk builds loads and shows the same", { skip: !built && "Trunk was not run" }, async (t) => {
  const html = await readFile(join(built, "index.html"), "utf8");
  assert.equal(html.match(/<script/g).length, 1, "Trunk adds no script");
  const server = await serve(t, built);
  const opened = await inspector(t, { url: server.url });
  await opened.mark("pxkit-page");
  await opened.page.waitForFunction(() => document.getElementById("app").childElementCount > 0);
  assert.deepEqual(server.requests.filter((request) => request.status >= 400), []);

  const released = await inspector(t);
  await released.mark("pxkit-page");
  await released.page.waitForFunction(() => document.getElementById("app").childElementCount > 0);
  const shown = (page) => page.locator("body").innerText();
  await eventually(async () => assert.equal(await shown(opened.page), await shown(released.page)));
});
