// What passes between page and worker, read and written as the page does it. Types are taken from `web/src/protocol`, so nothing here has to
// follow when they change; bytes are those of Borsh (https://borsh.io): numbers little-endian, counts of 4 bytes, variants numbered by 1 byte.
//
// In JavaScript a struct is an object, `None` is undefined, a variant without data is its name, any other `{ Name: data }`. Numbers of 64 bits are
// BigInt, and `Vec<u8>` a Uint8Array.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { root } from "./paths.js";

const folder = join(root, "web/src/protocol");

/** The declarations: names of files and their text. */
export const sources = readdirSync(folder).map((file) => [file, readFileSync(join(folder, file), "utf8")]);

/** `encode(type, value)` and `decode(type, bytes)` for the types of `sources`. It needs nothing from outside, so that it can run in a page, too. */
export function codec(sources) {
  const NUMBERS = { u8: 1, u16: 2, u32: 4, u64: 8, i64: 8 };
  // Types that were declared, by module and name.
  const declared = declarations();
  return { encode, decode };

  /** Bytes of a value of the type of that name, such as `Ask`. */
  function encode(type, value) {
    const out = [];
    write(parsed(type, ""), value, out);
    return Uint8Array.from(out);
  }

  /** The value in bytes that a type of that name wrote. */
  function decode(type, bytes) {
    const from = { view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), at: 0 };
    const value = read(parsed(type, ""), from);
    if (from.at !== bytes.byteLength) throw new Error(`${bytes.byteLength - from.at} bytes are left of a ${type}`);
    return value;
  }

  function write(type, value, out) {
    const { name, of } = type;
    const count = (number) => write({ name: "u32" }, number, out);
    if (NUMBERS[name]) {
      for (let i = 0, bits = BigInt.asUintN(64, BigInt(value)); i < NUMBERS[name]; i++, bits >>= 8n) out.push(Number(bits & 255n));
    } else if (name === "f64") {
      out.push(...new Uint8Array(Float64Array.of(value).buffer));
    } else if (name === "bool") {
      out.push(value ? 1 : 0);
    } else if (name === "String") {
      const bytes = new TextEncoder().encode(value);
      count(bytes.length);
      out.push(...bytes);
    } else if (name === "Vec") {
      count(value.length);
      for (const item of value) write(of[0], item, out);
    } else if (name === "Option") {
      out.push(value === undefined || value === null ? 0 : 1);
      if (out.at(-1)) write(of[0], value, out);
    } else if (name === "Box") {
      write(of[0], value, out);
    } else if (name === "(") {
      of.forEach((part, i) => write(part, value[i], out));
    } else if (name === "[") {
      value.forEach((item) => write(of[0], item, out));
    } else if (type.fields) {
      for (const [field, part] of type.fields) write(part(), value[field], out);
    } else if (type.variants) {
      const variant = typeof value === "string" ? value : Object.keys(value)[0];
      const number = type.variants.findIndex((one) => one.name === variant);
      if (number < 0) throw new Error(`no variant ${variant}`);
      out.push(number);
      const data = type.variants[number].data?.();
      if (data) write(data, value[variant], out);
    } else {
      throw new Error(`no way to write ${name}`);
    }
  }

  function read(type, from) {
    const { name, of } = type;
    const number = (bytes, get) => {
      from.at += bytes;
      return from.view[get](from.at - bytes, true);
    };
    const count = () => number(4, "getUint32");
    const bytes = (length) => {
      from.at += length;
      return new Uint8Array(from.view.buffer, from.view.byteOffset + from.at - length, length).slice();
    };
    switch (name) {
      case "u8":
        return number(1, "getUint8");
      case "u16":
        return number(2, "getUint16");
      case "u32":
        return count();
      case "u64":
        return number(8, "getBigUint64");
      case "i64":
        return number(8, "getBigInt64");
      case "f64":
        return number(8, "getFloat64");
      case "bool":
        return number(1, "getUint8") === 1;
      case "String":
        return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes(count()));
      case "Vec":
        return of[0].name === "u8" ? bytes(count()) : Array.from({ length: count() }, () => read(of[0], from));
      case "Option":
        return number(1, "getUint8") ? read(of[0], from) : undefined;
      case "Box":
        return read(of[0], from);
      case "Result":
        return number(1, "getUint8") ? { Ok: read(of[0], from) } : { Err: read(of[1], from) };
      case "(":
        return of.map((part) => read(part, from));
      case "[":
        return Array.from({ length: type.length }, () => read(of[0], from));
    }
    if (type.fields) return Object.fromEntries(type.fields.map(([field, part]) => [field, read(part(), from)]));
    if (type.variants) {
      const variant = type.variants[number(1, "getUint8")];
      const data = variant.data?.();
      return data ? { [variant.name]: read(data, from) } : variant.name;
    }
    throw new Error(`no way to read ${name}`);
  }

  /** The type that a text in a module means. */
  function parsed(text, module) {
    text = text.trim();
    const generic = /^(Vec|Option|Box|Result)<(.*)>$/s.exec(text);
    if (generic) return { name: generic[1], of: split(generic[2]).map((part) => parsed(part, module)) };
    if (text.startsWith("(")) return { name: "(", of: split(text.slice(1, -1)).map((part) => parsed(part, module)) };
    const array = /^\[(.*); *(\d+)\]$/s.exec(text);
    if (array) return { name: "[", of: [parsed(array[1], module)], length: Number(array[2]) };
    if (NUMBERS[text] || ["f64", "bool", "String"].includes(text)) return { name: text };
    const [name, from] = text.split("::").reverse();
    const type = declared.get(`${from ?? module}::${name}`) ?? declared.get(`::${name}`) ?? imported(name, module);
    if (!type) throw new Error(`${text} is not declared in web/src/protocol`);
    return type;
  }

  /** A type that another module declares, and `use` brings here. */
  function imported(name, module) {
    const source = declared.get(`${module}:uses`) ?? "";
    const from = new RegExp(`\\b(\\w+)::${name}\\b`).exec(source)?.[1];
    return from && declared.get(`${from}::${name}`);
  }

  function declarations() {
    const types = new Map();
    for (const [file, text] of sources) {
      const source = text.replace(/\/\/.*$/gm, "").replace(/#\[(?:[^\[\]]|\[[^\]]*\])*\]/g, "");
      const module = file === "mod.rs" ? "" : file.slice(0, -3);
      types.set(`${module}:uses`, (source.match(/^use [^;]*;/gm) ?? []).join(" "));
      for (const [, name, target] of source.matchAll(/pub type (\w+) = (\w+);/g)) types.set(`${module}::${name}`, { name: target });
      for (const [, kind, name, body] of source.matchAll(/pub (struct|enum) (\w+) \{\n(.*?)\n\}/gs)) {
        const parts = split(body);
        const field = (part) => {
          const [, name, type] = /^(?:pub )?(\w+):\s(.*)$/s.exec(part);
          return [name, () => parsed(type, module)];
        };
        const variant = (part) => {
          const [, name, data] = /^(\w+)\s*(.*)$/s.exec(part);
          if (data.startsWith("{")) return { name, data: () => ({ fields: split(data.slice(1, -1)).map(field) }) };
          if (!data) return { name };
          // Of one thing the thing itself, of several a list.
          const things = split(data.slice(1, -1));
          return { name, data: () => (things.length === 1 ? parsed(things[0], module) : parsed(data, module)) };
        };
        types.set(`${module}::${name}`, kind === "struct" ? { fields: parts.map(field) } : { variants: parts.map(variant) });
      }
    }
    return types;
  }

  /** Cuts at the commas that stand in no brackets. */
  function split(text) {
    const parts = [];
    let [depth, part] = [0, ""];
    for (const letter of text) {
      if ("<([{".includes(letter)) depth++;
      if (">)]}".includes(letter)) depth--;
      if (letter === "," && depth === 0) {
        parts.push(part);
        part = "";
      } else {
        part += letter;
      }
    }
    return [...parts, part].map((part) => part.trim()).filter(Boolean);
  }
}
