// Errors shared by all layers of the page. Page and shared worker.

/** A request failed and repeating it is of no use: forbidden, not found, or malformed. */
export class PermanentError extends Error {}
