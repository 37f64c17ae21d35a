import { resolve } from 'node:path'

/** A path as the operator means it: npm changes to the folder of the package, and says in `INIT_CWD` where it was called. */
export const fromCallersFolder = (path: string, environment: NodeJS.ProcessEnv): string =>
  resolve(environment.INIT_CWD ?? '.', path)
