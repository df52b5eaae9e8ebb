import { defineConfig } from 'vitest/config'

const shared = { testTimeout: 180_000, hookTimeout: 180_000, pool: 'forks' as const }

/** `fast` needs nothing but this checkout; `real` starts databases, other engines and processes. */
export default defineConfig({
  test: {
    maxWorkers: 2,
    projects: [
      {
        test: {
          ...shared,
          name: 'fast',
          include: ['test/{unit,contract,property,simulation,tidy,golden,damage}/**/*.test.ts'],
        },
      },
      {
        test: {
          ...shared,
          name: 'real',
          testTimeout: 300_000,
          fileParallelism: false,
          include: ['test/{integration,crash,conformance,e2e}/**/*.test.ts'],
        },
      },
    ],
  },
})
