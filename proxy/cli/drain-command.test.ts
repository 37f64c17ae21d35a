import { describe, expect, it } from 'vitest'
import { type Answer, type FakeAdmin, json, startFakeAdmin } from './testing/fake-admin.ts'

const startAdmin = (answers: Readonly<Record<string, Answer>>): Promise<FakeAdmin> => {
  const begun = json(202, { phase: 'announcing', inFlight: { requests: 2, upgrades: 1 } })
  return startFakeAdmin({ 'POST /drain': begun, ...answers })
}

const SOON = { SIDEGATE_TIMEOUT_MS: '200' }
const nothing = () => undefined

describe('drain', () => {
  it('begins one', async () => {
    const admin = await startAdmin({})
    expect(await admin.run(['drain'])).toEqual({
      exit: 0,
      stdout: 'The drain has begun, in flight: 2 requests, 1 upgrade.\n',
      stderr: '',
    })
  })

  it('waits for its end for as long as it takes, and tells how far it is', async () => {
    let asked = 0
    const drained = json(200, { phase: 'drained', inFlight: { requests: 0, upgrades: 0 } })
    const admin = await startAdmin({
      'GET /drain?wait=1': (response, request) => (++asked < 3 ? undefined : drained(response, request)),
      'GET /drain': json(200, { phase: 'closing', inFlight: { requests: 1, upgrades: 0 } }),
    })
    expect(await admin.run(['drain', '--wait'], SOON)).toEqual({
      exit: 0,
      stdout: 'Drained, in flight: 0 requests, 0 upgrades.\n',
      stderr: [
        'The drain has begun, in flight: 2 requests, 1 upgrade; waiting for its end.\n',
        ...Array(2).fill('Draining, in flight: 1 request, 0 upgrades.\n'),
      ].join(''),
    })
  })

  it.each<[string, Answer]>([
    ['ends', (response) => response.socket?.end()],
    ['is reset', (response) => response.socket?.resetAndDestroy()],
    ['is cut in the middle of the answer', (response) => response.write('{', () => response.destroy())],
  ])('takes a connection that %s for the end', async (_how, answer) => {
    const admin = await startAdmin({ 'GET /drain?wait=1': answer })
    expect(await admin.run(['drain', '--wait'])).toMatchObject({
      exit: 0,
      stdout: expect.stringContaining('counts as drained'),
    })
  })

  it('notices that another process has taken the place', async () => {
    const admin = await startAdmin({ 'GET /drain?wait=1': nothing, 'GET /drain': json(200, { phase: 'serving' }) })
    expect(await admin.run(['drain', '--wait'], SOON)).toMatchObject({
      exit: 0,
      stdout: expect.stringContaining('Another process'),
    })
  })

  it('does not wait for a process that hangs', async () => {
    const admin = await startAdmin({ 'GET /drain?wait=1': nothing, 'GET /drain': nothing })
    expect(await admin.run(['drain', '--wait'], SOON)).toMatchObject({
      exit: 3,
      stdout: '',
      stderr: expect.stringContaining('has not answered'),
    })
  })

  it('is not done where it is not allowed', async () => {
    const admin = await startAdmin({ 'POST /drain': json(403, { detail: 'This token may look, and change nothing.' }) })
    expect(await admin.run(['drain', '--wait'])).toMatchObject({
      exit: 4,
      stderr: expect.stringContaining('may look, and change nothing'),
    })
    expect(admin.seen).toHaveLength(1)
  })
})
