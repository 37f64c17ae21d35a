import { availableParallelism } from 'node:os'
import { describe, expect, it } from 'vitest'
import { ConfigurationError } from '#shared/environment.ts'
import { proxySettings } from './settings.ts'

const UPSTREAM_URL = 'http://127.0.0.1:4000'

const problemsOf = (environment: Record<string, string>): readonly string[] => {
  try {
    proxySettings(environment)
  } catch (error) {
    if (error instanceof ConfigurationError) return error.problems
    throw error
  }
  return []
}

describe('settings', () => {
  it('need nothing but UPSTREAM_URL', () => {
    expect(proxySettings({ UPSTREAM_URL })).toMatchObject({
      UPSTREAM_URL: { origin: UPSTREAM_URL, socketPath: undefined },
      PORT: 8080,
      ADMIN_PORT: 9090,
      WORKERS: 1,
    })
  })

  it('name UPSTREAM_URL where it is missing, with an example', () => {
    expect(problemsOf({})).toEqual([expect.stringMatching(/^UPSTREAM_URL is required: .*http:\/\/127\.0\.0\.1:4000/)])
  })

  it('take what is set but empty for unset', () => {
    expect(proxySettings({ UPSTREAM_URL, PORT: '', WORKERS: ' ', ADMIN_TOKEN: '' })).toEqual(
      proxySettings({ UPSTREAM_URL }),
    )
  })

  it('name every bad variable at once, with what was expected and what was got', () => {
    const bad = {
      UPSTREAM_URL: 'app:4000',
      PORT: '80a',
      ADMIN_PORT: '65536',
      WORKERS: '0',
      ACCESS_LOG: 'some',
      LOG_LEVEL: 'loud',
      UPSTREAM_HEALTH_PATH: 'health',
      UPSTREAM_CONNECTIONS_LIMIT: '0',
      UPSTREAM_QUEUE_LIMIT: '-1',
      UPSTREAM_QUEUE_TIMEOUT_MS: '1.5',
      UPSTREAM_CONNECT_TIMEOUT_MS: '2s',
      UPSTREAM_HEADERS_TIMEOUT_MS: '3600001',
      UPSTREAM_IDLE_TIMEOUT_MS: '1e3',
      UPSTREAM_KEEP_ALIVE_TIMEOUT_MS: 'never',
      CLIENT_HEADERS_TIMEOUT_MS: '99',
      CLIENT_IDLE_TIMEOUT_MS: '0x10',
      CLIENT_KEEP_ALIVE_TIMEOUT_MS: '999',
      HEADER_LIMIT_BYTES: '1023',
      TARGET_LIMIT_BYTES: '255',
      UNREAD_BODY_LIMIT_BYTES: '-1',
      DRAIN_DELAY_MS: 'soon',
      DRAIN_TIMEOUT_MS: '1',
      SIDEGATE_INSTANCE_ID: 'a b',
    }
    const problems = problemsOf(bad)
    expect(new Set(problems.map((problem) => problem.split(':')[0]))).toEqual(new Set(Object.keys(bad)))
    expect(problems).toHaveLength(Object.keys(bad).length)
    for (const problem of problems) {
      const name = problem.split(':')[0] as keyof typeof bad
      expect(problem).toContain(`(got ${JSON.stringify(bad[name])})`)
    }
  })

  it('do not repeat a token or a password', () => {
    const problems = problemsOf({ UPSTREAM_URL: 'http://user:hunter2@app', ADMIN_TOKEN: 'hunter2' })
    expect(problems).toHaveLength(2)
    expect(problems.join()).not.toContain('hunter2')
  })

  it.each([
    [{ PORT: '8080', ADMIN_PORT: '8080' }, /^ADMIN_PORT must differ from PORT/],
    [{ PORT: '9090' }, /^ADMIN_PORT must differ from PORT/],
    [
      { TARGET_LIMIT_BYTES: '4096', HEADER_LIMIT_BYTES: '4096' },
      /^TARGET_LIMIT_BYTES \(4096\) must be less than HEADER/,
    ],
    [
      { DRAIN_DELAY_MS: '5000', DRAIN_TIMEOUT_MS: '5000' },
      /^DRAIN_TIMEOUT_MS \(5000\) must be greater than DRAIN_DELAY/,
    ],
  ])('that contradict one another are named together: %o', (environment, words) => {
    expect(problemsOf({ UPSTREAM_URL, ...environment } as Record<string, string>)).toEqual([
      expect.stringMatching(words),
    ])
  })

  it('report contradictions beside what is bad by itself', () => {
    const problems = problemsOf({ PORT: '1', ADMIN_PORT: '1', WORKERS: 'many' })
    expect(problems.map((problem) => problem.split(/[ :]/)[0])).toEqual(['UPSTREAM_URL', 'WORKERS', 'ADMIN_PORT'])
  })

  it('let the system choose both ports', () => {
    expect(problemsOf({ UPSTREAM_URL, PORT: '0', ADMIN_PORT: '0' })).toEqual([])
  })

  it.each([
    ['1', 1],
    ['128', 128],
    ['auto', availableParallelism()],
  ])('WORKERS=%s is understood', (text, workers) => {
    expect(proxySettings({ UPSTREAM_URL, WORKERS: text }).WORKERS).toBe(workers)
  })

  it.each(['129', '1000', '-1', '2.0', 'AUTO', '01'])('WORKERS=%s is refused', (text) => {
    expect(problemsOf({ UPSTREAM_URL, WORKERS: text })).toEqual([expect.stringMatching(/^WORKERS: expected a number/)])
  })
})
