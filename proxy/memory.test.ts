import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type IncomingMessage, request } from 'node:http'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { proxyNode } from './node-options.ts'
import { startProxyProcess } from './testing/proxy-process.ts'
import { startUpstream } from './testing/start-upstream.ts'

const MEBIBYTE = 1_048_576
/** Each way. By hand: `SIDEGATE_TEST_TRANSFER_MIB=1024`, whose figures are in docs/architecture.md. */
const TRANSFER_BYTES = Number(process.env.SIDEGATE_TEST_TRANSFER_MIB ?? 256) * MEBIBYTE
const GROWTH_LIMIT_BYTES = 64 * MEBIBYTE
const IDLE_LIMIT_BYTES = 90_000_000

const rssBytes = (pid: number): number => {
  const kibibytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  return Number(kibibytes) * 1_024
}

it('a body of any size passes up and down in memory that does not grow with it', { timeout: 300_000 }, async () => {
  const upstream = await startUpstream((incoming, outgoing) => {
    incoming.pipe(outgoing)
  })
  const { child, origin } = await startProxyProcess(upstream.url)
  try {
    const pid = child.process.pid as number
    await (await fetch(origin, { method: 'POST', body: 'warm' })).text()
    const before = rssBytes(pid)
    let most = before
    const sampling = setInterval(() => {
      most = Math.max(most, rssBytes(pid))
    }, 20)
    const sent = request(origin, { method: 'POST', headers: { 'content-length': TRANSFER_BYTES } })
    const replied = once(sent, 'response')
    const piece = Buffer.alloc(256 * 1_024)
    const sending = (async () => {
      for (let offered = 0; offered < TRANSFER_BYTES; offered += piece.length) {
        if (!sent.write(piece)) await once(sent, 'drain')
      }
      sent.end()
    })()
    const [reply] = (await replied) as [IncomingMessage]
    let received = 0
    for await (const chunk of reply) received += (chunk as Buffer).length
    await sending
    clearInterval(sampling)
    expect(received).toBe(TRANSFER_BYTES)
    expect(most - before, `grew from ${before} to ${most} bytes`).toBeLessThan(GROWTH_LIMIT_BYTES)
    process.stdout.write(
      `${TRANSFER_BYTES / MEBIBYTE} MiB each way: RSS ${Math.round(before / MEBIBYTE)} → ${Math.round(most / MEBIBYTE)} MiB\n`,
    )
  } finally {
    child.process.kill('SIGKILL')
    await child.exited()
    await upstream.close()
  }
})

it('an idle proxy takes less than 90 MB', async () => {
  const upstream = await startUpstream((_incoming, outgoing) => {
    outgoing.end('hello')
  })
  const idleBytes = async (): Promise<number> => {
    const { child, origin, admin } = await startProxyProcess(upstream.url)
    try {
      expect(await (await fetch(origin)).text()).toBe('hello')
      expect((await fetch(`${admin}/health/live`)).status).toBe(200)
      return rssBytes(child.process.pid as number)
    } finally {
      child.process.kill('SIGKILL')
      await child.exited()
    }
  }
  await idleBytes() // whose types may not have been stripped yet
  expect(await idleBytes()).toBeLessThan(IDLE_LIMIT_BYTES)
  await upstream.close()
})

describe('what a proxy loads at its start', () => {
  const loaded = async (): Promise<{ builtin: string[]; packages: string[] }> => {
    const script = `
      import { createRequire } from 'node:module'
      for (const file of ['settings', 'workers', 'build', 'admin/open', 'admin/metrics', 'state/policy/open']) {
        await import('./proxy/' + file + '.ts')
      }
      const packages = Object.keys(createRequire(import.meta.url).cache)
      console.log(JSON.stringify({ builtin: process.moduleLoadList, packages }))`
    const flags = [...proxyNode.flags, '--input-type=module', '-e', script]
    const { stdout } = await promisify(execFile)(process.execPath, flags, { maxBuffer: MEBIBYTE })
    return JSON.parse(stdout)
  }

  it('does not bring fetch with it, which is 4 MB', async () => {
    const { builtin } = await loaded()
    const why = 'an import of node:http by name reads all its members, fetch’s too'
    expect(
      builtin.filter((name) => name.includes('undici')),
      why,
    ).toEqual([])
  })

  it('does not bring the transpiler with it, which is 25 MB, but the first time', async () => {
    await loaded()
    expect((await loaded()).builtin.filter((name) => name.includes('amaro'))).toEqual([])
  })

  it('does not bring the client of a Redis with it that may not be there, which is 0.8 MB', async () => {
    const { packages } = await loaded()
    expect(packages.filter((path) => path.includes('/pino/'))).not.toEqual([])
    expect(packages.filter((path) => path.includes('ioredis'))).toEqual([])
  })
})
