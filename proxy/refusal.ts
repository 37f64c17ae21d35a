import type { Reply } from './reply.ts'

/** What a reply that Sidegate makes itself says, and how loudly the log says it. */
interface RefusalText {
  readonly status: number
  /** Reason phrase (RFC 9110 §15) and `title` of the problem body. */
  readonly title: string
  /** Public: tells the client what to change, and nothing about what is behind us. */
  readonly detail: string
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error'
  /** Whose: a `client`'s request that no policy would let through, what the `policy` forbids, the `app`'s, or our `own`. */
  readonly fault: 'client' | 'policy' | 'app' | 'own'
  /** Seconds for `Retry-After`. */
  readonly retryAfterSeconds?: number
  /** The connection cannot be trusted to be in step any more, or is not worth keeping. */
  readonly closes?: true
}

const kinds = {
  'malformed-request': {
    status: 400,
    title: 'Bad Request',
    detail: 'The request is not well-formed HTTP/1.1.',
    logLevel: 'info',
    fault: 'client',
    closes: true,
  },
  blocked: {
    status: 403,
    title: 'Forbidden',
    detail: 'Requests from this address are not served.',
    logLevel: 'debug',
    fault: 'policy',
  },
  'no-such-page': {
    status: 404,
    title: 'Not Found',
    detail: 'There is nothing here.',
    logLevel: 'info',
    fault: 'client',
  },
  'answer-malformed': {
    status: 400,
    title: 'Bad Request',
    detail: 'This is no answer to a challenge.',
    logLevel: 'info',
    fault: 'client',
  },
  'answer-refused': {
    status: 403,
    title: 'Forbidden',
    detail: 'The answer to the challenge was not accepted.',
    logLevel: 'info',
    fault: 'client',
  },
  'no-such-method': {
    status: 405,
    title: 'Method Not Allowed',
    detail: 'Allow names the methods that there are here.',
    logLevel: 'info',
    fault: 'client',
  },
  'request-timeout': {
    status: 408,
    title: 'Request Timeout',
    detail: 'The request did not arrive in time.',
    logLevel: 'info',
    fault: 'client',
    closes: true,
  },
  'answer-too-large': {
    status: 413,
    title: 'Content Too Large',
    detail: 'An answer to a challenge has 16 KiB at most.',
    logLevel: 'info',
    fault: 'client',
  },
  'uri-too-long': {
    status: 414,
    title: 'URI Too Long',
    detail: 'The request target is longer than this server accepts.',
    logLevel: 'info',
    fault: 'client',
    closes: true,
  },
  'answer-type': {
    status: 415,
    title: 'Unsupported Media Type',
    detail: 'Send the answer to a challenge as Content-Type: application/json.',
    logLevel: 'info',
    fault: 'client',
  },
  'expectation-failed': {
    status: 417,
    title: 'Expectation Failed',
    detail: 'The only expectation that this server meets is 100-continue.',
    logLevel: 'info',
    fault: 'client',
    closes: true,
  },
  'rate-limited': {
    status: 429,
    title: 'Too Many Requests',
    detail: 'More requests came than this server allows; Retry-After says when to come again.',
    logLevel: 'info',
    fault: 'policy',
  },
  shed: {
    status: 503,
    title: 'Service Unavailable',
    detail: 'The server is overloaded, and answers what matters more; Retry-After says when to come again.',
    logLevel: 'info',
    fault: 'policy',
    retryAfterSeconds: 30,
  },
  challenged: {
    status: 429, // 403 with a page, for browsers
    title: 'Too Many Requests',
    detail:
      'Solve the challenge, send the answer with POST to /__sidegate/challenge, and come again with the clearance that it gives.',
    logLevel: 'info',
    fault: 'policy',
  },
  'answers-limited': {
    status: 429,
    title: 'Too Many Requests',
    detail: 'Too many puzzles and answers; Retry-After says when to come again.',
    logLevel: 'info',
    fault: 'client',
  },
  'header-too-large': {
    status: 431,
    title: 'Request Header Fields Too Large',
    detail: 'The header section is larger than this server accepts.',
    logLevel: 'info',
    fault: 'client',
    closes: true,
  },
  'tunnel-refused': {
    status: 501, // 405 would owe an Allow, of methods that are the app's to know
    title: 'Not Implemented',
    detail: 'This server opens no tunnels.',
    logLevel: 'info',
    fault: 'client',
    closes: true,
  },
  'internal-error': {
    status: 500,
    title: 'Internal Server Error',
    detail: 'The server met an unexpected condition.',
    logLevel: 'error',
    fault: 'own',
  },
  'upstream-unreachable': {
    status: 502,
    title: 'Bad Gateway',
    detail: 'The service behind this server could not be reached.',
    logLevel: 'error',
    fault: 'app',
  },
  'upstream-failed': {
    status: 502,
    title: 'Bad Gateway',
    detail: 'The service behind this server did not give a valid answer.',
    logLevel: 'error',
    fault: 'app',
  },
  'upstream-busy': {
    status: 503,
    title: 'Service Unavailable',
    detail: 'The service behind this server is busy.',
    logLevel: 'warn',
    fault: 'own', // the queue for it is
    retryAfterSeconds: 1,
  },
  'circuit-open': {
    status: 503,
    title: 'Service Unavailable',
    detail: 'The service behind this server has failed, and is given a rest; Retry-After says when to come again.',
    logLevel: 'info',
    fault: 'app',
  },
  'answer-unchecked': {
    status: 503,
    title: 'Service Unavailable',
    detail: 'The answer cannot be checked at the moment.',
    logLevel: 'warn',
    fault: 'own',
    retryAfterSeconds: 5,
  },
  deadline: {
    status: 504,
    title: 'Gateway Timeout',
    detail: 'The request was not answered within the time that it may take.',
    logLevel: 'error',
    fault: 'app',
  },
  'callers-deadline': {
    status: 504,
    title: 'Gateway Timeout',
    detail: 'The request was not answered within the time that X-Request-Deadline-Ms left for it.',
    logLevel: 'info',
    fault: 'client', // with as little time as one likes, any app is late
  },
  'queue-deadline': {
    status: 504,
    title: 'Gateway Timeout',
    detail: 'The request was not answered within the time that it may take.',
    logLevel: 'warn',
    fault: 'own',
  },
  'upstream-timeout': {
    status: 504,
    title: 'Gateway Timeout',
    detail: 'The service behind this server did not answer in time.',
    logLevel: 'error',
    fault: 'app',
  },
} satisfies Record<string, RefusalText>

export type RefusalKind = keyof typeof kinds

/** A decision not to give the client what it asked for; the rescue layer alone makes a reply of it. */
export interface Refusal {
  readonly kind: RefusalKind
  readonly text: RefusalText
  /** Fields of the reply that are this refusal's own: names and values in turn. */
  readonly headers?: readonly string[]
  /** Its own reply, where the problem document of its kind does not say enough. */
  reply?(correlationId: string): Reply
  /** For the log only. */
  readonly reason?: string
  /** For the log only. */
  readonly cause?: unknown
}

/** Refusals with nothing of their own to say, made once: most of what a flood is answered with. */
const plain = Object.fromEntries(
  Object.entries(kinds).map(([kind, text]) => [kind, Object.freeze({ kind, text })]),
) as Record<RefusalKind, Refusal>

/** @param reason what was wrong, in words for the log; a client never sees it */
export const refusal = (kind: RefusalKind, reason?: string, cause?: unknown): Refusal =>
  reason === undefined && cause === undefined
    ? plain[kind]
    : { kind, text: kinds[kind], ...(reason !== undefined && { reason }), ...(cause !== undefined && { cause }) }

/** Tells a refusal from a reply that a layer has made. */
export const isRefusal = (answer: Refusal | Reply): answer is Refusal => 'kind' in answer
