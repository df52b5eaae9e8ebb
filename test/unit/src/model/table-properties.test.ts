/** Which properties a user may give a table. */

import { describe, expect, it } from 'vitest'
import { keptProperties, propertyProblem } from '../../../../src/model/index.ts'

describe('table properties', () => {
  it.each([
    ['owner', 'data platform'],
    ['com.example.tier', ''],
    ['delta.checkpointInterval', '1'],
    ['delta.checkpointInterval', '100000'],
    ['delta.checkpointPolicy', 'v2'],
    ['delta.checkpointPolicy', 'classic'],
    ['delta.logRetentionDuration', 'interval 2 weeks'],
    ['delta.deletedFileRetentionDuration', 'INTERVAL 36 hours'],
    ['delta.enableExpiredLogCleanup', 'false'],
  ])('may be %s = %j', (name, value) => {
    expect(propertyProblem(name, value)).toBeNull()
  })

  it.each([
    ['delta.checkpointInterval', '0', 'must be a whole number of versions from 1 to 100000'],
    ['delta.checkpointInterval', '100001', 'must be a whole number'],
    ['delta.checkpointPolicy', 'V2', 'must be `classic` or `v2`'],
    ['delta.logRetentionDuration', '30 days', 'must be an interval such as'],
    ['delta.logRetentionDuration', 'interval soon', 'must be an interval such as'],
    ['delta.enableExpiredLogCleanup', 'no', 'must be `true` or `false`'],
    ['delta.appendOnly', 'true', 'use `mode: append`'],
    ['delta.enableChangeDataFeed', 'true', 'changes()'],
    ['delta.columnMapping.mode', 'id', 'column mapping'],
    ['delta.feature.typeWidening', 'supported', 'the features of a table follow'],
    ['delta.minReaderVersion', '2', 'the protocol of a table follows'],
    ['delta.constraints.positive', 'x > 0', 'constraints are not checked'],
    ['delta.setTransactionRetentionDuration', 'interval 1 day', 'must not expire'],
    ['delta.dataSkippingNumIndexedCols', '5', 'is not kept by this writer'],
    ['sluice.key', '[]', 'kept for the tables themselves'],
    ['', 'x', 'characters'],
    ['owner', 'x'.repeat(5000), 'characters'],
  ])('may not be %s = %j', (name, value, reason) => {
    expect(propertyProblem(name, value)).toContain(reason)
  })

  it('name all that may be set when one is not known', () => {
    for (const name of keptProperties()) {
      expect(propertyProblem('delta.isolationLevel', 'Serializable')).toContain(name)
    }
  })
})
