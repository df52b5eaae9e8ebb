/**
 * What a running process answers over HTTP: is it alive, is it ready, its metrics.
 * Comes in: requests. Goes out: text and JSON, from what the pipelines last told.
 * Must never: touch a table or a source, hold up a pipeline, or tell values of records.
 */

export { answer, type ProcessUsage, type ServiceFacts, type ServiceReply } from './answer.ts'
export { type Service, type ServiceAddress, startService } from './server.ts'
