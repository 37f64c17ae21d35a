import { freePort } from '../../deploy/local/ports.ts'
import { eventually } from './eventually.ts'
import { RedisProcess } from './redis-process.ts'

const HOST = '127.0.0.1'
const SLOTS = 16_384

export interface Topology {
  /** What REDIS_SENTINELS or REDIS_CLUSTER_NODES is set to. */
  readonly addresses: string
  readonly servers: readonly RedisProcess[]
  close(): Promise<void>
}

const closeAll = (servers: readonly RedisProcess[]) => async () => {
  await Promise.all(servers.map((server) => server.close()))
}

export const MASTER_NAME = 'sidegate'

/** One master, one replica, and three sentinels, which fail over within a second. The first of the servers is the master. */
export const startSentinels = async (): Promise<Topology> => {
  const master = await new RedisProcess(await freePort()).start()
  const replica = await new RedisProcess(await freePort(), [`replicaof ${HOST} ${master.port}`]).start()
  const sentinels: RedisProcess[] = []
  for (let i = 0; i < 3; i++) {
    const configuration = [
      `sentinel monitor ${MASTER_NAME} ${HOST} ${master.port} 2`,
      `sentinel down-after-milliseconds ${MASTER_NAME} 500`,
      `sentinel failover-timeout ${MASTER_NAME} 2000`,
    ]
    sentinels.push(await new RedisProcess(await freePort(), configuration, true).start())
  }
  const servers = [master, replica, ...sentinels]
  await eventually('the sentinels know of each other and of the replica', async () => {
    const known = await Promise.all(
      sentinels.map(async (sentinel) => {
        const [info] = await sentinel.command(['INFO', 'sentinel'])
        return /status=ok,.*slaves=1,sentinels=3/.test(String(info))
      }),
    )
    return known.every(Boolean)
  })
  return {
    addresses: sentinels.map(({ port }) => `${HOST}:${port}`).join(','),
    servers,
    close: closeAll(servers),
  }
}

/** The servers that are masters now: on a busy machine a replica may have taken over before anything was done to its master. */
export const mastersOf = async ({ servers }: Topology): Promise<readonly RedisProcess[]> => {
  const roles = await Promise.all(servers.map((server) => server.command(['ROLE'])))
  return servers.filter((_, index) => (roles[index] as [[string]])[0][0] === 'master')
}

/** Three masters, and after them a replica of each. */
export const startCluster = async (): Promise<Topology> => {
  const servers: RedisProcess[] = []
  const busPorts: number[] = []
  for (let i = 0; i < 6; i++) {
    const busPort = await freePort()
    busPorts.push(busPort)
    const configuration = [
      'cluster-enabled yes',
      `cluster-port ${busPort}`,
      'cluster-node-timeout 700',
      'cluster-replica-validity-factor 0',
    ]
    servers.push(await new RedisProcess(await freePort(), configuration).start())
  }
  const masters = servers.slice(0, 3)
  for (const [i, master] of masters.entries()) {
    const from = Math.floor((SLOTS * i) / 3)
    const to = Math.floor((SLOTS * (i + 1)) / 3) - 1
    await master.command(['CLUSTER', 'ADDSLOTSRANGE', from, to], ['CLUSTER', 'SET-CONFIG-EPOCH', i + 1])
  }
  const [first] = servers
  let looks = 0
  await eventually('all nodes know each other', async () => {
    // On a busy machine an introduction comes too late, and is forgotten: it is made again.
    if (looks++ % 200 === 0) {
      for (const server of servers.slice(1)) {
        await server.command(['CLUSTER', 'MEET', HOST, first?.port ?? 0, busPorts[0] ?? 0])
      }
    }
    const infos = await Promise.all(servers.map((server) => server.command(['CLUSTER', 'INFO'])))
    return infos.every(([info]) => /cluster_known_nodes:6/.test(String(info)))
  })
  for (const [i, master] of masters.entries()) {
    const [id] = await master.command(['CLUSTER', 'MYID'])
    await servers[i + 3]?.command(['CLUSTER', 'REPLICATE', String(id)])
  }
  await eventually('the cluster is whole', async () => {
    const infos = await Promise.all(
      servers.map((server) => server.command(['CLUSTER', 'INFO'], ['INFO', 'replication'])),
    )
    return infos.every(
      ([cluster, replication]) =>
        /cluster_state:ok/.test(String(cluster)) &&
        /master_link_status:up|connected_slaves:1/.test(String(replication)),
    )
  })
  return {
    addresses: servers.map(({ port }) => `${HOST}:${port}`).join(','),
    servers,
    close: closeAll(servers),
  }
}
