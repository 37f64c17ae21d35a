import { setTimeout as delay } from 'node:timers/promises'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freePort } from '../deploy/local/ports.ts'
import type { RedisTarget } from './redis/settings.ts'
import { startCalls } from './testing/call-load.ts'
import { eventually } from './testing/eventually.ts'
import { clusterTarget, guardOf, HOST, NO_ACCESS, singleTarget, TIMEOUT_MS } from './testing/redis-guards.ts'
import { RedisProcess } from './testing/redis-process.ts'
import { MASTER_NAME, mastersOf, startCluster, startSentinels, type Topology } from './testing/redis-topologies.ts'
import { type SlowRelay, startSlowRelay } from './testing/slow-relay.ts'

/** Beyond a timer that was set with the call. */
const SLACK_MS = 30

const nodesOf = ({ servers }: Topology) => servers.map(({ port }) => ({ host: HOST, port }))

/** Makes calls while `harm` is done, one harm after the other; then `heal`, and the guard must come back. */
const survives = async (target: RedisTarget, harms: readonly (() => Promise<void>)[], heal: () => Promise<void>) => {
  const guard = guardOf(target)
  try {
    await eventually('the guard has connected', () => !guard.isImpaired)
    const { observed, stop } = startCalls(guard, TIMEOUT_MS)
    await delay(60)
    expect(observed.answered).toBeGreaterThan(0)
    for (const harm of harms) {
      await harm()
      await delay(150)
    }
    await heal()
    const before = observed.answered
    await eventually('calls are answered again', () => observed.answered > before + 50)
    await eventually('no shard is left out', () => !guard.isImpaired)
    await stop()
    expect(observed.errors).toEqual([])
    expect(observed.latestMs).toBeLessThan(SLACK_MS)
    return { guard, observed }
  } finally {
    guard.close()
  }
}

describe('Property 9: Redis Fallback Non-Blocking', () => {
  describe('one server', () => {
    let redis: RedisProcess
    let master: RedisProcess
    let relay: SlowRelay

    beforeAll(async () => {
      redis = await new RedisProcess(await freePort()).start()
      master = await new RedisProcess(await freePort()).start()
      relay = await startSlowRelay(redis.port)
    })

    afterAll(async () => {
      relay.close()
      await redis.close()
      await master.close()
    })

    const heal = async () => {
      relay.delayMs = 0
      redis.thaw()
      if (!redis.isRunning) await redis.start()
      await redis.command(['CONFIG', 'SET', 'maxclients', '10000'], ['REPLICAOF', 'NO', 'ONE'])
    }

    const harms: Readonly<Record<string, () => Promise<void>>> = {
      kill: () => redis.kill(),
      freeze: async () => redis.freeze(),
      thaw: async () => redis.thaw(),
      'restart empty': async () => {
        redis.thaw()
        await redis.kill()
        await redis.start()
      },
      'refuse clients': async () => {
        await heal()
        await redis.command(['CONFIG', 'SET', 'maxclients', '1'], ['CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes'])
      },
      'become a replica': async () => {
        await heal()
        await redis.command(['REPLICAOF', HOST, master.port])
      },
      'become slow': async () => {
        relay.delayMs = 100
      },
      heal,
    }

    it('whatever is done to it, no call is late, none throws, and all is well afterwards', async () => {
      const target = singleTarget(relay.port)
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.constantFrom(...Object.keys(harms)), { minLength: 1, maxLength: 6 }),
          async (names) => {
            const steps = names.map((name) => harms[name] as () => Promise<void>)
            await survives(target, steps, heal)
          },
        ),
        { numRuns: 12, endOnFailure: true },
      )
    }, 240_000)
  })

  describe('behind sentinels', () => {
    let topology: Topology
    beforeAll(async () => {
      topology = await startSentinels()
    }, 60_000)
    afterAll(() => topology.close())

    it.each(['killed', 'frozen'])(
      'a master that is %s is replaced by its replica',
      async (how) => {
        const [first, second] = topology.servers as [RedisProcess, RedisProcess]
        const isMaster = async (server: RedisProcess) =>
          String((await server.command(['INFO', 'replication']))[0]).includes('role:master')
        const [master, replica] = (await isMaster(first)) ? [first, second] : [second, first]
        const target: RedisTarget = {
          ...NO_ACCESS,
          kind: 'sentinel',
          sentinels: nodesOf(topology).slice(2),
          masterName: MASTER_NAME,
          sentinelUsername: undefined,
          sentinelPassword: undefined,
        }
        const harm = async () => {
          if (how === 'killed') await master.kill()
          else master.freeze()
        }
        await survives(target, [harm], () => eventually('the replica is promoted', () => isMaster(replica)))
        master.thaw()
        if (!master.isRunning) await master.start()
        // The sentinels would see to it as well, after ten seconds.
        await master.command(['REPLICAOF', HOST, replica.port])
        await eventually('the old master follows the new one', async () => !(await isMaster(master)))
      },
      90_000,
    )
  })

  describe('a cluster', () => {
    let topology: Topology
    beforeAll(async () => {
      topology = await startCluster()
    }, 90_000)
    afterAll(() => topology.close())

    const target = (): RedisTarget => clusterTarget(topology)

    it('a master that is frozen costs the others nothing', async () => {
      const guard = guardOf(target())
      const [frozen] = (await mastersOf(topology)) as [RedisProcess]
      try {
        await eventually('the guard has connected', () => !guard.isImpaired)
        const { observed, stop } = startCalls(guard, TIMEOUT_MS)
        await eventually('calls have come to all masters', () => guard.shards.length >= 4)
        frozen.freeze()
        await eventually('its circuit is open', () => guard.isImpaired)
        const open = guard.shards.filter(({ state }) => state === 'open').map(({ name }) => name)
        expect(open).toEqual([`${HOST}:${frozen.port}`])
        const before = observed.answered
        await eventually('the others answer', () => observed.answered > before + 20)
        await eventually('its replica takes over, and all is well', () => !guard.isImpaired)
        await stop()
        expect(observed.errors).toEqual([])
        expect(observed.latestMs).toBeLessThan(SLACK_MS)
      } finally {
        frozen.thaw()
        guard.close()
      }
    }, 60_000)

    it('a master that is killed, and all nodes at once, are survived', async () => {
      const victim = (await mastersOf(topology))[1] as RedisProcess
      const freezeAll = async () => {
        for (const server of topology.servers) if (server.isRunning) server.freeze()
      }
      const heal = async () => {
        for (const server of topology.servers) server.thaw()
        if (!victim.isRunning) await victim.start()
      }
      await survives(target(), [() => victim.kill(), freezeAll], heal)
    }, 90_000)
  })
})
