// The tasks of a page's thread, as the browser records them.

import { launched } from "./chromium.js";
import { inspector } from "./inspector.js";

/**
 * Opens the inspector (options as those of `inspector`) and records the tasks of its page's thread from before it is loaded until `work` is done.
 * Returns them as `found`, each with the milliseconds that it took of the processor and by the clock, and the inspector as `opened`.
 */
export async function tasks(t, options, work) {
  const browser = await launched();
  const before = (page) => browser.startTracing(page, { categories: ["toplevel", "blink.user_timing"] });
  const opened = await inspector(t, { ...options, before });
  await work(opened);
  const { traceEvents: events } = JSON.parse((await browser.stopTracing()).toString());
  const mark = events.find((event) => event.name === "pxkit-page");
  const isTask = (event) => event.name.endsWith("RunTask") && event.ph === "X" && event.pid === mark.pid && event.tid === mark.tid;
  const found = events.filter(isTask).map((event) => ({ processor: (event.tdur ?? event.dur) / 1000, clock: event.dur / 1000 }));
  return { found, opened };
}
