import { startChild, type TestChild } from '#shared/testing/child-process.ts'
import { proxyNode } from '../node-options.ts'

export interface ProxyProcess {
  readonly child: TestChild
  readonly origin: string
  readonly admin: string
}

/** The proxy as operators run it: a process of its own. */
export const spawnProxy = (environment: Readonly<Record<string, string>>): TestChild =>
  startChild('proxy/main.ts', { ...proxyNode.environment, ...environment }, proxyNode.flags)

/** The same, on ports that the system chooses, once it listens. */
export const startProxyProcess = async (
  upstreamUrl: string,
  environment: Readonly<Record<string, string>> = {},
): Promise<ProxyProcess> => {
  const child = spawnProxy({
    UPSTREAM_URL: upstreamUrl,
    HOST: '127.0.0.1',
    PORT: '0',
    ADMIN_HOST: '127.0.0.1',
    ADMIN_PORT: '0',
    DRAIN_DELAY_MS: '0',
    ...environment,
  })
  const line = await child.line(({ msg }) => msg === 'proxy listens')
  const { traffic, admin } = line as unknown as Record<'traffic' | 'admin', { port: number }>
  return { child, origin: `http://127.0.0.1:${traffic.port}`, admin: `http://127.0.0.1:${admin.port}` }
}
