import { z } from 'zod'
import { loadEnvironment, orExit } from '#shared/environment.ts'
import { postgresUrl } from '../settings.ts'
import type { PrismaClient } from './generated/client.ts'
import { PostgresServer } from './postgres-server.ts'
import { sampleListings } from './sample-listings.ts'

const SAMPLES = 240

/** Fills an empty table with sample listings, and gives their number; leaves any other table alone. */
export const seed = async (client: PrismaClient): Promise<number> => {
  if ((await client.listing.findFirst({ select: { id: true } })) !== null) return 0
  // Two that seed at once would both find the table empty; the samples have fixed IDs, so that one adds nothing.
  const { count } = await client.listing.createMany({ data: sampleListings(SAMPLES), skipDuplicates: true })
  return count
}

if (import.meta.main) {
  const { DATABASE_URL } = orExit(() => loadEnvironment(z.object({ DATABASE_URL: postgresUrl() }), process.env))
  const server = new PostgresServer(DATABASE_URL, {
    poolSize: 1,
    connectionTimeoutMs: 5_000,
    statementTimeoutMs: 30_000,
    applicationName: 'sidegate-seed',
  })
  const count = await seed(server.client)
  process.stdout.write(count === 0 ? 'There are listings already.\n' : `${count} sample listings were made.\n`)
  await server.close()
}
