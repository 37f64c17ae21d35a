import { Writable } from 'node:stream'
import { instanceIdentity } from '#shared/instance.ts'
import { createLogger } from '#shared/log.ts'
import { eventually } from '#shared/testing/eventually.ts'
import { buildProxy, type ProxyParts, type SharedState } from '../build.ts'
import { proxySettings } from '../settings.ts'
import type { CompiledPolicy } from '../state/policy/compile.ts'
import { defaultPolicies, unsharedState } from './unshared-state.ts'

/** A line that the proxy logged. */
export type LogLine = Readonly<Record<string, unknown>> & { readonly msg: string; readonly level: string }

export interface TestProxy extends ProxyParts {
  readonly port: number
  readonly origin: string
  /** Every line logged so far. */
  readonly lines: readonly LogLine[]
  /** The next lines too, until one fits. */
  line(fits: (line: LogLine) => boolean): Promise<LogLine>
  /** Stops the proxy. @throws Error where anything is still in flight: the test, or the proxy, has leaked it */
  close(): Promise<void>
}

/** A whole proxy in this process, on a port of its own; `environment` as an operator would set it. */
export const startProxy = async (
  upstreamUrl: string,
  environment: Readonly<Record<string, string>> = {},
  policies: { readonly active: CompiledPolicy } = defaultPolicies,
  outside: Partial<SharedState> = {},
): Promise<TestProxy> => {
  const settings = proxySettings({
    UPSTREAM_URL: upstreamUrl,
    HOST: '127.0.0.1',
    PORT: '0',
    ACCESS_LOG: 'all',
    ...environment,
  })
  const lines: LogLine[] = []
  const written = new Writable({
    write(chunk, _encoding, callback) {
      lines.push(JSON.parse(String(chunk)))
      callback()
    },
  })
  const instance = instanceIdentity('proxy', '0.0.0-test')
  const proxy = buildProxy(settings, instance, createLogger(settings, instance, written), {
    ...unsharedState(),
    policies,
    ...outside,
  })
  await proxy.server.port.open(settings.HOST, 0)
  const { port } = proxy.server.port.address
  return {
    ...proxy,
    port,
    origin: `http://127.0.0.1:${port}`,
    lines,
    async line(fits) {
      await eventually('a log line', () => lines.some(fits))
      return lines.find(fits) as LogLine
    },
    async close() {
      proxy.server.closeIdle()
      const inFlight = () => proxy.server.inFlight()
      await eventually(`nothing in flight (${JSON.stringify(inFlight())})`, () => {
        const { requests, upgrades } = inFlight()
        return requests === 0 && upgrades === 0
      })
      proxy.server.cut()
      proxy.server.stopAccepting()
      proxy.server.close()
      proxy.health.stop()
      await proxy.limits.close()
      proxy.challenges.close()
      await proxy.upstream.close()
    },
  }
}
