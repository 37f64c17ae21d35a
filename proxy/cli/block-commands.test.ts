import { describe, expect, it } from 'vitest'
import { addressText } from '../facts/ip-address.ts'
import { type Answer, json, startFakeAdmin } from './testing/fake-admin.ts'

const ONE = {
  ...{ range: '192.0.2.7', source: 'manual', author: 'ann', reason: 'scrapes', count: 1 },
  ...{ since: '2026-11-28T07:00:00.000Z', until: '2026-11-28T08:00:00.000Z' },
}
const OTHER = { ...ONE, range: '2001:db8::/64', source: 'auto', author: 'sidegate', reason: '', until: null, count: 3 }
const CALMLY = { isFleetTold: true }

describe('blocks', () => {
  it('are told in a table', async () => {
    const admin = await startFakeAdmin({
      'GET /api/blocks?cursor=0&limit=100': json(200, { blocks: [ONE, OTHER], next: null, size: 7 }),
    })
    expect(await admin.run(['blocks'])).toEqual({
      exit: 0,
      stdout: `\
RANGE          SOURCE  BY        SINCE                     UNTIL                     COUNT  REASON
192.0.2.7      manual  ann       2026-11-28T07:00:00.000Z  2026-11-28T08:00:00.000Z  1      scrapes
2001:db8::/64  auto    sidegate  2026-11-28T07:00:00.000Z  permanent                 3      -
`,
      stderr: '',
    })
  })

  it('are asked for page by page, up to the limit, and no page twice', async () => {
    const admin = await startFakeAdmin({
      'GET /api/blocks?cursor=0&limit=3&source=auto': json(200, { blocks: [ONE], next: 500, size: 7 }),
      'GET /api/blocks?cursor=500&limit=2&source=auto': json(200, { blocks: [], next: 900, size: 7 }),
      'GET /api/blocks?cursor=900&limit=2&source=auto': json(200, { blocks: [OTHER, ONE], next: 901, size: 7 }),
    })
    const { exit, stdout, stderr } = await admin.run(['blocks', '--limit', '3', '--source', 'auto', '--json'])
    expect([exit, JSON.parse(stdout)]).toEqual([0, { blocks: [ONE, OTHER, ONE], next: 901, size: 7 }])
    expect(stderr).toBe('There may be more: raise --limit, or take all with "blocks export".\n')
  })

  it('of a server that sends one page for ever are no answer', async () => {
    const admin = await startFakeAdmin({
      'GET /api/blocks?cursor=0&limit=100': json(200, { blocks: [ONE], next: 5, size: 7 }),
      'GET /api/blocks?cursor=5&limit=99': json(200, { blocks: [ONE], next: 5, size: 7 }),
    })
    expect(await admin.run(['blocks'])).toMatchObject({ exit: 3, stderr: expect.stringContaining('no "next"') })
  })

  it('move no cursor', async () => {
    const blocks = [{ ...ONE, range: '\u001b[2J', author: '\u202eann', reason: 'a\nb\u0007' }]
    const admin = await startFakeAdmin({
      'GET /api/blocks?cursor=0&limit=100': json(200, { blocks, next: null, size: 1 }),
    })
    const { stdout } = await admin.run(['blocks'])
    expect(stdout).toMatch(/^RANGE .*\n\\u001b\[2J +manual +\\u202eann .* a\\u000ab\\u0007\n$/)
  })

  it('that are none are told of as that', async () => {
    const admin = await startFakeAdmin({
      'GET /api/blocks?cursor=0&limit=100': json(200, { blocks: [], next: null, size: 0 }),
    })
    expect(await admin.run(['blocks'])).toMatchObject({ exit: 0, stdout: 'No block holds.\n' })
  })
})

describe('block and unblock', () => {
  it('send what was typed, and tell what came of it', async () => {
    const admin = await startFakeAdmin({
      'POST /api/blocks': json(201, { block: ONE, ...CALMLY }),
      'DELETE /api/blocks/2001%3Adb8%3A%3A%2F64': json(200, { unblocked: OTHER, ...CALMLY }),
    })
    expect(await admin.run(['block', '192.0.2.7', '--seconds', '60', '--reason', 'it "scrapes"'])).toEqual({
      exit: 0,
      stdout: '192.0.2.7 is blocked until 2026-11-28T08:00:00.000Z.\n',
      stderr: '',
    })
    await admin.run(['block', '::/0', '--permanent', '--confirm', '::/0'])
    expect(admin.seen.map(({ body }) => JSON.parse(body))).toEqual([
      { range: '192.0.2.7', seconds: 60, reason: 'it "scrapes"' },
      { range: '::/0', permanent: true, confirm: '::/0' },
    ])
    expect(await admin.run(['unblock', '2001:DB8:0::1/64'])).toMatchObject({
      exit: 0,
      stdout: '2001:db8::/64 is free; it was blocked by sidegate since 2026-11-28T07:00:00.000Z.\n',
    })
  })

  it('warn on stderr', async () => {
    const warning = 'Your own address lies in it.\u001b[2J'
    const admin = await startFakeAdmin({ 'POST /api/blocks': json(201, { block: ONE, isFleetTold: false, warning }) })
    expect((await admin.run(['block', '192.0.2.7', '--permanent'])).stderr).toBe(
      'Your own address lies in it.\\u001b[2J\nThis instance alone knows it yet: the fleet is told once Redis is back.\n',
    )
  })

  it.each([
    [['block', '192.0.2.7'], '"block" needs to know for how long: --seconds N, or --permanent.'],
    [['block', '192.0.2.7', '--seconds', '1', '--permanent'], '"block" takes --seconds N or --permanent, not both.'],
    [['block', '192.0.2.7', '--seconds', '0'], '--seconds: expected a whole number from 1, got "0".'],
    [['block', 'example.com', '--seconds', '1'], /^RANGE: expected one as in 192\.0\.2\.7, .* got "example\.com"\.$/],
    [['block'], '"block" needs a RANGE.'],
    [['unblock', '..'], /^RANGE: expected one/],
    [['explain', '192.0.2.0/24'], /^ADDRESS: expected one as in 192\.0\.2\.7 or 2001:db8::7/],
    [['explain', 'fe80::1%eth0'], /^ADDRESS: expected one/],
    [['blocks', '--source', 'me'], '--source: expected auto or manual, got "me".'],
    [['blocks', 'exprot'], '"blocks" does not take "exprot".'],
    [['blocks', 'export', '--json'], '"blocks export" prints plain lines; "blocks --json" prints JSON.'],
    [['blocks', 'import', '-', '--seconds', '1', '--permanent'], /takes --seconds N or --permanent, not both/],
  ])('%j are refused before anything is asked', async (args, message) => {
    const admin = await startFakeAdmin({})
    const { exit, stderr } = await admin.run(args)
    expect([exit, stderr.split('\n')[0]]).toEqual([
      2,
      typeof message === 'string' ? message : expect.stringMatching(message),
    ])
    expect(admin.seen).toEqual([])
  })
})

describe('blocks export', () => {
  const text =
    (body: string): Answer =>
    (response) =>
      response.writeHead(200, { 'Content-Type': 'text/plain; charset=utf-8' }).end(body)

  it('prints lines as they are, and what would move the cursor as an escape', async () => {
    const admin = await startFakeAdmin({
      'GET /api/blocks/lines': text('192.0.2.7 permanent für uns\n192.0.2.8 permanent \u001b[2J\r\n'),
      'GET /api/blocks/lines?source=manual': text(''),
    })
    expect(await admin.run(['blocks', 'export'])).toEqual({
      exit: 0,
      stdout: '192.0.2.7 permanent für uns\n192.0.2.8 permanent \\u001b[2J\\u000d\n',
      stderr: '',
    })
    expect(await admin.run(['blocks', 'export', '--source', 'manual'])).toEqual({ exit: 0, stdout: '', stderr: '' })
  })

  it('that ends before its time says so', async () => {
    const admin = await startFakeAdmin({
      'GET /api/blocks/lines': (response) => {
        response.writeHead(200, { 'Content-Type': 'text/plain' })
        response.write('192.0.2.7 permanent\n', () => setImmediate(() => response.destroy()))
      },
    })
    expect(await admin.run(['blocks', 'export'])).toMatchObject({
      exit: 3,
      stderr: expect.stringContaining('What has been printed is not all.'),
    })
  })

  it('that does not go on is given up, and one that does is not', async () => {
    const slow: Answer = async (response) => {
      response.writeHead(200, { 'Content-Type': 'text/plain' })
      for (let line = 0; line < 8; line++) {
        response.write(`192.0.2.${line} permanent\n`)
        await new Promise((resolve) => setTimeout(resolve, 250))
      }
      response.end()
    }
    const admin = await startFakeAdmin({
      'GET /api/blocks/lines': slow,
      'GET /api/blocks/lines?source=auto': (response) =>
        response.writeHead(200, { 'Content-Type': 'text/plain' }).write('x'),
    })
    const environment = { SIDEGATE_TIMEOUT_MS: '1500' }
    const { exit, stdout } = await admin.run(['blocks', 'export'], environment)
    expect([exit, stdout.split('\n').length]).toEqual([0, 9])
    expect(await admin.run(['blocks', 'export', '--source', 'auto'], environment)).toMatchObject({
      exit: 3,
      stderr: expect.stringContaining('has not answered within 1500 ms'),
    })
  })

  it('of what is no admin API prints nothing, and a refusal in words', async () => {
    const admin = await startFakeAdmin({
      'GET /api/blocks/lines': (response) => response.writeHead(200, { 'Content-Type': 'text/html' }).end('<p>'),
      'GET /api/blocks/lines?source=auto': json(403, { detail: 'The token may not.' }),
    })
    expect(await admin.run(['blocks', 'export'])).toMatchObject({ exit: 3, stdout: '' })
    expect(await admin.run(['blocks', 'export', '--source', 'auto'])).toMatchObject({
      exit: 4,
      stderr: expect.stringContaining('The token may not.'),
    })
  })
})

describe('blocks import', () => {
  const ok = json(200, { blocked: 2, passed: 0, withoutEffect: 0, isFleetTold: true })

  it('sends all lines in one call, without comments', async () => {
    const admin = await startFakeAdmin({ 'POST /api/blocks/lines?seconds=60&reason=a+fair&confirm=0.0.0.0%2F0': ok })
    const list = '# fair\r\n\n192.0.2.7\r\n0.0.0.1/0 permanent all  of it\n'
    const args = ['blocks', 'import', '-', '--seconds', '60', '--reason', 'a fair', '--confirm', '0.0.0.0/0']
    expect(await admin.run(args, {}, list)).toEqual({ exit: 0, stdout: '2 lines are in force.\n', stderr: '' })
    expect(admin.seen).toMatchObject([
      { body: '192.0.2.7\n0.0.0.0/0 permanent all of it\n', contentType: 'text/plain; charset=utf-8' },
    ])
  })

  it('sends nothing where any line has a problem, and tells all', async () => {
    const admin = await startFakeAdmin({})
    expect(await admin.run(['blocks', 'import', '-'], {}, '192.0.2.7 permanent\nexample.com\n192.0.2.8\n')).toEqual({
      exit: 1,
      stdout: '',
      stderr: expect.stringMatching(
        /^The list has problems; nothing is sent\.\nPATH +PROBLEM\nline 2 +"example\.com" is no address.*\nline 3 +does not say when it ends.*\n$/,
      ),
    })
    expect(await admin.run(['blocks', 'import', '-'], {}, '\n')).toMatchObject({
      exit: 2,
      stderr: 'Standard input is empty; there is nothing to block.\n',
    })
    expect(admin.seen).toEqual([])
  })

  it('splits what is too much for one call, and tells how far it is', async () => {
    const answers = [
      ok,
      json(200, { blocked: 3, passed: 1, withoutEffect: 2, isFleetTold: false }),
      json(503, { detail: 'Not now.' }),
    ]
    let calls = 0
    const admin = await startFakeAdmin({
      'POST /api/blocks/lines?permanent=true': (...call) => answers[calls++]?.(...call),
    })
    const lines = Array.from({ length: 200_001 }, (_, index) => `${addressText(0xc000_0000 + index)}\n`)
    const run = (count: number) =>
      admin.run(['blocks', 'import', '-', '--permanent'], {}, lines.slice(0, count).join(''))
    const { exit, stdout, stderr } = await run(150_000)
    expect({ exit, stdout }).toEqual({
      exit: 0,
      stdout:
        '5 lines are in force. 1 line had come to an end before. 2 lines of them without effect: the policy never blocks such an address.\n',
    })
    expect(stderr).toBe(
      '100000 of 150000 lines have been taken.\n150000 of 150000 lines have been taken.\n' +
        'This instance alone knows it yet: the fleet is told once Redis is back.\n',
    )
    expect(admin.seen.map(({ body }) => body)).toEqual([
      lines.slice(0, 100_000).join(''),
      lines.slice(100_000, 150_000).join(''),
    ])
    calls = 1
    expect(await run(200_001)).toMatchObject({
      exit: 3,
      stdout: '',
      stderr: expect.stringMatching(
        /^100000 of 200001 lines have been taken\.\nOf 200001 lines, the first 100000 have been taken, the others not for certain\.\nNot now\./,
      ),
    })
    expect(admin.seen).toHaveLength(4)
  })
})

describe('explain', () => {
  const violation = {
    at: '2026-11-28T06:59:00.000Z',
    kind: 'rate-limited',
    what: 'limit "l"',
    method: 'GET',
    route: 'all',
    path: '/x',
  }
  const ANSWER = {
    ...{
      address: '192.0.2.7',
      client: '192.0.2.7',
      verdict: 'blocked',
      because: '192.0.2.7 is blocked by Sidegate itself.',
    },
    ...{ policyVersion: 3, emergency: 'calm', allowedBy: null },
    blocks: [
      { ...ONE, isHolding: false, violations: [] },
      { ...OTHER, range: '192.0.2.0/24', isHolding: true, violations: [violation] },
    ],
    violations: {
      count: 3,
      threshold: 20,
      windowSeconds: 60,
      recent: [{ ...violation, route: undefined, what: 'limit "m"' }],
    },
  }

  it('tells the verdict first, then why, then what is known', async () => {
    const admin = await startFakeAdmin({ 'GET /api/explain?address=192.0.2.7': json(200, ANSWER) })
    expect(await admin.run(['explain', '192.0.2.7'])).toEqual({
      exit: 0,
      stdout: `\
192.0.2.7 is blocked.
192.0.2.7 is blocked by Sidegate itself.

  client      192.0.2.7
  policy      version 3
  state       calm
  violations  3 within 60 s; at 20 it is blocked

Blocks that cover it:
RANGE         HOLDS  SOURCE  BY        SINCE                     UNTIL                     COUNT  REASON
192.0.2.7     no     manual  ann       2026-11-28T07:00:00.000Z  2026-11-28T08:00:00.000Z  1      scrapes
192.0.2.0/24  yes    auto    sidegate  2026-11-28T07:00:00.000Z  permanent                 3      -

What led to the block of 192.0.2.0/24:
WHEN                      KIND          WHAT       ROUTE  REQUEST
2026-11-28T06:59:00.000Z  rate-limited  limit "l"  all    GET /x

What this instance has seen of the client lately:
WHEN                      KIND          WHAT       ROUTE  REQUEST
2026-11-28T06:59:00.000Z  rate-limited  limit "m"  -      GET /x
`,
      stderr: '',
    })
  })

  it('says little where little is known, and moves no cursor', async () => {
    const evil = { ...ANSWER, because: 'a\u001b[2J\nb', emergency: null, violations: null }
    const blocks = [
      { ...ONE, range: '\u001b[1A', isHolding: true, violations: [{ ...violation, path: '/\u001b]0;x\u0007' }] },
    ]
    const admin = await startFakeAdmin({
      'GET /api/explain?address=2001%3Adb8%3A%3A7': json(200, { ...evil, blocks: [] }),
      'GET /api/explain?address=192.0.2.7': json(200, { ...evil, blocks }),
      'GET /api/explain?address=192.0.2.8': json(200, {}),
    })
    expect((await admin.run(['explain', '2001:db8::7'])).stdout).toBe(
      '192.0.2.7 is blocked.\na\\u001b[2J\\u000ab\n\n  client      192.0.2.7\n  policy      version 3\n',
    )
    const { stdout } = await admin.run(['explain', '192.0.2.7'])
    expect(stdout).not.toMatch(/[^\P{Cc}\n]/u)
    expect(stdout).toContain('/\\u001b]0;x\\u0007')
    expect(await admin.run(['explain', '192.0.2.8'])).toMatchObject({ exit: 3 })
  })
})
