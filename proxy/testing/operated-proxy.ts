import { onTestFinished } from 'vitest'
import { eventually } from '#shared/testing/eventually.ts'
import { RedisProcess } from '#shared/testing/redis-process.ts'
import { freePort } from '../../deploy/local/ports.ts'
import { ADMIN_TOKEN, askAdmin } from './ask-admin.ts'
import { type ProxyProcess, spawnProxy, startProxyProcess } from './proxy-process.ts'
import { startRawUpstream, startUpstream } from './start-upstream.ts'

/** What an operator has before them, in processes of its own; each part ends with the test that started it. */

/** An app that answers everything with `ok`. @returns its URL */
export const okApp = async (): Promise<string> => {
  const app = await startRawUpstream((socket) => {
    socket.on('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'))
  })
  onTestFinished(() => app.close())
  return app.url
}

/** An app that answers `/503` with 503. @returns its URL */
export const statusApp = async (): Promise<string> => {
  const app = await startUpstream((request, response) => void response.writeHead(Number(request.url?.slice(1))).end())
  onTestFinished(() => app.close())
  return app.url
}

export const ownRedis = async (): Promise<RedisProcess> => {
  const redis = await new RedisProcess(await freePort()).start()
  onTestFinished(() => redis.close())
  return redis
}

/** A proxy whose admin port {@link askAdmin} may ask. */
export const operatedProxy = async (
  appUrl: string,
  environment: Readonly<Record<string, string>> = {},
): Promise<ProxyProcess> => {
  const proxy = await startProxyProcess(appUrl, { ADMIN_TOKEN, ...environment })
  endWithTest(proxy)
  return proxy
}

/** The same with two workers, once both are ready. */
export const operatedWorkers = async (
  appUrl: string,
  environment: Readonly<Record<string, string>> = {},
): Promise<ProxyProcess> => {
  const port = await freePort()
  const child = spawnProxy({
    ...{ UPSTREAM_URL: appUrl, WORKERS: '2', ADMIN_TOKEN, DRAIN_DELAY_MS: '0' },
    ...{ HOST: '127.0.0.1', PORT: String(port), ADMIN_HOST: '127.0.0.1', ADMIN_PORT: '0' },
    ...environment,
  })
  const line = await child.line(({ msg }) => msg === 'proxy runs workers')
  const { port: adminPort } = line.admin as { port: number }
  const proxy = { child, origin: `http://127.0.0.1:${port}`, admin: `http://127.0.0.1:${adminPort}` }
  endWithTest(proxy)
  await eventually('both workers are ready', async () => {
    const { workersReady } = (await askAdmin(proxy.admin, 'GET', '/health')).body
    return workersReady === 2
  })
  return proxy
}

const endWithTest = ({ child }: ProxyProcess): void => {
  onTestFinished(async () => {
    child.process.kill('SIGKILL')
    await child.exited()
  })
}
