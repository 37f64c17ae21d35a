import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runCommand } from '../../deploy/local/run-command.ts'
import type { Bench } from './bench.ts'
import { Children, Interrupted } from './children.ts'
import { allowedCpus, pinOurselves, planCores } from './cores.ts'
import { describeMachine } from './machine.ts'
import { type BenchOptions, HELP, OptionError, readOptions } from './options.ts'
import { proxies } from './peers/all-peers.ts'
import type { Peer } from './peers/peer.ts'
import { errorsIn } from './report/errors-in.ts'
import { renderReport } from './report/markdown.ts'
import { saveResults } from './report/save.ts'
import type { Results } from './results.ts'
import { runEverything } from './run-everything.ts'
import { ensureRequiredTools, H2LOAD, whyMissing } from './tools.ts'
import { startUpstream } from './upstream.ts'

/** EX_USAGE of sysexits(3). */
const EX_USAGE = 64
/** One Ctrl-C may come twice: from the terminal, and passed on by npm. */
const SAME_REQUEST_MS = 300

const say = (line: string): void => {
  process.stderr.write(`${line}\n`)
}

const optionsOrExit = (): BenchOptions => {
  try {
    const options = readOptions(process.argv.slice(2))
    if (options !== undefined) return options
    process.stdout.write(HELP)
    process.exit(0)
  } catch (error) {
    if (!(error instanceof OptionError)) throw error
    process.stderr.write(`${error.message}\n`)
    process.exit(EX_USAGE)
  }
}

/** The proxies that were asked for and can be started; the others are named in the results. */
const availablePeers = async (options: BenchOptions, results: Results): Promise<Peer[]> => {
  const available: Peer[] = []
  for (const peer of proxies) {
    if (!options.peers.includes(peer.name)) continue
    const why = peer.tool === undefined ? undefined : await whyMissing(peer.tool, say)
    if (why === undefined) available.push(peer)
    else results.missing.push({ what: `the peer ${peer.name}`, why })
  }
  return available
}

const options = optionsOrExit()
await ensureRequiredTools(say)
const cores = planCores(await allowedCpus())
await pinOurselves(cores.load)

const children = new Children()
let askedAtMs: number | undefined
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    askedAtMs ??= performance.now()
    // What still runs is ended by its leash.
    if (performance.now() - askedAtMs > SAME_REQUEST_MS) process.exit(1)
    void children.stopAll()
  })
}

const results: Results = {
  date: new Date().toISOString(),
  commandLine: ['npm run bench', ...(process.argv.length > 2 ? ['--', ...process.argv.slice(2)] : [])].join(' '),
  machine: { cpu: '', cores: 0, kernel: '', memoryBytes: 0, versions: {} },
  rounds: options.rounds,
  seconds: options.seconds,
  remarks: [],
  notes: [],
  missing: [],
  saturation: [],
  isInterrupted: false,
}
if (cores.isShared) results.remarks.push('There is one core only: the load, the upstream and the proxy share it.')

const folder = await mkdtemp(join(tmpdir(), 'sidegate-bench-'))
// Where root runs this, the workers of NGINX run as another user, who has to pass through.
await chmod(folder, 0o711)
try {
  const peers = await availablePeers(options, results)
  const hasH2load = (await whyMissing(H2LOAD, say)) === undefined
  results.machine = await describeMachine()
  const bench: Bench = {
    options,
    children,
    folder,
    cores,
    upstream: await startUpstream(children, folder, cores.load),
    peers,
    ticksPerSecond: Number(await runCommand('getconf', ['CLK_TCK'])),
    hasH2load,
    results,
    say,
  }
  await runEverything(bench)
} catch (error) {
  if (!(error instanceof Interrupted) && askedAtMs === undefined) throw error
  results.isInterrupted = true
  say('interrupted: this is what there is so far')
} finally {
  await children.stopAll()
  await rm(folder, { recursive: true, force: true })
}

const report = renderReport(results)
process.stdout.write(report)
say(`written to ${(await saveResults(options.out, results, report)).join(' and ')}`)
if (errorsIn(results) > 0) say('ERRORS: there were failed requests; the table of errors names them')
process.exit(errorsIn(results) > 0 || results.isInterrupted ? 1 : 0)
