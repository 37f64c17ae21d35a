import { describe, expect, it } from 'vitest'
import { ReadBuffer } from './read-buffer.ts'

const SHARED_BYTES = 16_384
const OWN_BYTES = 65_536

/** Reads into a buffer as a socket does. @returns what has been read */
const read = (buffer: ReadBuffer, length: number): Buffer => {
  const bytes = buffer.next().subarray(0, length)
  buffer.noteRead(bytes)
  return bytes
}

/** One that has read enough of a body to have memory of its own. */
const large = (): ReadBuffer => {
  const buffer = new ReadBuffer()
  read(buffer, SHARED_BYTES)
  return buffer
}

describe('memory to read into', () => {
  it('is one for all connections, as long as what comes is small', () => {
    const [one, other] = [new ReadBuffer(), new ReadBuffer()]
    expect(one.next()).toHaveLength(SHARED_BYTES)
    for (const bytes of [1, 100, SHARED_BYTES - 1]) {
      const first = read(one, bytes)
      expect(read(other, bytes).buffer).toBe(first.buffer)
      expect(one.isStable(first)).toBe(false)
    }
  })

  it('is a connection’s own from the read behind one that filled what is shared', () => {
    const [one, other] = [large(), large()]
    const [first, second] = [read(one, OWN_BYTES), read(other, OWN_BYTES)]
    expect(first).toHaveLength(OWN_BYTES)
    expect(new Set([first.buffer, second.buffer, new ReadBuffer().next().buffer]).size).toBe(3)
    expect(one.isStable(first)).toBe(true)
  })

  it('of which a part was read is as stable, and what filled the shared one is not', () => {
    const buffer = new ReadBuffer()
    const first = read(buffer, SHARED_BYTES)
    expect(buffer.isStable(first)).toBe(false)
    expect(buffer.isStable(first.subarray(5, 10))).toBe(false)
    const second = read(buffer, SHARED_BYTES)
    expect(buffer.isStable(second)).toBe(true)
    expect(buffer.isStable(second.subarray(5, 10))).toBe(true)
  })

  it('stays a connection’s own while its body comes, however little comes at once', () => {
    const buffer = large()
    const { buffer: memory } = buffer.next()
    for (const bytes of [1, SHARED_BYTES, OWN_BYTES, 7]) expect(read(buffer, bytes).buffer).toBe(memory)
  })
})

describe('a body that has come whole', () => {
  it('leaves its connection with the memory that all share', () => {
    const buffer = large()
    buffer.leaveOwn(true)
    expect(buffer.next()).toBe(new ReadBuffer().next())
    expect(read(buffer, SHARED_BYTES).buffer).not.toBe(buffer.next().buffer)
  })

  it('leaves its memory to the next large one, so that it is allocated once', () => {
    const buffer = large()
    const memory = buffer.next()
    buffer.leaveOwn(true)
    expect(large().next()).toBe(memory)
  })

  it('keeps its memory from everyone while its client has not read the last of it', () => {
    const buffer = large()
    const memory = buffer.next()
    buffer.leaveOwn(false)
    for (const other of Array.from({ length: 100 }, large)) expect(other.next()).not.toBe(memory)
  })

  it('leaves its memory to one alone', () => {
    const buffer = large()
    buffer.leaveOwn(true)
    buffer.leaveOwn(true)
    const memories = Array.from({ length: 100 }, () => large().next())
    expect(new Set(memories).size).toBe(100)
  })

  it('that was small leaves nothing', () => {
    const buffer = new ReadBuffer()
    const shared = buffer.next()
    read(buffer, 100)
    buffer.leaveOwn(true)
    expect(large().next()).not.toBe(shared)
  })

  it('leaves its memory to the system where 32 others rest already', () => {
    const buffers = Array.from({ length: 100 }, large)
    const memories = new Set(buffers.map((buffer) => buffer.next()))
    for (const buffer of buffers) buffer.leaveOwn(true)
    const again = Array.from({ length: 100 }, () => large().next())
    expect(again.filter((memory) => memories.has(memory))).toHaveLength(32)
  })
})
