import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import {
  ConfigurationError,
  choice,
  commonFields,
  drainTimeoutPastDelay,
  durationMs,
  loadEnvironment,
  port,
} from './environment.ts'

const schema = z.object({
  PORT: port(8080),
  WAIT_MS: durationMs(100, { min: 10, max: 1_000 }),
  MODE: choice(['fast', 'safe'], 'safe'),
  DATABASE_URL: z.string('where the data is'),
})

const problemsOf = (read: () => unknown): readonly string[] => {
  try {
    read()
  } catch (error) {
    if (error instanceof ConfigurationError) return error.problems
    throw error
  }
  throw new Error('was accepted')
}

describe('the environment', () => {
  it('fills in defaults, and takes an empty variable for an unset one', () => {
    expect(loadEnvironment(schema, { DATABASE_URL: 'postgres://x', PORT: '', MODE: ' fast ' })).toEqual({
      PORT: 8080,
      WAIT_MS: 100,
      MODE: 'fast',
      DATABASE_URL: 'postgres://x',
    })
  })

  it('reports every problem at once, each by its variable, with what is expected and what was given', () => {
    const problems = problemsOf(() => loadEnvironment(schema, { PORT: '70000', WAIT_MS: '5s', MODE: 'warp' }))
    expect(problems).toEqual([
      'PORT: expected a port between 0 and 65535 (got "70000")',
      'WAIT_MS: expected whole milliseconds between 10 and 1000 (got "5s")',
      'MODE: expected one of fast, safe (got "warp")',
      'DATABASE_URL is required: where the data is',
    ])
  })

  it('does not repeat what may hold a password', () => {
    const secret = z.object({ API_TOKEN: z.string().regex(/^\d+$/, 'expected digits'), A_URL: z.url('expected a URL') })
    const problems = problemsOf(() =>
      loadEnvironment(secret, { API_TOKEN: 'hunter2', A_URL: 'no url, but me:hunter2@host' }),
    )
    expect(problems).toHaveLength(2)
    expect(problems.join()).not.toContain('hunter2')
  })

  it('checks variables against one another, also where others are bad', () => {
    const problems = problemsOf(() =>
      loadEnvironment(
        z.object({ ...commonFields, PORT: port(1) }),
        { DRAIN_DELAY_MS: '5000', DRAIN_TIMEOUT_MS: '5000', PORT: 'x' },
        [drainTimeoutPastDelay],
      ),
    )
    expect(problems[0]).toMatch(/^PORT: /)
    expect(problems[1]).toMatch(/^DRAIN_TIMEOUT_MS \(5000\) must be greater than DRAIN_DELAY_MS \(5000\)/)
  })
})
