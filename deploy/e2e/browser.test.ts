import type { Server } from 'node:http'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { WebSocketServer } from 'ws'
import { type ProxyProcess, startProxyProcess } from '../../proxy/testing/proxy-process.ts'
import { startUpstream, type TestUpstream } from '../../proxy/testing/start-upstream.ts'
import { launchChromium } from './chromium.ts'

let upstream: TestUpstream
let proxy: ProxyProcess
let browser: Browser

beforeAll(async () => {
  upstream = await startUpstream(
    (incoming, outgoing) => {
      if (incoming.url === '/events') {
        outgoing.writeHead(200, { 'Content-Type': 'text/event-stream' })
        // The next event goes out only once the browser has said that it has the one before.
        outgoing.write('data: first\n\n')
        events.push((text) => outgoing.write(`data: ${text}\n\n`))
      } else if (incoming.url === '/seen') {
        events.shift()?.('second')
        outgoing.writeHead(204).end()
      } else if (incoming.url === '/upload') {
        let bytes = 0
        incoming.on('data', (chunk: Buffer) => {
          bytes += chunk.length
        })
        incoming.on('end', () => outgoing.end(String(bytes)))
      } else {
        outgoing.writeHead(200, { 'Content-Type': 'text/html' }).end('<!doctype html><title>page</title>')
      }
    },
    (server: Server) => {
      new WebSocketServer({ server }).on('connection', (socket) => {
        socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
      })
    },
  )
  proxy = await startProxyProcess(upstream.url, { ACCESS_LOG: 'all' })
  browser = await launchChromium()
})

afterAll(async () => {
  await browser?.close()
  proxy?.child.process.kill('SIGKILL')
  await proxy?.child.exited()
  await upstream?.close()
})

const events: ((text: string) => void)[] = []

const openPage = async () => {
  const page = await browser.newPage()
  await page.goto(`${proxy.origin}/`)
  expect(await page.title()).toBe('page')
  return page
}

describe('a real browser', () => {
  it('gets events one by one', async () => {
    const page = await openPage()
    const received = await page.evaluate(
      () =>
        new Promise<string[]>((resolve, reject) => {
          const data: string[] = []
          const source = new EventSource('/events')
          source.onerror = () => reject(new Error('the stream broke'))
          source.onmessage = (event) => {
            data.push(event.data)
            if (data.length === 2) {
              source.close()
              resolve(data)
            } else void fetch('/seen', { method: 'POST' })
          }
        }),
    )
    expect(received).toEqual(['first', 'second'])
  })

  it('speaks over a WebSocket and sees it close in good order', async () => {
    const page = await openPage()
    const seen = await page.evaluate(
      (url) =>
        new Promise<unknown>((resolve, reject) => {
          const socket = new WebSocket(url)
          let echoed = ''
          socket.onerror = () => reject(new Error('the socket broke'))
          socket.onopen = () => socket.send('äöü '.repeat(50_000))
          socket.onmessage = (event) => {
            echoed = event.data
            socket.close(4_000, 'done')
          }
          socket.onclose = (event) => resolve({ length: echoed.length, code: event.code, clean: event.wasClean })
        }),
      proxy.origin.replace('http', 'ws'),
    )
    expect(seen).toEqual({ length: 200_000, code: 4_000, clean: true })
  })

  it('uploads, and can read the correlation ID that the log knows the upload by', async () => {
    const page = await openPage()
    const { bytes, id } = await page.evaluate(async () => {
      const reply = await fetch('/upload', { method: 'POST', body: new Uint8Array(5_000_000) })
      return { bytes: await reply.text(), id: reply.headers.get('x-request-id') }
    })
    expect(bytes).toBe('5000000')
    await proxy.child.line((line) => line.correlationId === id && line.path === '/upload')
  })
})
