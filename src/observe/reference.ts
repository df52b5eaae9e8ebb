/** The page docs/reference/metrics.md, from the table of metrics. */

import { METRICS, type MetricSpec } from '../model/index.ts'

const HEAD = `# Metrics reference

<!-- Printed from the code by \`node test/support/print-reference.ts\`; do not edit. -->

\`sluice run --listen 127.0.0.1:9464\`, or \`server: { listen: … }\` in the configuration, answers
on \`/metrics\` in the text format of Prometheus. [operate/monitor.md](../operate/monitor.md) says
which of them to watch.

- Names end with their unit; \`_total\` only grows, from the start of the process.
- A gauge is left out while its value is not known, and when its table is no longer fed.
- The labels \`pipeline\` and \`table\` are names of the configuration. No label holds a value of a
  record.

| metric | kind | labels | meaning |
|---|---|---|---|`

/** The page. */
export function printMetricsReference(): string {
  const rows = Object.entries<MetricSpec>(METRICS).map(([name, { kind, labels, help }]) => {
    const names = labels.map((label) => `\`${label}\``).join(', ')
    return `| \`${name}\` | ${kind} | ${names} | ${help} |`
  })
  return `${[HEAD, ...rows].join('\n')}\n`
}
