import type { HealthAnswers } from '#shared/health.ts'
import { type Layer, PASS } from '../layer.ts'
import { refusal } from '../refusal.ts'
import type { Reply } from '../reply.ts'

/** Paths on the traffic port that Sidegate answers itself, whatever the app has there. */
const OWN_PREFIX = '/__sidegate/'

/** Where challenges are answered: further down, so that who is blocked or sends too much is refused there, too. */
export const CHALLENGE_PATH = `${OWN_PREFIX}challenge`

export const ownPaths = (health: HealthAnswers): Layer => ({
  name: 'own-paths',
  admit(exchange) {
    if (exchange.path === '*') return noContent()
    if (!exchange.path.startsWith(OWN_PREFIX) || exchange.path === CHALLENGE_PATH) return PASS
    if (exchange.path === `${OWN_PREFIX}health/ready`) {
      const answer = health.answer('/health/ready')
      // The status alone: why we are not ready is for the admin port.
      if (answer !== undefined) return statusOnly(answer.status)
    }
    return refusal('no-such-page')
  },
})

const statusOnly = (status: 200 | 503): Reply => {
  const body = `${JSON.stringify({ status: status === 200 ? 'ready' : 'not ready' })}\n`
  return {
    head: {
      status,
      statusText: status === 200 ? 'OK' : 'Service Unavailable',
      headers: [
        'Content-Type',
        'application/json',
        'Content-Length',
        String(Buffer.byteLength(body)),
        'Cache-Control',
        'no-store',
      ],
    },
    body,
  }
}

/** `OPTIONS *` asks a server whether it is there (RFC 9110 §9.3.7); the one that the client speaks to is this one. */
const noContent = (): Reply => ({ head: { status: 204, statusText: 'No Content', headers: [] }, body: '' })
