"""What an image holds, by other means than the product: dpkg-query, importlib.metadata, every
package.json in a node_modules, `go version -m`, and the list of jars that went in.

Reads a docker archive with plain layers; whiteouts are honoured. Jars are known by their file names
against a list of `group:artifact:version` lines, so only images of known make can be judged.
"""

import collections
import importlib.metadata
import io
import json
import os
import re
import subprocess
import tarfile
import tempfile
import zipfile

NODE = re.compile(r"(^|/)node_modules/(@[^/]+/)?[^/@][^/]*/package\.json$")
PYTHON = re.compile(r"(^|/)[^/]+\.(dist-info/METADATA|egg-info/PKG-INFO)$|\.egg-info$")
Truth = collections.namedtuple("Truth", "packages questions")


def read(image, jars):
    files = wanted(image)
    with tempfile.TemporaryDirectory() as folder:
        packages, questions = debian(files, folder)
        for part in (python(files, folder), node(files), go(files, folder), java(files, jars)):
            packages |= part
            questions |= part
    return Truth(packages, questions)


def wanted(image):
    """path → bytes of everything below that is looked at, topmost layer last."""
    files = {}
    with tarfile.open(image) as archive:
        manifest = json.load(archive.extractfile("manifest.json"))
        for layer in manifest[0]["Layers"]:
            with tarfile.open(fileobj=archive.extractfile(layer)) as tar:
                for member in tar:
                    path = os.path.normpath(member.name).lstrip("/")
                    base = os.path.basename(path)
                    if base.startswith(".wh."):
                        files.pop(os.path.join(os.path.dirname(path), base[4:]), None)
                    elif member.isfile() and interesting(path, member):
                        files[path] = tar.extractfile(member).read()
    return files


def interesting(path, member):
    executable = member.mode & 0o111 and "/bin/" in f"/{path}" and member.size > 100_000
    return path == "var/lib/dpkg/status" or NODE.search(path) or PYTHON.search(path) or path.endswith(".jar") or executable


def debian(files, folder):
    os.makedirs(f"{folder}/dpkg/info")
    with open(f"{folder}/dpkg/status", "wb") as file:
        file.write(files["var/lib/dpkg/status"])
    line = "${db:Status-Status}\t${Package}\t${Version}\t${source:Package}\t${source:Version}\n"
    out = subprocess.run(
        ["dpkg-query", f"--admindir={folder}/dpkg", "-W", "-f", line], capture_output=True, text=True, check=True
    ).stdout
    rows = [row.split("\t") for row in out.splitlines()]
    rows = [row for row in rows if row[0] == "installed"]
    return {("deb", row[1], row[2]) for row in rows}, {("deb", row[3], row[4]) for row in rows}


def python(files, folder):
    sites = set()
    for path, content in files.items():
        if PYTHON.search(path):
            target = os.path.join(folder, "py", path)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with open(target, "wb") as file:
                file.write(content)
            info = path if path.endswith(".egg-info") else os.path.dirname(path)
            sites.add(os.path.join(folder, "py", os.path.dirname(info)))
    found = importlib.metadata.distributions(path=sorted(sites))
    name = lambda text: re.sub(r"[-_.]+", "-", text).lower()
    return {("pypi", name(d.metadata["Name"]), d.version) for d in found if d.metadata["Name"] and d.version}


def node(files):
    found = set()
    for path, content in files.items():
        if NODE.search(path):
            try:
                package = json.loads(content)
            except ValueError:
                continue
            if package.get("name") and package.get("version"):
                found.add(("npm", package["name"], package["version"]))
    return found


def go(files, folder):
    found = set()
    for path, content in files.items():
        if content[:4] != b"\x7fELF" or path.endswith(".jar"):
            continue
        with open(f"{folder}/binary", "wb") as file:
            file.write(content)
        out = subprocess.run(["go", "version", "-m", f"{folder}/binary"], capture_output=True, text=True)
        if out.returncode == 0:
            found |= modules(out.stdout)
    return found


def modules(text):
    """Lines of `go version -m`; `=>` replaces the line before."""
    lines = [line.split("\t") for line in text.splitlines()]
    toolchain = re.search(r": go(\d[\w.]*)", text)
    found = [["stdlib", toolchain.group(1)]] if toolchain else []
    for line in lines:
        if len(line) > 3 and line[1] in ("mod", "dep"):
            found.append([line[2], line[3]])
        elif len(line) > 3 and line[1] == "=>":
            found[-1] = [line[2], line[3]]
    return {("go", name, version.removeprefix("v").split("+dirty")[0]) for name, version in found if version != "(devel)"}


def java(files, jars):
    """By the list of what went in, and pom.properties of what those jars bundle."""
    known = {}
    if jars:
        with open(jars) as file:
            for line in file.read().split():
                group, artifact, version = line.split(":")
                known[f"{artifact}-{version}.jar"] = ("maven", f"{group}:{artifact}", version)
    found = set()
    pending = [(path, content) for path, content in files.items() if path.endswith(".jar")]
    while pending:
        path, content = pending.pop()
        own = known.get(os.path.basename(path))
        if own:
            found.add(own)
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for name in archive.namelist():
                if name.endswith(".jar"):
                    pending.append((name, archive.read(name)))
                elif re.match(r"META-INF/maven/[^/]+/[^/]+/pom\.properties$", name):
                    found.add(coordinates(archive.read(name).decode()))
    return found


def coordinates(text):
    pairs = dict(line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith("#"))
    pairs = {key.strip(): value.strip() for key, value in pairs.items()}
    return ("maven", f"{pairs['groupId']}:{pairs['artifactId']}", pairs["version"])
