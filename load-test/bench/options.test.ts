import { describe, expect, test } from 'vitest'
import { OptionError, readOptions } from './options.ts'
import { peerNames } from './peers/all-peers.ts'
import { scenarios } from './scenarios.ts'

describe('what a run is told', () => {
  test('nothing: everything, in five rounds of four seconds', () => {
    expect(readOptions([])).toEqual({
      peers: peerNames,
      scenarios: scenarios.map(({ name }) => name),
      rounds: 5,
      seconds: 4,
      warmUpSeconds: 5,
      out: 'load-test/results',
      layers: false,
      micro: false,
    })
  })

  test('quick: one round of one second, unless another number is given', () => {
    expect(readOptions(['--quick'])).toMatchObject({ rounds: 1, seconds: 1, warmUpSeconds: 1 })
    expect(readOptions(['--quick', '--seconds', '3'])).toMatchObject({ rounds: 1, seconds: 3 })
  })

  test('peers and scenarios: those, in the order of the tables, each once', () => {
    const options = readOptions(['--peers', 'haproxy, sidegate,haproxy', '--scenario', 'unix-socket,small-get'])
    expect(options).toMatchObject({ peers: ['sidegate', 'haproxy'], scenarios: ['small-get', 'unix-socket'] })
  })

  test('help: nothing else', () => {
    expect(readOptions(['--help', '--peers', 'nobody'])).toBeUndefined()
  })
})

describe('what is refused, with what would be valid', () => {
  test.each([
    [['--peer', 'sidegate'], '--peers'],
    [['--peers', 'sidegate,squid'], /no squid; expected some of direct, sidegate, haproxy/],
    [['--scenario', 'small'], /no small; expected some of small-get/],
    [['--rounds', '0'], 'whole number'],
    [['--seconds', '1.5'], 'whole number'],
    [['--seconds'], '--seconds'],
    [['small-get'], '--scenario'],
  ])('%s', (args, message) => {
    expect(() => readOptions(args)).toThrow(OptionError)
    expect(() => readOptions(args)).toThrow(message)
  })
})
