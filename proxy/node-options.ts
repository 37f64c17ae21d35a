import { join } from 'node:path'

/**
 * How the proxy's own Node is run. `npm run proxy` says the same in package.json, and a test holds the two together.
 */
export const proxyNode = {
  // Of the memory that a thousand busy connections leave behind, no more waits to be collected than needs to; with no
  // limit, V8 lets it grow to twice as much (docs/decisions/0002-memory-under-load.md).
  flags: ['--max-semi-space-size=2', '--max-old-space-size=512'],
  environment: {
    // What the TypeScript here becomes is kept, so that the transpiler (25 MiB) is loaded at the first start only.
    NODE_COMPILE_CACHE: join(import.meta.dirname, '../node_modules/.cache/compiled'),
    // glibc: an arena for each of Node's threads would be memory that one thread alone uses.
    MALLOC_ARENA_MAX: '2',
  },
} as const
