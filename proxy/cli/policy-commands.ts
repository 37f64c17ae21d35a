import type { AdminReply } from './admin-client.ts'
import { type Command, type CommandContext, type Outcome, outcome } from './command.ts'
import { differenceTable } from './difference-table.ts'
import { EXIT } from './exit-status.ts'
import { type Fields, fieldsOf, isFields, isVersion, listOf, told } from './fields.ts'
import { readInput } from './input-file.ts'
import { policyYaml, versionYaml } from './policy-yaml.ts'
import { printable } from './printable.ts'
import { Refusal } from './refusal.ts'
import { table } from './table.ts'

export const policyShow: Command = async ({ client, invocation }) => {
  if (invocation.operand !== undefined) {
    const found = await client.call('GET', `/api/policy/history/${Number(invocation.operand)}`)
    client.need(found, 'version', isVersion)
    return outcome(found, versionYaml(found.body))
  }
  const reply = await client.call('GET', '/api/policy')
  client.need(reply, 'version', isVersion)
  client.need(reply, 'policy', isFields)
  return outcome(reply, policyYaml(reply.body))
}

export const policyValidate: Command = async ({ client, invocation }) => {
  const yaml = await readInput(invocation.operand ?? '-')
  try {
    const reply = await client.call('POST', '/api/policy/validate', { yaml })
    const differences = client.need(reply, 'differences', Array.isArray)
    return outcome(reply, `The policy is well; differences from the one in force: ${differences.length}.`)
  } catch (error) {
    // Problems are what was asked for, and so a result.
    if (!(error instanceof Refusal && error.problems !== undefined)) throw error
    return { status: EXIT.refused, text: error.problems, json: error.json ?? '' }
  }
}

export const policyDiff: Command = async ({ client, invocation }) => {
  const yaml = await readInput(invocation.operand ?? '-')
  const reply = await client.call('POST', '/api/policy/validate', { yaml })
  const differences = client.need(reply, 'differences', Array.isArray)
  return outcome(reply, differenceTable(differences), differences.length === 0 ? EXIT.done : EXIT.refused)
}

export const policyApply: Command = async (context) => {
  const { client, invocation } = context
  const yaml = await readInput(invocation.operand ?? '-')
  const from = await versionToChange(context)
  const path = invocation.isWithoutProbation ? '/api/policy?probation=none' : '/api/policy'
  return changed(context, from, await client.call('PUT', path, { yaml, from }))
}

export const policyRollback: Command = async (context) => {
  const from = await versionToChange(context)
  const json = { to: Number(context.invocation.operand) }
  return changed(context, from, await context.client.call('POST', '/api/policy/rollback', { json, from }))
}

export const policyHistory: Command = async ({ client, invocation }) => {
  const reply = await client.call('GET', '/api/policy/history')
  const versions = client.need(reply, 'versions', Array.isArray)
  const rows = versions
    .slice(0, invocation.limit)
    .map(fieldsOf)
    .map((one) => [told(one.version), told(one.at), told(one.author), whyOf(one)])
  return outcome(reply, table(['version', 'when', 'who', { title: 'reason', limit: 200 }], rows))
}

const versionToChange = async ({ client, invocation }: CommandContext): Promise<number> =>
  invocation.from ?? client.need(await client.call('GET', '/api/policy'), 'version', isVersion)

const changed = ({ client }: CommandContext, from: number, reply: AdminReply): Outcome => {
  const version = client.need(reply, 'version', isVersion)
  const { probation } = reply.body
  const lines = [
    differenceTable(listOf(reply.body.differences)),
    `Version ${version} is in force, made from version ${from}${isFields(probation) ? `, on ${probationInWords(probation)}` : ''}.`,
  ]
  return outcome(reply, lines.join('\n'))
}

const whyOf = ({ reason, probation }: Fields): string =>
  [
    ...(reason === undefined || reason === null ? [] : [told(reason)]),
    ...(isFields(probation) ? [probationInWords(probation)] : []),
  ].join('; ') || '-'

const probationInWords = ({ until, base }: Fields): string =>
  printable(`probation until ${told(until)}, else back to version ${told(base)}`)
