import type { Logger } from '../log.ts'
import type { RedisGuard } from '../redis.ts'
import { LocalDocument } from './local-document.ts'
import { SharedDocument, type SharedDocumentSettings, type Version } from './shared-document.ts'

/** A document of the fleet; where no Redis is configured, of this process alone. */
export type FleetDocument = SharedDocument | LocalDocument

/** @param onChange as {@link SharedDocument} has it */
export const fleetDocument = (
  redis: RedisGuard | undefined,
  settings: SharedDocumentSettings,
  log: Logger,
  onChange: (current: Version) => void,
): FleetDocument =>
  redis === undefined
    ? new LocalDocument(settings.historyLimit, onChange)
    : new SharedDocument(redis, settings, log, onChange)
