/** Requests to the API that served this page. */

export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly status: number;
  readonly code: string;
  readonly hint: string | undefined;

  constructor(status: number, code: string, message: string, hint?: string) {
    super(message);
    this.status = status;
    this.code = code;
    this.hint = hint;
  }
}

/** Of the session at hand; never kept longer than the page lives. */
export const session: { csrf: string | undefined; onEnd: () => void } = { csrf: undefined, onEnd: () => undefined };

type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

/** @throws ApiError for every answer from 400 on, and when there is none (status 0). */
export async function api<T>(method: Method, path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  const headers: Record<string, string> = {};
  if (body !== undefined) headers["content-type"] = "application/json";
  if (method !== "GET" && session.csrf !== undefined) headers["x-csrf"] = session.csrf;
  const answer = await fetch(path, {
    method,
    headers,
    ...(body !== undefined && { body: JSON.stringify(body) }),
    ...(signal !== undefined && { signal }),
  }).catch((failure: unknown) => {
    if (signal?.aborted === true) throw failure;
    throw new ApiError(0, "ERR_API_UNREACHABLE", "the API does not answer", "is msalt-api running?");
  });
  const text = await answer.text();
  const isJson = answer.headers.get("content-type")?.includes("json") === true;
  const content: unknown = isJson && text !== "" ? JSON.parse(text) : undefined;
  if (answer.ok) return content as T;
  // Wrong words at the login are no end of a session; there is none yet.
  if (answer.status === 401 && session.csrf !== undefined) session.onEnd();
  const { error } = (content ?? {}) as { error?: { code: string; message: string; hint?: string } };
  throw new ApiError(
    answer.status,
    error?.code ?? "ERR_INTERNAL",
    error?.message ?? `the API answered ${answer.status}`,
    error?.hint,
  );
}

/** A query string with its `?`; what is undefined or empty is left out. */
export function query(values: Readonly<Record<string, string | number | boolean | undefined>>): string {
  const pairs = Object.entries(values).flatMap(([name, value]): [string, string][] =>
    value === undefined || value === "" ? [] : [[name, String(value)]],
  );
  return pairs.length === 0 ? "" : `?${new URLSearchParams(pairs).toString()}`;
}

/** UTF-8 text as the API takes scripts. */
export function toBase64(text: string): string {
  return btoa(Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join(""));
}

export function fromBase64(base64: string): string {
  return new TextDecoder().decode(Uint8Array.from(atob(base64), (character) => character.charCodeAt(0)));
}
