// Ways by which a script could reach a server. Each goes to `file` of a server, tells whether that was "loaded" or "blocked", and may
// exist in a `worker`, too.

export const WAYS_OUT = {
  fetch: { file: "data", worker: true, go: (url) => fetch(url).then(() => "loaded", () => "blocked") },
  request: {
    file: "data",
    worker: true,
    go: (url) =>
      new Promise((resolve) => {
        const request = new XMLHttpRequest();
        request.onload = () => resolve("loaded");
        request.onerror = () => resolve("blocked");
        request.open("GET", url);
        request.send();
      }),
  },
  import: { file: "code.js", worker: true, go: (url) => import(url).then(() => "loaded", () => "blocked") },
  socket: {
    file: "data",
    worker: true,
    go: (url) =>
      new Promise((resolve) => {
        try {
          const socket = new WebSocket(url.replace("http", "ws"));
          socket.onopen = () => resolve("loaded");
          socket.onerror = () => resolve("blocked");
        } catch {
          resolve("blocked");
        }
      }),
  },
  image: {
    file: "icon.svg",
    go: (url) =>
      new Promise((resolve) => {
        const image = new Image();
        image.onload = () => resolve("loaded");
        image.onerror = () => resolve("blocked");
        image.src = url;
      }),
  },
  style: {
    file: "style.css",
    go: (url) =>
      new Promise((resolve) => {
        const link = Object.assign(document.createElement("link"), { rel: "stylesheet", href: url });
        link.onload = () => resolve("loaded");
        link.onerror = () => resolve("blocked");
        document.head.append(link);
      }),
  },
  frame: {
    file: "page.html",
    go: (url) =>
      new Promise((resolve) => {
        document.addEventListener("securitypolicyviolation", () => resolve("blocked"), { once: true });
        const frame = Object.assign(document.createElement("iframe"), { src: url });
        // What is told of the policy comes on another way than the end of loading, and may come later.
        frame.onload = () => setTimeout(() => resolve("loaded"), 1_000);
        document.body.append(frame);
      }),
  },
};
