import type { UpstreamKind } from './peers/peer.ts'
import { KIBIBYTE, MEBIBYTE, PATHS, UPLOAD_BYTES } from './request.ts'

/** Load as fast as the peer answers. */
export interface Saturation {
  readonly kind: 'saturation'
  readonly name: string
  readonly title: string
  readonly path: string
  readonly connections: number
  readonly upstream: UpstreamKind
  readonly closes?: boolean
  readonly uploadBytes?: number
  /** Of the large body in each exchange, whichever way it goes; tables then give MB/s. */
  readonly bodyBytes?: number
}

/** What is measured in a way of its own. */
interface Special {
  readonly kind: 'half-load-latency' | 'idle-memory' | 'workers'
  readonly name: string
  readonly title: string
}

export type Scenario = Saturation | Special

const smallGet = { kind: 'saturation', path: PATHS.small, connections: 32, upstream: 'tcp' } as const

export const SMALL_GET: Saturation = {
  ...smallGet,
  name: 'small-get',
  title: 'GET of 200 bytes, 32 keep-alive connections',
}

export const scenarios: readonly Scenario[] = [
  SMALL_GET,
  {
    ...smallGet,
    name: 'response-64k',
    title: 'GET of 64 KiB, 32 connections',
    path: PATHS.reply64k,
    bodyBytes: 64 * KIBIBYTE,
  },
  {
    ...smallGet,
    name: 'response-10m',
    title: 'GET of 10 MiB, 8 connections',
    path: PATHS.reply10m,
    connections: 8,
    bodyBytes: 10 * MEBIBYTE,
  },
  {
    ...smallGet,
    name: 'upload-64k',
    title: 'POST of 64 KiB, 32 connections',
    path: PATHS.upload,
    uploadBytes: UPLOAD_BYTES,
    bodyBytes: UPLOAD_BYTES,
  },
  {
    ...smallGet,
    name: 'connections-1000',
    title: 'GET of 200 bytes, 1,000 keep-alive connections',
    connections: 1_000,
  },
  {
    ...smallGet,
    name: 'no-keep-alive',
    title: 'GET of 200 bytes, a new connection for each, 32 at a time',
    closes: true,
  },
  {
    ...smallGet,
    name: 'unix-socket',
    title: 'GET of 200 bytes, the upstream on a Unix socket',
    upstream: 'unix',
  },
  { kind: 'half-load-latency', name: 'half-load-latency', title: 'latency at half of Sidegate’s saturation' },
  { kind: 'idle-memory', name: 'idle-memory', title: 'resident memory with idle connections' },
  { kind: 'workers', name: 'workers', title: 'WORKERS=2 against WORKERS=1' },
]
