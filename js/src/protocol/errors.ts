// Errors that every layer of the page understands.

/** Thrown by a fetch that is of no use to repeat: not allowed, or gone. */
export class PermanentError extends Error {}
