/** `http.query`: one request, with Node's own client. The fields of what it gives are Salt's. */
import { type ClientRequest, type IncomingMessage, request as requestPlain } from "node:http";
import { request as requestTls } from "node:https";
import { gunzipSync, inflateSync } from "node:zlib";
import * as z from "zod";
import { MsaltError, messageOf } from "../errors.ts";
import { limits } from "../wire/limits.ts";
import { type AnyFunction, declare, Outcome } from "./declare.ts";

/** What a result can carry, with room for what is around it. */
const maxBodyBytes = limits.resultBytes - 65_536;
const maxRedirects = 5;

interface Order {
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly data: string | undefined;
  readonly verify: boolean;
}

interface Answer {
  readonly status: number;
  readonly reason: string;
  /** Names in title case, as in Salt. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

function urlOf(text: string, base?: string): URL {
  if (!URL.canParse(text, base)) throw new MsaltError("ERR_FUNCTION_ARGS", `${JSON.stringify(text)} is no URL`);
  const url = new URL(text, base);
  if (url.protocol === "http:" || url.protocol === "https:") return url;
  throw new MsaltError("ERR_FUNCTION_ARGS", `${url.protocol} is not queried: only http: and https: are`);
}

const titled = (name: string): string =>
  name
    .split("-")
    .map((part) => part.charAt(0).toUpperCase() + part.slice(1).toLowerCase())
    .join("-");

function headersOf({ rawHeaders }: IncomingMessage): Record<string, string> {
  const headers = new Map<string, string>();
  for (let n = 0; n + 1 < rawHeaders.length; n += 2) {
    const name = titled(rawHeaders[n] ?? "");
    const before = headers.get(name);
    headers.set(name, before === undefined ? (rawHeaders[n + 1] ?? "") : `${before},${rawHeaders[n + 1]}`);
  }
  return Object.fromEntries(headers);
}

const tooBig = (): MsaltError =>
  new MsaltError("ERR_COMMAND", `the body has more than ${maxBodyBytes} bytes, which is all that can be returned`);

async function bodyOf(response: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of response) {
    size += (part as Buffer).length;
    if (size > maxBodyBytes) throw tooBig();
    parts.push(part as Buffer);
  }
  const charset = /charset="?([^\s;"]+)/i.exec(response.headers["content-type"] ?? "")?.[1] ?? "utf-8";
  return textOf(unpacked(Buffer.concat(parts), response.headers["content-encoding"]), charset);
}

function unpacked(bytes: Buffer, coding = "identity"): Buffer {
  try {
    if (bytes.length > 0 && /^(x-)?gzip$/i.test(coding)) return gunzipSync(bytes, { maxOutputLength: maxBodyBytes });
    if (bytes.length > 0 && /^deflate$/i.test(coding)) return inflateSync(bytes, { maxOutputLength: maxBodyBytes });
    return bytes;
  } catch (failure) {
    if ((failure as { code?: string }).code === "ERR_BUFFER_TOO_LARGE") throw tooBig();
    throw new MsaltError("ERR_COMMAND", `the body is not what its coding ${coding} says: ${messageOf(failure)}`);
  }
}

function textOf(bytes: Buffer, charset: string): string {
  try {
    return new TextDecoder(charset).decode(bytes);
  } catch {
    return bytes.toString("utf8");
  }
}

/** Sends one request and gives what comes; the body is still to be read. */
function send(url: URL, { method, headers, data, verify }: Order, signal: AbortSignal): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const options = { method, headers, signal, agent: false } as const;
    const request: ClientRequest =
      url.protocol === "https:"
        ? requestTls(url, { ...options, rejectUnauthorized: verify })
        : requestPlain(url, options);
    request.once("response", resolve);
    request.on("error", reject);
    request.end(data);
  });
}

/** What goes to another place than the one asked for. */
function redirected(order: Order, status: number, sameOrigin: boolean): Order {
  const toGet = (status === 303 && order.method !== "HEAD") || (status < 303 && order.method === "POST");
  const headers = Object.entries(order.headers).filter(
    ([name]) =>
      (sameOrigin || !/^(authorization|cookie|proxy-authorization|host)$/i.test(name)) &&
      (!toGet || !/^content-/i.test(name)),
  );
  return {
    ...order,
    headers: Object.fromEntries(headers),
    ...(toGet && { method: "GET", data: undefined }),
  };
}

async function fetchAnswer(start: URL, first: Order, signal: AbortSignal): Promise<Answer> {
  let [url, order] = [start, first];
  for (let hops = 0; ; hops += 1) {
    const response = await send(url, order, signal);
    const { statusCode: status = 0, statusMessage: reason = "" } = response;
    const { location } = response.headers;
    if (![301, 302, 303, 307, 308].includes(status) || location === undefined) {
      return { status, reason, headers: headersOf(response), body: await bodyOf(response) };
    }
    response.destroy();
    if (hops === maxRedirects) throw new MsaltError("ERR_COMMAND", `more than ${maxRedirects} redirects`);
    const next = urlOf(location, url.href);
    order = redirected(order, status, next.origin === url.origin);
    url = next;
  }
}

type DecodeType = "json" | "xml" | "yaml" | "plain";

function decodeTypeOf(contentType: string): DecodeType {
  return (["xml", "json", "yaml"] as const).find((type) => contentType.includes(type)) ?? "plain";
}

/** What is added to the result when the body is to be decoded. */
function decoded(body: string, type: DecodeType): Record<string, unknown> {
  if (type === "plain") return { text: body };
  if (type !== "json") return { error: `${type} is not decoded on this minion, only json is` };
  try {
    return { dict: JSON.parse(body) as unknown };
  } catch (failure) {
    return { error: `the body is no JSON: ${messageOf(failure)}` };
  }
}

const reasons: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  ECONNRESET: "the connection was closed before the answer was whole",
  EHOSTUNREACH: "no route to the host",
  ENETUNREACH: "the network is unreachable",
  ENOTFOUND: "no such host",
  EAI_AGAIN: "the name server did not answer",
};

function reasonOf(failure: unknown): string {
  const { code = "" } = failure as { code?: string };
  const reason = reasons[code];
  return reason === undefined ? messageOf(failure) || code : `${reason} (${code})`;
}

const query = declare({
  name: "http.query",
  summary: "Query a web server; give the body, and status, headers and the decoded body when asked for.",
  examples: [
    "msalt '*' http.query http://somelink.com/ status=True",
    "msalt '*' http.query http://somelink.com/ method=POST data='<xml>somecontent</xml>'",
  ],
  params: z.strictObject({
    url: z.string(),
    method: z
      .string()
      .regex(/^(?!connect$)[A-Za-z-]+$/i, "must be a method such as GET")
      .default("GET"),
    params: z.record(z.string(), z.string()).optional().describe("added to the URL, such as '{q: a b}'"),
    data: z.string().optional().describe("body of the request, as it is"),
    header_dict: z.record(z.string(), z.string()).optional().describe("such as '{Accept: text/plain}'"),
    headers: z.boolean().default(false).describe("give the headers of the answer"),
    status: z.boolean().default(false).describe("give the status of the answer"),
    text: z.boolean().default(false).describe("give the body as text, too"),
    decode: z.boolean().default(false).describe("give the body decoded, as dict"),
    decode_type: z.enum(["auto", "json", "xml", "yaml", "plain"]).default("auto"),
    username: z.string().optional(),
    password: z.string().optional(),
    timeout: z.number().positive().max(1_000_000).default(30).describe("seconds, redirects and body included"),
    verify_ssl: z.boolean().default(true),
  }),
  effects: "some",
  run: async ({ url: address, params = {}, header_dict: given = {}, username, password, timeout, ...args }, host) => {
    const url = urlOf(address);
    for (const [name, value] of Object.entries(params)) url.searchParams.append(name, value);
    const method = args.method.toUpperCase();
    const basic = Buffer.from(`${username}:${password}`).toString("base64");
    const own: Readonly<Record<string, string>> = {
      "User-Agent": `msalt/${String(host.grains["msaltversion"])} http.query()`,
      ...(username !== undefined && password !== undefined && { Authorization: `Basic ${basic}` }),
      ...(args.data !== undefined && { "Content-Length": String(Buffer.byteLength(args.data)) }),
      ...(method === "POST" && { "Content-Type": "application/x-www-form-urlencoded" }),
    };
    const headers = {
      ...own,
      ...Object.fromEntries(Object.entries(given).map(([name, each]) => [titled(name), each])),
    };
    const late = AbortSignal.timeout(timeout * 1000);
    const order: Order = { method, headers, data: args.data, verify: args.verify_ssl };
    let answer: Answer;
    try {
      answer = await fetchAnswer(url, order, AbortSignal.any([host.signal, late]));
    } catch (failure) {
      if (host.signal.aborted) return new Outcome({ error: "the job was ended before the answer was there" }, 1);
      // Salt's own status for an answer that did not come in time.
      if (late.aborted) return new Outcome({ error: `HTTP 599: Timeout after ${timeout} seconds`, status: 599 }, 1);
      return new Outcome({ error: `${url.host}: ${reasonOf(failure)}`, ...(args.status && { status: 0 }) }, 1);
    }
    const { status, reason, body } = answer;
    if (status < 200 || status > 299) {
      const error = `HTTP ${status}: ${reason || "Unknown"}`;
      return new Outcome({ body, error, status, ...(args.headers && { headers: answer.headers }) }, 1);
    }
    const kind = answer.headers["Content-Type"] ?? "application/json";
    const type = args.decode_type === "auto" ? decodeTypeOf(kind) : args.decode_type;
    const value: Record<string, unknown> = {
      body,
      ...(args.status && { status }),
      ...(args.headers && { headers: answer.headers }),
      ...(args.text && { text: body }),
      ...(args.decode && decoded(body, type)),
    };
    return new Outcome(value, "error" in value ? 1 : 0);
  },
});

export const httpFunctions: readonly AnyFunction[] = [query];
