import { describe, expect, it } from 'vitest'
import { readArguments } from './arguments.ts'

const told = (...args: string[]): string => {
  try {
    readArguments(args)
  } catch (error) {
    return (error as Error).message.split('\n')[0] ?? ''
  }
  return 'nothing is wrong'
}

describe('arguments', () => {
  it.each([
    [['status'], { name: 'status', operand: undefined, isJson: false }],
    [['--json', 'policy', 'show'], { name: 'policy show', isJson: true }],
    [['policy', 'diff', '-'], { name: 'policy diff', operand: '-' }],
    [
      ['policy', 'apply', 'a.yaml', '--from', '3', '--no-probation'],
      { operand: 'a.yaml', from: 3, isWithoutProbation: true },
    ],
    [
      ['policy', '--from=0', 'apply', 'a.yaml'],
      { name: 'policy apply', operand: 'a.yaml', from: 0, isWithoutProbation: false },
    ],
    [['policy', 'apply', '--', '--odd.yaml'], { operand: '--odd.yaml' }],
    [['policy', 'history', '--limit', '2'], { name: 'policy history', limit: 2 }],
    [['policy', 'rollback', '7'], { name: 'policy rollback', operand: '7', from: undefined }],
    [['policy', 'shadow'], { name: 'policy shadow', operand: undefined, isEnd: false }],
    [['policy', 'shadow', '--end'], { name: 'policy shadow', isEnd: true }],
    [['blocks'], { name: 'blocks', limit: undefined, source: undefined }],
    [['blocks', 'export', '--source', 'auto'], { name: 'blocks export', operand: undefined, source: 'auto' }],
    [['blocks', 'import', 'a.txt', '--permanent'], { name: 'blocks import', operand: 'a.txt', isPermanent: true }],
    [['block', '::/64', '--seconds', '9', '--reason', 'a b'], { operand: '::/64', seconds: 9, reason: 'a b' }],
    [['drain', '--wait'], { name: 'drain', isWaiting: true }],
    [['token', 'ci'], { name: 'token', operand: 'ci', role: 'read' }],
    [['token', 'ci', '--role', 'operate'], { role: 'operate' }],
    [[], { name: 'help' }],
    [['--help'], { name: 'help' }],
    [['policy', 'apply', '-h'], { name: 'help' }],
  ])('%j are understood', (args, expected) => {
    expect(readArguments(args)).toMatchObject(expected)
  })

  it.each([
    [['statsu'], 'There is no command "statsu"; did you mean "status"?'],
    [['policy', 'shwo'], 'There is no command "policy shwo"; did you mean "policy show"?'],
    [['polcy', 'shwo'], 'There is no command "polcy"; did you mean "policy show"?'],
    [['rollback', '3'], 'There is no command "rollback"; did you mean "policy rollback"?'],
    [['entirely-else'], 'There is no command "entirely-else".'],
    [['policy'], expect.stringMatching(/^Which one: policy show, .*policy shadow\?$/)],
    [['unblok', '::'], 'There is no command "unblok"; did you mean "unblock"?'],
    [['drain', '--wiat'], 'There is no option --wiat; did you mean "--wait"?'],
    [['drain', '-x'], 'There is no option -x.'],
    [['status', '--constructor'], 'There is no option --constructor.'],
    [['status', '--wait'], '"status" takes no --wait.'],
    [['policy', 'diff'], '"policy diff" needs a FILE ("-" is standard input).'],
    [['policy', 'diff', 'a', 'b'], '"policy diff" does not take "b".'],
    [['status', 'now'], '"status" does not take "now".'],
    [['policy', 'shadow', 'a', '--end'], '"policy shadow" takes a FILE or --end, not both.'],
    [['policy', 'rollback', 'last'], 'VERSION: expected a whole number from 0, got "last".'],
    [['policy', 'apply', 'a', '--from', '-1'], '--from: expected a whole number from 0, got "-1".'],
    [['policy', 'apply', 'a', '--from'], '--from needs a value.'],
    [['policy', 'apply', 'a', '--from', '1', '--from', '2'], '--from is given twice.'],
    [['policy', 'history', '--limit', '0'], '--limit: expected a whole number from 1, got "0".'],
    [['status', '--json=yes'], '--json takes no value.'],
    [['token', 'ci', '--role', 'root'], '--role: expected read or operate, got "root".'],
  ])('%j are refused, with what would do', (args, message) => {
    expect(told(...args)).toEqual(message)
  })
})
