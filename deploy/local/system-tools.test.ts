import { describe, expect, test } from 'vitest'
import { distributionIds, findOnPath, type Machine, planTools, type SystemTool } from './system-tools.ts'

const redis: SystemTool = { command: 'redis-server', debianPackage: 'redis-server', purpose: 'tests of Redis' }
const browser: SystemTool = { command: 'chromium', debianPackage: 'chromium', purpose: 'tests of pages' }

const machine = (found: readonly string[], isRoot: boolean, distribution: readonly string[]): Machine => ({
  isRoot,
  distribution,
  isOnPath: (command) => found.includes(command),
})

describe('what is to be done about missing programs', () => {
  test('nothing, where all are there, whoever and wherever we are', () => {
    const everything = ['redis-server', 'chromium']
    expect(planTools([redis, browser], machine(everything, false, []))).toEqual({ kind: 'nothing-missing' })
    expect(planTools([redis, browser], machine(everything, true, ['debian']))).toEqual({ kind: 'nothing-missing' })
  })

  test('root on Debian and on its kin installs what is missing, and only that', () => {
    for (const distribution of [['debian'], ['ubuntu', 'debian'], ['linuxmint', 'ubuntu', 'debian']]) {
      expect(planTools([redis, browser], machine(['apt-get', 'chromium'], true, distribution))).toEqual({
        kind: 'install',
        packages: ['redis-server'],
      })
    }
  })

  test('an ordinary user on Debian is told each program, its purpose and the command', () => {
    const plan = planTools([redis, browser], machine(['apt-get'], false, ['debian']))
    expect(plan).toEqual({
      kind: 'impossible',
      message: [
        'Programs are missing:',
        '  redis-server, needed for tests of Redis',
        '  chromium, needed for tests of pages',
        'Install them: sudo apt-get install --no-install-recommends redis-server chromium',
      ].join('\n'),
    })
  })

  test('no package manager is guessed elsewhere, even for root', () => {
    for (const distribution of [['fedora'], ['alpine'], []]) {
      const plan = planTools([redis], machine(['apt-get'], true, distribution))
      expect(plan).toMatchObject({
        kind: 'impossible',
        message: expect.stringMatching(/redis-server.*\n.*on the PATH/),
      })
    }
  })
})

test('the distribution is read from os-release, quoted or not', () => {
  expect(distributionIds('NAME="Debian GNU/Linux"\nVERSION_ID="12"\nID=debian\n')).toEqual(['debian'])
  expect(distributionIds('ID=linuxmint\nID_LIKE="ubuntu debian"\n')).toEqual(['linuxmint', 'ubuntu', 'debian'])
  expect(distributionIds('VERSION_ID=3\n')).toEqual([])
})

test('programs are found as a shell finds them', async () => {
  expect(await findOnPath('sh')).toMatch(/\/sh$/)
  expect(await findOnPath('no-such-program-anywhere')).toBeUndefined()
})
