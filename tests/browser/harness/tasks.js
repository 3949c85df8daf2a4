// The tasks of a page's thread, as the browser records them.

import { launched } from "./chromium.js";
import { inspector } from "./inspector.js";

// Tasks with the promises that are settled behind them, as long tasks are measured, are of the category for developers' tools.
const CATEGORIES = ["disabled-by-default-devtools.timeline", "toplevel", "blink.user_timing", "v8.wasm"];

/**
 * Opens the inspector (options as those of `inspector`) and records the tasks of its page's thread from before it is loaded until `work` is done.
 * Returns them as `found`, each with the milliseconds that it took of the `processor` and by the `clock`, how many functions were `compiled` in it
 * because they were called for the first time, and `after`, the last of `marks` in the page's timeline before it; the inspector as `opened`.
 * Tasks in which the driver of the browser evaluates its own scripts are left out.
 */
export async function tasks(t, options, marks, work) {
  const browser = await launched();
  const before = (page) => browser.startTracing(page, { categories: CATEGORIES });
  const opened = await inspector(t, { ...options, before });
  await work(opened);
  const { traceEvents: all } = JSON.parse((await browser.stopTracing()).toString());
  const start = all.find((event) => event.name === "pxkit-page");
  const events = all.filter((event) => event.pid === start.pid && event.tid === start.tid);
  const isDriver = (event) => event.args?.chrome_mojo_event_info?.mojo_interface_tag === "blink.mojom.DevToolsSession";
  const telling = events.filter((event) => event.name === "wasm.CompileLazy" || isDriver(event));
  const passed = events.filter((event) => marks.includes(event.name)).sort((a, b) => a.ts - b.ts);
  const found = [];
  for (const task of events.filter((event) => event.name === "RunTask" && event.ph === "X")) {
    const within = telling.filter((event) => event.ts >= task.ts && event.ts <= task.ts + task.dur);
    if (within.some(isDriver)) continue;
    const after = passed.findLast((mark) => mark.ts <= task.ts)?.name ?? null;
    found.push({ processor: (task.tdur ?? task.dur) / 1000, clock: task.dur / 1000, compiled: within.length, after });
  }
  return { found, opened };
}
