// Pictures of every view for the documentation: `cargo xtask browser --screenshots --files pictures`.

import test from "node:test";

import { choose, drawn, row, start, view } from "./harness/index.js";

/** Pictures that are there in dark, too. */
const DARK = ["layout"];
const options = { viewport: { width: 1280, height: 760 }, reducedMotion: "reduce" };

for (const colorScheme of ["light", "dark"]) {
  test(`pictures, ${colorScheme}`, async (t) => {
    const i = await start(t, { ...options, colorScheme });
    const { page } = i;
    const shot = async (name) => {
      if (colorScheme === "light" || DARK.includes(name)) await picture(i, `${name}-${colorScheme}`);
    };
    await shot("start");
    await page.getByText("Open a sample datastore").click();
    await page.locator(".snapshot").first().waitFor();
    await shot("snapshots");
    for (const place of [2, 0]) {
      if (place === 0) await page.getByRole("button", { name: "Snapshots" }).click();
      await choose(page, "host/web", { place });
      await page.locator(".chooser").waitFor({ state: "detached" });
      await page.locator("#view-files [data-row]").first().waitFor();
    }
    await page.getByRole("button", { name: "Compare them" }).click();
    await page.locator("#view-compare .differences [data-row]").first().waitFor();
    await shot("compare");
    await page.getByRole("button", { name: "Show padding by generation" }).click();
    await page.locator("#view-compare .generations tbody tr").first().waitFor();
    await page.locator("#view-compare .generations").scrollIntoViewIfNeeded();
    await page.locator("#view-compare").evaluate((it) => it.scrollTo(0, it.scrollHeight));
    await shot("generations");
    await view(page, "files");
    await row(page, "docs").click();
    await page.keyboard.press("l");
    await row(page, "chapter-08.md").click();
    await page.locator("#entry .look").waitFor();
    await shot("files");
    await view(page, "layout");
    await drawn(page, "#view-layout .detail canvas");
    await shot("layout");
    await page.getByRole("button", { name: "Areas" }).click();
    await drawn(page, "#view-layout .areas canvas");
    await shot("areas");
    await view(page, "chunks");
    await page.locator("#view-chunks [data-row]").first().waitFor();
    await shot("chunks");
    await view(page, "structure");
    await page.locator("#view-structure .fields").waitFor();
    await shot("structure");
  });
}

test("a picture of what is damaged", async (t) => {
  const i = await start(t, { ...options, colorScheme: "light" });
  await i.page.getByText("a damaged archive").click();
  await i.page.locator(".banner.bad").waitFor();
  await view(i.page, "findings");
  await i.page.locator("#view-findings [data-row]").first().waitFor();
  await picture(i, "findings-light");
});

async function picture(i, name) {
  await i.page.mouse.move(2, 2);
  await settled(i.page);
  await i.screenshot(name);
}

/** Waits until two pictures in a row are the same: nothing is on its way any more. */
async function settled(page) {
  let before = null;
  for (let tries = 0; tries < 40; tries += 1) {
    const now = (await page.screenshot({ animations: "disabled", caret: "hide" })).toString("base64");
    if (now === before) return;
    before = now;
    await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
  }
}
