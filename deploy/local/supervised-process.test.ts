import { describe, expect, onTestFinished, test } from 'vitest'
import { type ProcessSettings, SupervisedProcess } from './supervised-process.ts'

const START_LIMIT_MS = 10_000

/** A Node process that runs `source`, and what it says. */
const run = (source: string, settings: Partial<ProcessSettings> = {}) => {
  const lines: string[] = []
  const child = new SupervisedProcess({
    name: 'child',
    command: process.execPath,
    args: ['-e', source],
    environment: { PATH: process.env.PATH },
    stopSignals: ['SIGTERM'],
    stopStepMs: 10_000,
    leashSignal: 'KILL',
    onLine: (line, stream) => lines.push(`${stream}: ${line}`),
    ...settings,
  })
  onTestFinished(() => child.kill())
  return { child, lines }
}

const STAYING = 'setInterval(() => undefined, 1000); console.log("up")'

describe('a supervised process', () => {
  test('is told of by the lines that it writes, its last one included', async () => {
    const { child, lines } = run('console.log("one"); console.error("two")')
    expect(await child.ended).toBe('status 0')
    expect(new Set(lines)).toEqual(new Set(['stdout: one', 'stderr: two']))
  })

  test('reads all of its input', async () => {
    const { child, lines } = run('process.stdin.pipe(process.stdout)', { input: 'first\nsecond\n' })
    await child.ended
    expect(lines).toEqual(['stdout: first', 'stdout: second'])
  })

  test('has no pid once it has ended, and has ended unexpectedly unless it was stopped', async () => {
    const outcomes: string[] = []
    const { child } = run('process.exitCode = 3')
    child.onUnexpectedEnd((outcome) => outcomes.push(outcome))
    await child.ended
    expect(outcomes).toEqual(['status 3'])
    expect(child.pid).toBeUndefined()

    const { child: other } = run(STAYING)
    other.onUnexpectedEnd((outcome) => outcomes.push(outcome))
    await other.line(/up/, START_LIMIT_MS)
    expect(await other.stop()).toBe('signal SIGTERM')
    expect(outcomes).toEqual(['status 3'])
  })

  test('is killed where it does not heed the signals in their time', async () => {
    const { child } = run(`process.on("SIGTERM", () => console.log("no")); ${STAYING}`, { stopStepMs: 200 })
    await child.line(/up/, START_LIMIT_MS)
    expect(await child.stop()).toBe('signal SIGKILL')
  })

  test('that never says what is waited for is an error with its end, or with the time that has passed', async () => {
    const { child: short } = run('process.exit(7)')
    await expect(short.line(/up/, START_LIMIT_MS)).rejects.toThrow('child has ended (status 7)')
    const { child: silent } = run('setInterval(() => undefined, 1000)')
    await expect(silent.line(/up/, 50)).rejects.toThrow('child did not say /up/ in 50 ms')
  })

  test('that cannot be started has ended with the reason', async () => {
    const { child } = run('', { command: '/no/such/program' })
    expect(await child.ended).toMatch(/ENOENT/)
  })
})
