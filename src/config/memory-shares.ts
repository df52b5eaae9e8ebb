/** How the memory that the process may use is dealt out to its pipelines. Pure. */

const MIB = 1024 ** 2

/** What one pipeline is given, unless it says otherwise. */
export interface MemoryShares {
  readonly engineBytes: number
  readonly indexBytes: number
  readonly inFlightBytes: number
}

/**
 * Node, code, lists of files, arrays of the batches at work: what no setting counts. Measured at
 * 230 MiB for one pipeline with commits of 200,000 rows and a table of 50 million keys.
 */
const PROCESS_BYTES = 260 * MIB
/** Kept free: allocators round up. */
const SPARE_SHARE = 0.05
const ENGINE_SHARE = 0.59
const IN_FLIGHT_SHARE = 0.1
/** More only lengthens the way of a block. */
const IN_FLIGHT_BYTES_MAX = 64 * MIB
/** DuckDB needs it to write a wide Parquet file. */
const ENGINE_BYTES_MIN = 64 * MIB

/** The least that the process needs for that many pipelines. */
export function leastMemory(pipelineCount: number): number {
  const pipelineBytes = ENGINE_BYTES_MIN / ENGINE_SHARE
  return Math.ceil((PROCESS_BYTES + pipelineBytes * pipelineCount) / (1 - SPARE_SHARE) / MIB) * MIB
}

/** An equal share for each pipeline; below `leastMemory` that of it. */
export function shareMemory(totalBytes: number, pipelineCount: number): MemoryShares {
  const granted = Math.max(totalBytes, leastMemory(pipelineCount))
  const share = (granted * (1 - SPARE_SHARE) - PROCESS_BYTES) / pipelineCount
  const engineBytes = wholeMib(share * ENGINE_SHARE)
  const inFlightBytes = Math.min(IN_FLIGHT_BYTES_MAX, wholeMib(share * IN_FLIGHT_SHARE))
  return { engineBytes, inFlightBytes, indexBytes: wholeMib(share) - engineBytes - inFlightBytes }
}

function wholeMib(bytes: number): number {
  return Math.floor(bytes / MIB) * MIB
}
