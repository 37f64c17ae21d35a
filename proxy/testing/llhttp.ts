import { createRequire } from 'node:module'
import type { Delivery, Reading } from './reading.ts'
import type { ReadRequest, RequestsReading } from './request-reading.ts'

/** What is used of llhttp, as undici ships it. Pointers are addresses in its memory. */
interface Llhttp {
  readonly memory: { readonly buffer: ArrayBuffer }
  _initialize(): void
  malloc(bytes: number): number
  llhttp_alloc(type: number): number
  llhttp_free(parser: number): void
  llhttp_execute(parser: number, from: number, bytes: number): number
  llhttp_finish(parser: number): number
  llhttp_get_error_pos(parser: number): number
  llhttp_get_method(parser: number): number
  llhttp_method_name(method: number): number
  llhttp_get_http_major(parser: number): number
  llhttp_get_http_minor(parser: number): number
}

/** `lib.esnext` does not know WebAssembly, which is of the web. */
declare const WebAssembly: {
  Module: new (code: Uint8Array) => object
  Instance: new (module: object, imports: object) => { readonly exports: object }
}

const REQUEST = 1
const RESPONSE = 2
const OK = 0
const PAUSED = 21
const PAUSED_UPGRADE = 22
const MEMORY_BYTES = 1_048_576

/** Puts fields together from the pieces in which llhttp calls back for their names and values. */
class FieldParts {
  #parts: string[] = []
  #isAfterName = false

  addName(name: string): void {
    if (this.#isAfterName) this.#parts[this.#parts.length - 1] += name
    else this.#parts.push(name)
    this.#isAfterName = true
  }

  addValue(value: string): void {
    if (this.#isAfterName) this.#parts.push(value)
    else this.#parts[this.#parts.length - 1] += value
    this.#isAfterName = false
  }

  /** Names and values in turn. */
  take(): string[] {
    const parts = this.#parts
    // Whether a value has come is told by the next name only: an empty one is not called back for where it is last.
    if (parts.length % 2 === 1) parts.push('')
    this.#parts = []
    this.#isAfterName = false
    return parts.map((part, index) => (index % 2 === 1 ? part.replace(/[ \t]+$/, '') : part))
  }
}

const instance = (callbacks: Readonly<Record<string, (...values: number[]) => number>>): Llhttp => {
  const code = createRequire(import.meta.url)('undici/lib/llhttp/llhttp-wasm.js') as Buffer
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(code), { env: callbacks })
  const llhttp = exports as Llhttp
  llhttp._initialize()
  return llhttp
}

/** What the callbacks write to: one message is read at a time. */
interface Progress {
  readonly method: 'GET' | 'HEAD'
  readonly heads: string[][]
  body: string
  status: number
  reason: string
  isComplete: boolean
}

/**
 * Reads replies with llhttp, the way undici's HTTP/1.1 client does: the same code, with the same answers to its
 * callbacks, but for what undici refuses for reasons of its own (a 100, a switch of protocols that it did not ask for)
 * and but for stopping behind each message, so that what is left over can be counted.
 */
export const llhttpReader = (): ((delivery: Delivery) => Reading) => {
  const fields = new FieldParts()
  let progress: Progress
  let memory = Buffer.alloc(0)
  const text = (at: number, bytes: number): string => memory.toString('latin1', at, at + bytes)
  const llhttp = instance({
    wasm_on_message_begin: () => 0,
    wasm_on_url: () => 0,
    wasm_on_status: (_parser: number, at: number, bytes: number) => {
      progress.reason += text(at, bytes)
      return 0
    },
    wasm_on_header_field: (_parser: number, at: number, bytes: number) => {
      fields.addName(text(at, bytes))
      return 0
    },
    wasm_on_header_value: (_parser: number, at: number, bytes: number) => {
      fields.addValue(text(at, bytes))
      return 0
    },
    wasm_on_headers_complete: (parser: number, status: number, isUpgrade: number) => {
      const version = `${llhttp.llhttp_get_http_major(parser)}.${llhttp.llhttp_get_http_minor(parser)}`
      progress.heads.push([`${version} ${status} ${progress.reason}`, ...fields.take()])
      progress.status = status
      progress.reason = ''
      if (isUpgrade === 1) return 2
      return progress.method === 'HEAD' || status < 200 ? 1 : 0
    },
    wasm_on_body: (_parser: number, at: number, bytes: number) => {
      progress.body += text(at, bytes)
      return 0
    },
    wasm_on_message_complete: () => {
      if (progress.status < 200) return 0
      progress.isComplete = true
      return PAUSED
    },
  })
  const input = llhttp.malloc(MEMORY_BYTES)

  return ({ method, pieces, isEnded }) => {
    fields.take() // of one that was refused
    progress = {
      method,
      heads: [],
      body: '',
      status: 0,
      reason: '',
      isComplete: false,
    }
    const parser = llhttp.llhttp_alloc(RESPONSE)
    let result = OK
    let leftBytes = 0
    for (const piece of pieces) {
      if (result !== OK) leftBytes += piece.length
      else {
        if (memory.buffer !== llhttp.memory.buffer) memory = Buffer.from(llhttp.memory.buffer)
        memory.write(piece, input, 'latin1')
        result = llhttp.llhttp_execute(parser, input, piece.length)
        if (result !== OK) leftBytes = piece.length - (llhttp.llhttp_get_error_pos(parser) - input)
      }
    }
    if (result === OK && isEnded) llhttp.llhttp_finish(parser) // completes a body that ends with its connection
    llhttp.llhttp_free(parser)
    const verdict = verdictOf(progress.isComplete, result, isEnded)
    const isOver = verdict === 'whole' || verdict === 'switched'
    return {
      verdict,
      heads: progress.heads,
      body: progress.body,
      trailers: isOver ? fields.take() : [],
      leftBytes: isOver ? leftBytes : 0,
    }
  }
}

const verdictOf = (isComplete: boolean, result: number, isEnded: boolean): Reading['verdict'] => {
  if (isComplete) return 'whole'
  if (result === PAUSED_UPGRADE) return 'switched'
  if (result !== OK) return 'refused'
  return isEnded ? 'cut' : 'waiting'
}

/** A request as the callbacks put it together. */
interface RequestProgress {
  readonly request: { head: readonly string[]; body: string; trailers: readonly string[]; endsAt: number }
  url: string
  hasHead: boolean
  isComplete: boolean
}

/**
 * Reads the requests of one connection with llhttp, as servers do that are built on it, but for a parser of its own for
 * each: whether a connection goes on behind a request that says close, or asks for another protocol, is not its to say.
 */
export const llhttpRequestReader = (): ((pieces: readonly string[]) => RequestsReading) => {
  const fields = new FieldParts()
  let progress: RequestProgress
  let memory = Buffer.alloc(0)
  const text = (at: number, bytes: number): string => memory.toString('latin1', at, at + bytes)
  const llhttp = instance({
    wasm_on_message_begin: () => 0,
    wasm_on_status: () => 0,
    wasm_on_url: (_parser = 0, at = 0, bytes = 0) => {
      progress.url += text(at, bytes)
      return 0
    },
    wasm_on_header_field: (_parser = 0, at = 0, bytes = 0) => {
      fields.addName(text(at, bytes))
      return 0
    },
    wasm_on_header_value: (_parser = 0, at = 0, bytes = 0) => {
      fields.addValue(text(at, bytes))
      return 0
    },
    wasm_on_headers_complete: (parser = 0) => {
      const nameAt = llhttp.llhttp_method_name(llhttp.llhttp_get_method(parser))
      const method = text(nameAt, memory.indexOf(0, nameAt) - nameAt)
      const version = `${llhttp.llhttp_get_http_major(parser)}.${llhttp.llhttp_get_http_minor(parser)}`
      progress.request.head = [`${method} ${progress.url} ${version}`, ...fields.take()]
      progress.hasHead = true
      return 0
    },
    wasm_on_body: (_parser = 0, at = 0, bytes = 0) => {
      progress.request.body += text(at, bytes)
      return 0
    },
    wasm_on_message_complete: () => {
      progress.isComplete = true
      return PAUSED
    },
  })
  const input = llhttp.malloc(MEMORY_BYTES)
  let parser = 0
  const begin = (): void => {
    fields.take() // of one that was refused
    progress = { request: { head: [], body: '', trailers: [], endsAt: 0 }, url: '', hasHead: false, isComplete: false }
    parser = llhttp.llhttp_alloc(REQUEST)
  }

  return (pieces) => {
    const requests: ReadRequest[] = []
    let pieceStart = 0
    let isRefused = false
    begin()
    for (const piece of pieces) {
      for (let at = 0; at < piece.length && !isRefused; ) {
        if (memory.buffer !== llhttp.memory.buffer) memory = Buffer.from(llhttp.memory.buffer)
        memory.write(piece.slice(at), input, 'latin1')
        const result = llhttp.llhttp_execute(parser, input, piece.length - at)
        const end = result === OK ? piece.length : at + llhttp.llhttp_get_error_pos(parser) - input
        if (progress.isComplete) {
          requests.push({ ...progress.request, trailers: fields.take(), endsAt: pieceStart + end })
          llhttp.llhttp_free(parser)
          begin()
        } else if (result !== OK) isRefused = true
        at = end
      }
      pieceStart += piece.length
    }
    llhttp.llhttp_free(parser)
    const { hasHead, request } = progress
    return { requests, unfinished: hasHead ? request : undefined, isRefused }
  }
}
