import { describe, expect, it } from 'vitest'
import { Health } from './health.ts'

const instance = { id: 'app-1', process: 'app', version: '1.2.3' } as const

const check = (probe: () => Promise<void>, timeoutMs = 1_000) => ({
  name: 'database',
  required: true,
  intervalMs: 2,
  timeoutMs,
  probe,
})

const dependency = (health: Health) => (health.report().body.dependencies as Record<string, unknown>[])[0]

describe('health', () => {
  it('is not ready before it serves, nor while it drains', () => {
    const health = new Health(instance, [])
    expect(health.ready()).toMatchObject({ status: 503, body: { reasons: ['starting'] } })
    health.markServing()
    expect(health.ready().status).toBe(200)
    health.markDraining()
    expect(health.ready()).toMatchObject({ status: 503, body: { reasons: ['draining'] } })
    health.markServing()
    expect(health.lifecycle).toBe('draining')
  })

  it('follows a dependency down and up again, and remembers its last error', async () => {
    let isDown = false
    const health = new Health(instance, [
      check(async () => {
        if (isDown) throw new Error('connection refused')
      }),
    ])
    health.markServing()
    health.start()
    await expect.poll(() => health.ready().status).toBe(200)
    isDown = true
    await expect.poll(() => health.ready().status).toBe(503)
    expect(health.ready().body.reasons).toEqual(['database is down'])
    isDown = false
    await expect.poll(() => health.ready().status).toBe(200)
    expect(dependency(health)).toMatchObject({ status: 'up', lastError: { message: 'connection refused' } })
    health.stop()
  })

  it('never has two probes of one dependency under way, even one that ignores its timeout', async () => {
    let underWay = 0
    let most = 0
    let calls = 0
    const release: (() => void)[] = []
    const health = new Health(instance, [
      check(() => {
        calls++
        most = Math.max(most, ++underWay)
        return new Promise((resolve) => {
          release.push(() => {
            underWay--
            resolve()
          })
        })
      }, 5),
    ])
    health.markServing()
    health.start()
    await expect.poll(() => dependency(health)?.status).toBe('down')
    expect(dependency(health)).toMatchObject({ lastError: { message: 'no answer within 5 ms' } })
    release[0]?.()
    await expect.poll(() => calls).toBe(2)
    expect(most).toBe(1)
    for (const letGo of release) letGo()
    health.stop()
  })

  it('tells its listener of each change, and of nothing else', async () => {
    let changes = 0
    let probes = 0
    const health = new Health(instance, [
      check(async () => {
        probes++
      }),
    ])
    health.onChange(() => changes++)
    health.markServing()
    health.start()
    await expect.poll(() => probes).toBeGreaterThan(5)
    expect(changes).toBe(2) // serving, and the dependency known to be up
    health.stop()
  })
})
