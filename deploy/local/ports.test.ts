import { once } from 'node:events'
import { createServer } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { freePort, portProblems } from './ports.ts'

const HOST = '127.0.0.1'

const listen = async (port: number): Promise<void> => {
  const server = createServer().listen(port, HOST)
  onTestFinished(() => void server.close())
  await once(server, 'listening')
}

test('a free port can be listened on, and is free no more then', async () => {
  const port = await freePort()
  expect(await portProblems([{ variable: 'PORT', port, host: HOST }])).toEqual([])
  await listen(port)
  expect(await portProblems([{ variable: 'PORT', port, host: HOST }])).toEqual([
    `PORT: port ${port} is in use; end what listens on it, or choose another port`,
  ])
})

test('every port in use is told, by the name of its variable', async () => {
  const [taken, free, alsoTaken] = [await freePort(), await freePort(), await freePort()]
  await listen(taken)
  await listen(alsoTaken)
  const problems = await portProblems([
    { variable: 'FIRST', port: taken, host: HOST },
    { variable: 'SECOND', port: free, host: HOST },
    { variable: 'THIRD', port: alsoTaken, host: HOST },
  ])
  expect(problems).toEqual([expect.stringContaining('FIRST: port'), expect.stringContaining('THIRD: port')])
})

test('a port that is to be listened on at every address is not free while one of them has it', async () => {
  const port = await freePort()
  await listen(port)
  expect(await portProblems([{ variable: 'PORT', port, host: '0.0.0.0' }])).toEqual([
    expect.stringContaining('PORT: port'),
  ])
})

test('two variables that name the same port are told apart', async () => {
  const port = await freePort()
  const problems = await portProblems([
    { variable: 'PORT', port, host: HOST },
    { variable: 'ADMIN_PORT', port, host: HOST },
  ])
  expect(problems).toEqual([`ADMIN_PORT: port ${port} is already that of PORT; give each its own`])
})
