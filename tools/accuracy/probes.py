#!/usr/bin/env python3
"""A bill of materials that asks about every package of a snapshot at its critical versions: each bound
of a range, some listed versions, the lowest and the highest there are. Scanned and judged (judge.py
without an image), it compares import and matching over all records, not only those of one image.

  probes.py --advisories FOLDER [--listed N] > probes.cdx.json
"""

import argparse
import json
import sys
import urllib.parse

import judge
import versions

TYPES = {"npm": "npm", "pypi": "pypi", "maven": "maven", "go": "golang", "deb": "deb/debian"}
LOWEST = {"npm": "0.0.0-0", "go": "0.0.0-20100101000000-0123456789ab", "pypi": "0.dev0", "maven": "0-alpha", "deb": "0~~"}


def purl(ecosystem, name, version, release):
    quote = lambda text: urllib.parse.quote(text, safe="")
    parts = name.split(":") if ecosystem == "maven" else name.split("/")
    path = "/".join(quote(part) for part in parts)
    extra = f"?distro=debian-{release}" if ecosystem == "deb" else ""
    return f"pkg:{TYPES[ecosystem]}/{path}@{quote(version)}{extra}"


def probes(ecosystem, entries, listed_max):
    compare = versions.ORDERS[ecosystem]
    found = {LOWEST[ecosystem], "99999.0.0"}
    for _, _, affected in entries:
        found.update((affected.get("versions") or [])[:listed_max])
        found.update((affected.get("versions") or [])[-listed_max:])
        for rule in affected.get("ranges") or []:
            if rule.get("type") != "GIT":
                found.update(text for event in rule["events"] for text in event.values())
    for text in sorted(found - {"0", "*"}):
        try:
            if ecosystem != "deb":  # dpkg is a process of its own for each comparison
                compare(text, text)
            if not judge.HASH.match(text) and text == text.strip():
                yield text
        except ValueError:
            pass


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--advisories", required=True)
    parser.add_argument("--release", default="12")
    parser.add_argument("--listed", type=int, default=3)
    parser.add_argument("--ecosystems", default="pypi npm maven go")
    options = parser.parse_args()
    snapshot = judge.Snapshot(options.advisories, options.release)
    components = [{"type": "operating-system", "name": "debian", "version": options.release}]
    for (ecosystem, name), entries in sorted(snapshot.by_package.items()):
        if ecosystem not in options.ecosystems.split() or (ecosystem == "maven") != (":" in name):
            continue
        for version in probes(ecosystem, entries, options.listed):
            address = purl(ecosystem, name, version, options.release)
            component = {"type": "library", "name": name, "version": version, "purl": address}
            components.append(component | {"bom-ref": address})
    json.dump({"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1, "components": components}, sys.stdout)
    print(f"{len(components) - 1} probes", file=sys.stderr)


if __name__ == "__main__":
    main()
