import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['{proxy,app,shared,deploy,load-test}/**/*.test.ts'],
    globalSetup: ['deploy/local/test-services.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // Two cores: more workers than this only make real servers starve one another.
    maxWorkers: 2,
    pool: 'forks',
  },
})
