/** Seam: a store of immutable objects with conditional creation. */

/** What a listing tells about an object. */
export interface ObjectEntry {
  readonly path: string
  readonly sizeBytes: number
  readonly modificationTimeMs: number
}

/**
 * Objects under one root. Paths are relative, `/`-separated, decoded (never percent-encoded),
 * without leading slash, `.` or `..`; anything else is refused.
 * Promises: (1) strongly consistent: what a returned write wrote, every later read and list sees;
 * (2) objects appear whole or not at all, and are durable when the write returns;
 * (3) of any number of concurrent `putIfAbsent` on one path exactly one gets `created`.
 * Throws: SLU-STO-2001 not writable, SLU-STO-2002 transient, SLU-STO-2003 full.
 */
export interface ObjectStore extends AsyncDisposable {
  /** The root as the user wrote it, normalised: `file:///data/lake`, `s3://bucket/prefix`. */
  readonly url: string
  /** The whole object; null when there is none. */
  get(path: string): Promise<Buffer | null>
  /** `length` bytes from `offset`. Throws SLU-STO-2005 when there is no such object. */
  getRange(path: string, offset: number, length: number): Promise<Buffer>
  /** Size and time; null when there is none. Throws SLU-STO-2007 when it may not be read. */
  head(path: string): Promise<ObjectEntry | null>
  /** Creates or overwrites. */
  put(path: string, bytes: Uint8Array): Promise<void>
  /**
   * Creates; `exists` when the path is taken, whoever took it. May throw with the outcome unknown
   * (SLU-STO-2002).
   */
  putIfAbsent(path: string, bytes: Uint8Array): Promise<'created' | 'exists'>
  /** Moves a local file into the store; the local file is gone afterwards. */
  putFile(path: string, localPath: string): Promise<void>
  /** Objects whose path starts with `prefix`, in byte order, from after `startAfter` when given. */
  list(prefix: string, startAfter?: string): AsyncIterable<ObjectEntry>
  /** Removes; removing what is not there is no error. */
  delete(path: string): Promise<void>
  /** The path or URL under which DuckDB reads the object. */
  readUrl(path: string): string
}
