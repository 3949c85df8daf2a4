// Where things are. `cargo xtask browser` says it in the environment; without, the places are those that it uses by default.

import { mkdtemp, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

import { cleanup } from "./cleanup.js";

export const root = resolve(import.meta.dirname ?? new URL(".", import.meta.url).pathname, "../../..");
const target = process.env.CARGO_TARGET_DIR ? resolve(process.env.CARGO_TARGET_DIR) : join(root, "target");

/** The folder with the built inspector. */
export const bundle = process.env.PXKIT_INSPECTOR ?? join(target, "inspector");
/** The program. */
export const program = process.env.PXKIT_BIN ?? join(target, "debug/pxkit");
/** The program that makes archives of many entries. */
export const maker = join(target, "debug/examples/million");
/** Archives and a datastore made by the reference. */
export const golden = join(root, "tests/golden");
/** Where screenshots go; `cargo xtask browser --screenshots` makes it the folder of the book. */
export const screenshots = process.env.PXKIT_SCREENSHOTS ?? join(target, "browser/screenshots");

/** So many milliseconds a test waits for one thing at most: only what never comes fails, however busy the machine is. */
export const PATIENCE = 120_000;

/** The packages of npm lie outside of the checkout. */
export const packages = createRequire(join(process.env.PXKIT_NODE ?? join(target, "browser"), "package.json"));

/** A folder for files that a test makes; it goes when the test ends. */
export async function scratch(t) {
  const dir = await mkdtemp(join(process.env.PXKIT_SCRATCH ?? tmpdir(), "pxkit-browser-"));
  cleanup(t, () => rm(dir, { recursive: true, force: true }));
  return dir;
}
