import { relative } from 'node:path'
import type { Launched } from './launch.ts'
import { type LaunchSettings, LOOPBACK, urlOf } from './launch-settings.ts'

/** Three requests to try, each a line for a shell. */
const exampleRequests = ({ HOST, PORT }: LaunchSettings): readonly [string, string, string] => {
  const listings = `${urlOf(HOST, PORT)}/listings`
  const newListing = { title: 'Folding boat', category: 'boats', priceCents: 42_000, city: 'Turku' }
  return [
    `curl -i -H 'X-Request-ID: my-first-request' '${listings}?limit=2'`,
    `curl -i -H 'Content-Type: application/json' -d '${JSON.stringify(newListing)}' '${listings}'`,
    `curl -i '${listings}?limit=many'`,
  ]
}

const EXAMPLE_MEANINGS = [
  'read: answered from the standby, under the correlation ID that you give',
  'write: answered by the primary',
  'an error: problem+json that names the field and carries the correlation ID',
] as const

/** What a developer is told once everything runs. */
export const welcome = (settings: LaunchSettings, { cluster, hasRedis, adminTokenFile }: Launched): string => {
  const { HOST, PORT, ADMIN_HOST, ADMIN_PORT, APP_PORT, REDIS_PORT } = settings
  const examples = exampleRequests(settings).flatMap((line, index) => [`  # ${EXAMPLE_MEANINGS[index]}`, `  ${line}`])
  const adminUrl = ADMIN_PORT === 9_090 ? '' : `SIDEGATE_ADMIN_URL=${urlOf(ADMIN_HOST, ADMIN_PORT)} `
  const operate = `${adminUrl}ADMIN_TOKEN_FILE='${shownPath(adminTokenFile)}' npm run -s sidegate --`
  const psql = `PGPASSFILE='${shownPath(cluster.passFile)}' psql -h ${LOOPBACK} -p ${cluster.primary.port} -U sidegate`
  return [
    '',
    'Sidegate is ready.',
    '',
    `  proxy       ${urlOf(HOST, PORT)}/listings`,
    `  its admin   ${urlOf(ADMIN_HOST, ADMIN_PORT)}/health`,
    `  app         ${urlOf(LOOPBACK, APP_PORT)}/openapi.json`,
    `  PostgreSQL  ${cluster.version}: primary on port ${cluster.primary.port}, standby on port ${cluster.replica.port}`,
    `              ${psql}`,
    hasRedis
      ? `  Redis       on port ${REDIS_PORT}`
      : '  Redis       memory mode: there is no redis-server on the PATH',
    '',
    'Try:',
    ...examples,
    '',
    'Operate:',
    '  # what runs here, and by which policy; all commands: help',
    `  ${operate} status`,
    '',
    'Ctrl-C drains and stops everything. The data are kept; npm start -- --fresh starts over.',
    '',
    '',
  ].join('\n')
}

const shownPath = (path: string): string => {
  const shown = relative(process.cwd(), path)
  return shown.startsWith('..') ? path : shown
}
