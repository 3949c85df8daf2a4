// The program `pxkit`, for what tests compare with and for its server.

import { execFile, spawn } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";

import { cleanup } from "./cleanup.js";
import { maker, program } from "./paths.js";

/** Runs pxkit and returns what it printed. */
export async function pxkit(...args) {
  const { stdout } = await promisify(execFile)(program, args, { maxBuffer: 1 << 30 });
  return stdout;
}

export async function pxkitJson(...args) {
  return JSON.parse(await pxkit(...args));
}

/** Starts `pxkit inspect --no-open` until the test ends and returns the URL that it prints. */
export async function inspect(t, ...args) {
  const child = spawn(program, ["inspect", "--no-open", ...args], { stdio: ["ignore", "pipe", "pipe"] });
  cleanup(t, async () => {
    const gone = new Promise((resolve) => child.once("exit", resolve));
    if (child.exitCode === null && child.kill("SIGTERM")) await gone;
  });
  return new Promise((resolve, reject) => {
    let said = "";
    const listen = (bytes) => {
      said += bytes;
      const url = /https?:\/\/\S+(?=\s)/.exec(said);
      if (url) resolve(url[0]);
    };
    child.stdout.on("data", listen);
    child.stderr.on("data", listen);
    child.on("error", reject);
    child.on("exit", (status) => reject(new Error(`pxkit inspect ended with ${status}: ${said}`)));
  });
}

/** Writes a split archive of many entries into a folder; its payload file is sparse. */
export async function million(dir, { entries = 1_000_000, gib = 20, seed = 1 } = {}) {
  const [meta, payload] = [join(dir, "large.mpxar"), join(dir, "large.ppxar")];
  await promisify(execFile)(maker, [entries, gib * 2 ** 30, seed, meta, payload].map(String));
  return { meta, payload };
}
