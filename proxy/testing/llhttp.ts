import { createRequire } from 'node:module'
import type { Delivery, Reading } from './reading.ts'

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
  llhttp_get_http_major(parser: number): number
  llhttp_get_http_minor(parser: number): number
}

/** `lib.esnext` does not know WebAssembly, which is of the web. */
declare const WebAssembly: {
  Module: new (code: Uint8Array) => object
  Instance: new (module: object, imports: object) => { readonly exports: object }
}

const RESPONSE = 2
const OK = 0
const PAUSED = 21
const PAUSED_UPGRADE = 22
const MEMORY_BYTES = 1_048_576

/** What the callbacks write to: one message is read at a time. */
interface Progress {
  readonly method: 'GET' | 'HEAD'
  readonly heads: string[][]
  body: string
  status: number
  reason: string
  fields: string[]
  isAfterName: boolean
  isComplete: boolean
}

/**
 * Reads replies with llhttp, the way undici's HTTP/1.1 client does: the same code, with the same answers to its
 * callbacks, but for what undici refuses for reasons of its own (a 100, a switch of protocols that it did not ask for)
 * and but for stopping behind each message, so that what is left over can be counted.
 */
export const llhttpReader = (): ((delivery: Delivery) => Reading) => {
  const code = createRequire(import.meta.url)('undici/lib/llhttp/llhttp-wasm.js') as Buffer
  let progress: Progress
  let memory = Buffer.alloc(0)
  const text = (at: number, bytes: number): string => memory.toString('latin1', at, at + bytes)
  const addName = (name: string): void => {
    if (progress.isAfterName) progress.fields[progress.fields.length - 1] += name
    else progress.fields.push(name)
    progress.isAfterName = true
  }
  const addValue = (value: string): void => {
    if (progress.isAfterName) progress.fields.push(value)
    else progress.fields[progress.fields.length - 1] += value
    progress.isAfterName = false
  }
  const takeFields = (): string[] => {
    const { fields } = progress
    // Whether a value has come is told by the next name only: an empty one is not called back for where it is last.
    if (fields.length % 2 === 1) fields.push('')
    progress.fields = []
    progress.isAfterName = false
    return fields.map((field, index) => (index % 2 === 1 ? field.replace(/[ \t]+$/, '') : field))
  }
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(code), {
    env: {
      wasm_on_message_begin: () => 0,
      wasm_on_url: () => 0,
      wasm_on_status: (_parser: number, at: number, bytes: number) => {
        progress.reason += text(at, bytes)
        return 0
      },
      wasm_on_header_field: (_parser: number, at: number, bytes: number) => {
        addName(text(at, bytes))
        return 0
      },
      wasm_on_header_value: (_parser: number, at: number, bytes: number) => {
        addValue(text(at, bytes))
        return 0
      },
      wasm_on_headers_complete: (parser: number, status: number, isUpgrade: number) => {
        const version = `${llhttp.llhttp_get_http_major(parser)}.${llhttp.llhttp_get_http_minor(parser)}`
        progress.heads.push([`${version} ${status} ${progress.reason}`, ...takeFields()])
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
    },
  })
  const llhttp = exports as Llhttp
  llhttp._initialize()
  const input = llhttp.malloc(MEMORY_BYTES)

  return ({ method, pieces, isEnded }) => {
    progress = {
      method,
      heads: [],
      body: '',
      status: 0,
      reason: '',
      fields: [],
      isAfterName: false,
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
      trailers: isOver ? takeFields() : [],
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
