import type { CdnProvider } from './cdn-provider.ts'
import { cloudflare } from './cloudflare.ts'
import { fastly } from './fastly.ts'
import { webhook } from './webhook.ts'

export const providers: { readonly [Name in 'cloudflare' | 'fastly' | 'webhook']: CdnProvider } = {
  cloudflare,
  fastly,
  webhook,
}
