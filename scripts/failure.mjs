/** A failure to tell the developer about in one line, without a stack trace. */
export class Failure extends Error {}
