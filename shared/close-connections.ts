import type { FastifyInstance } from 'fastify'

/**
 * `close()` then ends every connection: one with a request that was never sent to its end would hold it up for ever.
 * Fastify's own `forceCloseConnections` passes over a server that it was not itself told to listen with.
 */
export const closeEveryConnection = (app: FastifyInstance): void => {
  app.addHook('preClose', (done) => {
    // First, so that no connection comes after.
    app.server.close()
    app.server.closeAllConnections()
    done()
  })
}
