#!/usr/bin/env python3
"""Makes the samples that the inspector opens with one click: a small datastore with three snapshots of a tree that changes, and a damaged archive.

    make.py PXKIT OUTPUT

The tree is made of words from a fixed seed, so the samples are the same bytes each time, but for what `backup` says of itself in the manifest.
"""
import json, os, random, shutil, subprocess, sys, tempfile
from pathlib import Path

WORDS = """archive backup boundary budget bytes catalog chunk content cut digest directory entry file format garbage group hash header index
injection item key layout lookup manifest metadata mode name namespace offset owner padding path payload plan prune range read record
reference restore reuse root size snapshot split store stream table tail time tree verify walk window write""".split()


def text(rng, bytes_):
    out, length = [], 0
    while length < bytes_:
        sentence = " ".join(rng.choice(WORDS) for _ in range(rng.randint(5, 14))).capitalize() + ".\n"
        out.append(sentence)
        length += len(sentence)
    return "".join(out)[:bytes_].encode()


def write(path, data, when, mode=0o644):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    path.chmod(mode)
    os.utime(path, (when, when))


def first(root, rng, when):
    for at in range(24):
        write(root / f"docs/chapter-{at:02}.md", text(rng, rng.randint(2_000, 40_000)), when - at * 86_400)
    for at in range(60):
        write(root / f"src/module_{at % 6}/part_{at:02}.rs", text(rng, rng.randint(300, 9_000)), when - at * 3_600)
    for at in range(8):
        write(root / f"media/frame-{at}.raw", rng.randbytes(rng.randint(20_000, 60_000)), when)
    svg = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64"><rect width="64" height="64" fill="#0072b2"/><path d="M8 40h48v8H8z" fill="#fff"/></svg>\n'
    write(root / "media/picture.svg", svg.encode(), when)
    write(root / "bin/tool", b"#!/bin/sh\nexec echo tool\n", when, 0o755)
    os.symlink("tool", root / "bin/alias")
    os.link(root / "docs/chapter-03.md", root / "docs/readme.md")
    write(root / "etc/app.conf", b"level = 3\npath = /srv/app\n", when, 0o600)


def change(root, rng, when, generation):
    """Every third chapter goes or changes, so that chunks of the snapshot before are used in part."""
    for at in range(24):
        path = root / f"docs/chapter-{at:02}.md"
        if path.exists() and at % 5 == generation and at != 3:
            path.unlink()
        elif path.exists() and at % 7 == generation:
            write(path, text(rng, rng.randint(2_000, 40_000)), when)
    for at in range(generation, 60, 9):
        path = root / f"src/module_{at % 6}/part_{at:02}.rs"
        if path.exists():
            path.unlink()
    write(root / f"docs/new-{generation}.md", text(rng, 12_000), when)


def main():
    pxkit, output = Path(sys.argv[1]).resolve(), Path(sys.argv[2])
    rng = random.Random(20261120)
    shutil.rmtree(output, ignore_errors=True)
    (output / "store").mkdir(parents=True)
    with tempfile.TemporaryDirectory() as scratch:
        tree, store = Path(scratch) / "tree", Path(scratch) / "store"
        first(tree, rng, 1_790_000_000)
        for generation in range(3):
            when = 1_795_140_000 + generation * 86_400
            if generation:
                change(tree, rng, when - 3_600, generation)
            for folder, _, _ in os.walk(tree):
                os.utime(folder, (when - 7_200, when - 7_200))
            command = [pxkit, "backup", "--repository", store, "--backup-id", "web", "--backup-time", str(when), "--chunk-size", "64"]
            command += ["--padding-budget", "30", f"root.pxar:{tree}"]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        files = sorted(path.relative_to(store) for path in store.rglob("*") if path.is_file())
        files = [path for path in files if path.name == "owner" or path.suffix in (".didx", ".blob") or path.parts[0] == ".chunks"]
        listed = []
        for path in files:
            # Hosts of static files leave out what begins with a dot, and chunks need no folders here.
            place = f"chunks/{path.name}" if path.parts[0] == ".chunks" else "/".join(path.parts).replace(":", "")
            target = output / "store" / place
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(store / path, target)
            listed.append([place, f"sample/{path}"])
        write_json(output / "store.json", "store", listed)

        subprocess.run([pxkit, "create", Path(scratch) / "damaged.pxar", tree / "src"], check=True, stdout=subprocess.DEVNULL)
        data = bytearray((Path(scratch) / "damaged.pxar").read_bytes())
        damage(data)
        (output / "damaged").mkdir()
        (output / "damaged/damaged.pxar").write_bytes(data)
        write_json(output / "damaged.json", "damaged", [["damaged.pxar", "damaged.pxar"]])


def damage(data):
    """A wrong hash in the last goodbye table but the root's, and an item of no known type in the last third."""
    payload = (0x28147A1B0B7C1A25).to_bytes(8, "little")
    at = data.find(payload, len(data) * 2 // 3)
    data[at : at + 8] = b"DAMAGED!"
    goodbye = (0x2FEC4FA642D5731D).to_bytes(8, "little")
    at = data.find(goodbye)
    data[at + 16] ^= 0xFF


def write_json(path, folder, files):
    path.write_text(json.dumps({"folder": folder, "files": files}, indent=0) + "\n")


main()
