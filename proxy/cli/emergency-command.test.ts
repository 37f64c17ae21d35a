import { describe, expect, it } from 'vitest'
import { json, startFakeAdmin } from './testing/fake-admin.ts'

const SINCE = '2026-11-23T07:05:00.000Z'
const NOW = {
  ...{ state: 'emergency', mode: 'auto', since: SINCE, by: 'sidegate', why: 'signals are high', isFleetTold: true },
  signals: [{ signal: 'violationsPerSecond', value: 512.5, enterAbove: 100, recoverAt: 50 }],
}

describe('emergency', () => {
  it('tells how things are, by what signals, and what has changed', async () => {
    const history = [{ ...NOW, why: 'a\u001b[2J' }, ...Array(20).fill({ ...NOW, state: 'calm' })]
    const admin = await startFakeAdmin({ 'GET /api/emergency': json(200, { ...NOW, history }) })
    const { exit, stdout } = await admin.run(['emergency'])
    expect(exit).toBe(0)
    expect(stdout.split('\n').slice(0, 8)).toEqual([
      `emergency (auto), since ${SINCE}`,
      'sidegate: signals are high',
      '',
      'SIGNAL               NOW    ENTERS ABOVE  RECOVERS AT',
      'violationsPerSecond  512.5  100           50',
      '',
      expect.stringMatching(/^SINCE +STATE +MODE +BY +WHY$/),
      `${SINCE}  emergency  auto  sidegate  a\\u001b[2J`,
    ])
    expect(stdout.match(/ calm /g)).toHaveLength(9)
  })

  it('orders a mode, with why and for how long', async () => {
    const until = '2026-11-23T07:15:00.000Z'
    const ordered = { ...NOW, mode: 'on', until, by: 'ann', why: 'a flood', isFleetTold: false }
    const admin = await startFakeAdmin({ 'PUT /api/emergency': json(200, ordered) })
    const { exit, stdout } = await admin.run(['emergency', 'on', '--reason', 'a flood', '--seconds', '600'])
    expect({ exit, told: stdout.split('\n').slice(0, 2) }).toEqual({
      exit: 0,
      told: [
        `emergency (on until ${until}), since ${SINCE}, of this instance alone: the fleet is told once Redis is back`,
        'ann: a flood',
      ],
    })
    expect(admin.seen.map(({ body }) => JSON.parse(body))).toEqual([{ mode: 'on', reason: 'a flood', seconds: 600 }])
  })

  it('leaves it to the signals', async () => {
    const calm = { ...NOW, state: 'calm', isSpent: true }
    const admin = await startFakeAdmin({ 'PUT /api/emergency': json(200, calm) })
    expect((await admin.run(['emergency', 'auto'])).stdout).toMatch(
      /^calm \(auto\), not entered by itself until signals have been low\n/,
    )
    expect(admin.seen.map(({ body }) => JSON.parse(body))).toEqual([{ mode: 'auto' }])
  })

  it('is refused as all else is', async () => {
    const admin = await startFakeAdmin({ 'PUT /api/emergency': json(403, { detail: 'may look' }) })
    expect(await admin.run(['emergency', 'off'])).toMatchObject({ exit: 4, stdout: '' })
  })
})
