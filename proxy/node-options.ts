import { join } from 'node:path'

/**
 * How the proxy's own Node is run. `npm run proxy` says the same in package.json, and a test holds the two together.
 */
export const proxyNode = {
  /**
   * The bytes of uploads lie in buffers outside V8's heap, which go only when their small owners inside are collected;
   * with V8's default of 16 MiB for those, tens of megabytes lie uncollected (docs/decisions/0002-small-semi-space.md).
   */
  flags: ['--max-semi-space-size=2'],
  environment: {
    // What the TypeScript here becomes is kept, so that the transpiler (25 MiB) is loaded at the first start only.
    NODE_COMPILE_CACHE: join(import.meta.dirname, '../node_modules/.cache/compiled'),
    // glibc: an arena for each of Node's threads would be memory that one thread alone uses.
    MALLOC_ARENA_MAX: '2',
  },
} as const
