/** A table state as the rest of the house sees it. */

import type { Snapshot } from '../../src/contracts/index.ts'
import { assert, type Cursor, type DataFile, type JsonObject } from '../../src/model/index.ts'
import { allCursors } from './cursors.ts'
import { parsePlainObject } from './json.ts'
import type { TableState } from './state.ts'

/** Snapshot of a state. */
export function snapshotOf(state: TableState): Snapshot {
  return new DeltaSnapshot(state)
}

/** The state behind a snapshot of this room. Throws SLU-BUG-9001 for another room's. */
export function stateOf(snapshot: Snapshot): TableState {
  assert(snapshot instanceof DeltaSnapshot, 'SLU-BUG-9001', 'the snapshot is of another format')
  return snapshot.state
}

class DeltaSnapshot implements Snapshot {
  readonly state: TableState

  constructor(state: TableState) {
    this.state = state
  }

  get version(): bigint {
    return this.state.version
  }

  get timestampMicros(): bigint {
    return this.state.timestampMicros
  }

  get tableId(): string {
    return this.state.metadata.id
  }

  get schema(): Snapshot['schema'] {
    return this.state.schema
  }

  get properties(): Readonly<Record<string, string>> {
    return this.state.metadata.configuration
  }

  get fileCount(): number {
    return this.state.files.size
  }

  get sizeBytes(): number {
    return this.state.totals.sizeBytes
  }

  get rowCount(): bigint | null {
    const { filesWithoutStatistics, liveRows } = this.state.totals
    return filesWithoutStatistics === 0 ? liveRows : null
  }

  files(): Iterable<DataFile> {
    const { files } = this.state
    return { [Symbol.iterator]: () => files.values() }
  }

  file(path: string): DataFile | null {
    return this.state.files.get(path) ?? null
  }

  cursors(pipeline?: string): readonly { readonly pipeline: string; readonly cursor: Cursor }[] {
    const all = allCursors(this.state)
    return pipeline === undefined ? all : all.filter((entry) => entry.pipeline === pipeline)
  }

  domain(name: string): JsonObject | null {
    const text = this.state.domains.get(name)
    return text === undefined ? null : parsePlainObject(text)
  }
}
