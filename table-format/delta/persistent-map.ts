/**
 * A map from strings whose versions share structure: a hash array mapped trie, 32 ways.
 * A change copies the few nodes on its path, so the snapshot of a version costs what the commit
 * changed and not what the table holds, and older snapshots stay as they were.
 */

/** Who may change a node in place: the edit that made it. */
type Owner = object

interface Leaf<V> {
  readonly kind: 'leaf'
  readonly hash: number
  readonly key: string
  readonly value: V
}

/** Keys with the same 32-bit hash. */
interface Bucket<V> {
  readonly kind: 'bucket'
  readonly hash: number
  readonly leaves: readonly Leaf<V>[]
}

interface Branch<V> {
  readonly kind: 'branch'
  readonly owner: Owner
  /** Bit i is set when there is a slot for the hash digit i. */
  bitmap: number
  readonly slots: Slot<V>[]
}

type Slot<V> = Leaf<V> | Bucket<V> | Branch<V>

const NO_OWNER: Owner = {}

/** An entry with its hash. */
export interface MapEntry<V> {
  readonly hash: number
  readonly key: string
  readonly value: V
}

/** What an edit may do; valid only inside `PersistentMap.edit`. */
export interface MapDraft<V> {
  get(key: string): V | undefined
  set(key: string, value: V): void
  delete(key: string): void
}

/**
 * An immutable map. Order of iteration: by hash as an unsigned number, then by key; the same for
 * equal contents made in any way.
 */
export class PersistentMap<V> {
  readonly size: number
  readonly #root: Branch<V>

  private constructor(root: Branch<V>, size: number) {
    this.#root = root
    this.size = size
  }

  /** The map without entries. */
  static empty<V>(): PersistentMap<V> {
    return new PersistentMap<V>({ kind: 'branch', owner: NO_OWNER, bitmap: 0, slots: [] }, 0)
  }

  get(key: string): V | undefined {
    return find(this.#root, hashOf(key), key)
  }

  *values(): IterableIterator<V> {
    for (const leaf of leavesOf(this.#root)) yield leaf.value
  }

  *entries(): IterableIterator<[string, V]> {
    for (const leaf of leavesOf(this.#root)) yield [leaf.key, leaf.value]
  }

  /** Entries whose hash lies in [fromHash, toHashExclusive), in order. */
  *between(fromHash: number, toHashExclusive: number): IterableIterator<MapEntry<V>> {
    yield* leavesBetween(this.#root, { first: 0, shift: 0, fromHash, toHashExclusive })
  }

  /** A new map with the changes that `change` makes; this one stays as it is. */
  edit(change: (draft: MapDraft<V>) => void): PersistentMap<V> {
    const owner: Owner = {}
    let root = this.#root
    let size = this.size
    change({
      get: (key) => find(root, hashOf(key), key),
      set: (key, value) => {
        const leaf: Leaf<V> = { kind: 'leaf', hash: hashOf(key), key, value }
        if (find(root, leaf.hash, key) === undefined) size += 1
        root = insert({ branch: root, leaf, shift: 0, owner })
      },
      delete: (key) => {
        const hash = hashOf(key)
        if (find(root, hash, key) === undefined) return
        size -= 1
        root = remove({ branch: root, hash, key, shift: 0, owner })
      },
    })
    return new PersistentMap(root, size)
  }
}

/** Hashes are below it. */
export const HASH_END = 2 ** 32

/** FNV-1a over UTF-16 units, then mixed so that all bits depend on all. */
export function hashOf(key: string): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < key.length; index++) {
    hash = Math.imul(hash ^ key.charCodeAt(index), 0x01000193)
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  return (hash ^ (hash >>> 13)) >>> 0
}

/** High digits first, so that the order of slots is the order of hashes. */
function bitOf(hash: number, shift: number): number {
  return 1 << ((hash << shift) >>> 27)
}

/** Number of slots before the one of `bit`. */
function indexOf(bitmap: number, bit: number): number {
  let rest = bitmap & (bit - 1)
  rest -= (rest >>> 1) & 0x55555555
  rest = (rest & 0x33333333) + ((rest >>> 2) & 0x33333333)
  return Math.imul((rest + (rest >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24
}

function find<V>(root: Branch<V>, hash: number, key: string): V | undefined {
  let branch = root
  for (let shift = 0; ; shift += 5) {
    const bit = bitOf(hash, shift)
    if ((branch.bitmap & bit) === 0) return undefined
    const slot = branch.slots[indexOf(branch.bitmap, bit)]!
    if (slot.kind === 'leaf') return slot.key === key ? slot.value : undefined
    if (slot.kind === 'bucket') return slot.leaves.find((leaf) => leaf.key === key)?.value
    branch = slot
  }
}

function* leavesOf<V>(slot: Slot<V>): IterableIterator<Leaf<V>> {
  if (slot.kind === 'leaf') yield slot
  else if (slot.kind === 'bucket') yield* slot.leaves
  else for (const child of slot.slots) yield* leavesOf(child)
}

function* leavesBetween<V>(
  slot: Slot<V>,
  at: {
    /** Lowest hash that may stand in the slot. */
    readonly first: number
    readonly shift: number
    readonly fromHash: number
    readonly toHashExclusive: number
  },
): IterableIterator<Leaf<V>> {
  const { first, shift, fromHash, toHashExclusive } = at
  if (slot.kind !== 'branch') {
    if (slot.hash >= fromHash && slot.hash < toHashExclusive) yield* leavesOf(slot)
    return
  }
  // The last digit has two bits, and stands in the upper part of the five.
  const width = 2 ** (27 - shift)
  let index = 0
  for (let digit = 0; digit < 32; digit++) {
    if ((slot.bitmap & (1 << digit)) === 0) continue
    const child = slot.slots[index++]!
    const childFirst = first + digit * width
    if (childFirst >= toHashExclusive) return
    if (childFirst + Math.max(1, width) <= fromHash) continue
    yield* leavesBetween(child, { ...at, first: childFirst, shift: shift + 5 })
  }
}

function owned<V>(branch: Branch<V>, owner: Owner): Branch<V> {
  if (branch.owner === owner) return branch
  return { kind: 'branch', owner, bitmap: branch.bitmap, slots: branch.slots.slice() }
}

function insert<V>(at: {
  readonly branch: Branch<V>
  readonly leaf: Leaf<V>
  readonly shift: number
  readonly owner: Owner
}): Branch<V> {
  const { leaf, shift, owner } = at
  const branch = owned(at.branch, owner)
  const bit = bitOf(leaf.hash, shift)
  const index = indexOf(branch.bitmap, bit)
  if ((branch.bitmap & bit) === 0) {
    branch.slots.splice(index, 0, leaf)
    branch.bitmap |= bit
    return branch
  }
  const slot = branch.slots[index]!
  if (slot.kind === 'branch') {
    branch.slots[index] = insert({ branch: slot, leaf, shift: shift + 5, owner })
  } else if (slot.hash === leaf.hash) {
    branch.slots[index] = sameHash(slot, leaf)
  } else {
    branch.slots[index] = split({ slot, leaf, shift: shift + 5, owner })
  }
  return branch
}

function sameHash<V>(slot: Leaf<V> | Bucket<V>, leaf: Leaf<V>): Leaf<V> | Bucket<V> {
  const leaves = slot.kind === 'leaf' ? [slot] : slot.leaves
  const others = leaves.filter((other) => other.key !== leaf.key)
  if (others.length === 0) return leaf
  const sorted = [...others, leaf].sort((a, b) => (a.key < b.key ? -1 : 1))
  return { kind: 'bucket', hash: leaf.hash, leaves: sorted }
}

/** Two slots whose hashes differ, in branches down to where their digits differ. */
function split<V>(at: {
  readonly slot: Leaf<V> | Bucket<V>
  readonly leaf: Leaf<V>
  readonly shift: number
  readonly owner: Owner
}): Branch<V> {
  const { slot, leaf, shift, owner } = at
  const bitmap = bitOf(slot.hash, shift)
  const branch: Branch<V> = { kind: 'branch', owner, bitmap, slots: [slot] }
  return insert({ branch, leaf, shift, owner })
}

function remove<V>(at: {
  readonly branch: Branch<V>
  readonly hash: number
  readonly key: string
  readonly shift: number
  readonly owner: Owner
}): Branch<V> {
  const { hash, key, shift, owner } = at
  const branch = owned(at.branch, owner)
  const bit = bitOf(hash, shift)
  const index = indexOf(branch.bitmap, bit)
  const kept = withoutKey(branch.slots[index]!, { hash, key, shift: shift + 5, owner })
  if (kept === null) {
    branch.slots.splice(index, 1)
    branch.bitmap &= ~bit
  } else {
    branch.slots[index] = kept
  }
  return branch
}

/** The slot without the key; null when nothing is left, a leaf when only one is. */
function withoutKey<V>(
  slot: Slot<V>,
  at: {
    readonly hash: number
    readonly key: string
    readonly shift: number
    readonly owner: Owner
  },
): Slot<V> | null {
  if (slot.kind === 'leaf') return null
  if (slot.kind === 'bucket') {
    const leaves = slot.leaves.filter((leaf) => leaf.key !== at.key)
    return leaves.length === 1 ? leaves[0]! : { kind: 'bucket', hash: slot.hash, leaves }
  }
  const branch = remove({ branch: slot, ...at })
  if (branch.slots.length === 0) return null
  const only = branch.slots[0]!
  return branch.slots.length === 1 && only.kind !== 'branch' ? only : branch
}
