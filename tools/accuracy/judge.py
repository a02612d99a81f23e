#!/usr/bin/env python3
"""The independent judge: which advisories of a snapshot affect which packages of an inventory.

Reads the snapshot (OSV zips, Debian's tracker) and reports of scanners, and nothing of the product:
its own reading of records, its own version orders (versions.py), its own truth of what an image holds
(contents.py). Prints a table and every difference. See docs/accuracy.md.

  judge.py --advisories FOLDER --ours scan.json [--image docker.tar] [--jars LIST]
           [--osv-scanner osv.json] [--syft syft.json] [--details]
  judge.py --advisories FOLDER --osv-scalibr FOLDER    the same data laid out for osv-scanner, offline
"""

import argparse
import collections
import functools
import glob
import gzip
import json
import os
import re
import sys
import zipfile

import contents
import versions

ZIPS = {"npm": "npm", "pypi": "PyPI", "maven": "Maven", "go": "Go"}
ORDER = ["deb", "pypi", "npm", "maven", "go"]
CODENAMES = {"11": "bullseye", "12": "bookworm", "13": "trixie"}
HASH = re.compile(r"^[0-9a-f]{40}$|^[0-9a-f]{64}$")
CVE = re.compile(r"^CVE-\d{4}-\d+$")


def canonical(ecosystem, name):
    return re.sub(r"[-_.]+", "-", name).lower() if ecosystem == "pypi" else name


class Snapshot:
    """Records by (ecosystem, package), and which ids mean the same vulnerability."""

    def __init__(self, folder, release):
        self.by_package = collections.defaultdict(list)
        self.same = {}
        self.cves = {}
        self.odd = set()
        self.withdrawn = set()
        for ecosystem, name in ZIPS.items():
            with zipfile.ZipFile(os.path.join(folder, "osv", name, "all.zip")) as archive:
                for entry in sorted(archive.namelist()):
                    self.record(ecosystem, name, json.loads(archive.read(entry)))
        for path in glob.glob(os.path.join(folder, "debian", "tracker-data-json*.json.gz")):
            with gzip.open(path) as file:
                self.tracker(json.load(file), release)

    def record(self, ecosystem, name, record):
        ids = [record["id"], *record.get("aliases", [])]
        for other in ids[1:]:
            self.join(ids[0], other)
        self.cves[record["id"]] = sorted({i for i in ids if CVE.match(i)})
        if record.get("withdrawn"):
            self.withdrawn.add(record["id"])
        for affected in record.get("affected", []):
            package = affected.get("package", {})
            if package.get("ecosystem", "").split(":")[0] == name:
                key = (ecosystem, canonical(ecosystem, package["name"]))
                self.by_package[key].append((record["id"], bool(record.get("withdrawn")), affected))

    def tracker(self, data, release):
        for source, entries in data.items():
            for cve, entry in entries.items():
                self.cves[cve] = [cve]
                said = entry["releases"].get(CODENAMES[release])
                if not said or said.get("fixed_version") == "0":
                    continue
                events = [{"introduced": "0"}]
                if said["status"] == "resolved":
                    events.append({"fixed": said["fixed_version"]})
                affected = {"ranges": [{"type": "ECOSYSTEM", "events": events}]}
                self.by_package[("deb", source)].append((cve, False, affected))

    def root(self, name):
        while self.same.get(name, name) != name:
            name = self.same[name]
        return name

    def join(self, left, right):
        left, right = sorted([self.root(left), self.root(right)], key=lambda i: (not CVE.match(i), i))
        self.same[right] = left
        self.same.setdefault(left, left)

    def names(self, name):
        """The vulnerabilities a record speaks of: its CVEs, or what its aliases lead to."""
        return self.cves.get(name) or [self.root(name)]

    def judge(self, ecosystem, package, version):
        """(record, withdrawn) of everything that affects the version."""
        for record, withdrawn, affected in self.by_package.get((ecosystem, canonical(ecosystem, package)), []):
            if self.affects(ecosystem, version, affected, record):
                yield record, withdrawn

    def affects(self, ecosystem, version, affected, record):
        compare = versions.ORDERS[ecosystem]
        for listed in affected.get("versions") or []:
            try:
                if listed == version or compare(listed, version) == 0:
                    return True
            except ValueError:
                pass
        for rule in affected.get("ranges") or []:
            try:
                if rule.get("type") == "GIT":
                    continue
                if inverted(compare, rule["events"]):
                    self.odd.add(f"{record}: a range ends before it starts; it was refused")
                elif within(compare, version, rule["events"]):
                    return True
            except ValueError as error:
                self.odd.add(f"{record}: `{error}` is no {ecosystem} version; the range was left out")
        return False


def inverted(compare, events):
    """Starts and ends in turn where an end lies before its start: nobody knows what was meant, and
    read literally everything from the start on would be affected."""
    pairs = [next(iter(event.items())) for event in events]
    turns = zip(pairs[::2], pairs[1::2])
    in_turn = all((kind == "introduced") == (at % 2 == 0) for at, (kind, _) in enumerate(pairs))
    return in_turn and any(s != "0" and not HASH.match(e) and compare(s, e) > 0 for (_, s), (_, e) in turns)


def within(compare, version, events):
    """The evaluation of the OSV schema: events in order of version, each one switches."""
    pairs = [next(iter(event.items())) for event in events]
    if any(HASH.match(text) for _, text in pairs):
        return False
    order = lambda a, b: 0 if a == b else -1 if a == "0" else 1 if b == "0" else compare(a, b)
    # At the same version an end by `fixed` comes before a start, `last_affected` after it.
    rank = {"fixed": 0, "limit": 0, "introduced": 1, "last_affected": 2}

    def key(left, right):
        return order(left[1], right[1]) or rank[left[0]] - rank[right[0]]

    inside = False
    for kind, text in sorted(pairs, key=functools.cmp_to_key(key)):
        if kind == "introduced" and (text == "0" or compare(version, text) >= 0):
            inside = True
        elif kind in ("fixed", "limit") and text != "*" and compare(version, text) >= 0:
            inside = False
        elif kind == "last_affected" and compare(version, text) > 0:
            inside = False
    return inside


def ours(report):
    """Packages, findings by record, and findings by vulnerability of `seaworthy scan --format json`."""
    packages, found = set(), {}
    for package in report["inventory"]["packages"]:
        packages.add((package["ecosystem"], package["name"], package["version"]))
    for finding in report["findings"]:
        if finding["kind"] == "vulnerability":
            subject = finding["subject"]
            key = (subject["ecosystem"], canonical(subject["ecosystem"], subject["name"]), subject["version"])
            found.setdefault((*key, finding["vulnerability"]), set()).update(r["advisory"] for r in finding["reasons"])
    return packages, found


def judged(report, snapshot):
    """What the judge says of the packages of our inventory."""
    asked, found = set(), {}
    for package in report["inventory"]["packages"]:
        name, version = package["name"], package["version"]
        if package["ecosystem"] == "deb":
            source = package.get("source") or {}
            name, version = source.get("name") or name, source.get("version") or version
        asked.add((package["ecosystem"], canonical(package["ecosystem"], name), version))
    return judge_all(asked, snapshot)


def judge_all(asked, snapshot):
    found = {}
    for ecosystem, name, version in sorted(asked):
        if ecosystem in versions.ORDERS and version:
            for record, withdrawn in snapshot.judge(ecosystem, name, version):
                if not withdrawn:
                    for vulnerability in snapshot.names(record):
                        found.setdefault((ecosystem, name, version, vulnerability), set()).add(record)
    return found


OSV_NAMES = {"npm": "npm", "pypi": "pypi", "maven": "maven", "go": "go", "debian": "deb"}


def osv_scanner(report, snapshot):
    packages, found = set(), {}
    for result in report.get("results") or []:
        for entry in result["packages"]:
            package = entry["package"]
            ecosystem = OSV_NAMES.get(package["ecosystem"].split(":")[0].lower())
            if not ecosystem:
                continue
            key = (ecosystem, canonical(ecosystem, package["name"]), package["version"])
            packages.add(key)
            for vulnerability in entry.get("vulnerabilities") or []:
                for name in snapshot.names(vulnerability["id"].removeprefix("DEBIAN-")):
                    found.setdefault((*key, name), set()).add(vulnerability["id"])
    return packages, found


def table(rows, head):
    out = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    out += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(out) + "\n"


def share(part, whole):
    return "-" if not whole else "100 %" if part == whole else f"{100 * part / whole:.1f} %"


def differences(title, only_left, only_right, left, right, shown=1000):
    print(f"\n{title}: {len(only_left)} only {left}, {len(only_right)} only {right}")
    for sign, items in ((left, only_left), (right, only_right)):
        for item in sorted(items)[:shown]:
            print(f"  only {sign}: {' '.join(item)}")


def of(ecosystem, items):
    return {item for item in items if item[0] == ecosystem}


def load(path):
    with open(path) as file:
        return json.load(file)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--advisories", required=True)
    parser.add_argument("--release", default="12")
    for name in ("--ours", "--image", "--jars", "--osv-scanner", "--syft", "--osv-scalibr"):
        parser.add_argument(name)
    parser.add_argument("--details", action="store_true", help="every difference, not only the tables")
    options = parser.parse_args()
    if options.osv_scalibr:
        return lay_out(options)
    snapshot = Snapshot(options.advisories, options.release)
    report = load(options.ours)
    packages, found = ours(report)
    verdict = judged(report, snapshot)
    truth = contents.read(options.image, options.jars) if options.image else None
    peers = {}
    if options.osv_scanner:
        peers["osv-scanner"] = osv_scanner(load(options.osv_scanner), snapshot)
    if options.syft:
        peers["Syft"] = (syft(load(options.syft)), None)
    # The best truth there is: the judge on what the image holds, not on what we found in it.
    ideal = judge_all(truth.questions, snapshot) if truth else verdict
    summary(packages, found, truth, ideal, peers)
    if options.details:
        details(packages, found, verdict, truth, ideal, peers, snapshot)


def syft(report):
    """Packages of `syft scan -o json`."""
    kinds = {"deb": "deb", "python": "pypi", "npm": "npm", "java-archive": "maven", "go-module": "go"}
    packages = set()
    for artifact in report["artifacts"]:
        ecosystem, name = kinds.get(artifact["type"]), artifact["name"]
        if ecosystem == "maven":
            group = re.match(r"pkg:maven/([^/]+)/([^@]+)@", artifact.get("purl", ""))
            name = f"{group.group(1)}:{group.group(2)}" if group else name
        version = artifact["version"]
        if ecosystem == "go":
            version = re.sub("^(v|go)", "", version)
        if ecosystem:
            packages.add((ecosystem, canonical(ecosystem, name), version))
    return packages


def agreement(mine, best):
    """right, extra and missing, as text."""
    return f"{len(mine & best)} / {len(mine - best)} / {len(best - mine)}"


def summary(packages, found, truth, ideal, peers):
    """One table of packages, one of vulnerabilities; all counted by unique name and version."""
    inventories = {"Seaworthy": {(a, canonical(a, b), c) for a, b, c in packages}}
    inventories |= {name: inventory for name, (inventory, _) in peers.items()}
    if truth:
        rows = []
        for e in [*ORDER, "all"]:
            pick = (lambda items: of(e, items)) if e != "all" else set
            cells = []
            for name, inventory in inventories.items():
                best = truth.packages
                if name == "osv-scanner":  # names Debian's source packages instead of the binary ones
                    best = (best - of("deb", best)) | of("deb", truth.questions)
                cells.append(agreement(pick(inventory), pick(best)))
            rows.append([e, len(pick(truth.packages)), *cells])
        print("Packages: right / not there or misnamed / missing\n")
        print(table(rows, ["ecosystem", "there", *inventories]))
    judged_by = {"Seaworthy": found} | {name: what for name, (_, what) in peers.items() if what is not None}
    rows = []
    for e in [*ORDER, "all"]:
        pick = (lambda items: of(e, items)) if e != "all" else set
        row = [e, len(pick(ideal))]
        for what in judged_by.values():
            mine, best = pick(what), pick(ideal)
            hits = len(mine & best)
            row += [len(mine), share(hits, len(mine)), share(hits, len(best))]
        rows.append(row)
    head = ["ecosystem", "judge"]
    for name in judged_by:
        head += [name, "precision", "recall"]
    print("Vulnerabilities, each once per package and version\n")
    print(table(rows, head))


def details(packages, found, verdict, truth, ideal, peers, snapshot):
    for e in ORDER:
        print(f"\n## {e}")
        mine, right = of(e, found), of(e, verdict)
        differences("vulnerabilities of our packages", mine - right, right - mine, "ours", "judge")
        records = [(*key, r) for key in mine & right for r in (found[key] ^ verdict[key]) - snapshot.withdrawn]
        print(f"records named by one side only: {sorted(records)}")
        if truth:
            listed = {(a, canonical(a, b), c) for a, b, c in of(e, packages)}
            differences("packages", listed - truth.packages, of(e, truth.packages) - listed, "ours", "truth")
            best = of(e, ideal)
            differences("vulnerabilities of what is there", mine - best, best - mine, "ours", "judge")
        for name, (inventory, what) in peers.items():
            best, they = of(e, ideal), of(e, inventory)
            if truth:
                there = of(e, truth.questions if name == "osv-scanner" else truth.packages)
                differences(f"packages, {name}", they - there, there - they, name, "truth", 100)
            if what is not None:
                what = of(e, what)
                differences(f"vulnerabilities, {name}", what - best, best - what, name, "judge")
    for line in sorted(snapshot.odd):
        print(f"could not be judged: {line}")


def readable_times(text):
    """Some records write `2023-11-22 23:23:57.5+00:00`; osv-scanner would drop them without a word,
    which says something of it but nothing of its matching."""
    record = json.loads(text)
    for key in ("modified", "published", "withdrawn"):
        if isinstance(record.get(key), str):
            record[key] = re.sub(r"^(\S+) (\S+?)\+00:00$", r"\1T\2Z", record[key])
    return json.dumps(record)


def lay_out(options):
    """The snapshot as osv-scanner's offline cache wants it; Debian's tracker turned into OSV."""
    out = os.path.join(options.osv_scalibr, "osv-scalibr")
    for name in ZIPS.values():
        os.makedirs(os.path.join(out, name), exist_ok=True)
        source = os.path.join(options.advisories, "osv", name, "all.zip")
        target = os.path.join(out, name, "all.zip")
        with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
            for entry in sorted(old.namelist()):
                new.writestr(entry, readable_times(old.read(entry)))
    os.makedirs(os.path.join(out, "Debian"), exist_ok=True)
    snapshot = Snapshot(options.advisories, options.release)
    records = collections.defaultdict(list)
    for (ecosystem, source), entries in snapshot.by_package.items():
        if ecosystem == "deb":
            for cve, _, affected in entries:
                package = {"ecosystem": f"Debian:{options.release}", "name": source}
                records[cve].append({"package": package, **affected})
    with zipfile.ZipFile(os.path.join(out, "Debian", "all.zip"), "w", zipfile.ZIP_DEFLATED) as archive:
        for cve, affected in sorted(records.items()):
            record = {"schema_version": "1.7.3", "id": f"DEBIAN-{cve}", "modified": "2026-08-22T00:00:00Z"}
            record |= {"upstream": [cve], "affected": affected}
            archive.writestr(f"DEBIAN-{cve}.json", json.dumps(record))


if __name__ == "__main__":
    sys.exit(main())
