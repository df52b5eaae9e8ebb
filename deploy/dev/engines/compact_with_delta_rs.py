"""Compacts a Delta table of ours with delta-rs, as an engine that knows all its features would.

delta-rs refuses to write the table itself. So it works on a copy whose log asks for less of writers,
and the commit it makes there becomes the next version of the table, completed by what the features
ask for: row ids and an in-commit timestamp.

Usage: compact_with_delta_rs.py TABLE_FOLDER
Prints the version that the compaction became; -1 when there was nothing to compact.
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path

from deltalake import DeltaTable

UNKNOWN_FEATURES = {"columnMapping", "domainMetadata", "inCommitTimestamp", "rowTracking"}
UNKNOWN_PROPERTIES = ("delta.columnMapping", "delta.rowTracking", "delta.enableRowTracking",
                      "delta.enableInCommitTimestamps")
ROW_IDS = "delta.rowTracking"


def entries(log: Path) -> list[Path]:
    return sorted(path for path in log.iterdir() if path.suffix == ".json" and len(path.stem) == 20)


def actions(entry: Path) -> list[dict]:
    return [json.loads(line) for line in entry.read_text().splitlines()]


def write(entry: Path, lines: list[dict], mode: str) -> None:
    with entry.open(mode) as file:
        file.write("".join(json.dumps(line) + "\n" for line in lines))


def simplify(log: Path) -> None:
    for entry in entries(log):
        kept = [line for line in actions(entry) if "domainMetadata" not in line]
        for line in kept:
            for features in ("readerFeatures", "writerFeatures"):
                if "protocol" in line:
                    known = set(line["protocol"][features]) - UNKNOWN_FEATURES
                    line["protocol"][features] = sorted(known)
            if "metaData" in line:
                properties = line["metaData"]["configuration"]
                for name in [name for name in properties if name.startswith(UNKNOWN_PROPERTIES)]:
                    del properties[name]
            for kind in ("add", "remove"):
                for name in ("baseRowId", "defaultRowCommitVersion"):
                    line.get(kind, {}).pop(name, None)
        write(entry, kept, "w")
    for checksum in log.glob("*.crc"):
        checksum.unlink()


def complete(log: Path, version: int, made: list[dict]) -> list[dict]:
    """The commit with what it lacks: `commitInfo` first, timestamps and row ids that go on."""
    timestamp, mark, ids = 0, -1, {}
    for entry in entries(log):
        for line in actions(entry):
            timestamp = max(timestamp, line.get("commitInfo", {}).get("inCommitTimestamp", 0))
            domain = line.get("domainMetadata", {})
            if domain.get("domain") == ROW_IDS:
                mark = json.loads(domain["configuration"])["rowIdHighWaterMark"]
            if "add" in line:
                ids[line["add"]["path"]] = line["add"]
    info = next(line["commitInfo"] for line in made if "commitInfo" in line)
    lines = []
    for line in made:
        if "add" in line:
            rows = json.loads(line["add"]["stats"])["numRecords"]
            line["add"] |= {"baseRowId": mark + 1, "defaultRowCommitVersion": version}
            mark += rows
        if "remove" in line:
            before = ids[line["remove"]["path"]]
            for name in ("baseRowId", "defaultRowCommitVersion"):
                line["remove"][name] = before[name]
        if "commitInfo" not in line:
            lines.append(line)
    first = {"commitInfo": {"inCommitTimestamp": timestamp + 1} | info}
    configuration = json.dumps({"rowIdHighWaterMark": mark})
    domain = {"domain": ROW_IDS, "configuration": configuration, "removed": False}
    return [first, {"domainMetadata": domain}, *lines]


def main(folder: str) -> None:
    table = Path(folder)
    with tempfile.TemporaryDirectory() as parent:
        copy = Path(parent) / "copy"
        shutil.copytree(table, copy)
        simplify(copy / "_delta_log")
        before = DeltaTable(copy).version()
        DeltaTable(copy).optimize.compact()
        version = DeltaTable(copy).version()
        if version == before:
            print(-1)
            return
        made = actions(entries(copy / "_delta_log")[-1])
        for line in made:
            if "add" in line:
                shutil.copy(copy / line["add"]["path"], table / line["add"]["path"])
        log = table / "_delta_log"
        write(log / f"{version:020}.json", complete(log, version, made), "x")
        print(version)


if __name__ == "__main__":
    main(*sys.argv[1:])
