// Accessibility, as far as a program can see it.

import assert from "node:assert/strict";

import { packages } from "./paths.js";

const { source } = packages("axe-core");

/** Wants no violation in what the page shows now, in the light and in the dark theme. */
export async function axe(inspector, { themes = ["light", "dark"], ...options } = {}) {
  const { page } = inspector;
  for (const colorScheme of themes) {
    await page.emulateMedia({ colorScheme });
    // The page has heard of it when it has drawn again.
    await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
    // A second evaluation replaces the first. The policy of the page does not bind the debugger.
    await page.evaluate(source);
    const { violations } = await page.evaluate((run) => globalThis.axe.run(document, run), {
      resultTypes: ["violations"],
      ...options,
    });
    const told = violations.map(({ id, help, nodes }) => ({
      id,
      help,
      nodes: nodes.slice(0, 5).map((node) => `${node.html.slice(0, 200)}: ${node.failureSummary}`),
    }));
    assert.deepEqual(told, [], `violations of accessibility, ${colorScheme}`);
  }
}
