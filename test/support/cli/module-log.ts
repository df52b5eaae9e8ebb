/** For `node --import`: writes the URL of every module that the process loads to $MODULE_LOG. */

import { appendFileSync } from 'node:fs'
import { registerHooks } from 'node:module'

const log = process.env['MODULE_LOG']
registerHooks({
  load: (url, context, nextLoad) => {
    if (log !== undefined) appendFileSync(log, `${url}\n`)
    return nextLoad(url, context)
  },
})
