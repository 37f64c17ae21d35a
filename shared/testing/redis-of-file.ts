import { afterAll, beforeAll } from 'vitest'
import { freePort } from '../../deploy/local/ports.ts'
import { RedisProcess } from './redis-process.ts'

/** A Redis for all tests of a file. To be called where the file begins. */
export const redisOfFile = async (): Promise<RedisProcess> => {
  const redis = new RedisProcess(await freePort())
  beforeAll(() => redis.start())
  afterAll(() => redis.close())
  return redis
}
