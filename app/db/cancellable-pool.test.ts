import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest'
import { eventually } from '#shared/testing/eventually.ts'
import { createTestDatabase, runOn, type TestDatabase } from '../testing/database.ts'
import { CancellablePool } from './cancellable-pool.ts'
import { PostgresServer } from './postgres-server.ts'
import type { QueryClient } from './query-client.ts'

let own: TestDatabase
let server: PostgresServer

beforeAll(async () => {
  own = await createTestDatabase(inject('primaryUrl'), inject('replicaUrl'))
})
afterAll(() => own.drop())

beforeEach(() => {
  server = new PostgresServer(own.primaryUrl, {
    ...{ poolSize: 2, connectionTimeoutMs: 60_000, statementTimeoutMs: 60_000, applicationName: 'test' },
  })
})
afterEach(() => server.close())

const sleep = (client: Pick<QueryClient, '$queryRaw'>) => client.$queryRaw`select pg_sleep(60)::text`
const addListing = (client: Pick<QueryClient, 'listing'>, id: string) =>
  client.listing.create({
    data: { id, title: 'One', description: '', category: 'books', priceCents: 1, currency: 'EUR', city: 'Gent' },
  })
const one = (client: QueryClient) => client.$queryRaw<{ one: number }[]>`select 1 as one`

/** How many statements the server runs that sleep. */
const sleeping = async (): Promise<number> => {
  const rows = await runOn(
    own.primaryUrl,
    `select 1 from pg_stat_activity where datname = current_database() and state <> 'idle'
     and query like '%pg_sleep%' and pid <> pg_backend_pid()`,
  )
  return rows.length
}
const asleep = (count: number) => eventually(`${count} sleep`, async () => (await sleeping()) === count)

describe('work that is given up', () => {
  it('is not gone on with by the server, and ends with the reason', async () => {
    const controller = new AbortController()
    const running = server.run(sleep, controller.signal)
    const ended = expect(running).rejects.toThrow('nobody waits')
    await asleep(1)
    controller.abort(new Error('nobody waits'))
    await ended
    expect(await sleeping()).toBe(0)
    expect(await server.run(one, undefined)).toEqual([{ one: 1 }])
  })

  it('is not begun, where it is given up before', async () => {
    const signal = AbortSignal.abort(new Error('nobody waits'))
    await expect(server.run(() => Promise.reject(new Error('it was begun')), signal)).rejects.toThrow('nobody waits')
  })

  it('takes no connection that it has waited for', async () => {
    const holders = [new AbortController(), new AbortController()]
    const holding = holders.map(({ signal }) => server.run(sleep, signal).catch(String))
    await asleep(2)
    const controller = new AbortController()
    let hasRun = false
    const waiting = server.run(async (client) => {
      const rows = await one(client)
      hasRun = true
      return rows
    }, controller.signal)
    const ended = expect(waiting).rejects.toThrow('nobody waits')
    controller.abort(new Error('nobody waits'))
    await ended
    for (const holder of holders) holder.abort(new Error('enough'))
    expect(await Promise.all(holding)).toEqual(['Error: enough', 'Error: enough'])
    expect(await server.run(one, undefined)).toEqual([{ one: 1 }])
    expect(hasRun).toBe(false)
  })

  it('does not go on with its transaction, quick as its statements may be, and nothing of it is committed', async () => {
    const controller = new AbortController()
    const { promise: transactionEnded, resolve } = Promise.withResolvers<unknown>()
    const running = server.run((client) => {
      const transaction = client.$transaction(
        async (transaction) => {
          await addListing(transaction, '019b7880-4600-7000-8000-000000000001')
          controller.abort(new Error('nobody waits'))
          await delay(120) // between two statements there is nothing to cancel
          await addListing(transaction, '019b7880-4600-7000-8000-000000000002')
        },
        { timeout: 60_000 },
      )
      transaction.then(() => resolve('committed'), resolve)
      return transaction
    }, controller.signal)
    await expect(running).rejects.toThrow('nobody waits')
    expect(await transactionEnded).toBeInstanceOf(Error)
    expect(await server.run((client) => client.listing.count(), undefined)).toBe(0)
  })

  it('ends within the statement of its transaction, and takes no place in the pool', async () => {
    for (let turn = 0; turn < 3; turn++) {
      const controller = new AbortController()
      const running = server.run((client) => client.$transaction(sleep, { timeout: 60_000 }), controller.signal)
      const ended = expect(running).rejects.toThrow('nobody waits')
      await asleep(1)
      controller.abort(new Error('nobody waits'))
      await ended
      await asleep(0)
    }
    expect(await Promise.all([server.run(one, undefined), server.run(one, undefined)])).toHaveLength(2)
  })
})

describe('a connection whose statement ended by itself, as it was to be cancelled', () => {
  /** @returns which backend served the statement, and which one serves the next */
  const backends = async (cancel: () => Promise<unknown>): Promise<[number, number]> => {
    const { promise: isTried, resolve } = Promise.withResolvers<void>()
    const pool = new CancellablePool({ connectionString: own.primaryUrl, max: 1 }, () => {
      resolve()
      return cancel()
    })
    const processId = async () =>
      (await pool.query<{ pid: number }>('select pg_backend_pid() as pid')).rows[0]?.pid as number
    const first = await processId()
    const holding = await holdTable()
    const controller = new AbortController()
    const running = pool.until(controller.signal, () => pool.query('select 1 from listings')).catch(() => undefined)
    await eventually('it waits for the table', async () => (await waitingForTable()) === 1)
    controller.abort(new Error('nobody waits'))
    await isTried
    await holding.release()
    await running
    const next = await processId()
    await pool.end()
    return [first, next]
  }

  it('is lent again, once that was answered', async () => {
    const [first, next] = await backends(() => Promise.resolve())
    expect(next).toBe(first)
  })

  it('is not lent again where it was not answered: the attempt may come late, and hit another’s query', async () => {
    const [first, next] = await backends(() => Promise.reject(new Error('Query read timeout')))
    expect(next).not.toBe(first)
  })
})

it('a transaction is committed no more where the server does not answer either', async () => {
  const unanswered = () => Promise.reject(new Error('Query read timeout'))
  const pool = new CancellablePool({ connectionString: own.primaryUrl, max: 1 }, unanswered)
  const controller = new AbortController()
  const running = pool.until(controller.signal, async () => {
    const client = await pool.connect()
    await client.query('begin')
    await client.query('create table of_the_transaction ()')
    controller.abort(new Error('nobody waits'))
    await client.query('commit').finally(() => client.release())
  })
  await expect(running).rejects.toThrow('nobody waits')
  const { rows } = await pool.query("select to_regclass('of_the_transaction') as found")
  expect(rows).toEqual([{ found: null }])
  await pool.end()
})

it('the same query of two requests is two, of which one may be given up', async () => {
  const holding = await holdTable()
  const controller = new AbortController()
  const count = (client: QueryClient) => client.listing.findFirst({ where: { title: 'none' } })
  const givenUp = expect(server.run(count, controller.signal)).rejects.toThrow('nobody waits')
  const other = server.run(count, new AbortController().signal)
  await eventually('both wait for the table', async () => (await waitingForTable()) === 2)
  controller.abort(new Error('nobody waits'))
  await givenUp
  expect(await waitingForTable()).toBe(1)
  await holding.release()
  expect(await other).toBeNull()
})

it('cancelling hits nobody else’s query on the same connections', async () => {
  const others: Promise<unknown>[] = []
  const givenUp: Promise<unknown>[] = []
  for (let turn = 0; turn < 150; turn++) {
    const controller = new AbortController()
    const short = (client: QueryClient) => client.$queryRaw`select pg_sleep(0.004)::text`
    givenUp.push(server.run(short, controller.signal).catch(() => undefined))
    others.push(server.run(one, new AbortController().signal), server.run(one, undefined))
    setTimeout(() => controller.abort(new Error('nobody waits')), turn % 12)
    await delay(1)
  }
  await Promise.all(givenUp)
  for (const rows of await Promise.all(others)) expect(rows).toEqual([{ one: 1 }])
})

const waitingForTable = async (): Promise<number> => {
  const rows = await runOn(
    own.primaryUrl,
    `select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
  )
  return rows.length
}

/** Keeps everyone else from the table of listings. */
const holdTable = async (): Promise<{ release(): Promise<void> }> => {
  const controller = new AbortController()
  const holder = new PostgresServer(own.primaryUrl, {
    ...{ poolSize: 1, connectionTimeoutMs: 60_000, statementTimeoutMs: 60_000, applicationName: 'holder' },
  })
  const { promise: isHeld, resolve } = Promise.withResolvers<void>()
  const holding = holder
    .run(
      (client) =>
        client.$transaction(
          async (transaction) => {
            await transaction.$executeRaw`lock table listings in access exclusive mode`
            resolve()
            await sleep(transaction)
          },
          { timeout: 60_000 },
        ),
      controller.signal,
    )
    .catch(() => undefined)
  await isHeld
  return {
    async release() {
      controller.abort(new Error('enough'))
      await holding
      await holder.close()
    },
  }
}
