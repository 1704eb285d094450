/** Stable codes. A new one needs a row in docs/errors.md; a test compares the two lists. */
export const errorCodes = [
  "ERR_BUSY",
  "ERR_COMMAND",
  "ERR_CONFIG_INVALID",
  "ERR_DISK_FULL",
  "ERR_EXISTS",
  "ERR_FUNCTION_ARGS",
  "ERR_FUNCTION_UNKNOWN",
  "ERR_INTERNAL",
  "ERR_JOB_ENDED",
  "ERR_KEY_FILE",
  "ERR_KEY_NOT_FOUND",
  "ERR_LEDGER_CORRUPT",
  "ERR_LIMIT",
  "ERR_LOCKED",
  "ERR_MASTER_UNREACHABLE",
  "ERR_NOT_ALLOWED",
  "ERR_NOT_FOUND",
  "ERR_NOT_LOGGED_IN",
  "ERR_NO_MATCH",
  "ERR_PILLAR_INVALID",
  "ERR_PORT_IN_USE",
  "ERR_QUEUE_FULL",
  "ERR_REQUEST_INVALID",
  "ERR_RUNNER_UNKNOWN",
  "ERR_SOCKET_PATH",
  "ERR_STORE",
  "ERR_TARGET_INVALID",
  "ERR_TIMEOUT",
  "ERR_UNKNOWN_JID",
  "ERR_USAGE",
  "ERR_WIRE_INVALID",
] as const;

export type ErrorCode = (typeof errorCodes)[number];

/**
 * The only error that crosses a folder or a process. Branch on `code`, never on `message`. `details.hint`, where there is
 * one, is what the user can do next; command lines print it as `msalt: hint: …`.
 */
export class MsaltError extends Error {
  override readonly name = "MsaltError";
  readonly code: ErrorCode;
  readonly details: Readonly<Record<string, string | number | boolean>>;

  constructor(code: ErrorCode, message: string, details: MsaltError["details"] = {}, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.details = details;
  }
}

/** The message of anything that was thrown, for a log line or an error row. */
export function messageOf(failure: unknown): string {
  return failure instanceof Error ? failure.message : String(failure);
}
