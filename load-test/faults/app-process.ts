import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Mode } from './app.ts'

const APP = fileURLToPath(new URL('app.ts', import.meta.url))

/** The app as a process of its own, which can be frozen and killed. */
export class AppProcess {
  readonly #port: number
  #child: ChildProcess | undefined

  constructor(port: number) {
    this.#port = port
  }

  async start(): Promise<void> {
    const child = fork(APP, { env: { ...process.env, PORT: String(this.#port) }, stdio: 'inherit' })
    this.#child = child
    await once(child, 'message')
  }

  become(mode: Mode): void {
    this.#child?.send(mode)
  }

  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child?.kill(signal)
  }

  async kill(): Promise<void> {
    const child = this.#child
    if (child === undefined || child.exitCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
    this.#child = undefined
  }
}
