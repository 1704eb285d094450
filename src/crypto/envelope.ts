import { MsaltError } from "../errors.ts";
import {
  type Direction,
  type Inner,
  type Outer,
  buildInner,
  buildOuter,
  parseInner,
  parseOuter,
} from "../wire/envelope.ts";
import { freshNonce, open, seal } from "./primitives.ts";

/** One frame for 4506. `key` is the `sharedKey` of minion and master. */
export function sealEnvelope(direction: Direction, inner: Inner, key: Uint8Array): Uint8Array {
  const nonce = freshNonce();
  return buildOuter(direction, { sender: inner.sender, nonce, box: seal(buildInner(direction, inner), nonce, key) });
}

/**
 * Opens a parsed frame and checks the prefix inside the box. Undefined: the box was not made with this key.
 * @throws MsaltError `ERR_WIRE_INVALID` when direction or sender inside differ from the header.
 */
export function openEnvelope(direction: Direction, outer: Outer, key: Uint8Array): Inner | undefined {
  const plain = open(outer.box, outer.nonce, key);
  return plain === undefined ? undefined : parseInner(direction, outer.sender, plain);
}

/** Parses and opens in one step, for the side that has one peer only. @throws MsaltError `ERR_WIRE_INVALID`. */
export function openFrame(direction: Direction, frame: Uint8Array, key: Uint8Array): Inner {
  const outer = parseOuter(direction, frame);
  const inner = typeof outer === "string" ? undefined : openEnvelope(direction, outer, key);
  if (inner === undefined) throw new MsaltError("ERR_WIRE_INVALID", `the ${direction} does not open`);
  return inner;
}
