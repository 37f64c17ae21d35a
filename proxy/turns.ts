/**
 * Whose time it is that passes:
 *
 *     client   it sends its request, or leaves the reply unread
 *     own      the request waits in line with us
 *     app      all other: a connection is opened, the app takes the request, thinks, and answers
 */
export type Turn = 'client' | 'own' | 'app'

/** What an exchange notes of that: plain numbers, and only where it has a deadline, for which alone they are needed. */
export interface Turns {
  turn: Turn
  turnSinceMs: number
  /** How long the turns of the client and our own have been in all, but for the present one. */
  clientsMs: number
  ownMs: number
}

/** It is somebody's turn from now on, or still. */
export const passTurn = (turns: Turns, turn: Turn, nowMs: number): void => {
  if (turns.turn === 'client') turns.clientsMs += nowMs - turns.turnSinceMs
  else if (turns.turn === 'own') turns.ownMs += nowMs - turns.turnSinceMs
  turns.turn = turn
  turns.turnSinceMs = nowMs
}
