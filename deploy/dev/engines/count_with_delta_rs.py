"""Counts rows of a Delta table with delta-rs, which skips files by their statistics.

Usage: count_with_delta_rs.py TABLE_FOLDER PREDICATE...
Prints one count a predicate, as a JSON list.
"""

import json
import sys

from deltalake import DeltaTable, QueryBuilder


def main(folder: str, *predicates: str) -> None:
    query = QueryBuilder().register("t", DeltaTable(folder))
    counts = []
    for predicate in predicates:
        rows = query.execute(f"SELECT count(*) AS n FROM t WHERE {predicate}").read_all()
        counts.append(rows["n"][0].as_py())
    print(json.dumps(counts))


if __name__ == "__main__":
    main(*sys.argv[1:])
