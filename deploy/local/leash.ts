import { spawn } from 'node:child_process'

/**
 * Waits for the end of its input, which comes when our process ends in whatever way, then signals the process that it
 * holds. The shell is in a session of its own, so that Ctrl-C does not end it first.
 */
const SCRIPT = 'read -r _; kill -s "$1" "$2"'

/** Ends the hold, once the process that was held has ended: its number may soon be another's. */
export type Release = () => void

/**
 * Sees to it that a child which has left our process group does not outlive us, even when we are ended by SIGKILL:
 * no handler of ours runs then, but the kernel still closes our end of a pipe.
 */
export const leash = (pid: number, signal: 'INT' | 'TERM' | 'KILL'): Release => {
  const holder = spawn('/bin/sh', ['-c', SCRIPT, 'leash', signal, String(pid)], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  })
  holder.once('error', (error) => process.emitWarning(`no leash for process ${pid}: ${error.message}`))
  holder.unref()
  return () => {
    holder.kill('SIGKILL')
  }
}
