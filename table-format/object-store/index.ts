/**
 * Object stores: bytes under paths, with conditional creation.
 * Comes in: bytes and local files. Goes out: durable objects, whole or not at all.
 * Must never: know what an object means, or show an unfinished write.
 */

export { createLocalObjectStore } from './local.ts'
export { createMemoryObjectStore } from './memory.ts'
export { checkObjectPath, compareObjectPaths } from './path.ts'
export { probeConditionalWrites } from './probe.ts'
