import swagger, { type SwaggerTransformObject } from '@fastify/swagger'
import type { FastifyInstance } from 'fastify'
import { jsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod'

/** Serves `/openapi.json`, made from the schemas of the routes that are registered after this. */
export const describeApi = async (app: FastifyInstance, version: string): Promise<void> => {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Sidegate listings', version, description: "A marketplace's read-heavy core." },
    },
    transform: jsonSchemaTransform,
    transformObject: withoutInputTwins,
  })
  app.get('/openapi.json', { schema: { hide: true } }, () => app.swagger())
}

/** The type provider describes each named schema a second time, as an input; ours are named for replies alone. */
const withoutInputTwins: SwaggerTransformObject = (source) => {
  const document = jsonSchemaTransformObject(source)
  if (!('components' in document) || document.components?.schemas === undefined) return document
  const { schemas } = document.components
  for (const name of Object.keys(schemas)) if (name.endsWith('Input')) delete schemas[name]
  return document
}
