import type { FastifyInstance, HTTPMethods } from 'fastify'
import { ProblemError } from './problem-error.ts'

const METHODS: readonly HTTPMethods[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']

/** Answers 405 with `Allow` (RFC 9110 §15.5.6) where a path exists but not for the method. Called before any route is made. */
export const answerMethodNotAllowed = (app: FastifyInstance): (() => void) => {
  const allowed = new Map<string, Set<string>>()
  app.addHook('onRoute', ({ url, method }) => {
    const methods = allowed.get(url) ?? new Set()
    for (const each of [method].flat()) methods.add(each)
    allowed.set(url, methods)
  })
  return () => {
    for (const [url, methods] of [...allowed]) {
      const others = METHODS.filter((method) => !methods.has(method))
      const allow = METHODS.filter((method) => methods.has(method)).join(', ')
      app.route({
        url,
        method: others,
        schema: { hide: true },
        // Before the body is read, which is nothing to us.
        onRequest: (_request, _reply, done) =>
          done(new ProblemError(405, `This path knows only ${allow}.`, { headers: { Allow: allow } })),
        handler: () => undefined,
      })
    }
  }
}
