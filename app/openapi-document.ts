import { pino } from 'pino'
import { Health } from '#shared/health.ts'
import { instanceIdentity } from '#shared/instance.ts'
import { version } from '#shared/version.ts'
import { Database } from './db/database.ts'
import { createMetrics } from './metrics.ts'
import { buildServer } from './server.ts'

/** The API's OpenAPI document, as `/openapi.json` serves it. No database is asked for it. */
export const openApiDocument = async (): Promise<string> => {
  const log = pino({ level: 'silent' })
  const instance = instanceIdentity('app', version)
  const metrics = createMetrics(instance)
  const database = new Database(
    {
      primaryUrl: 'postgresql://nowhere.invalid/none',
      replicaUrls: [],
      poolSize: 1,
      connectionTimeoutMs: 1,
      statementTimeoutMs: 1,
      applicationName: instance.id,
      lagLimitMs: 0,
      lagLimitBytes: 0,
    },
    log,
    metrics.onDatabaseCall,
  )
  const health = new Health(instance, [])
  const app = await buildServer({ log, version: instance.version, database, health, metrics })
  const document = `${JSON.stringify(app.swagger(), undefined, 2)}\n`
  await app.close()
  await database.close()
  return document
}
