import { describe, expect, it } from 'vitest'
import { type FakeAdmin, json, startFakeAdmin } from './testing/fake-admin.ts'

const ID = '0b5c6a2e-0000-4000-8000-000000000000'
const REPORT = {
  ...{ id: ID, kind: 'tag', values: ['a\u001b[2J', 'b'], soft: true, author: 'ann', at: '2026-11-28T08:00:00.000Z' },
  delivery: { state: 'delivered', attempts: 2, at: '2026-11-28T08:00:01.000Z' },
  instances: { purged: 3, of: 3 },
}

const startAdmin = (report: unknown = REPORT): Promise<FakeAdmin> =>
  startFakeAdmin({
    'POST /api/purges': json(202, report),
    [`GET /api/purges/${ID}`]: json(200, report),
  })

describe('purge', () => {
  it.each([
    [['--tag', 'a,b'], { tags: ['a', 'b'] }],
    [
      ['--url', 'https://a.example/1,2,https://a.example/3', '--hard'],
      { urls: ['https://a.example/1,2', 'https://a.example/3'], soft: false },
    ],
    [['--prefix', 'https://a.example/b/'], { prefixes: ['https://a.example/b/'] }],
    [['--everything'], { everything: true }],
  ])('%j', async (args, body) => {
    const admin = await startAdmin()
    expect((await admin.run(['purge', ...args])).exit).toBe(0)
    expect(admin.seen.map((one) => JSON.parse(one.body))).toEqual([body])
  })

  it('tells what became of it', async () => {
    const admin = await startAdmin()
    expect(await admin.run(['purge', ID])).toEqual({
      exit: 0,
      stderr: '',
      stdout: [
        `  purge       ${ID}`,
        '  of          tag a\\u001b[2J, b',
        '  by          ann, 2026-11-28T08:00:00.000Z',
        '  proxies     3 of 3',
        '  CDN         delivered, attempts: 2\n',
      ].join('\n'),
    })
  })

  it('says so where a proxy has not carried it out, and where there is no CDN', async () => {
    const delivery = { ...REPORT.delivery, state: 'local' }
    const admin = await startAdmin({
      ...REPORT,
      kind: 'everything',
      values: [],
      delivery,
      instances: { purged: 1, of: 3 },
    })
    const { stdout, stderr } = await admin.run(['purge', '--everything'])
    expect(stdout).toMatch(/of +everything\n.*\n +proxies +1 of 3\n +CDN +none\n$/)
    expect(stderr).toMatch(/^Not all proxies have carried it out yet/)
  })

  it.each([
    [['purge'], '"purge" takes one of --url, --tag, --prefix and --everything, or an ID.'],
    [
      ['purge', '--tag', 'a', '--everything'],
      '"purge" takes one of --url, --tag, --prefix and --everything, or an ID.',
    ],
    [['purge', ID, '--hard'], '"purge" takes an ID or what to purge, not both.'],
    [['blocks', '--tag', 'a'], '"blocks" takes no --tag.'],
  ])('%j is a mistake', async (args, message) => {
    const admin = await startAdmin()
    expect(await admin.run(args)).toMatchObject({ exit: 2, stderr: expect.stringContaining(message) })
    expect(admin.seen).toEqual([])
  })
})
