import type { Layer } from '../layer.ts'
import { problemReply } from '../problem-reply.ts'

/** Makes a problem reply of every refusal, whichever layer or the upstream it came from. */
export const rescue = (): Layer => ({
  name: 'rescue',
  recover: ({ correlation: { requestId } }, refused) => refused.reply?.(requestId) ?? problemReply(refused, requestId),
})
