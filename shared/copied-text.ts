/**
 * A copy of a text of header fields (latin1). A part of a string keeps the whole of it alive, and these are parts of a message's
 * whole head: what is remembered for long must be a copy.
 */
export const copiedText = (text: string): string => Buffer.from(text, 'latin1').toString('latin1')
