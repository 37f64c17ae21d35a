import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { printableLines } from './printable.ts'
import { json, startFakeAdmin } from './testing/fake-admin.ts'

const YAML = '# a comment of mine\nlimits: {}\n'

describe('policy apply', () => {
  it('asks for the version, and for no probation where none is wanted', async () => {
    const probation = { until: '2026-11-23T08:00:00.000Z', base: 4, badShare: 0.01 }
    const admin = await startFakeAdmin({
      'GET /api/policy': json(200, { version: 4, policy: {} }),
      'PUT /api/policy': json(200, { version: 5, differences: [], probation }),
      'PUT /api/policy?probation=none': json(200, { version: 5, differences: [] }),
    })
    expect((await admin.run(['policy', 'apply', '-'], {}, YAML)).stdout).toBe(
      'No difference.\nVersion 5 is in force, made from version 4, on probation until 2026-11-23T08:00:00.000Z, else back to version 4.\n',
    )
    await admin.run(['policy', 'apply', '-', '--no-probation', '--from', '3'], {}, YAML)
    expect(admin.seen).toMatchObject([
      { call: 'GET /api/policy' },
      { call: 'PUT /api/policy', ifMatch: '"4"', body: YAML, contentType: 'application/yaml' },
      { call: 'PUT /api/policy?probation=none', ifMatch: '"3"', body: YAML },
    ])
  })
})

describe('policy history', () => {
  it('tells why there is a version, and that it is on probation', async () => {
    const versions = [
      { version: 6, at: 'now', author: 'sidegate', reason: 'went back to 4: 3 % bad' },
      { version: 5, at: 'then', author: 'ann', probation: { until: 'tomorrow', base: 4, badShare: 0.01 } },
      { version: 4, at: 'before', author: 'a\u001b' },
    ]
    const admin = await startFakeAdmin({ 'GET /api/policy/history': json(200, { versions }) })
    expect((await admin.run(['policy', 'history'])).stdout).toBe(`\
VERSION  WHEN    WHO       REASON
6        now     sidegate  went back to 4: 3 % bad
5        then    ann       probation until tomorrow, else back to version 4
4        before  a\\u001b   -
`)
  })
})

describe('policy show', () => {
  it('is YAML of the same meaning, whatever stands in it', async () => {
    const policy = {
      a: '\u009b\u202e',
      b: 'one\n\u001b[2J',
      c: ['[masked 0123abcd]'],
      d: 'x'.repeat(300),
      e: '007',
      f: null,
      g: 'a\u202eb',
    }
    const admin = await startFakeAdmin({
      'GET /api/policy': json(200, {
        version: 4,
        policy,
        refused: { version: 5, problems: [{ path: 'x\n', message: 'y' }] },
      }),
    })
    const { stdout } = await admin.run(['policy', 'show'])
    expect(stdout).toMatch(/^# version 4\n# This .* version 5, which is newer:\n# PATH .*\n# x\\u000a +y\na: /)
    expect(stdout).toBe(printableLines(stdout))
    expect(parse(stdout)).toEqual(policy)
  })
})
