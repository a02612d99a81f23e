"""Makes rpm databases with write-ahead logs by SQLite itself, and says what SQLite reads in them.

Usage: rpm_logs.py FOLDER. Each case is a folder: rpmdb.sqlite, rpmdb.sqlite-wal and expected.txt (names of
the packages, sorted, or ERROR when SQLite refuses). Cases `sound-*` are as SQLite leaves them; `odd-*` have
broken or made-up logs.
"""

import os
import random
import shutil
import sqlite3
import struct
import sys

DATABASE, LOG = "rpmdb.sqlite", "rpmdb.sqlite-wal"
SCHEMA = """
CREATE TABLE Packages (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL);
CREATE TABLE Name (key TEXT NOT NULL, hnum INTEGER NOT NULL, idx INTEGER NOT NULL,
                   FOREIGN KEY (hnum) REFERENCES Packages(hnum));
CREATE INDEX Name_key_idx ON Name(key ASC);
"""


def header(name, filler=0):
    """An rpm header blob: name, version, release, architecture, vendor, and a summary of some length."""
    tags = [(1000, name), (1001, "1.0"), (1002, "1.el9"), (1004, "x" * filler),
            (1011, "Red Hat, Inc."), (1014, "MIT"), (1022, "x86_64")]
    entries, data = b"", b""
    for tag, text in tags:
        entries += struct.pack(">IIII", tag, 6, len(data), 1)
        data += text.encode() + b"\0"
    return struct.pack(">II", len(tags), len(data)) + entries + data


def name_of(blob):
    count, = struct.unpack_from(">I", blob)
    start = 8 + count * 16
    return blob[start:blob.index(b"\0", start)].decode()


class Maker:
    """A database whose connection stays open, so that its log stays too."""

    def __init__(self, folder, page_bytes=4096, checkpointed=True):
        os.makedirs(folder)
        self.folder = folder
        self.path = os.path.join(folder, "live.sqlite")
        self.db = sqlite3.connect(self.path, isolation_level=None)
        self.db.execute(f"PRAGMA page_size={page_bytes}")
        self.db.execute("PRAGMA journal_mode=WAL")
        self.db.execute("PRAGMA wal_autocheckpoint=0")
        self.db.executescript(SCHEMA)
        if checkpointed:
            self.checkpoint()

    def checkpoint(self, how="TRUNCATE"):
        assert self.db.execute(f"PRAGMA wal_checkpoint({how})").fetchone()[0] == 0

    def insert(self, *names, filler=0):
        self.db.execute("BEGIN")
        for name in names:
            row = self.db.execute("INSERT INTO Packages(blob) VALUES(?)", (header(name, filler),)).lastrowid
            self.db.execute("INSERT INTO Name VALUES(?,?,0)", (name, row))
        self.db.execute("COMMIT")

    def delete(self, *names):
        self.db.execute("BEGIN")
        for name in names:
            row, = self.db.execute("SELECT hnum FROM Name WHERE key=?", (name,)).fetchone()
            self.db.execute("DELETE FROM Packages WHERE hnum=?", (row,))
            self.db.execute("DELETE FROM Name WHERE hnum=?", (row,))
        self.db.execute("COMMIT")

    def keep(self):
        """The files as a killed process leaves them; gives their bytes."""
        files = []
        for ending, name in (("", DATABASE), ("-wal", LOG)):
            shutil.copyfile(self.path + ending, os.path.join(self.folder, name))
            with open(self.path + ending, "rb") as file:
                files.append(file.read())
        return files

    def done(self):
        files = self.keep()
        self.db.close()
        for name in os.listdir(self.folder):
            if name.startswith("live."):
                os.remove(os.path.join(self.folder, name))
        expect(self.folder)
        return files


def expect(folder):
    """Lets SQLite read copies of the files and writes down what it found."""
    work = os.path.join(folder, "work")
    os.makedirs(work)
    for name in (DATABASE, LOG):
        shutil.copyfile(os.path.join(folder, name), os.path.join(work, name))
    try:
        db = sqlite3.connect(os.path.join(work, DATABASE))
        found = sorted(name_of(blob) for blob, in db.execute("SELECT blob FROM Packages ORDER BY hnum"))
        text = "".join(f"{name}\n" for name in found)
        db.close()
    except (sqlite3.Error, UnicodeDecodeError, ValueError, TypeError, struct.error):
        text = "ERROR\n"
    shutil.rmtree(work)
    with open(os.path.join(folder, "expected.txt"), "w") as file:
        file.write(text)


def odd(root, name, database, log):
    folder = os.path.join(root, f"odd-{name}")
    os.makedirs(folder)
    for part, content in ((DATABASE, database), (LOG, log)):
        with open(os.path.join(folder, part), "wb") as file:
            file.write(content)
    expect(folder)


def checksum(content, order, start):
    first, second = start
    for one, other in struct.iter_unpack(order + "II", content):
        first = (first + one + second) & 0xffffffff
        second = (second + other + first) & 0xffffffff
    return first, second


def write_log(frames, page_bytes=4096, magic=0x377F0682, salts=b"saltsalt", version=3007000):
    """A log with right checksums whatever it says. Frames: page number, pages after commit or 0, page."""
    order = ">" if magic & 1 else "<"
    log = struct.pack(">IIII", magic, version, page_bytes, 0) + salts
    sums = checksum(log, order, (0, 0))
    log += struct.pack(">II", *sums)
    for number, pages, page in frames:
        start = struct.pack(">II", number, pages)
        sums = checksum(start + page, order, sums)
        log += start + salts + struct.pack(">II", *sums) + page
    return log


def frames_of(log, page_bytes=4096):
    size = 24 + page_bytes
    for at in range(32, len(log) - size + 1, size):
        number, pages = struct.unpack_from(">II", log, at)
        yield number, pages, log[at + 24:at + size]


def sound(root):
    def maker(name, **how):
        return Maker(os.path.join(root, f"sound-{name}"), **how)

    one = maker("insert")
    one.insert("bash", "glibc", filler=500)
    one.checkpoint()
    one.insert("openssl", filler=500)
    basis = one.done()
    one = maker("delete")
    one.insert("bash", "curl", "glibc", filler=500)
    one.checkpoint()
    one.delete("curl")
    one.done()
    one = maker("delete-all")
    one.insert("bash", "curl")
    one.checkpoint()
    one.delete("bash", "curl")
    one.done()
    one = maker("all-in-log", checkpointed=False)
    one.insert("bash", "glibc")
    one.done()
    one = maker("several")
    one.insert("bash", "curl", filler=3000)
    one.checkpoint()
    for number in range(6):
        one.insert(f"extra-{number}", filler=1500 * number)
    one.delete("curl", "extra-3")
    one.insert("last", filler=40000)
    several = one.done()
    for page_bytes in (512, 1024, 65536):
        one = maker(f"pages-{page_bytes}", page_bytes=page_bytes)
        one.insert(*(f"p{number}" for number in range(40)), filler=700)
        one.checkpoint()
        one.delete(*(f"p{number}" for number in range(0, 40, 3)))
        one.insert(*(f"q{number}" for number in range(60)), filler=2500)
        one.done()
    one = maker("uncommitted")
    one.insert("bash")
    one.checkpoint()
    one.insert("curl")
    one.db.execute("PRAGMA cache_size=2")
    one.db.execute("BEGIN")
    for number in range(50):
        one.db.execute("INSERT INTO Packages(blob) VALUES(?)", (header(f"never-{number}", 3000),))
    files = one.keep()
    frames = list(frames_of(files[1]))
    assert frames[-1][1] == 0 and len(frames) > 20, "the transaction did not spill"
    expect(one.folder)
    one.db.execute("ROLLBACK")
    one.db.close()
    for name in os.listdir(one.folder):
        if name.startswith("live."):
            os.remove(os.path.join(one.folder, name))
    one = maker("stale-tail")
    one.insert(*(f"old-{number}" for number in range(30)), filler=2000)
    one.checkpoint("RESTART")
    one.delete("old-7")
    files = one.done()
    assert len(set(files[1][at + 8:at + 16] for at in range(32, len(files[1]), 4120))) > 1, "no stale frames"
    one = maker("checkpointed")
    one.insert("bash", "curl")
    one.checkpoint("PASSIVE")
    one.done()
    one = maker("vacuumed")
    one.insert(*(f"p{number}" for number in range(60)), filler=3000)
    one.checkpoint()
    one.delete(*(f"p{number}" for number in range(50)))
    one.db.execute("VACUUM")
    one.done()
    chance = random.Random(7)
    for number in range(12):
        one = maker(f"random-{number}", page_bytes=chance.choice([512, 1024, 4096]))
        there = []
        for step in range(chance.randrange(3, 30)):
            kind = chance.randrange(10)
            if kind == 0:
                one.checkpoint(chance.choice(["PASSIVE", "RESTART", "TRUNCATE"]))
            elif kind < 4 and there:
                one.delete(there.pop(chance.randrange(len(there))))
            else:
                names = [f"r{step}-{at}" for at in range(chance.randrange(1, 20))]
                there += names
                one.insert(*names, filler=chance.choice([0, 200, 3000, 20000]))
        one.insert("end")
        one.done()
    return basis, several


def odds(root, basis, several):
    database, log = several
    frames = list(frames_of(log))
    chance = random.Random(3)
    for number in range(30):
        cut = chance.randrange(len(log))
        odd(root, f"cut-{number}", database, log[:cut])
    for number in range(60):
        damaged = bytearray(log)
        at = chance.randrange(len(log)) if number % 3 else 32 + 4120 * chance.randrange(len(frames)) + number % 24
        damaged[at] ^= 1 << chance.randrange(8)
        odd(root, f"bit-{number}", database, bytes(damaged))
    for at in range(32):
        damaged = bytearray(log)
        damaged[at] ^= 0x10
        odd(root, f"head-{at}", database, bytes(damaged))
    odd(root, "big-endian", database, write_log(frames, magic=0x377F0683))
    odd(root, "same-again", database, write_log(frames))
    odd(root, "empty-database", b"", log)
    database, log = basis
    frames = list(frames_of(log))
    pages = frames[-1][1]
    page = b"\xee" * 4096
    more = {
        "page-0": [(0, pages, page)],
        "page-far": [(0xfffffff0, pages, page)],
        "size-4-billion": [(pages + 1, 0xffffffff, page)],
        "size-1": [(pages + 1, 1, page)],
        "size-shrinks": [(1, pages - 1, frames_page(database, 1))],
        "root-wiped": [(2, pages, page)],
        "schema-wiped": [(1, pages, page)],
        "unused-page": [(pages + 1, pages + 1, page)],
    }
    for name, extra in more.items():
        odd(root, name, database, write_log(frames + extra))
    interior = bytearray(4096)
    interior[0] = 5
    cells = 600
    struct.pack_into(">HHHBI", interior, 1, 0, cells, 4000, 0, 0x7fffffff)
    for cell in range(cells):
        struct.pack_into(">H", interior, 12 + cell * 2, 1300 + cell * 4)
        struct.pack_into(">I", interior, 1300 + cell * 4, 0x70000000 + cell)
    odd(root, "children-far", database, write_log(frames + [(2, 0xfffffffe, bytes(interior))]))
    for size in (0, 256, 512, 1024, 3000, 65536, 131072, 0xffffffff):
        odd(root, f"page-size-{size}", database, write_log(frames, page_bytes=size))
    small = [(number, pages, page[:512]) for number, pages, page in frames]
    odd(root, "smaller-pages", database, write_log(small, page_bytes=512))
    odd(root, "version", database, write_log(frames, version=3007001))
    odd(root, "only-head", database, log[:32])
    odd(root, "zeros", database, bytes(len(log)))


def frames_page(database, number, page_bytes=4096):
    return database[(number - 1) * page_bytes:number * page_bytes]


if __name__ == "__main__":
    basis_files, several_files = sound(sys.argv[1])
    odds(sys.argv[1], basis_files, several_files)
    print(sqlite3.sqlite_version)
