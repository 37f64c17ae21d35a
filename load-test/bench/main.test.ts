import { spawn } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import type { Results } from './results.ts'
import { errorCount } from './wrk.ts'

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url))

const bench = async (...args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> => {
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve))
  const [code, stdout, stderr] = await Promise.all([ended, text(child.stdout), text(child.stderr)])
  return { code, stdout, stderr }
}

test('a quick run of two peers measures them without an error, and keeps what it found', async () => {
  const out = await mkdtemp(join(tmpdir(), 'sidegate-bench-test-'))
  onTestFinished(() => rm(out, { recursive: true }))
  const run = await bench('--quick', '--peers', 'sidegate,raw-tunnel', '--scenario', 'small-get', '--out', out)
  expect(run.code, run.stderr).toBe(0)

  const files = (await readdir(out)).toSorted()
  expect(files).toEqual([expect.stringMatching(/^\d{4}-.*\.json$/), expect.stringMatching(/^\d{4}-.*\.md$/)])
  expect(await readFile(join(out, files[1] as string), 'utf8')).toBe(run.stdout)
  const results = JSON.parse(await readFile(join(out, files[0] as string), 'utf8')) as Results
  const samples = results.saturation[0]?.samples ?? []
  expect(samples.map(({ peer }) => peer)).toEqual(['sidegate', 'raw-tunnel'])
  for (const sample of samples) {
    expect(sample.requests).toBeGreaterThan(100)
    expect(sample.cpu?.micros).toBeGreaterThan(1_000)
    expect(sample.rssBytes).toBeGreaterThan(20e6)
    expect(errorCount(sample)).toBe(0)
  }
  // Of the tunnel it is known that it sets no field; of the proxy nothing may be missing.
  expect(results.notes.filter(({ peer }) => peer === 'sidegate')).toEqual([])
}, 60_000)

test('a wrong option is refused before anything is started', async () => {
  const run = await bench('--peers', 'squid')
  expect(run).toMatchObject({
    code: 64,
    stdout: '',
    stderr: expect.stringContaining('expected some of direct, sidegate'),
  })
})
