import { describe, expect, it } from 'vitest'
import { ADMIN_TOKEN } from '../testing/ask-admin.ts'
import { okApp, operatedProxy, operatedWorkers, ownRedis } from '../testing/operated-proxy.ts'
import { type CliRun, runCli } from './testing/run-cli.ts'

const cliOf =
  (admin: string) =>
  (args: string, input = ''): Promise<CliRun> =>
    runCli(args.split(' '), { environment: { SIDEGATE_ADMIN_URL: admin, ADMIN_TOKEN }, input })

const CANDIDATE = `
routes: {all: {match: {path: /*}, limits: [l]}}
limits: {l: {requests: 2, perSeconds: 3600, announce: false}}
`

describe('the commands and a real proxy', () => {
  it('try a policy out, apply it, and drain', async () => {
    const { admin, origin, child } = await operatedProxy(await okApp())
    const cli = cliOf(admin)
    expect((await cli('status')).stdout).toMatch(/\n +upstream +0 connections, 0 idle, 0 waiting\n/)
    expect(await cli('policy shadow')).toMatchObject({ exit: 0, stdout: 'No candidate is tried out.\n' })
    expect(await cli('policy shadow -', CANDIDATE)).toMatchObject({ exit: 0, stderr: '' })
    for (let time = 0; time < 5; time++) expect((await fetch(origin)).status).toBe(200)
    const { stdout } = await cli('policy shadow')
    expect(stdout).toMatch(/: 5 requests in the fleet\./)
    expect(stdout).toMatch(/Would be refused, and are not:\nROUTE +REFUSAL +COUNT\nall +rate-limited +3\n/)
    expect(stdout).toMatch(/Would be of another route:\nFROM +TO +COUNT\n\(none\) +all +5\n/)
    expect((await cli('status')).stdout).toMatch(
      /shadow +a candidate of ADMIN_TOKEN .*: 5 requests, wouldRefuse 3, rerouted 5/,
    )
    expect(await cli('policy shadow --end')).toMatchObject({ exit: 0 })
    expect(await cli('policy shadow --end')).toMatchObject({ exit: 1, stderr: expect.stringContaining('no candidate') })

    const applied = await cli('policy apply -', CANDIDATE)
    expect(applied.stdout).toMatch(
      /Version 1 is in force, made from version 0, on probation until .*, else back to version 0\./,
    )
    expect((await cli('status')).stdout).toMatch(/probation +until .*, else back to version 0; so far 0 requests/)
    expect((await fetch(origin)).status).toBe(200)
    expect((await cli('policy show 1')).stdout).toMatch(/^# version 1, by ADMIN_TOKEN, \d.*\nroutes:\n {2}all:\n/)
    expect(await cli('policy show 7')).toMatchObject({ exit: 1, stderr: expect.stringContaining('no such version') })

    expect((await cli('emergency')).stdout).toMatch(/^calm \(auto\)\n[\s\S]*\nviolationsPerSecond +0 +100 +50\n/)
    expect(await cli('emergency on --reason drill --seconds 600')).toMatchObject({ exit: 0 })
    expect((await cli('status')).stdout).toMatch(/\n +emergency +emergency \(on until .*\), since /)
    expect(await cli('emergency auto')).toMatchObject({ exit: 0, stderr: '' })

    const drained = await cli('drain --wait')
    expect(drained).toMatchObject({ exit: 0, stdout: expect.stringMatching(/^(Drained|The connection ended)/) })
    expect(await child.exited()).toBe(0)
  })

  it('tell of all workers', async () => {
    const redis = await ownRedis()
    const environment = { REDIS_URL: redis.url, SIDEGATE_INSTANCE_ID: 'proxy-7' }
    const { admin, child } = await operatedWorkers(await okApp(), environment)
    const cli = cliOf(admin)
    await cli('policy shadow -', CANDIDATE)
    const { stdout } = await cli('status')
    expect(stdout).toMatch(
      /^Sidegate .*, proxy-7\n +started .*\n +workers +2, 0 restarts\n +shadow +a candidate of ADMIN_TOKEN/,
    )
    expect(stdout).toMatch(/\nproxy-7-w1 +serving .* 0 +calm +single: well +\d +\d+ ms ago\nproxy-7-w2 /)
    expect(await cli('drain --wait')).toMatchObject({ exit: 0 })
    expect(await child.exited()).toBe(0)
  })

  it('block, explain, take a list out and in, and unblock', async () => {
    const { admin, child } = await operatedProxy(await okApp())
    const cli = cliOf(admin)
    expect(await cli('block 192.0.2.9/24 --seconds 600 --reason scrapes')).toMatchObject({
      exit: 0,
      stdout: expect.stringMatching(/^192\.0\.2\.0\/24 is blocked until \d.*Z\.\n$/),
    })
    expect(await cli('block ::/0 --permanent')).toMatchObject({ exit: 1, stderr: expect.stringContaining('is wider') })
    const list = '2001:db8::/48 permanent a fair\n198.51.100.7 2126-12-01T00:00:00.000Z\n'
    expect(await cli('blocks import -', list)).toMatchObject({ exit: 0, stdout: '2 lines are in force.\n' })
    expect((await cli('blocks')).stdout).toMatch(/\n192\.0\.2\.0\/24 +manual +ADMIN_TOKEN .* 1 +scrapes\n/)
    expect((await cli('explain 192.0.2.7')).stdout).toMatch(
      /^192\.0\.2\.7 is blocked\.\n192\.0\.2\.0\/24 is blocked by ADMIN_TOKEN since .*: scrapes\.\n\n[\s\S]*\n192\.0\.2\.0\/24 +yes +manual/,
    )
    expect(await cli('unblock 192.0.2.7')).toMatchObject({
      exit: 1,
      stderr: expect.stringContaining('it is covered by 192.0.2.0/24'),
    })
    expect(await cli('unblock 192.0.2.0/24')).toMatchObject({ exit: 0 })
    expect((await cli('explain 192.0.2.7')).stdout).toMatch(/^192\.0\.2\.7 is free\.\nNo block covers 192\.0\.2\.7\.\n/)
    const { stdout: out } = await cli('blocks export')
    expect(new Set(out.split('\n'))).toEqual(new Set(list.split('\n')))
    expect(await cli('blocks import -', out)).toMatchObject({ exit: 0, stdout: '2 lines are in force.\n' })
    expect(child.lines.flatMap(({ audit }) => audit ?? [])).toEqual([
      ...['address blocked', 'blocks imported', 'address unblocked', 'blocks imported'],
    ])
  })
})
