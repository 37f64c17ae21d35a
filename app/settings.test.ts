import { expect, test } from 'vitest'
import { ConfigurationError } from '#shared/environment.ts'
import { listenTarget, loadAppSettings } from './settings.ts'

const DATABASE_URL = 'postgresql://app:secret@db:5432/listings'

const problemsOf = (source: Record<string, string>): readonly string[] => {
  try {
    loadAppSettings(source)
  } catch (error) {
    if (error instanceof ConfigurationError) return error.problems
    throw error
  }
  return []
}

test('a database is all that it needs; it then listens on loopback, port 3000', () => {
  const settings = loadAppSettings({ DATABASE_URL })
  expect(listenTarget(settings)).toEqual({ host: '127.0.0.1', port: 3_000 })
  expect(settings.DATABASE_REPLICA_URLS).toEqual([])
})

test('a socket takes the place of the port', () => {
  expect(listenTarget(loadAppSettings({ DATABASE_URL, APP_SOCKET: '/run/app.sock' }))).toEqual({
    socketPath: '/run/app.sock',
  })
})

test('a socket and a port exclude one another', () => {
  expect(problemsOf({ DATABASE_URL, APP_SOCKET: '/run/app.sock', APP_PORT: '3000' })).toEqual([
    expect.stringMatching(/^APP_SOCKET .*APP_PORT .*exclude/),
  ])
})

test('a database that is missing is asked for in words for an operator', () => {
  expect(problemsOf({})).toEqual([
    'DATABASE_URL is required: expected a URL such as postgresql://user:password@host:5432/database',
  ])
})

test('replicas are separated by commas, with or without blanks', () => {
  const { DATABASE_REPLICA_URLS } = loadAppSettings({
    DATABASE_URL,
    DATABASE_REPLICA_URLS: 'postgres://a/x, postgres://b/x,',
  })
  expect(DATABASE_REPLICA_URLS).toEqual(['postgres://a/x', 'postgres://b/x'])
})

test('every problem is told at once, by the name of its variable, and no password with it', () => {
  const problems = problemsOf({
    APP_PORT: '70000',
    APP_HOST: 'not a host',
    DATABASE_REPLICA_URLS: 'postgres://a/x,mysql://root:hunter2@b/x',
    DATABASE_POOL_SIZE: '0',
    DATABASE_STATEMENT_TIMEOUT_MS: 'soon',
    MIGRATE_ON_START: 'maybe',
    DRAIN_DELAY_MS: '5000',
    DRAIN_TIMEOUT_MS: '1000',
  })
  const names = problems.map((problem) => problem.split(/[: ]/, 1)[0])
  expect(new Set(names)).toEqual(
    new Set([
      'APP_HOST',
      'APP_PORT',
      'DATABASE_POOL_SIZE',
      'DATABASE_REPLICA_URLS',
      'DATABASE_STATEMENT_TIMEOUT_MS',
      'DATABASE_URL',
      'DRAIN_TIMEOUT_MS',
      'MIGRATE_ON_START',
    ]),
  )
  expect(problems.join('\n')).not.toContain('hunter2')
})
