import { chmod, chown, mkdtemp, readdir, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { commandSucceeds } from '../local/run-command.ts'
import { inShell, LocalRun } from './local-run.ts'

const REPOSITORY_DIR = fileURLToPath(new URL('../..', import.meta.url))
// Each starts whole runs, some of them several.
vi.setConfig({ testTimeout: 180_000 })

const isRoot = process.getuid?.() === 0
const WAIT = { timeout: 15_000, interval: 50 }

const dataFolder = async (): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), 'sidegate-e2e-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  // Where root runs the tests, PostgreSQL runs as another user, who has to pass through.
  await chmod(folder, 0o711)
  return folder
}

const stopped = async (run: LocalRun): Promise<void> => {
  run.signal('SIGINT')
  expect(await run.ended).toBe(0)
}

/** Something else that listens; gives its port. */
const occupiedPort = async (): Promise<string> => {
  const server = createServer().listen(0, '127.0.0.1')
  onTestFinished(() => void server.close())
  await new Promise((resolve) => server.once('listening', resolve))
  return String((server.address() as { port: number }).port)
}

describe('npm start', () => {
  test('answers the printed curl lines through proxy and app, from the standby, under one correlation ID', async () => {
    const run = new LocalRun({ dataDir: await dataFolder() })
    await run.ready()
    const [read = '', write = '', wrong = ''] = run.examples
    expect(run.examples).toHaveLength(3)

    const page = await vi.waitFor(async () => {
      const reply = await inShell(read)
      expect(reply.headers.get('x-served-by')).toBe('replica')
      return reply
    }, WAIT)
    expect(page.status).toBe(200)
    expect(page.headers.get('x-request-id')).toBe('my-first-request')
    expect(JSON.parse(page.body).items).toHaveLength(2)
    await run.logged({ process: 'proxy', correlationId: 'my-first-request', path: '/listings' })
    await run.logged({ process: 'app', correlationId: 'my-first-request', path: '/listings' })

    const created = await inShell(write)
    expect(created.status).toBe(201)
    const { id, title } = JSON.parse(created.body)
    await vi.waitFor(async () => {
      const reply = await fetch(`${run.url('proxy')}/listings/${id}`)
      expect(await reply.json()).toMatchObject({ id, title })
    }, WAIT)

    const refused = await inShell(wrong)
    expect(refused.status).toBe(400)
    expect(refused.headers.get('content-type')).toMatch(/^application\/problem\+json/)
    expect(JSON.parse(refused.body)).toMatchObject({
      correlationId: refused.headers.get('x-request-id'),
      errors: [{ in: 'query', pointer: '/limit' }],
    })
    await stopped(run)
  })

  test('ends at Ctrl-C with status 0 within ten seconds, and leaves no process', async () => {
    const run = new LocalRun({ dataDir: await dataFolder() })
    await run.ready()
    const commands = (await run.processes()).map(({ command }) => command).join('\n')
    for (const part of [
      'local/start.ts',
      'app/main.ts',
      'proxy/main.ts',
      'postgres -D',
      'walreceiver',
      'redis-server',
    ]) {
      expect(commands).toContain(part)
    }
    const askedAtMs = performance.now()
    await stopped(run)
    expect(performance.now() - askedAtMs).toBeLessThan(10_000)
    await run.expectNoProcessLeft()
    const order = run.log.map((line) => /^(\w+) has stopped$/.exec(String(line.msg))?.[1]).filter(Boolean)
    expect(order).toEqual(['proxy', 'app', 'redis', 'PostgreSQL'])
  })

  test('stops what it has started so far when it is asked to while it starts', async () => {
    const run = new LocalRun({ dataDir: await dataFolder() })
    await run.logged({ process: 'app', msg: 'listening' })
    await stopped(run)
    expect(run.errorLines).not.toContain('Sidegate is ready.')
    await run.expectNoProcessLeft()
  })

  test('keeps its data between runs, and --fresh starts over', async () => {
    const dataDir = await dataFolder()
    const first = new LocalRun({ dataDir })
    await first.ready()
    const { id } = JSON.parse((await inShell(first.examples[1] ?? '')).body)
    await stopped(first)

    const second = new LocalRun({ dataDir })
    await second.ready()
    expect((await fetch(`${second.url('proxy')}/listings/${id}`)).status).toBe(200)
    await stopped(second)

    const fresh = new LocalRun({ dataDir, args: ['--fresh'] })
    await fresh.ready()
    expect((await fetch(`${fresh.url('proxy')}/listings/${id}`)).status).toBe(404)
    await stopped(fresh)
  })

  test('names the variable of every port in use, before anything starts', async () => {
    const dataDir = await dataFolder()
    const [PORT, POSTGRES_REPLICA_PORT] = [await occupiedPort(), await occupiedPort()]
    const run = new LocalRun({ dataDir, environment: { PORT, POSTGRES_REPLICA_PORT } })
    expect(await run.ended).toBe(78)
    const told = run.errorLines.join('\n')
    expect(told).toContain(`PORT: port ${PORT} is in use`)
    expect(told).toContain(`POSTGRES_REPLICA_PORT: port ${POSTGRES_REPLICA_PORT} is in use`)
    expect(await readdir(dataDir)).toEqual([])
  })

  test('says which process died and how, stops the others and exits with 1', async () => {
    const run = new LocalRun({ dataDir: await dataFolder() })
    await run.ready()
    const app = (await run.processes()).find(({ command }) => command.includes('app/main.ts'))
    process.kill(app?.pid as number, 'SIGKILL')
    expect(await run.ended).toBe(1)
    await run.logged({ process: 'start', level: 'error', msg: /^app ended unexpectedly \(signal SIGKILL\)/ })
    await run.expectNoProcessLeft()
  })

  test('takes its children along when it is killed itself', async () => {
    const run = new LocalRun({ dataDir: await dataFolder() })
    await run.ready()
    run.signal('SIGKILL')
    await run.ended
    await run.expectNoProcessLeft()
  })

  test.runIf(isRoot)('runs as an ordinary user too', async (context) => {
    const nobody = { name: 'nobody', uid: 65_534, gid: 65_534 }
    const canRead = await commandSucceeds(
      process.execPath,
      ['-e', `require('node:fs').readdirSync('${REPOSITORY_DIR}')`],
      {
        account: nobody,
        cwd: '/',
      },
    )
    if (!canRead) context.skip(`the user "nobody" cannot enter ${REPOSITORY_DIR}`)
    const dataDir = await dataFolder()
    await chown(dataDir, nobody.uid, nobody.gid)
    const run = new LocalRun({ dataDir, account: nobody })
    await run.ready()
    expect((await inShell(run.examples[0] ?? '')).status).toBe(200)
    await stopped(run)
    await run.expectNoProcessLeft()
  })
})
