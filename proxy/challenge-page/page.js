const ASKED_OF = '/__sidegate/challenge'
const given = JSON.parse(document.getElementById('given').textContent)
const byId = (id) => document.getElementById(id)
const status = byId('status')
const progress = byId('progress')
const retry = byId('retry')

/** Numbers tried between two looks at the progress. */
const SLICE = 5000
/** A check that is solved again and again leads nowhere: whatever remembers it is not kept. */
const ROUNDS_LIMIT = 3
const ROUNDS_MS = 60000

const say = (text) => {
  status.textContent = text
}

const fail = (text, waitSeconds) => {
  say(text)
  progress.hidden = true
  retry.hidden = false
  if (waitSeconds > 0 && waitSeconds <= 600) setTimeout(begin, 1000 * waitSeconds)
}

/** How often the check has been passed lately in this tab; storage may be forbidden. */
const roundsLately = (isOneMore) => {
  try {
    const since = Date.now() - ROUNDS_MS
    const rounds = JSON.parse(sessionStorage.getItem('sidegate-rounds') || '[]').filter((at) => at > since)
    if (isOneMore) sessionStorage.setItem('sidegate-rounds', JSON.stringify([...rounds, Date.now()]))
    return rounds.length
  } catch {
    return 0
  }
}

const onTried = (tried, puzzle) => {
  progress.max = puzzle.maxnumber
  progress.value = tried
}

const solveInSlices = (puzzle) =>
  new Promise((resolve) => {
    const go = createSolver(puzzle)
    const step = () => {
      const found = go(SLICE)
      if ('number' in found) return resolve(found.number)
      onTried(found.tried, puzzle)
      setTimeout(step)
    }
    step()
  })

const solveInWorker = (puzzle) =>
  new Promise((resolve, reject) => {
    const work = `${createSolver};onmessage=({data})=>{const go=createSolver(data);let found;do{found=go(${SLICE});postMessage(found)}while(!('number' in found))}`
    const url = URL.createObjectURL(new Blob([work], { type: 'text/javascript' }))
    const worker = new Worker(url)
    const end = (settle, value) => {
      worker.terminate()
      URL.revokeObjectURL(url)
      settle(value)
    }
    worker.onerror = () => end(reject, new Error('no worker'))
    worker.onmessage = ({ data }) => {
      if ('number' in data) end(resolve, data.number)
      else onTried(data.tried, puzzle)
    }
    worker.postMessage(puzzle)
  })

const solve = async (puzzle) => {
  try {
    return await solveInWorker(puzzle)
  } catch {
    return solveInSlices(puzzle) // slower, and everywhere
  }
}

const freshPuzzle = async () => {
  const reply = await fetch(ASKED_OF, { headers: { Accept: 'application/json' } })
  if (!reply.ok) throw Object.assign(new Error(), { reply })
  return (await reply.json()).challenge
}

const send = async (answer) => {
  const reply = await fetch(ASKED_OF, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Accept: 'application/json' },
    body: JSON.stringify(answer),
  })
  if (!reply.ok) throw Object.assign(new Error(), { reply })
}

const passed = () => {
  roundsLately(true)
  progress.value = progress.max
  if (given.form === 'resend') {
    say('Done. What you sent is being sent again…')
    // A field called "submit" hides the form's own method.
    HTMLFormElement.prototype.submit.call(byId('form'))
  } else if (given.form === 'lost') {
    say('Done. Please go back now, and send it again.')
    progress.hidden = true
    byId('back').hidden = false
    byId('back').focus()
  } else {
    say('Done. The page is being loaded…')
    location.reload()
  }
}

const failed = (error) => {
  const { reply } = error
  const waitSeconds = reply ? Number(reply.headers.get('Retry-After')) : 0
  if (!reply) fail('The site could not be reached. Please check your connection, and try again.')
  else if (waitSeconds > 0) fail('The site is very busy. This page tries again by itself in a moment.', waitSeconds)
  else fail('The check did not succeed. Please try again.')
}

const answer = async (make) => {
  try {
    await send(await make())
    passed()
  } catch (error) {
    failed(error)
  }
}

let puzzle = given.challenge
let isUnderWay = false
const begin = async () => {
  if (isUnderWay) return
  isUnderWay = true
  retry.hidden = true
  progress.hidden = false
  if (!navigator.cookieEnabled) fail('Your browser keeps no cookies. Please allow them for this site, and try again.')
  else if (roundsLately(false) >= ROUNDS_LIMIT) {
    fail(
      'Your browser passed the check, and the site does not remember it. Please allow cookies for this site, or try again in a minute.',
    )
  } else {
    say('Checking your browser…')
    await answer(async () => {
      // The one in the page is good for one answer, and for a while.
      const current = puzzle && Date.parse(puzzle.expiresAt) > Date.now() ? puzzle : await freshPuzzle()
      puzzle = undefined
      const { algorithm, challenge, salt, signature } = current
      const number = await solve(current)
      if (number === null) throw Object.assign(new Error(), { reply: new Response() })
      return { algorithm, challenge, number, salt, signature }
    })
  }
  isUnderWay = false
}

/** Not by a reload where another site's form has come here: it would be sent again as one of ours. */
const beginWidget = () => {
  const widget = window.turnstile || window.hcaptcha
  if (!widget) return given.form === 'lost' ? history.back() : location.reload()
  retry.hidden = true
  say('Please complete the check below.')
  widget.reset()
}

retry.addEventListener('click', () => (given.challenge.provider === 'altcha' ? begin() : beginWidget()))
byId('back').addEventListener('click', () => history.back())
if (given.challenge.provider === 'altcha') void begin()
else {
  // The script of the provider calls these by name.
  window.onSidegateToken = (token) => {
    say('Checking…')
    void answer(() => ({ token }))
  }
  window.onSidegateFailure = () => fail('The check could not be loaded. Please try again.')
  say('Please complete the check below.')
}
