// Pictures of every view for the documentation: `cargo xtask browser --screenshots --files pictures`.

import test from "node:test";

import { choose, drawn, row, start, view } from "./harness/index.js";

for (const colorScheme of ["light", "dark"]) {
  test(`pictures, ${colorScheme}`, { timeout: 240_000 }, async (t) => {
    const i = await start(t, { colorScheme, viewport: { width: 1280, height: 760 }, reducedMotion: "reduce" });
    const { page } = i;
    const picture = async (name) => {
      // Nothing is on its way any more: two frames look alike.
      await page.mouse.move(2, 2);
      await settled(page);
      await i.screenshot(`${name}-${colorScheme}`);
    };
    await picture("start");
    await page.getByText("Open a sample datastore").click();
    await page.locator(".snapshot").first().waitFor();
    await picture("snapshots");
    for (const place of [2, 0]) {
      if (place === 0) await page.getByRole("button", { name: "Snapshots" }).click();
      await choose(page, "host/web", { place });
      await page.locator(".chooser").waitFor({ state: "detached" });
      await page.locator("#view-files [data-row]").first().waitFor();
    }
    await page.getByRole("button", { name: "Compare them" }).click();
    await page.locator("#view-compare .differences [data-row]").first().waitFor();
    await picture("compare");
    await page.getByRole("button", { name: "Show padding by generation" }).click();
    await page.locator("#view-compare .generations tbody tr").first().waitFor();
    await page.locator("#view-compare .generations").scrollIntoViewIfNeeded();
    await page.locator("#view-compare").evaluate((it) => it.scrollTo(0, it.scrollHeight));
    await picture("generations");
    await view(page, "files");
    await row(page, "docs").click();
    await page.keyboard.press("l");
    await row(page, "chapter-08.md").click();
    await page.locator("#entry .look").waitFor();
    await picture("files");
    await view(page, "layout");
    await drawn(page, "#view-layout .detail canvas");
    await picture("layout");
    await page.getByRole("button", { name: "Areas" }).click();
    await drawn(page, "#view-layout .areas canvas");
    await picture("areas");
    await view(page, "chunks");
    await page.locator("#view-chunks [data-row]").first().waitFor();
    await picture("chunks");
    await view(page, "structure");
    await page.locator("#view-structure .fields").waitFor();
    await picture("structure");
    await page.reload();
    await page.getByText("a damaged archive").click();
    await page.locator(".banner.bad").waitFor();
    await view(page, "findings");
    await page.locator("#view-findings [data-row]").first().waitFor();
    await picture("findings");
  });
}

/** Waits until two pictures in a row are the same. */
async function settled(page) {
  let before = null;
  for (let tries = 0; tries < 40; tries += 1) {
    const now = (await page.screenshot({ animations: "disabled", caret: "hide" })).toString("base64");
    if (now === before) return;
    before = now;
    await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
  }
}
