import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { api, session } from "./api.ts";

export interface Loaded<T> {
  readonly data: T | undefined;
  readonly problem: unknown;
  readonly reload: () => void;
}

/** What `GET path` gives; asked again when the path changes and every `everyMs`. What was there stays until the new comes. */
export function useLoad<T>(path: string | undefined, everyMs?: number): Loaded<T> {
  const [state, setState] = useState<{ path?: string; data?: T; problem?: unknown }>({});
  const [round, setRound] = useState(0);
  const reload = useCallback(() => setRound((n) => n + 1), []);
  useEffect(() => {
    if (path === undefined) return undefined;
    const controller = new AbortController();
    api<T>("GET", path, undefined, controller.signal)
      .then((data) => setState({ path, data }))
      .catch((problem: unknown) => {
        if (!controller.signal.aborted) setState((before) => ({ ...before, path, problem }));
      });
    return () => controller.abort();
  }, [path, round]);
  useEffect(() => {
    if (everyMs === undefined) return undefined;
    const timer = setInterval(() => document.hidden || reload(), everyMs);
    return () => clearInterval(timer);
  }, [everyMs, reload]);
  return { data: state.data, problem: state.path === path ? state.problem : undefined, reload };
}

/** A page of a list at a time: `more` fetches the next. */
export function usePages<T>(
  pathOf: (after: string | undefined) => string,
  pick: (page: never) => { items: readonly T[]; next?: string | undefined },
): Loaded<readonly T[]> & { readonly more: (() => void) | undefined } {
  const first = pathOf(undefined);
  const [state, setState] = useState<{ items: readonly T[]; next?: string | undefined; problem?: unknown }>();
  const [round, setRound] = useState(0);
  const busy = useRef<AbortController>(undefined);
  const fetchPage = (after: string | undefined): void => {
    const controller = new AbortController();
    busy.current?.abort();
    busy.current = controller;
    api<never>("GET", pathOf(after), undefined, controller.signal)
      .then((page) => {
        const { items, next } = pick(page);
        setState((before) => ({ items: after === undefined ? items : [...(before?.items ?? []), ...items], next }));
        busy.current = undefined;
        // A page may be empty and yet not the last.
        if (items.length === 0 && next !== undefined) fetchPage(next);
      })
      .catch((problem: unknown) => {
        if (!controller.signal.aborted) setState((before) => ({ items: before?.items ?? [], problem }));
      });
  };
  useEffect(() => {
    fetchPage(undefined);
    return () => busy.current?.abort();
  }, [first, round]);
  const next = state?.next;
  return {
    data: state?.items,
    problem: state?.problem,
    reload: () => setRound((n) => n + 1),
    more: next === undefined ? undefined : () => void (busy.current === undefined && fetchPage(next)),
  };
}

/** An action with its problem: `run` does nothing while it runs already. */
export function useAction(): {
  readonly busy: boolean;
  readonly problem: unknown;
  readonly run: (action: () => Promise<unknown>) => void;
} {
  const [state, setState] = useState<{ busy: boolean; problem?: unknown }>({ busy: false });
  const run = (action: () => Promise<unknown>): void => {
    if (state.busy) return;
    setState({ busy: true });
    action().then(
      () => setState({ busy: false }),
      (problem: unknown) => setState({ busy: false, problem }),
    );
  };
  return { ...state, problem: state.problem, run };
}

/** The value as it was when it last stayed the same for `ms`. */
export function useSettled<T>(value: T, ms = 250): T {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), ms);
    return () => clearTimeout(timer);
  }, [value, ms]);
  return settled;
}

export interface StreamEvent {
  readonly type: string;
  readonly data: never;
}

/**
 * Follows a stream of events while the page is shown. The browser comes again by itself; when it gives up (the session is over,
 * the stream was refused), `GET /session` tells which it was.
 */
export function useStream(
  path: string | undefined,
  types: readonly string[],
  onEvent: (event: StreamEvent) => void,
): "connecting" | "live" | "ended" {
  const [state, setState] = useState<"connecting" | "live" | "ended">("connecting");
  const latest = useRef(onEvent);
  latest.current = onEvent;
  useEffect(() => {
    if (path === undefined) return undefined;
    setState("connecting");
    const source = new EventSource(path);
    source.addEventListener("error", (event) => {
      if (event instanceof MessageEvent) return;
      setState(source.readyState === EventSource.CLOSED ? "ended" : "connecting");
      if (source.readyState === EventSource.CLOSED && session.csrf !== undefined)
        api("GET", "/session").catch(() => undefined);
    });
    for (const type of types) {
      source.addEventListener(type, (event: Event) => {
        if (!(event instanceof MessageEvent)) return;
        // An open connection alone does not mean that anybody listens at its other end yet.
        setState("live");
        latest.current({ type, data: JSON.parse(String(event.data)) as never });
      });
    }
    return () => source.close();
  }, [path, types]);
  return state;
}

/** The page's own address behind `#`. */
export interface Route {
  readonly path: readonly string[];
  readonly query: URLSearchParams;
}

export function useRoute(): Route {
  const [hash, setHash] = useState(location.hash);
  useEffect(() => {
    const changed = (): void => setHash(location.hash);
    addEventListener("hashchange", changed);
    return () => removeEventListener("hashchange", changed);
  }, []);
  const [path = "", search = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  return { path: path.split("/").filter(Boolean).map(decoded), query: new URLSearchParams(search) };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
