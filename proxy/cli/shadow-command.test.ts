import { describe, expect, it } from 'vitest'
import { json, startFakeAdmin } from './testing/fake-admin.ts'

const YAML = '# tried out\nlimits: {}\n'
const NOTHING = { author: 'ann', at: '2026-11-23T07:05:00.000Z', requests: 0 }
const REPORT = {
  ...NOTHING,
  requests: 1200,
  wouldRefuse: [
    { route: 'listings', refusal: 'rate-limit', count: 31 },
    { route: null, refusal: 'block-list', count: 2 },
  ],
  wouldAdmit: [],
  wouldChange: [{ route: 'media', header: 'Cache-Control', count: 400 }],
  rerouted: [{ from: 'listings', to: 'li\u001bst', count: 9 }],
}

describe('policy shadow', () => {
  it('sends a candidate as it is', async () => {
    const admin = await startFakeAdmin({ 'PUT /api/policy/shadow': json(200, { shadow: NOTHING }) })
    expect(await admin.run(['policy', 'shadow', '-'], {}, YAML)).toEqual({
      exit: 0,
      stdout:
        'The candidate of ann since 2026-11-23T07:05:00.000Z: 0 requests in the fleet.\n\nIt would have done nothing otherwise.\n',
      stderr: '',
    })
    expect(admin.seen).toEqual([
      { call: 'PUT /api/policy/shadow', body: YAML, contentType: 'application/yaml', ifMatch: undefined },
    ])
  })

  it('tells what it would have done, in a table for each kind', async () => {
    const admin = await startFakeAdmin({ 'GET /api/policy/shadow': json(200, { shadow: REPORT }) })
    expect((await admin.run(['policy', 'shadow'])).stdout).toBe(`\
The candidate of ann since 2026-11-23T07:05:00.000Z: 1200 requests in the fleet.

Would be refused, and are not:
ROUTE     REFUSAL     COUNT
listings  rate-limit  31
(none)    block-list  2

Would have another header:
ROUTE  HEADER         COUNT
media  Cache-Control  400

Would be of another route:
FROM      TO          COUNT
listings  li\\u001bst  9
`)
  })

  it('says so where it is of one instance alone, and where the candidate has failed', async () => {
    const shadow = { ...REPORT, note: 'Redis cannot be asked: of this instance alone', sums: { failed: 3 } }
    const admin = await startFakeAdmin({ 'GET /api/policy/shadow': json(200, { shadow }) })
    expect((await admin.run(['policy', 'shadow'])).stdout).toMatch(
      /\nRedis cannot be asked: of this instance alone\.\nThe candidate itself failed at 3 of them\.\n\nWould be refused/,
    )
  })

  it('moves no cursor', async () => {
    const admin = await startFakeAdmin({
      'GET /api/policy/shadow': json(200, { shadow: { ...NOTHING, author: 'a\u001b[2J' } }),
    })
    expect((await admin.run(['policy', 'shadow'])).stdout).toMatch(/^The candidate of a\\u001b\[2J since/)
  })

  it('tells why an instance cannot use it', async () => {
    const problems = [{ path: 'surprise', message: 'is not part of a policy' }]
    const admin = await startFakeAdmin({ 'GET /api/policy/shadow': json(200, { shadow: { ...NOTHING, problems } }) })
    expect((await admin.run(['policy', 'shadow'])).stdout).toMatch(
      /This instance cannot use it:\nPATH +PROBLEM\nsurprise +is not part of a policy\n$/,
    )
  })

  it('ends it', async () => {
    const admin = await startFakeAdmin({
      'GET /api/policy/shadow': json(200, { shadow: null }),
      'DELETE /api/policy/shadow': (response) => response.writeHead(204).end(),
    })
    expect(await admin.run(['policy', 'shadow', '--end'])).toMatchObject({ exit: 0, stderr: '' })
    expect(await admin.run(['policy', 'shadow', '--end', '--json'])).toEqual({ exit: 0, stdout: '', stderr: '' })
    expect(await admin.run(['policy', 'shadow'])).toMatchObject({ exit: 0, stdout: 'No candidate is tried out.\n' })
    expect(await admin.run(['policy', 'shadow', '--json'])).toMatchObject({ stdout: '{"shadow":null}\n' })
  })
})
