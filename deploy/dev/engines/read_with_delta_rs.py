"""Reads a Delta table with delta-rs and writes its rows as plain Parquet files.

Usage: read_with_delta_rs.py TABLE_FOLDER OUTPUT_FOLDER [VERSION]...
Writes OUTPUT_FOLDER/latest.parquet, or OUTPUT_FOLDER/<version>.parquet for each version named.
Prints the newest version as the last line.
"""

import sys
from pathlib import Path

from arro3.io import write_parquet
from deltalake import DeltaTable, QueryBuilder


def copy_rows(table: DeltaTable, target: Path) -> None:
    rows = QueryBuilder().register("t", table).execute("SELECT * FROM t").read_all()
    write_parquet(rows, str(target))


def main(folder: str, output: str, *versions: str) -> None:
    Path(output).mkdir(parents=True, exist_ok=True)
    if not versions:
        copy_rows(DeltaTable(folder), Path(output) / "latest.parquet")
    for version in versions:
        copy_rows(DeltaTable(folder, version=int(version)), Path(output) / f"{version}.parquet")
    print(DeltaTable(folder).version())


if __name__ == "__main__":
    main(*sys.argv[1:])
