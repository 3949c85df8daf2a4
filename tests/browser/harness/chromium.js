// One Chromium for each file of tests.

import { after } from "node:test";

import { packages } from "./paths.js";

const { chromium } = packages("playwright-core");

// The network is closed where tests run: without these, the browser looks for its maker's hosts.
const QUIET = ["--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];

let browser;

/** The browser; it has an empty profile and is closed after the last test of the file. */
export async function launched() {
  browser ??= chromium.launch({
    executablePath: process.env.PXKIT_CHROMIUM ?? "/usr/bin/chromium",
    chromiumSandbox: false,
    args: ["--disable-gpu", ...QUIET],
  });
  return browser;
}

after(async () => (await browser)?.close());
