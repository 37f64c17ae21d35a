import { describe, expect, it } from 'vitest'
import { circuitsInShort } from './circuit-commands.ts'
import { json, startFakeAdmin } from './testing/fake-admin.ts'

const SINCE = '2026-11-23T07:05:00.000Z'
const OPEN = {
  ...{ name: 'read', instance: 'proxy-7', state: 'open', mode: 'auto', since: SINCE, cause: 'failures-in-a-row' },
  ...{ admittedShare: 0, failuresInARow: 0, requests: 12, failures: 11, refused: 250 },
}
const CLOSED = { ...OPEN, name: 'a\u001b[2J', state: 'closed', cause: undefined, admittedShare: 1, refused: 0 }

describe('circuits', () => {
  it('tells how each is', async () => {
    const admin = await startFakeAdmin({ 'GET /api/circuits': json(200, { circuits: [OPEN, CLOSED] }) })
    const { exit, stdout } = await admin.run(['circuits'])
    expect(exit).toBe(0)
    expect(stdout.split('\n').map((line) => line.split(/ {2,}/))).toEqual([
      [...['CIRCUIT', 'INSTANCE', 'STATE', 'MODE', 'SINCE', 'CAUSE', 'TO THE APP', 'IN A ROW', 'FAILURES', 'REFUSED']],
      ['read', 'proxy-7', 'open', 'auto', SINCE, 'failures-in-a-row', '0 %', '0', '11 of 12', '250'],
      ['a\\u001b[2J', 'proxy-7', 'closed', 'auto', SINCE, '-', '100 %', '0', '11 of 12', '0'],
      [''],
    ])
  })

  it('says where none is watched', async () => {
    const admin = await startFakeAdmin({ 'GET /api/circuits': json(200, { circuits: [] }) })
    expect(await admin.run(['circuits'])).toMatchObject({ exit: 0, stdout: 'No operation is watched.\n' })
  })

  it.each([
    ['open', 'open', 'is open until it is told otherwise'],
    ['close', 'closed', 'is closed until it is told otherwise'],
    ['auto', 'auto', 'is left to what becomes of requests'],
  ])('%s orders it, with why', async (command, mode, said) => {
    const answer = { name: 'read', order: mode, processes: 1 }
    const admin = await startFakeAdmin({ 'PUT /api/circuits/read': json(200, answer) })
    const run = await admin.run(['circuits', command, 'read', '--reason', 'a drill'])
    expect(run).toMatchObject({ exit: 0, stdout: `The circuit of read ${said}.\n` })
    expect(admin.seen.map(({ body }) => JSON.parse(body))).toEqual([{ mode, reason: 'a drill' }])
  })

  it.each([
    ['open', 'open'],
    ['close', 'closed'],
  ])('%s orders it for a while', async (command, mode) => {
    const answer = { name: 'read', order: mode, processes: 1 }
    const admin = await startFakeAdmin({ 'PUT /api/circuits/read': json(200, answer) })
    const run = await admin.run(['circuits', command, 'read', '--seconds', '600'])
    const said = `The circuit of read is ${mode} for 600 seconds, unless it is told otherwise.\n`
    expect(run).toMatchObject({ exit: 0, stdout: said })
    expect(admin.seen.map(({ body }) => JSON.parse(body))).toEqual([{ mode, seconds: 600 }])
  })

  it('tells until when it is ordered', async () => {
    const circuits = [{ ...OPEN, mode: 'open', until: '2026-11-23T08:00:00.000Z' }]
    const admin = await startFakeAdmin({ 'GET /api/circuits': json(200, { circuits }) })
    expect((await admin.run(['circuits'])).stdout).toContain('open until 2026-11-23T08:00:00.000Z')
    expect(circuitsInShort(circuits)).toBe(`read is open by order until 2026-11-23T08:00:00.000Z since ${SINCE}`)
  })

  it('reset asks for it, and tells how many workers do it', async () => {
    const answer = json(200, { name: 'a/b', order: 'reset', processes: 2 })
    const admin = await startFakeAdmin({ 'POST /api/circuits/a%2Fb/reset': answer })
    expect(await admin.run(['circuits', 'reset', 'a/b'])).toMatchObject({
      ...{ exit: 0, stdout: 'The circuit of a/b is closed, with nothing counted (2 workers).\n' },
    })
  })

  it('is told which there are', async () => {
    const detail = 'There is no circuit "raed"; there are: read, write.'
    const admin = await startFakeAdmin({ 'PUT /api/circuits/raed': json(404, { detail }) })
    const { exit, stderr } = await admin.run(['circuits', 'open', 'raed'])
    expect([exit === 0, stderr]).toEqual([false, expect.stringContaining(detail)])
  })

  it('wants a name', async () => {
    const admin = await startFakeAdmin({})
    expect(await admin.run(['circuits', 'open'])).toMatchObject({
      ...{ exit: 2, stderr: expect.stringContaining('"circuits open" needs a NAME.') },
    })
  })
})

describe('in short', () => {
  it('those are told that do not let everything through, or are not left to themselves', () => {
    expect(circuitsInShort([CLOSED])).toBeUndefined()
    expect(circuitsInShort([OPEN, CLOSED, { ...CLOSED, name: 'write', mode: 'closed' }])).toBe(
      `read is open since ${SINCE}; write is closed by order since ${SINCE}`,
    )
  })
})
