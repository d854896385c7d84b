#!/usr/bin/env python3
"""A folder of src/ may include only the folders below it: the table of cmake/layers.cmake, on the includes."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
SRC = ROOT / "src"
BELOW = {
    "base": [],
    "types": ["base"],
    "storage": ["base"],
    "catalog": ["base", "types", "storage"],
    "rows": ["base", "types", "storage", "catalog"],
    "segments": ["base", "types", "storage", "catalog", "rows"],
    "keyspace": ["base", "types", "storage"],
    "query": ["base", "types", "storage", "catalog", "rows", "segments", "keyspace"],
    "sql": ["base", "types", "storage", "catalog", "rows", "segments", "keyspace", "query"],
}
DOOR = ["base", "types", "storage", "catalog", "rows", "segments", "keyspace", "query", "sql"]
for door in ("postgres", "redis", "elastic", "qdrant"):
    BELOW["doors/" + door] = DOOR
BELOW["server"] = DOOR + [d for d in BELOW if d.startswith("doors/")]


def folder_of(path):
    parts = path.split("/")
    return "/".join(parts[:2]) if parts[0] == "doors" else parts[0]


def main():
    bad = 0
    for file in sorted(SRC.rglob("*")):
        if file.suffix not in (".cc", ".h", ".def", ".inc"):
            continue
        own = folder_of(str(file.relative_to(SRC)))
        if own not in BELOW:
            print(f"{file.relative_to(ROOT)}: folder {own} is not in the table of layers")
            bad += 1
            continue
        for number, line in enumerate(file.read_text(errors="replace").splitlines(), 1):
            m = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
            if not m:
                continue
            target = folder_of(m.group(1))
            if target == own or (target in BELOW and target in BELOW[own]):
                continue
            if target not in BELOW and not (SRC / m.group(1)).exists():
                continue  # a library's header
            print(f"{file.relative_to(ROOT)}:{number}: {own} may not include {m.group(1)}")
            bad += 1
    print(f"layers: {'ok' if bad == 0 else str(bad) + ' violations'}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
