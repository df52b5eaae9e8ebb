/** Resident memory of a process under test, and how it grows with what the process has done. */

import { readdirSync, readFileSync, statSync } from 'node:fs'
import path from 'node:path'

/** A watched process. */
export interface MemoryWatch {
  /** Ends the watch; the kernel's own peak of the process so far. */
  stop(): number
}

const LOOK_MS = 100
const NOTE_MS = 20_000
const MB = 1024 * 1024

/** Samples until stopped; now and then prints resident memory and the size of the work folder. */
export function watchMemory(
  processId: number,
  workFolder: string,
  print: (line: string) => void,
): MemoryWatch {
  let peakMb = 0
  let notedAt = performance.now()
  const look = (): void => {
    const now = residentMb(processId)
    peakMb = Math.max(peakMb, now.peakMb)
    if (performance.now() - notedAt < NOTE_MS) return
    notedAt = performance.now()
    print(`memory ${now.nowMb} MB, peak ${peakMb} MB, work folder ${folderMb(workFolder)} MB`)
  }
  const timer = setInterval(look, LOOK_MS)
  return {
    stop: () => {
      look()
      clearInterval(timer)
      return peakMb
    },
  }
}

/** Resident memory of a process in MiB, now and at most; zeros once it has ended. */
export function residentMb(processId: number): { readonly nowMb: number; readonly peakMb: number } {
  try {
    const status = readFileSync(`/proc/${processId}/status`, 'utf8')
    const mb = (name: string): number =>
      Math.round(Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0) / 1024)
    return { nowMb: mb('VmRSS'), peakMb: mb('VmHWM') }
  } catch {
    return { nowMb: 0, peakMb: 0 }
  }
}

/** Bytes of all files below a folder, in MiB; files that go meanwhile do not count. */
function folderMb(folder: string): number {
  try {
    const bytes = readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((name) => {
      try {
        const stat = statSync(path.join(folder, name))
        return stat.isFile() ? stat.size : 0
      } catch {
        return 0
      }
    })
    return Math.round(bytes.reduce((sum, size) => sum + size, 0) / MB)
  } catch {
    return 0
  }
}
