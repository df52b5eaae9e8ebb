"""Lets delta-rs do to a Delta table what its maintenance can do, one deed after the other.

Usage: maintain_with_delta_rs.py TABLE_FOLDER DEED...
Deeds are those below. Prints a JSON object: deed → null when it went through, else the refusal.
"""

import json
import sys

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

NOW = {"retention_hours": 0, "enforce_retention_duration": False, "dry_run": False}
DEEDS = {
    "optimize": lambda table: table.optimize.compact(),
    "delete": lambda table: table.delete("id >= 0"),
    "update": lambda table: table.update(updates={"value": "0"}),
    "restore": lambda table: table.restore(0),
    "vacuum": lambda table: table.vacuum(**NOW),
    "full vacuum": lambda table: table.vacuum(**NOW, full=True),
    "properties": lambda table: table.alter.set_table_properties({"delta.appendOnly": "true"}),
    "checkpoint": lambda table: table.create_checkpoint(),
    "compact logs": lambda table: table.compact_logs(1, table.version()),
    "clean up": lambda table: table.cleanup_metadata(),
}


def attempt(folder: str, deed: str) -> str | None:
    try:
        DEEDS[deed](DeltaTable(folder))
    except DeltaError as error:
        return str(error)
    return None


def main(folder: str, *deeds: str) -> None:
    print(json.dumps({deed: attempt(folder, deed) for deed in deeds}))


if __name__ == "__main__":
    main(*sys.argv[1:])
