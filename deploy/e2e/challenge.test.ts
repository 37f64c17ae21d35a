import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { ownSecrets } from '../../proxy/state/challenge/open.ts'
import { thirdParties } from '../../proxy/state/challenge/providers/third-parties.ts'
import { TestPolicies } from '../../proxy/testing/policies.ts'
import { startProxy, type TestProxy } from '../../proxy/testing/start-proxy.ts'
import { startUpstream, type TestUpstream } from '../../proxy/testing/start-upstream.ts'
import { launchChromium } from './chromium.ts'

interface Post {
  readonly url: string
  readonly type: string | undefined
  readonly cookie: string | undefined
  readonly body: string
}

let browser: Browser
let context: BrowserContext
let app: TestUpstream
let proxy: TestProxy
/** What is the case for the proxy; an emergency, unless a test says otherwise. */
let emergency: { state: 'calm' | 'emergency' | 'recovering' }
let policies: TestPolicies
let posts: Post[]

const HTML = { 'Content-Type': 'text/html; charset=utf-8' }
/** In which the second form is, and the app behind it. */
const FORM = (charset: string, action: string) => `<!doctype html><meta charset="${charset}"><title>form</title>
<form method="post" action="${action}">
  <input name="name" value=""><input name="tag" value="one"><textarea name="text"></textarea><input name="tag" value="two">
  <input name="submit" value="&quot;><script>window.isBroken = true</script>">
  <button>Send</button>
</form>`

beforeAll(async () => {
  // Not this machine by its name: a page on plain http that browsers do not trust.
  browser = await launchChromium('--host-resolver-rules=MAP a.example 127.0.0.1')
  app = await startUpstream((request, response) => {
    const { url = '', method, headers } = request
    if (method === 'POST') {
      const pieces: Buffer[] = []
      request.on('data', (piece: Buffer) => pieces.push(piece))
      request.on('end', () => {
        const body = Buffer.concat(pieces).toString('latin1')
        posts.push({ url, type: headers['content-type'], cookie: headers.cookie, body })
        response.writeHead(200, HTML).end('<!doctype html><title>saved</title><h1>Saved</h1>')
      })
    } else if (url.startsWith('/data')) {
      response.writeHead(200, { 'Content-Type': 'application/json' }).end('{"from":"the app"}')
    } else if (url.startsWith('/form')) {
      response.writeHead(200, HTML).end(FORM('utf-8', '/save?to=here'))
    } else if (url.startsWith('/old-form')) {
      response.writeHead(200, { 'Content-Type': 'text/html; charset=windows-1252' })
      response.end(Buffer.from(FORM('windows-1252', '/save'), 'latin1'))
    } else if (url.startsWith('/upload-form')) {
      response.writeHead(200, HTML)
      response.end(
        '<form method="post" enctype="multipart/form-data" action="/save"><input name="a"><button>Send</button></form>',
      )
    } else response.writeHead(200, HTML).end(`<!doctype html><title>the app</title><p>${url}</p>`)
  })
})

beforeEach(async () => {
  posts = []
  emergency = { state: 'emergency' }
  policies = new TestPolicies({})
  proxy = await startProxy(app.url, {}, policies, { emergency })
  context = await browser.newContext()
})

afterEach(async () => {
  await context?.close()
  await proxy?.close()
})

afterAll(async () => {
  await browser?.close()
  await app?.close()
})

/** A page of which every error in its scripts, and everything that its policy forbids, fails the test. */
const openPage = async (): Promise<Page> => {
  const page = await context.newPage()
  page.on('pageerror', (error) => errors.push(error.message))
  page.on('console', (message) => {
    // The 403 of the page itself is one.
    if (message.type() === 'error' && !/status of (403|429)/.test(message.text())) errors.push(message.text())
  })
  return page
}
const errors: string[] = []
afterEach(() => {
  expect(errors.splice(0)).toEqual([])
})

/** Resolves once the page of this title is there. A function, since the page’s policy lets no text be run. */
const titled = (page: Page, title: string) =>
  page.waitForFunction(
    (wanted) => (globalThis as unknown as { document: { title: string } }).document.title === wanted,
    title,
  )

const counts = () => Object.fromEntries(proxy.challenges.counts.entries())

describe('a browser in an emergency', () => {
  it('solves its challenge by itself, comes to the page that it wanted, and is not asked again, by fetch neither', async () => {
    const page = await openPage()
    const first = await page.goto(`${proxy.origin}/wanted?a=b#part`)
    expect(first?.status()).toBe(403)
    await titled(page, 'the app')
    expect(page.url()).toBe(`${proxy.origin}/wanted?a=b#part`)
    expect(await page.textContent('p')).toBe('/wanted?a=b')
    expect(counts()).toMatchObject({ asked: 1, solved: 1 })

    const data = await page.evaluate(async () => (await fetch('/data')).json())
    expect(data).toEqual({ from: 'the app' })
    const byXhr = await page.evaluate(`new Promise((resolve) => {
      const request = new XMLHttpRequest()
      request.onload = () => resolve([request.status, request.responseText])
      request.open('GET', '/data')
      request.send()
    })`)
    expect(byXhr).toEqual([200, '{"from":"the app"}'])
    expect((await page.goto(`${proxy.origin}/other`))?.status()).toBe(200)
    expect(counts()).toMatchObject({ asked: 1, solved: 1 })
    expect(await page.evaluate('document.cookie'), 'no script reads the cookie').toBe('')
  })

  it.each([
    ['UTF-8', '/form', 'Zoë & <b>"Ω"</b> 🦊', /^name=Zo%C3%AB\+%26\+/, '/save?to=here'],
    ['another charset', '/old-form', 'Zoë €', /^name=Zo%EB\+%80&/, '/save'],
  ])(
    'does not lose the form that it was sending, in %s: the app gets it once, as it was',
    async (_, path, name, begins, to) => {
      emergency.state = 'calm'
      const page = await openPage()
      await page.goto(proxy.origin + path)
      await page.fill('[name=name]', name)
      await page.fill('textarea', 'one line\nanother')
      const send = () => page.evaluate('HTMLFormElement.prototype.submit.call(document.forms[0])')
      await send()
      await titled(page, 'saved')
      const [direct] = posts.splice(0)

      await page.goto(proxy.origin + path)
      await page.fill('[name=name]', name)
      await page.fill('textarea', 'one line\nanother')
      emergency.state = 'emergency'
      await send()
      await titled(page, 'saved')
      expect(posts).toEqual([direct])
      expect(posts[0]).toMatchObject({ url: to, type: 'application/x-www-form-urlencoded', cookie: undefined })
      expect(posts[0]?.body).toMatch(begins)
      expect(posts[0]?.body).toContain('&tag=one&text=one+line%0D%0Aanother&tag=two&submit=%22%3E%3Cscript%3E')
      expect(await page.evaluate("'isBroken' in window")).toBe(false)
      expect(counts()).toMatchObject({ asked: 1, solved: 1 })
    },
  )

  it('is told that a form of another kind must be sent again, and how, and has its input still', async () => {
    emergency.state = 'calm'
    const page = await openPage()
    await page.goto(`${proxy.origin}/upload-form`)
    await page.fill('[name=a]', 'typed')
    emergency.state = 'emergency'
    await page.click('button')
    await page.waitForSelector('#back:not([hidden])')
    expect(await page.textContent('.note')).toContain('What you sent has not reached the site.')
    expect(await page.textContent('#status')).toBe('Done. Please go back now, and send it again.')
    expect(await page.evaluate('document.activeElement.id'), 'the keyboard is where it goes on').toBe('back')
    await page.keyboard.press('Enter')
    await page.waitForSelector('[name=a]')
    await page.fill('[name=a]', 'typed')
    await page.click('button')
    await titled(page, 'saved')
    expect(posts).toHaveLength(1)
    expect(posts[0]?.body).toContain('typed')
  })

  it('of a form of another site gets it back from nobody: it would be sent with this site’s cookies', async () => {
    await context.addCookies([{ name: 'session', value: 'secret', url: proxy.origin, sameSite: 'Lax' }])
    const evil = await startUpstream((_, response) => {
      response.writeHead(200, HTML)
      response.end(
        `<form method="post" action="${proxy.origin}/save"><input name="pay" value="evil"><button>Win</button></form>`,
      )
    })
    try {
      const page = await openPage()
      await page.goto(evil.url.replace('127.0.0.1', 'localhost'))
      await page.click('button')
      await page.waitForSelector('#back:not([hidden])')
      expect(await page.$('form')).toBeNull()
      expect(posts).toEqual([])
    } finally {
      await evil.close()
    }
  })

  it('can try again where the answer was lost, and gets a new puzzle for it', async () => {
    const page = await openPage()
    let lost = 0
    await page.route('**/__sidegate/challenge', (route) => {
      if (route.request().method() === 'POST' && lost++ === 0) return route.fulfill({ status: 403, body: '{}' })
      return route.continue()
    })
    await page.goto(proxy.origin)
    await page.waitForSelector('#retry:not([hidden])')
    expect(await page.textContent('#status')).toBe('The check did not succeed. Please try again.')
    await page.focus('#retry')
    await page.keyboard.press('Enter')
    await titled(page, 'the app')
    expect(counts()).toMatchObject({ solved: 1, replayed: 0 })
  })

  it('solves it without a worker, too', async () => {
    const page = await openPage()
    await page.addInitScript('window.Worker = undefined')
    await page.goto(proxy.origin)
    await titled(page, 'the app')
    expect(counts()).toMatchObject({ solved: 1 })
  })

  it('does not go round and round where it keeps no cookies', async () => {
    const page = await openPage()
    await page.route('**/__sidegate/challenge', async (route) => {
      const reply = await route.fetch()
      const { 'set-cookie': _, ...headers } = reply.headers()
      await context.clearCookies()
      await route.fulfill({ response: reply, headers })
      await context.clearCookies()
    })
    await page.goto(proxy.origin)
    await page.waitForSelector('#status:has-text("does not remember it")')
    expect(counts().solved).toBeLessThanOrEqual(3)
  })

  it('on plain http, where it tells less and can do less, is let in as well, with its form', async () => {
    const origin = proxy.origin.replace('127.0.0.1', 'a.example')
    emergency.state = 'calm'
    const page = await openPage()
    await page.goto(`${origin}/form`)
    expect(await page.evaluate('[isSecureContext, typeof crypto.subtle]')).toEqual([false, 'undefined'])
    await page.fill('[name=name]', 'typed')
    emergency.state = 'emergency'
    await page.click('button')
    await titled(page, 'saved')
    expect(posts.map(({ body }) => body.slice(0, 10))).toEqual(['name=typed'])
    expect(counts()).toMatchObject({ asked: 1, solved: 1 })
  })

  it('without JavaScript is told what is the matter', async () => {
    await context.close()
    context = await browser.newContext({ javaScriptEnabled: false })
    const page = await openPage()
    await page.goto(proxy.origin)
    expect(await page.innerText('noscript')).toContain('JavaScript')
  })
})

it('a page of a third party’s provider loads its script, and sends what it gives', async () => {
  const asked: URLSearchParams[] = []
  const provider = await startUpstream((request, response) => {
    let body = ''
    request.on('data', (piece: Buffer) => {
      body += String(piece)
    })
    request.on('end', () => {
      asked.push(new URLSearchParams(body))
      response.end(JSON.stringify({ success: true, hostname: '127.0.0.1', action: 'sidegate' }))
    })
  })
  const siteKey = '1x00000000000000000000AA'
  const turnstile = new TestPolicies({ challenge: { provider: 'turnstile', siteKey } })
  const secrets = ownSecrets()
  const theirs = { turnstile: 'the-secret', hcaptcha: undefined }
  const urls = { turnstile: provider.url, hcaptcha: '' }
  const challengeSecrets = { ...secrets, thirdParties: thirdParties(theirs, secrets.keys, 'default', urls) }
  const own = await startProxy(app.url, {}, turnstile, { emergency, challengeSecrets })
  try {
    const page = await openPage()
    await page.route('https://challenges.cloudflare.com/**', (route) =>
      route.fulfill({
        contentType: 'text/javascript',
        body: `const { sitekey, callback } = document.querySelector('.cf-turnstile').dataset
          window[callback]('token-for-' + sitekey)`,
      }),
    )
    await page.goto(own.origin)
    await titled(page, 'the app')
    expect(asked.map((sent) => Object.fromEntries(sent))).toEqual([
      { secret: 'the-secret', response: `token-for-${siteKey}`, remoteip: '127.0.0.1' },
    ])
  } finally {
    await own.close()
    await provider.close()
  }
})
