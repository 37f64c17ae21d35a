import { join } from 'node:path'

/**
 * How the proxy's own Node is run. `npm run proxy` says the same in package.json, and a test holds the two together.
 */
export const proxyNode = {
  // docs/decisions/0002-memory-under-load.md has the figures.
  flags: [
    // Of what a thousand busy connections make, most dies before it is promoted. An idle process does without so much:
    // that is what the collection after the start is for (after-start.ts).
    '--max-semi-space-size=16',
    '--expose-gc',
    // Of the memory that a thousand busy connections leave behind, no more waits to be collected than needs to.
    '--max-old-space-size=512',
    // Without this, V8 concludes from a crowd of connections that what requests make lives long, puts it among the old
    // from then on, and is half as slow again long after the crowd has gone.
    '--no-allocation-site-pretenuring',
    // Without this, V8 takes a pause in traffic for leisure: it makes the young generation small and forgets compiled code,
    // and the first thousands of requests after the pause wait for both to come back.
    '--no-memory-reducer',
    // The old generation may grow by twice what lives in it before V8 collects it, not by a few MB: a hundred clients that
    // leave and come again were enough for that, and 20 to 40 ms of marking are many requests.
    '--heap-growing-percent=200',
    // docs/decisions/0022-idle-memory.md: only the first start loads the transpiler (25 MB), whose function is new to Node.
    `--import=${join(import.meta.dirname, 'strip-types-once.js')}`,
    '--disable-warning=ExperimentalWarning',
  ],
  environment: {
    // glibc: an arena for each of Node's threads would be memory that one thread alone uses.
    MALLOC_ARENA_MAX: '2',
  },
} as const
