/** Does one job, given as JSON, and prints what came of it as the last line. */

import { doJob, type Job } from './jobs.ts'

const [text] = process.argv.slice(2)
const end = await doJob(JSON.parse(text ?? '') as Job)
process.stdout.write(
  `${JSON.stringify(end, (_key, value) => (typeof value === 'bigint' ? `${value}` : value))}\n`,
)
