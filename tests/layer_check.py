#!/usr/bin/env python3
"""Checks a Windows layer's archive (plain or gzip) against the rules of the format.

Independent of Porthole's own reader and writer: it takes the archive apart by itself. The rules have the numbers of
the sections of "Windows image layer format" that they come from: 1.1 is the layout of the archive, 1.2 its records,
1.3 its registry hives.

    layer_check.py [--base] [--parent LAYER]... LAYER

--base says that nothing is below: all five hives, no whiteouts. --parent names a layer below, in which hard links
may find their files. Every broken rule is a line; the exit code is 1 if there is one.
"""

import argparse
import base64
import gzip
import re
import struct
import sys

BLOCK = 512
TREES = ("Files", "Hives", "UtilityVM")
DELTAS = {"system_delta", "software_delta", "sam_delta", "security_delta", "defaultuser_delta"}
BASE_HIVES = ("SYSTEM", "SOFTWARE", "SAM", "SECURITY", "DEFAULT")
RECORDS = {
    "path", "linkpath", "size", "mtime", "LIBARCHIVE.creationtime", "MSWINDOWS.fileattr", "MSWINDOWS.rawsd",
    "MSWINDOWS.sd", "MSWINDOWS.mountpoint",
}
TIME = re.compile(r"-?\d+(\.\d{1,7})?$")
DEVICE = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[1-9¹²³]) *(\.|$)", re.I)


class Broken(Exception):
    """The archive cannot be read on."""


class Entry:
    def __init__(self, name, kind, mode, content, link, records):
        self.name, self.kind, self.mode, self.content = name, kind, mode, content
        self.link, self.records = link, records
        self.path = name.rstrip("/")
        self.key = self.path.lower()

    @property
    def parent(self):
        return self.path.rpartition("/")[0]

    @property
    def last(self):
        return self.path.rpartition("/")[2]


def number(field):
    if field[0] & 0x80:
        return int.from_bytes(field, "big") & ~(0x80 << 8 * (len(field) - 1))
    text = field.split(b"\0")[0].strip()
    return int(text or b"0", 8)


def read_records(content):
    records = {}
    while content:
        length, _, _ = content.partition(b" ")
        record, content = content[: int(length)], content[int(length):]
        if record[-1:] != b"\n":
            raise Broken("rule 1.2.a: a record whose length is wrong")
        key, _, value = record[len(length) + 1: -1].partition(b"=")
        records[key.decode()] = value
    return records


def read_entries(archive):
    at, records = 0, {}
    while True:
        header = archive[at: at + BLOCK]
        if len(header) < BLOCK:
            raise Broken("rule 1.1.a: the archive ends without two blocks of zeros")
        if not any(header):
            if any(archive[at: at + 2 * BLOCK]) or len(archive) < at + 2 * BLOCK:
                raise Broken("rule 1.1.a: the archive ends without two blocks of zeros")
            return
        summed = sum(header[:148]) + 8 * 32 + sum(header[156:])
        if number(header[148:156]) != summed:
            raise Broken(f"rule 1.1.a: the checksum of the header at {at} is wrong")
        size = int(records["size"]) if "size" in records else number(header[124:136])
        kind = header[156:157]
        at += BLOCK
        content = archive[at: at + size] if kind in b"0x\0" else b""
        at += -(-len(content) // BLOCK) * BLOCK
        if kind == b"x":
            records = read_records(content)
            continue
        name = records.get("path", header[:100].split(b"\0")[0])
        link = records.get("linkpath", header[157:257].split(b"\0")[0])
        yield Entry(name.decode(), kind.decode(), number(header[100:108]), content, link.decode(), records)
        records = {}


class Checker:
    def __init__(self, is_base, parents):
        self.is_base, self.parents = is_base, parents
        self.broken = []
        self.seen = {}
        self.whiteouts = set()
        self.streams = set()
        self.last = None

    def fail(self, rule, entry, message):
        self.broken.append(f"rule {rule}: {entry.name if entry else 'layer'}: {message}")

    def entry(self, entry):
        stream_of = self.check_name(entry)
        if stream_of is not None:
            return self.check_stream(entry, stream_of)
        self.check_place(entry)
        if entry.last.startswith(".wh."):
            return self.check_whiteout(entry)
        if entry.key in self.seen:
            self.fail("1.1.i", entry, f"there is {self.seen[entry.key].name} already")
        self.seen[entry.key] = entry
        self.last = entry if entry.kind in "05" else None
        if entry.kind == "1":
            return self.check_hard_link(entry)
        if entry.kind not in "025":
            return self.fail("1.1.b", entry, f"type {entry.kind!r} is none of a layer")
        self.check_metadata(entry)
        if entry.parent == "Hives":
            self.check_hive(entry)

    def check_name(self, entry):
        """The name of the owner, if this is a stream."""
        last = entry.last
        owner, colon, stream = last.partition(":")
        for name in [*entry.path.split("/")[:-1], owner]:
            if name in ("", ".", "..") or re.search(r'[\x00-\x1f<>:"|?*\\]', name) or name[-1] in ". ":
                self.fail("1.1.c", entry, f"{name!r} is no name of Windows")
            elif DEVICE.match(name):
                self.fail("1.1.c", entry, f"{name!r} is a device")
            elif len(name.encode("utf-16-le", "surrogatepass")) > 510:
                self.fail("1.1.c", entry, "a name is longer than 255 characters")
        if colon and not stream:
            self.fail("1.2.f", entry, "a stream without a name")
        return f"{entry.parent}/{owner}" if colon else None

    def check_place(self, entry):
        parts = entry.path.split("/")
        if parts[0] not in TREES:
            self.fail("1.1.b", entry, "it is in none of Files, Hives and UtilityVM")
        if parts[0] == "UtilityVM" and parts[1:2] not in ([], ["Files"]):
            self.fail("1.1.d", entry, "UtilityVM holds only Files")
        if entry.key.startswith("files/$recycle.bin"):
            self.fail("1.1.h", entry, "what was deleted by hand is not exported")
        if entry.parent:
            above = self.seen.get(entry.parent.lower())
            if above is None:
                self.fail("1.1.f", entry, "its directory has no entry before it")
            elif above.kind != "5":
                self.fail("1.1.f", entry, "what it lies in is not a directory")

    def check_whiteout(self, entry):
        self.last = None
        target = f"{entry.parent}/{entry.last[4:]}".lower()
        self.whiteouts.add(target)
        if not entry.path.startswith(("Files/", "UtilityVM/Files/")):
            self.fail("1.1.e", entry, "a whiteout outside Files and UtilityVM/Files")
        if entry.kind != "0" or entry.content or entry.records.keys() - {"path"}:
            self.fail("1.1.e", entry, "a whiteout is an empty file without records")
        if entry.last.startswith(".wh..wh."):
            self.fail("1.1.e", entry, "whiteouts name what they remove")
        if self.is_base:
            self.fail("1.1.e", entry, "a base has no whiteouts")

    def check_stream(self, entry, owner):
        self.streams.add(entry.key)
        if self.last is None or self.last.path != owner:
            self.fail("1.2.f", entry, "a stream stands behind its file")
        if entry.kind != "0" or entry.records.keys() - {"path", "size"}:
            self.fail("1.2.f", entry, "a stream is a file without records")

    def check_hard_link(self, entry):
        target = entry.link.lower()
        if entry.link.split("/")[0] not in TREES:
            self.fail("1.1.g", entry, f"{entry.link!r} is no full name")
        found = self.seen.get(target)
        if found is None and target not in self.parents:
            self.fail("1.1.g", entry, f"{entry.link} is neither in this layer nor below")
        elif found is not None and found.kind not in "01":
            self.fail("1.1.g", entry, f"{entry.link} is not a file")

    def check_metadata(self, entry):
        records = entry.records
        for key in records:
            if key not in RECORDS and not key.startswith("MSWINDOWS.xattr."):
                self.fail("1.2.a", entry, f"{key} is no record of layers")
        bits = {"0": 0o100000, "2": 0o120000, "5": 0o040000}[entry.kind]
        if entry.mode & 0o170000 != bits:
            self.fail("1.2.g", entry, f"mode {entry.mode:o} does not say what it is")
        self.check_attributes(entry)
        for key in ("mtime", "LIBARCHIVE.creationtime"):
            if key in records and not TIME.match(records[key].decode()):
                self.fail("1.2.d", entry, f"{key} is {records[key]!r}")
        if "LIBARCHIVE.creationtime" not in records:
            self.fail("1.2.d", entry, "it does not say when it was made")
        if records.get("MSWINDOWS.mountpoint", b"1") != b"1":
            self.fail("1.2.c", entry, "a mount point is marked by 1")
        if "MSWINDOWS.mountpoint" in records and entry.kind != "2":
            self.fail("1.2.c", entry, "a mount point that is no link")
        if "MSWINDOWS.rawsd" in records:
            self.check_security(entry, records["MSWINDOWS.rawsd"])
        for key in records:
            if key.startswith("MSWINDOWS.xattr."):
                self.decode(entry, records[key], "1.2.e")

    def check_attributes(self, entry):
        text = entry.records.get("MSWINDOWS.fileattr", b"").decode()
        if not text.isdigit() or int(text) >= 1 << 32:
            return self.fail("1.2.b", entry, f"attributes are {text!r}")
        is_directory, is_link = int(text) & 0x10 != 0, int(text) & 0x400 != 0
        if entry.kind == "5" and not is_directory or entry.kind == "0" and is_directory:
            self.fail("1.2.b", entry, f"attributes {text} do not say what it is")
        if entry.kind == "2" and not is_link:
            self.fail("1.2.b", entry, f"attributes {text} say of no link")

    def decode(self, entry, value, rule):
        try:
            return base64.b64decode(value, validate=True)
        except ValueError:
            self.fail(rule, entry, "a value is not base64")

    def check_security(self, entry, value):
        bytes_ = self.decode(entry, value, "1.2.b")
        if bytes_ is None:
            return
        try:
            check_descriptor(bytes_)
        except (ValueError, struct.error, IndexError) as error:
            self.fail("1.2.b", entry, f"security descriptor: {error}")

    def check_hive(self, entry):
        if entry.kind != "0" or entry.key.partition("/")[2] not in DELTAS:
            return self.fail("1.3.a", entry, "it is none of the five delta hives")
        hive = entry.content
        if len(hive) < 4096 or hive[:4] != b"regf":
            return self.fail("1.3.b", entry, "it is not a hive")
        first, second, = struct.unpack_from("<II", hive, 4)
        major, minor = struct.unpack_from("<II", hive, 20)
        length, = struct.unpack_from("<I", hive, 40)
        summed = 0
        for word in struct.unpack_from("<127I", hive):
            summed ^= word
        summed = {0: 1, 0xFFFFFFFF: 0xFFFFFFFE}.get(summed, summed)
        if (major, minor) != (1, 6):
            self.fail("1.3.b", entry, f"version {major}.{minor} is not that of a delta")
        if first != second:
            self.fail("1.3.b", entry, "it was not written to its end")
        if length % 4096 or length + 4096 > len(hive):
            self.fail("1.3.b", entry, "its bins are not as long as it says")
        if struct.unpack_from("<I", hive, 508)[0] != summed:
            self.fail("1.3.b", entry, "its checksum is wrong")

    def finish(self):
        for tree in ("files", "hives"):
            above = self.seen.get(tree)
            if (above is None or above.kind != "5") and not (tree == "hives" and self.is_base):
                self.fail("1.1.b", None, f"there is no directory {tree}")
        for target in self.whiteouts & self.seen.keys():
            self.fail("1.1.e", self.seen[target], "it is there and removed")
        if self.is_base:
            for name in BASE_HIVES:
                if f"files/windows/system32/config/{name.lower()}" not in self.seen:
                    self.fail("1.3.c", None, f"a base has the hive {name}")


def check_descriptor(bytes_):
    revision, _, control = struct.unpack_from("<BBH", bytes_)
    if revision != 1 or not control & 0x8000:
        raise ValueError("not self-relative, revision 1")
    owner, group, system, discretionary = struct.unpack_from("<IIII", bytes_, 4)
    for offset in (owner, group):
        if offset:
            check_sid(bytes_[offset:])
    for offset, bit in ((system, 0x10), (discretionary, 0x4)):
        if bool(offset) and not control & bit:
            raise ValueError("a list that the control bits do not know")
        if offset:
            check_list(bytes_[offset:])


def check_sid(bytes_):
    revision, count = bytes_[0], bytes_[1]
    if revision != 1 or count > 15 or len(bytes_) < 8 + 4 * count:
        raise ValueError("a malformed identifier")
    return 8 + 4 * count


def check_list(bytes_):
    revision, _, size, count, _ = struct.unpack_from("<BBHHH", bytes_)
    if revision not in (2, 4) or size > len(bytes_):
        raise ValueError("a malformed list")
    at = 8
    for _ in range(count):
        _, _, length = struct.unpack_from("<BBH", bytes_, at)
        if length < 8 or at + length > size:
            raise ValueError("an entry that is longer than its list")
        if bytes_[at] in (0, 1):
            check_sid(bytes_[at + 8: at + length])
        at += length


def load(path):
    with open(path, "rb") as file:
        content = file.read()
    return gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--base", action="store_true")
    parser.add_argument("--parent", action="append", default=[])
    parser.add_argument("layer")
    arguments = parser.parse_args()
    parents = {entry.key for parent in arguments.parent for entry in read_entries(load(parent))}
    checker = Checker(arguments.base, parents)
    count = 0
    try:
        for count, entry in enumerate(read_entries(load(arguments.layer)), 1):
            checker.entry(entry)
        checker.finish()
    except Broken as broken:
        checker.broken.append(str(broken))
    print("\n".join(checker.broken) if checker.broken else f"{count} entries keep the rules")
    sys.exit(bool(checker.broken))


main()
