/** Where a server listens, as people write it. */

/** A host and a port of it. */
export interface HostPort {
  readonly host: string
  /** 0: any that is free. */
  readonly port: number
}

/** A port alone is one of this machine only. */
const LOOPBACK = '127.0.0.1'

/** `127.0.0.1:9464`, `[::1]:9464`, `metrics.local:9464`, `9464`; null for anything else. */
export function parseHostPort(text: string): HostPort | null {
  const [, inner, plain, digits] =
    /^(?:(?:\[([\da-f:.]+)\]|([\w.-]+)):)?(\d{1,5})$/i.exec(text) ?? []
  const port = Number(digits)
  if (digits === undefined || port > 65_535) return null
  return { host: inner ?? plain ?? LOOPBACK, port }
}
