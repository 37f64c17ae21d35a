/** The proxy with some of its layers left out: those that `BENCH_LAYERS_LEFT_OUT` names. Says which there are. */
import { instanceIdentity } from '#shared/instance.ts'
import { createLogger } from '#shared/log.ts'
import { version } from '#shared/version.ts'
import { buildProxy } from '../../../proxy/build.ts'
import { proxySettings } from '../../../proxy/settings.ts'
import { unsharedState } from '../../../proxy/testing/unshared-state.ts'
import { LAYERS_LINE } from '../layer-variants.ts'

const leftOut = (process.env.BENCH_LAYERS_LEFT_OUT ?? '').split(',')
const settings = proxySettings(process.env)
const instance = instanceIdentity('proxy', version)
const { health, server } = buildProxy(
  settings,
  instance,
  createLogger(settings, instance),
  unsharedState(),
  (layers) => {
    process.stdout.write(`${LAYERS_LINE}${JSON.stringify(layers)}\n`)
    return layers.filter(({ name }) => !leftOut.includes(name))
  },
)
health.start()
await server.port.open(settings.HOST, settings.PORT)
health.markServing()
