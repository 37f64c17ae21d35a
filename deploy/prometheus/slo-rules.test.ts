import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, it, onTestFinished } from 'vitest'
import { parse, stringify } from 'yaml'

const run = promisify(execFile)
const SCRIPT = join(import.meta.dirname, 'print-slo-rules.ts')

const POLICY = `
slo:
  objectives:
    reads: {availability: 0.999, latency: {thresholdMs: 300, share: 0.99}}
    all-else: {availability: 0.99, windowDays: 7}
alerts: {minimumEvents: 50, burnRates: [{factor: 14.4, longSeconds: 3600, shortSeconds: 300}]}
`

const folder = async (): Promise<string> => {
  const path = await mkdtemp(join(tmpdir(), 'sidegate-rules-'))
  onTestFinished(() => rm(path, { recursive: true }))
  return path
}

const rulesOf = async (policy: string): Promise<string> => {
  const path = join(await folder(), 'policy.yaml')
  await writeFile(path, policy)
  return (await run(process.execPath, [SCRIPT, path])).stdout
}

const failed = async (...args: string[]) => {
  const environment = { ...process.env, POLICY_FILE: undefined }
  return run(process.execPath, [SCRIPT, ...args], { env: environment }).then(
    () => expect.fail('it should have failed'),
    ({ code, stderr }: { code: number; stderr: string }) => ({ code, stderr }),
  )
}

it('a policy’s objectives are rules: shares by window, and an alert for each burn rate', async () => {
  const { groups } = parse(await rulesOf(POLICY))
  expect(groups.map(({ name }: { name: string }) => name)).toEqual(['sidegate-slo-reads', 'sidegate-slo-all-else'])
  const [reads, others] = groups
  const alerts = [...reads.rules, ...others.rules].filter(({ alert }: { alert?: string }) => alert !== undefined)
  expect(alerts.map(({ labels }: { labels: object }) => labels)).toEqual([
    { objective: 'reads', promise: 'availability', factor: '14.4', severity: 'page' },
    { objective: 'reads', promise: 'latency', factor: '14.4', severity: 'page' },
    { objective: 'all-else', promise: 'availability', factor: '14.4', severity: 'page' },
  ])
  expect(alerts[0].expr).toBe(
    'sidegate:slo_bad:ratio1h{objective="reads",promise="availability"} > 0.0144 and ' +
      'sidegate:slo_events:increase1h{objective="reads",promise="availability"} >= 50 and ' +
      'sidegate:slo_bad:ratio5m{objective="reads",promise="availability"} > 0.0144 and ' +
      'sidegate:slo_events:increase5m{objective="reads",promise="availability"} >= 50',
  )
  expect(reads.rules.map(({ record }: { record?: string }) => record)).toContain('sidegate:slo_bad:ratio30d')
  expect(others.rules.map(({ record }: { record?: string }) => record)).toContain('sidegate:slo_bad:ratio7d')
})

it('what cannot be rules is said, with the remedy', async () => {
  expect(await failed()).toEqual({ code: 78, stderr: expect.stringContaining('name the file of the policy') })
  expect(await failed('/nowhere/policy.yaml')).toMatchObject({ code: 78 })
  const path = join(await folder(), 'policy.yaml')
  await writeFile(path, 'routes: {}\n')
  expect(await failed(path)).toEqual({ code: 78, stderr: expect.stringContaining('nothing is promised there') })
})

/** From the second hour on, half of a thousand exchanges a minute fail, and most of the others are late. */
const COURSE = (rules: string) => ({
  rule_files: [rules],
  evaluation_interval: '30s',
  tests: [
    {
      interval: '1m',
      input_series: [
        {
          series: 'sidegate_objective_exchanges_total{objective="reads",verdict="good"}',
          values: '0+1000x60 60000+500x60',
        },
        { series: 'sidegate_objective_exchanges_total{objective="reads",verdict="upstream"}', values: '0x60 0+500x60' },
        { series: 'sidegate_objective_slow_total{objective="reads"}', values: '0x60 0+400x60' },
      ],
      promql_expr_test: [
        {
          expr: 'count(ALERTS{alertname="SidegateBurnRate",alertstate="firing"}) or vector(0)',
          eval_time: '59m',
          exp_samples: [{ labels: '{}', value: 0 }],
        },
        {
          expr: 'count(ALERTS{alertname="SidegateBurnRate",alertstate="firing",promise="availability"})',
          eval_time: '90m',
          exp_samples: [{ labels: '{}', value: 1 }],
        },
        {
          expr: 'count(ALERTS{alertname="SidegateBurnRate",alertstate="firing",promise="latency"})',
          eval_time: '90m',
          exp_samples: [{ labels: '{}', value: 1 }],
        },
      ],
    },
  ],
})

it('Prometheus takes them, and fires by them', async ({ skip }) => {
  const isThere = await run('promtool', ['--version']).then(
    () => true,
    () => false,
  )
  if (!isThere)
    return skip(
      'promtool is not on the PATH (Debian: apt-get install prometheus): the rules are not tried by Prometheus itself',
    )
  const path = await folder()
  await writeFile(join(path, 'rules.yaml'), await rulesOf(POLICY))
  await run('promtool', ['check', 'rules', join(path, 'rules.yaml')])
  await writeFile(join(path, 'course.yaml'), stringify(COURSE('rules.yaml')))
  await run('promtool', ['test', 'rules', join(path, 'course.yaml')])
})
