import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type IncomingMessage, request } from 'node:http'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { startProxyProcess } from './testing/proxy-process.ts'
import { startUpstream } from './testing/start-upstream.ts'

const MEBIBYTE = 1_048_576
/** Each way. By hand: `SIDEGATE_TEST_TRANSFER_MIB=1024`, whose figures are in docs/architecture.md. */
const TRANSFER_BYTES = Number(process.env.SIDEGATE_TEST_TRANSFER_MIB ?? 256) * MEBIBYTE
const GROWTH_LIMIT_BYTES = 64 * MEBIBYTE

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

it('what a proxy loads at its start does not bring fetch with it, which is 4 MB', async () => {
  const script = `
    for (const file of ['settings', 'workers', 'build', 'admin/open', 'admin/metrics', 'state/policy/open']) {
      await import('./proxy/' + file + '.ts')
    }
    console.log(process.moduleLoadList.filter((name) => name.includes('undici')).join())`
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script])
  expect(stdout.trim(), 'an import of node:http by name reads all its members, fetch’s too').toBe('')
})
