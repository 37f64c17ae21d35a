import { describe, expect, it } from 'vitest'
import { statusReport } from './status-command.ts'

const PROCESS = {
  startedAt: '2026-11-23T07:00:00.000Z',
  lifecycle: 'serving',
  inFlight: { requests: 1, upgrades: 2, longestMs: 120 },
  redis: { mode: 'single', isImpaired: false, shards: [{ name: 'redis', state: 'closed' }] },
  fleetSize: 3,
  policy: { version: 7 },
  emergency: { state: 'calm', mode: 'auto', since: '2026-11-23T07:00:00.000Z', by: 'sidegate', why: 'w' },
}

const PROBATION = {
  until: '2026-11-23T07:10:00.000Z',
  base: 6,
  requests: 412,
  badShare: 0.0123,
  badShareBefore: 0.003,
}

const SHADOW = {
  author: 'ann',
  at: '2026-11-23T07:05:00.000Z',
  requests: 30,
  sums: { wouldRefuse: 8, wouldAdmit: 0 },
}

describe('the status', () => {
  it('of one process is told on a few lines', () => {
    const status = { instance: 'proxy-a', version: '0.1.0', ...PROCESS, token: { name: 'ci', role: 'read' } }
    expect(statusReport(status)).toBe(
      [
        'Sidegate 0.1.0, proxy-a',
        '  lifecycle   serving, started 2026-11-23T07:00:00.000Z',
        '  in flight   1 request, 2 upgrades, longest 120 ms',
        '  policy      version 7',
        '  emergency   calm (auto)',
        '  redis       single: well',
        '  fleet       3 instances',
        '  you are     ci (read)',
      ].join('\n'),
    )
  })

  it('tells of a probation, of a candidate, of a version that cannot be used, and of what Redis has lost', () => {
    const report = statusReport({
      instance: 'proxy-a',
      ...PROCESS,
      policy: {
        version: 7,
        refused: { version: 8, problems: [{ path: 'surprise', message: 'is not part of a policy' }] },
        probation: PROBATION,
      },
      shadow: SHADOW,
      circuits: [{ name: 'read', state: 'open', mode: 'auto', since: '2026-11-23T07:06:00.000Z' }],
      redis: { mode: 'cluster', shards: [{ name: 'b:1', state: 'open', cause: 'no answer' }, { state: 'closed' }] },
    })
    expect(report).toContain('refused     version 8 cannot be used here: surprise: is not part of a policy\n')
    expect(report).toContain(
      'probation   until 2026-11-23T07:10:00.000Z, else back to version 6; so far 412 requests, 1.23 % bad (0.3 % before)\n',
    )
    expect(report).toContain(
      'shadow      a candidate of ann since 2026-11-23T07:05:00.000Z: 30 requests, wouldRefuse 8\n',
    )
    expect(report).toContain('circuits    read is open since 2026-11-23T07:06:00.000Z\n')
    expect(report).toContain('redis       cluster: b:1 is lost (no answer)\n')
  })

  it('of several workers is a table, with what there is to say of each below it', () => {
    const report = statusReport({
      instance: 'proxy-a',
      version: '0.1.0',
      startedAt: '2026-11-23T07:00:00.000Z',
      restarts: 1,
      workers: [
        { instance: 'proxy-a-w1', reportAgeMs: 40, ...PROCESS },
        {
          ...{ instance: 'proxy-a-w2', reportAgeMs: 900, ...PROCESS, redis: { mode: 'memory' } },
          policy: { version: 7, probation: PROBATION },
        },
      ],
    })
    expect(report.split('\n').slice(0, 7)).toEqual([
      'Sidegate 0.1.0, proxy-a',
      '  started     2026-11-23T07:00:00.000Z',
      '  workers     2, 1 restart',
      '',
      expect.stringMatching(/^INSTANCE +LIFECYCLE +IN FLIGHT +POLICY +EMERGENCY +REDIS +FLEET +REPORTED$/),
      expect.stringMatching(
        /^proxy-a-w1 +serving +1 request, 2 upgrades, longest 120 ms +7 +calm +single: well +3 +40 ms ago$/,
      ),
      expect.stringMatching(/^proxy-a-w2 .* none \(memory mode\) /),
    ])
    expect(report.split('\n').at(7)).toMatch(/^proxy-a-w2: probation: until 2026/)
  })

  it('is told as far as it is known', () => {
    expect(statusReport({ instance: 'x', workers: [7, {}] })).toMatch(
      /workers +1, - restarts[\s\S]*\n- +- +- +- +- +- +- /,
    )
    expect(statusReport({ instance: 'x', policy: 5, redis: [], inFlight: null, token: 'me' })).toBe(
      [
        'Sidegate -, x',
        '  lifecycle   -, started -',
        '  in flight   -',
        '  policy      version -',
        '  redis       -',
        '  fleet       - instances',
      ].join('\n'),
    )
  })

  it('moves no cursor', () => {
    const evil = '\u001b[2J\n'
    const status = {
      ...{ instance: evil, version: evil, lifecycle: evil, token: { name: evil } },
      ...{ policy: { version: evil, refused: { version: evil } }, redis: { mode: evil }, shadow: { author: evil } },
      circuits: [{ name: evil, state: evil, since: evil }],
      emergency: { state: evil, mode: evil, since: evil, by: evil, why: evil, until: evil },
    }
    for (const report of [statusReport(status), statusReport({ ...status, workers: [status] })]) {
      expect(report).not.toContain('\u001b')
      expect(report).toContain('\\u001b[2J\\u000a')
    }
  })
})
