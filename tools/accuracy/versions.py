"""Version orders for the independent judge: written from the specifications, not from the product.

PyPI: the `packaging` library. npm and Go: semver.org 2.0.0 (Go: a leading `v`, build metadata
ignored). Maven: the order of `ComparableVersion` in maven-artifact 3.9. Debian: asked of dpkg itself.
An order raises ValueError for a text that is none of its versions.
"""

import functools
import re
import subprocess

import packaging.version


def compare_keys(left, right):
    return (left > right) - (left < right)


def pypi(left, right):
    key = functools.lru_cache(None)(packaging.version.Version)
    return compare_keys(key(left), key(right))


SEMVER = re.compile(r"^(\d+)\.(\d+)\.(\d+)(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?$")


@functools.lru_cache(None)
def semver_key(text):
    text = text.strip()
    text = text[1:] if text[:1] in "v=" else text
    found = SEMVER.match(text)
    if not found:
        short = re.match(r"^\d+(\.\d+)?$", text)
        if not short:
            raise ValueError(text)
        found = SEMVER.match(text + ".0" * (2 - text.count(".")))
    numbers = tuple(int(found.group(place)) for place in (1, 2, 3))
    if found.group(4) is None:
        return numbers, 1, ()
    parts = [(0, int(p), "") if p.isdigit() else (1, 0, p) for p in found.group(4).split(".")]
    return numbers, 0, tuple(parts)


def semver(left, right):
    return compare_keys(semver_key(left), semver_key(right))


QUALIFIERS = ["alpha", "beta", "milestone", "rc", "snapshot", "", "sp"]
SHORT = {"a": "alpha", "b": "beta", "m": "milestone"}
SAME = {"ga": "", "final": "", "release": "", "cr": "rc"}


def maven_word(word, before_number):
    if before_number:
        word = SHORT.get(word, word)
    return SAME.get(word, word)


def maven_rank(word):
    return str(QUALIFIERS.index(word)) if word in QUALIFIERS else f"{len(QUALIFIERS)}-{word}"


@functools.lru_cache(None)
def maven_key(text):
    """Numbers are int, words are str, sub-lists are list."""
    text = text.lower()
    root = []
    stack = [root]

    def deeper():
        stack[-1].append([])
        stack.append(stack[-1][-1])

    def leaf(piece, digits):
        stack[-1].append((int(piece) if digits else maven_word(piece, False)) if piece else 0)

    start, digits = 0, False
    for at, char in enumerate(text):
        if char in ".-":
            leaf(text[start:at], digits)
            start = at + 1
            if char == "-":
                deeper()
        elif char.isdigit():
            if not digits and at > start:
                if stack[-1]:
                    deeper()
                stack[-1].append(maven_word(text[start:at], True))
                start = at
                deeper()
            digits = True
        else:
            if digits and at > start:
                leaf(text[start:at], True)
                start = at
                deeper()
            digits = False
    if len(text) > start:
        if not digits and stack[-1]:
            deeper()
        leaf(text[start:], digits)
    for part in reversed(stack):
        for at in range(len(part) - 1, -1, -1):
            if part[at] in (0, "", []):
                del part[at]
            elif not isinstance(part[at], list):
                break
    return root


def maven_items(left, right):
    if left is None:
        return -maven_items(right, None) if right is not None else 0
    if right is None:
        if isinstance(left, int):
            return compare_keys(left, 0)
        if isinstance(left, str):
            return compare_keys(maven_rank(left), maven_rank(""))
        return next((order for item in left if (order := maven_items(item, None))), 0)
    kind = lambda item: 2 if isinstance(item, int) else 1 if isinstance(item, list) else 0
    if kind(left) != kind(right):
        return compare_keys(kind(left), kind(right))
    if isinstance(left, int):
        return compare_keys(left, right)
    if isinstance(left, str):
        return compare_keys(maven_rank(left), maven_rank(right))
    for at in range(max(len(left), len(right))):
        item = lambda items: items[at] if at < len(items) else None
        order = maven_items(item(left), item(right))
        if order:
            return order
    return 0


def maven(left, right):
    return maven_items(maven_key(left), maven_key(right))


@functools.lru_cache(None)
def dpkg(left, right):
    for sign, order in (("lt", -1), ("eq", 0), ("gt", 1)):
        if subprocess.run(["dpkg", "--compare-versions", left, sign, right], stderr=subprocess.DEVNULL).returncode == 0:
            return order
    raise ValueError(f"{left} or {right}")


ORDERS = {"pypi": pypi, "npm": semver, "go": semver, "maven": maven, "deb": dpkg}
