/** What a command takes; what it does is in `<name>-command.ts` and `policy-commands.ts`. */
export interface CommandShape {
  readonly operand?: 'FILE' | '[FILE]' | 'VERSION' | '[VERSION]' | 'NAME' | 'RANGE' | 'ADDRESS' | '[MODE]' | '[ID]'
  readonly options: readonly OptionName[]
  readonly meaning: string
}

/** Those that take a value say what it is called. */
export const OPTIONS = {
  from: { value: 'N' },
  'no-probation': {},
  limit: { value: 'N' },
  end: {},
  wait: {},
  source: { value: 'SOURCE' },
  seconds: { value: 'N' },
  permanent: {},
  reason: { value: 'TEXT' },
  confirm: { value: 'RANGE' },
  url: { value: 'URL' },
  tag: { value: 'TAG' },
  prefix: { value: 'URL' },
  everything: {},
  hard: {},
  role: { value: 'ROLE' },
  json: {},
  help: {},
} as const satisfies Record<string, { readonly value?: string }>

export type OptionName = keyof typeof OPTIONS

/** Valid with every command. */
export const COMMON_OPTIONS: readonly OptionName[] = ['json', 'help']

const BLOCK_OPTIONS = ['seconds', 'permanent', 'reason', 'confirm'] as const

const COMMANDS = {
  status: { options: [], meaning: 'who runs there, since when, with which policy, what is in flight' },
  'policy show': {
    operand: '[VERSION]',
    options: [],
    meaning: 'the policy in force, as YAML; with VERSION, that one as written',
  },
  'policy validate': { operand: 'FILE', options: [], meaning: 'every problem of a policy; changes nothing' },
  'policy diff': { operand: 'FILE', options: [], meaning: 'what it would change, key by key; changes nothing' },
  'policy apply': {
    operand: 'FILE',
    options: ['from', 'no-probation'],
    meaning: 'puts it in force; with --from, only if N is still the newest version',
  },
  'policy history': { options: ['limit'], meaning: 'who changed it when, newest first' },
  'policy rollback': {
    operand: 'VERSION',
    options: ['from'],
    meaning: 'puts an earlier version in force again, as a new one; --from as above',
  },
  'policy shadow': {
    operand: '[FILE]',
    options: ['end'],
    meaning: 'tries a policy out; without FILE, tells how it does; --end ends it',
  },
  emergency: {
    operand: '[MODE]',
    options: ['reason', 'seconds'],
    meaning: 'MODE is on, off or auto; without it, how things are and why',
  },
  slo: { options: [], meaning: 'what is promised, how it is kept, and what the traffic is like' },
  circuits: { options: [], meaning: 'the circuits of the instance, how they are and why' },
  'circuits open': {
    operand: 'NAME',
    options: ['reason', 'seconds'],
    meaning: 'lets nothing of an operation through to the app',
  },
  'circuits close': {
    operand: 'NAME',
    options: ['reason', 'seconds'],
    meaning: 'lets everything through, whatever comes of it',
  },
  'circuits auto': { operand: 'NAME', options: ['reason'], meaning: 'leaves it to what becomes of requests' },
  'circuits reset': { operand: 'NAME', options: [], meaning: 'the same, closed, with nothing counted' },
  blocks: { options: ['limit', 'source'], meaning: 'the blocks that hold; SOURCE is auto or manual' },
  'blocks export': { options: ['source'], meaning: 'all of them, as plain lines' },
  'blocks import': {
    operand: 'FILE',
    options: BLOCK_OPTIONS,
    meaning: 'blocks all of a list, or nothing; options are for lines that say less',
  },
  block: {
    operand: 'RANGE',
    options: BLOCK_OPTIONS,
    meaning: 'for N seconds or for good; --confirm: again, where wider than /8 (/19)',
  },
  unblock: { operand: 'RANGE', options: [], meaning: 'ends the block of exactly this range' },
  purge: {
    operand: '[ID]',
    options: ['url', 'tag', 'prefix', 'everything', 'hard'],
    meaning: 'from proxies and CDN, several with commas; with ID, what became of it',
  },
  explain: { operand: 'ADDRESS', options: [], meaning: 'whether it is blocked, why, by whom, until when' },
  drain: { options: ['wait'], meaning: 'begins a drain; --wait returns once it is drained' },
  token: {
    operand: 'NAME',
    options: ['role'],
    meaning: 'mints a token and its keyring entry; ROLE is read (default) or operate',
  },
  help: { options: [], meaning: 'this text' },
} as const satisfies Record<string, CommandShape>

export type CommandName = keyof typeof COMMANDS

export const commandNames = Object.keys(COMMANDS) as readonly CommandName[]

export const shapeOf = (name: CommandName): CommandShape => COMMANDS[name]
