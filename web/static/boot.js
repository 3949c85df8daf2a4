// Runs before anything else of the page: says what the page may do, then loads the program, for the page here and on demand for a worker.
"use strict";

(() => {
  const script = document.currentScript;
  const app = new URL(script.dataset.app, document.baseURI).href;
  const wasm = new URL(script.dataset.wasm, document.baseURI).href;

  // Nothing may be loaded or sent but to where the page came from and to where the user pointed with `?url=`. The policy is inserted
  // here instead of a header, so that it holds wherever these files are hosted; workers made from a blob inherit it.
  const pointed = new URLSearchParams(location.search).getAll("url").flatMap((text) => {
    const url = URL.canParse(text, location.href) ? new URL(text, location.href) : null;
    return url && /^https?:$/.test(url.protocol) ? [url.origin] : [];
  });
  // Set by `trunk serve` alone, for the script with which it reloads the page.
  const nonce = /^[\w+/=-]+$/.test(script.nonce) ? [`'nonce-${script.nonce}'`] : [];
  const policy = document.createElement("meta");
  policy.httpEquiv = "Content-Security-Policy";
  policy.content = [
    "default-src 'none'",
    ["script-src 'self' 'wasm-unsafe-eval'", ...nonce].join(" "),
    "worker-src blob:",
    ["connect-src 'self'", ...new Set(pointed)].join(" "),
    // Geometry is computed and stands in attributes; there are no style elements.
    "style-src 'self'; style-src-attr 'unsafe-inline'",
    "img-src 'self' blob: data:",
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; ");
  document.head.prepend(policy);

  // What goes wrong and is caught by nobody is shown: a page that does nothing any more must say so.
  const parsed = new Promise((resolve) => addEventListener("DOMContentLoaded", resolve, { once: true }));
  const stopped = async (reason) => {
    await parsed;
    const notice = document.getElementById("stopped");
    if (!notice.hidden) return; // The first reason is the one that tells.
    const sentence = document.createElement("p");
    sentence.textContent = `The inspector stopped: ${reason?.message ?? reason}`;
    const reload = document.createElement("button");
    reload.textContent = "Load it again";
    reload.addEventListener("click", () => location.reload());
    notice.append(sentence, reload);
    notice.hidden = false;
  };
  // Events without an error are a browser's remarks, such as that a ResizeObserver was late.
  addEventListener("error", (event) => event.error && stopped(event.error));
  addEventListener("unhandledrejection", (event) => stopped(event.reason));

  // The first message says what to run; those after it wait until that runs. Errors reach the page as `error` events of the worker.
  const worker = `
    const waiting = [];
    const keep = (event) => waiting.push(event);
    addEventListener("unhandledrejection", (event) => {
      event.preventDefault();
      reportError(event.reason);
    });
    addEventListener("message", async (first) => {
      addEventListener("message", keep);
      const { default: init } = await import(first.data.app);
      await init({ module_or_path: first.data.module });
      removeEventListener("message", keep);
      for (const { data, ports } of waiting) dispatchEvent(new MessageEvent("message", { data, ports: [...ports] }));
    }, { once: true });
  `;

  const compile = async () => {
    const response = await fetch(wasm);
    if (!response.ok) throw new Error(`${wasm}: ${response.status} ${response.statusText}`);
    const typed = response.headers.get("Content-Type")?.startsWith("application/wasm");
    return typed ? WebAssembly.compileStreaming(response) : WebAssembly.compile(await response.arrayBuffer());
  };

  const start = async () => {
    const [{ default: init }, module] = await Promise.all([import(app), compile(), parsed]);
    const text = URL.createObjectURL(new Blob([worker], { type: "text/javascript" }));
    // Called by the program (web/src/boot.rs): a worker that runs the same module, or soon will.
    globalThis.pxkitWorker = () => {
      const started = new Worker(text, { type: "module", name: "pxkit" });
      started.postMessage({ app, module });
      return started;
    };
    // In a task of its own, not in that in which compiling ends.
    await new Promise((resolve) => setTimeout(resolve));
    await init({ module_or_path: module });
  };
  start();
})();
