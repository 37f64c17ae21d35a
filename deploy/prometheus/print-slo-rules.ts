/**
 * The objectives of a policy as rules for Prometheus, on stdout:
 *
 *     npm run -s slo:rules -- policy.yaml > sidegate-slo.rules.yaml
 */
import { stringify } from 'yaml'
import { initialPolicy } from '../../proxy/state/policy/policy-file.ts'
import { ConfigurationError, exitBadConfiguration } from '../../shared/environment.ts'
import { sloRules } from './slo-rules.ts'

const [path = process.env.POLICY_FILE] = process.argv.slice(2)
try {
  if (path === undefined)
    throw new ConfigurationError(['name the file of the policy: npm run -s slo:rules -- policy.yaml'])
  const { policy } = await initialPolicy(path)
  const rules = sloRules(policy)
  if (rules.groups.length === 0) throw new ConfigurationError([`${path}: slo.objectives: nothing is promised there`])
  process.stdout.write(stringify(rules, { lineWidth: 0, aliasDuplicateObjects: false }))
} catch (error) {
  if (!(error instanceof ConfigurationError)) throw error
  exitBadConfiguration(error)
}
