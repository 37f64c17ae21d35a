/** Begins the line by which the proxy of `entries/layers.ts` tells its layers, as JSON. */
export const LAYERS_LINE = 'layers: '

/** The layer that turns refusals into replies: without it no pipeline can be made. */
export const INDISPENSABLE = 'rescue'

/** A pipeline to measure. */
export interface LayerVariant {
  readonly name: string
  readonly leftOut: readonly string[]
}

export const ALL_LAYERS: LayerVariant = { name: 'all', leftOut: [] }

/** All layers, all but each of them, and none but the indispensable. */
export const layerVariants = (layers: readonly string[]): LayerVariant[] => {
  const dispensable = layers.filter((name) => name !== INDISPENSABLE)
  return [
    ALL_LAYERS,
    ...dispensable.map((name) => ({ name: `without ${name}`, leftOut: [name] })),
    { name: `none but ${INDISPENSABLE}`, leftOut: dispensable },
  ]
}
