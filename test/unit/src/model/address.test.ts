import { expect, it } from 'vitest'
import { parseHostPort } from '../../../../src/model/index.ts'

it.each([
  ['127.0.0.1:9464', { host: '127.0.0.1', port: 9464 }],
  ['9464', { host: '127.0.0.1', port: 9464 }],
  ['[::1]:0', { host: '::1', port: 0 }],
  ['metrics.local:65535', { host: 'metrics.local', port: 65_535 }],
])('reads %s', (text, address) => {
  expect(parseHostPort(text)).toEqual(address)
})

it.each([
  '',
  ':',
  ':80',
  'host',
  'host:',
  '65536',
  'a b:1',
  '::1:80',
  'http://x:80',
  '-1',
  '[x]:1',
])('refuses %j', (text) => {
  expect(parseHostPort(text)).toBeNull()
})
