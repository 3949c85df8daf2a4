// Pictures of the page with 256 colours, which is a third of the bytes and no difference to the eye: flat areas, and letters with soft edges.

import { deflateSync, inflateSync } from "node:zlib";

const SIGNATURE = Buffer.from("89504e470d0a1a0a", "hex");

/** Makes a PNG of true colours, as browsers write them, one with a palette. */
export function withPalette(png) {
  const { width, height, pixels } = read(png);
  const counts = new Map();
  for (const colour of pixels) counts.set(colour, (counts.get(colour) ?? 0) + 1);
  const palette = chosen(counts);
  const places = new Map(palette.map((colour, place) => [colour, place]));
  const rows = Buffer.alloc((width + 1) * height);
  for (let y = 0, at = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1, at += 1) {
      const colour = pixels[at];
      let place = places.get(colour);
      if (place === undefined) places.set(colour, (place = nearest(palette, colour)));
      rows[y * (width + 1) + 1 + x] = place;
    }
  }
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, 3, 0, 0, 0], 8);
  const colours = Buffer.from(palette.flatMap((colour) => [colour >> 16, (colour >> 8) & 255, colour & 255]));
  const data = deflateSync(rows, { level: 9, memLevel: 9 });
  return Buffer.concat([SIGNATURE, chunk("IHDR", head), chunk("PLTE", colours), chunk("IDAT", data), chunk("IEND", Buffer.alloc(0))]);
}

/** The commonest colours, and of the others those that are farthest from them: a red word is red among many grey ones. */
function chosen(counts) {
  const sorted = [...counts.keys()].sort((a, b) => counts.get(b) - counts.get(a) || a - b);
  const palette = sorted.slice(0, 160);
  const rest = sorted.slice(160, 4096);
  const far = rest.map((colour) => distance(colour, palette[nearest(palette, colour)]));
  while (palette.length < 256 && rest.length > 0) {
    const at = far.indexOf(Math.max(...far));
    if (far[at] === 0) break;
    palette.push(rest[at]);
    for (const [place, colour] of rest.entries()) far[place] = Math.min(far[place], distance(colour, rest[at]));
  }
  return palette;
}

function nearest(palette, colour) {
  let best = 0;
  let least = Infinity;
  for (let place = 0; place < palette.length; place += 1) {
    const now = distance(palette[place], colour);
    if (now < least) {
      best = place;
      least = now;
    }
  }
  return best;
}

function distance(a, b) {
  const red = (a >> 16) - (b >> 16);
  const green = ((a >> 8) & 255) - ((b >> 8) & 255);
  const blue = (a & 255) - (b & 255);
  return 2 * red * red + 4 * green * green + 3 * blue * blue;
}

function chunk(type, data) {
  const body = Buffer.concat([Buffer.from(type), data]);
  const ends = Buffer.alloc(8);
  ends.writeUInt32BE(data.length, 0);
  ends.writeUInt32BE(crc32(body), 4);
  return Buffer.concat([ends.subarray(0, 4), body, ends.subarray(4)]);
}

function crc32(bytes) {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (0xedb88320 & -(crc & 1));
  }
  return ~crc >>> 0;
}

/** Colours as numbers, row by row. */
function read(png) {
  const parts = [];
  let head;
  for (let at = SIGNATURE.length; at < png.length; ) {
    const len = png.readUInt32BE(at);
    const data = png.subarray(at + 8, at + 8 + len);
    const type = png.toString("latin1", at + 4, at + 8);
    if (type === "IHDR") head = data;
    if (type === "IDAT") parts.push(data);
    at += 12 + len;
  }
  const [width, height, depth, kind] = [head.readUInt32BE(0), head.readUInt32BE(4), head[8], head[9]];
  if (depth !== 8 || (kind !== 2 && kind !== 6)) throw new Error("a PNG of true colours is expected");
  const bytes = kind === 2 ? 3 : 4;
  const stride = width * bytes;
  const raw = inflateSync(Buffer.concat(parts));
  const pixels = new Uint32Array(width * height);
  let before = new Uint8Array(stride);
  for (let y = 0; y < height; y += 1) {
    const filter = raw[y * (stride + 1)];
    const row = raw.subarray(y * (stride + 1) + 1, (y + 1) * (stride + 1));
    for (let x = 0; x < stride && filter > 0; x += 1) {
      const a = x < bytes ? 0 : row[x - bytes];
      const b = before[x];
      if (filter === 1) row[x] += a;
      else if (filter === 2) row[x] += b;
      else if (filter === 3) row[x] += (a + b) >> 1;
      else row[x] += paeth(a, b, x < bytes ? 0 : before[x - bytes]);
    }
    for (let x = 0; x < width; x += 1) {
      const at = x * bytes;
      pixels[y * width + x] = (row[at] << 16) | (row[at + 1] << 8) | row[at + 2];
    }
    before = row;
  }
  return { width, height, pixels };
}

function paeth(a, b, c) {
  const pa = Math.abs(b - c);
  const pb = Math.abs(a - c);
  const pc = Math.abs(a + b - 2 * c);
  if (pa <= pb && pa <= pc) return a;
  return pb <= pc ? b : c;
}
