import { readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { ERROR_CODES } from '../../../../src/model/index.ts'
import { referencePages } from '../../../support/print-reference.ts'

test('the pages are what the code prints (node test/support/print-reference.ts)', async () => {
  for (const [file, text] of await referencePages()) {
    expect(readFileSync(file, 'utf8'), path.basename(file)).toBe(text)
  }
})

test('the pages hold every error code, every command and every setting', async () => {
  const pages = [...(await referencePages())].map(([file, text]) => [path.basename(file), text])
  const { 'errors.md': errors, 'cli.md': cli, 'config.md': config } = Object.fromEntries(pages)
  for (const code of Object.keys(ERROR_CODES)) expect(errors).toContain(`## ${code}\n`)
  for (const verb of [
    'quickstart',
    'dev',
    'validate',
    'check',
    'run',
    'status',
    'tables',
    'show',
  ]) {
    expect(cli).toContain(`## sluice ${verb}\n`)
  }
  for (const verb of ['timeline', 'commit', 'sql', 'changes', 'verify', 'explain', 'version']) {
    expect(cli).toContain(`## sluice ${verb}\n`)
  }
  for (const setting of ['commit.maxRows', 'to.deleteWhen.column', 'createPublication', 'follow']) {
    expect(config).toContain(`| \`${setting}\` |`)
  }
})
