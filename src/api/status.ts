import { type ErrorCode, MsaltError } from "../errors.ts";

/** The status of an answer follows from its code; what is not here is a fault of msalt itself. */
const statusOf: Partial<Record<ErrorCode, number>> = {
  ERR_REQUEST_INVALID: 400,
  ERR_TARGET_INVALID: 400,
  ERR_FUNCTION_ARGS: 400,
  ERR_FUNCTION_UNKNOWN: 404,
  ERR_NO_MATCH: 400,
  ERR_WIRE_INVALID: 400,
  ERR_USAGE: 400,
  ERR_LIMIT: 400,
  ERR_NOT_LOGGED_IN: 401,
  ERR_NOT_ALLOWED: 403,
  ERR_NOT_FOUND: 404,
  ERR_UNKNOWN_JID: 404,
  ERR_KEY_NOT_FOUND: 404,
  ERR_EXISTS: 409,
  ERR_BUSY: 503,
  ERR_QUEUE_FULL: 503,
  ERR_MASTER_UNREACHABLE: 503,
  ERR_STORE: 503,
  ERR_DISK_FULL: 503,
  ERR_TIMEOUT: 503,
};

/** A failure as it is answered. */
export interface Failure {
  readonly status: number;
  readonly body: { readonly error: { readonly code: string; readonly message: string; readonly hint?: string } };
  /** Seconds. */
  readonly retryAfter?: number;
}

/** 429, and when to come again. */
export class TooMany extends MsaltError {
  readonly waitMs: number;

  constructor(message: string, waitMs: number) {
    super("ERR_BUSY", message);
    this.waitMs = waitMs;
  }
}

/** The framework's own: too large, no JSON, a header that is none. */
function isRequestFault(failure: unknown): failure is Error & { statusCode: number } {
  const { statusCode } = failure as { statusCode?: unknown };
  return failure instanceof Error && typeof statusCode === "number" && statusCode >= 400 && statusCode < 500;
}

/** What is told of a failure: all of what was meant for the caller, nothing of a fault of our own. */
export function failureOf(failure: unknown): Failure {
  if (failure instanceof TooMany) {
    const { code, message, waitMs } = failure;
    return { status: 429, body: { error: { code, message } }, retryAfter: Math.max(1, Math.ceil(waitMs / 1000)) };
  }
  if (failure instanceof MsaltError) {
    const { code, message, details } = failure;
    const status = statusOf[code] ?? 500;
    const hint = details["hint"];
    const error = { code, message, ...(typeof hint === "string" && { hint }) };
    return { status, body: { error }, ...(status === 503 && { retryAfter: 2 }) };
  }
  if (isRequestFault(failure)) {
    const message = failure.message.slice(0, 200);
    return { status: failure.statusCode, body: { error: { code: "ERR_REQUEST_INVALID", message } } };
  }
  const error = { code: "ERR_INTERNAL", message: "internal error; the log of the API says more" };
  return { status: 500, body: { error } };
}
