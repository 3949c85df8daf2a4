// What tests of the inspector have in common: one browser for each file of tests, a page for each test, and what went wrong in it.

export { Inspector, inspector } from "./inspector.js";
export { serve } from "./server.js";
export { inspect, million, pxkit, pxkitJson } from "./program.js";
export { cleanup } from "./cleanup.js";
export { bundle, golden, PATIENCE, scratch } from "./paths.js";
export { axe } from "./axe.js";
export * from "./steps.js";
