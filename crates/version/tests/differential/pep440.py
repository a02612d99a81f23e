"""Prints < = > for each line "A<TAB>B", or ? where packaging refuses a version."""
import sys
from packaging.version import InvalidVersion, Version

for line in sys.stdin:
    a, b = line.rstrip("\n").split("\t")
    try:
        a, b = Version(a), Version(b)
        print("<" if a < b else ">" if a > b else "=")
    except InvalidVersion:
        print("?")
