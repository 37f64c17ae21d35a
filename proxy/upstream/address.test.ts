import { expect, it } from 'vitest'
import { upstreamAddress } from './address.ts'

it.each([
  ['http://127.0.0.1:4000', 'http://127.0.0.1:4000', undefined],
  ['http://127.0.0.1:4000/', 'http://127.0.0.1:4000', undefined],
  ['HTTP://App.Example', 'http://app.example', undefined],
  ['https://app.example:8443', 'https://app.example:8443', undefined],
  ['https://app.example:443', 'https://app.example', undefined],
  ['http://[::1]:3000', 'http://[::1]:3000', undefined],
  ['unix:/run/app.sock', 'http://localhost', '/run/app.sock'],
  [`unix:/${'a'.repeat(102)}`, 'http://localhost', `/${'a'.repeat(102)}`],
])('%s is understood', (text, origin, socketPath) => {
  expect(upstreamAddress(text)).toEqual({ origin, socketPath })
})

it.each([
  ['127.0.0.1:4000', 'expected http://host:port'],
  ['app', 'expected http://host:port'],
  ['', 'expected http://host:port'],
  ['ftp://app.example', 'expected http://host:port'],
  ['http://', 'expected http://host:port'],
  ['http://app.example:99999', 'expected http://host:port'],
  ['http://user@app.example', 'must not hold a user name or password'],
  ['http://user:password@app.example', 'must not hold a user name or password'],
  ['http://app.example/api', 'remove "/api"'],
  ['http://app.example/?a=b', 'remove "/?a=b"'],
  ['http://app.example/#a', 'remove "/#a"'],
  ['unix:app.sock', 'an absolute path after unix:'],
  ['unix:', 'an absolute path after unix:'],
  [`unix:/${'a'.repeat(103)}`, 'at most 103 bytes after unix:'],
  ['http://app.example:0', 'nothing can be reached on port 0'],
  ['https://[::1]:0', 'nothing can be reached on port 0'],
])('%s is refused in words that say what to change', (text, words) => {
  expect(() => upstreamAddress(text)).toThrow(words)
})

it('a password is never repeated', () => {
  expect(() => upstreamAddress('http://user:hunter2@app.example/hunter2')).toThrow(/^(?!.*hunter2)/)
})
