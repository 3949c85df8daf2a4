// A server of files, as somebody would host the inspector or archives; it counts what is read.

import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { pipeline } from "node:stream/promises";

import { cleanup } from "./cleanup.js";

const TYPES = {
  ".css": "text/css; charset=utf-8",
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".svg": "image/svg+xml",
  ".wasm": "application/wasm",
};

/** Just enough of the WebSocket protocol for a socket to open. */
function upgrade(request, socket) {
  const key = `${request.headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`;
  const accept = createHash("sha1").update(key).digest("base64");
  socket.end(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
}

/**
 * Serves a folder on 127.0.0.1 until the test ends.
 *
 * Options: `prefix`, the path under which it appears (default `/`); `ranges`, whether it answers requests for ranges (default true);
 * `cors`, whether pages of other origins may read (default false); `types`, of files by extension, instead of the right ones; `hold(path)`, a promise
 * that an answer waits for.
 *
 * Returns `url` (with a slash at the end), `requests` (`{method, path, range, status, bytes}` of each, in their order), `bytes(path)`, how many
 * bytes of a file went out, and `connections()`, how many there were, whatever for.
 */
export async function serve(t, dir, { prefix = "/", ranges = true, cors = false, types = {}, hold = null } = {}) {
  const requests = [];
  const sockets = new Set();
  const server = createServer(async (request, response) => {
    const entry = { method: request.method, path: "", range: request.headers.range ?? null, status: 0, bytes: 0 };
    requests.push(entry);
    try {
      await answer(request, response, entry);
    } catch {
      response.destroy(); // The browser went away, or the file did.
    }
    entry.status = response.statusCode;
  });

  server.on("connection", (socket) => sockets.add(socket));

  async function answer(request, response, entry) {
    if (cors) {
      response.setHeader("Access-Control-Allow-Origin", "*");
      response.setHeader("Access-Control-Allow-Headers", "Range");
      response.setHeader("Access-Control-Expose-Headers", "Accept-Ranges, Content-Length, Content-Range, ETag");
    }
    if (request.method === "OPTIONS") return void response.writeHead(204).end();
    const path = decodeURIComponent(new URL(request.url, "http://localhost").pathname);
    const name = path.startsWith(prefix) ? normalize(`/${path.slice(prefix.length)}`) : null;
    entry.path = name?.slice(1) ?? path;
    await hold?.(entry.path);
    const file = name && join(dir, name.endsWith("/") ? `${name}index.html` : name);
    const info = file && (await stat(file).catch(() => null));
    if (!info?.isFile()) return void response.writeHead(404).end();

    response.setHeader("Content-Type", { ...TYPES, ...types }[extname(file)] ?? "application/octet-stream");
    response.setHeader("Cache-Control", "no-store");
    let [start, end] = [0, info.size - 1];
    if (ranges) {
      response.setHeader("Accept-Ranges", "bytes");
      const asked = /^bytes=(\d*)-(\d*)$/.exec(request.headers.range ?? "");
      if (asked && (asked[1] || asked[2])) {
        if (asked[1]) [start, end] = [Number(asked[1]), Math.min(asked[2] ? Number(asked[2]) : end, end)];
        else start = Math.max(0, info.size - Number(asked[2]));
        if (start > end) {
          response.setHeader("Content-Range", `bytes */${info.size}`);
          return void response.writeHead(416).end();
        }
        response.statusCode = 206;
        response.setHeader("Content-Range", `bytes ${start}-${end}/${info.size}`);
      }
    }
    response.setHeader("Content-Length", end - start + 1);
    if (request.method === "HEAD" || info.size === 0) return void response.end();
    const stream = createReadStream(file, { start, end });
    stream.on("data", (bytes) => (entry.bytes += bytes.length));
    await pipeline(stream, response);
  }

  server.on("upgrade", upgrade);
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  cleanup(t, () => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return {
    url: `http://127.0.0.1:${server.address().port}${prefix}`,
    requests,
    connections: () => sockets.size,
    bytes: (path) => requests.filter((r) => r.path === path).reduce((sum, r) => sum + r.bytes, 0),
  };
}
