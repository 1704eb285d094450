export type PlainKind = "null" | "bool" | "int" | "float" | "timestamp" | "merge" | "value";

const kinds: readonly (readonly [PlainKind, RegExp])[] = [
  ["null", /^(?:~|null|Null|NULL|)$/],
  ["bool", /^(?:yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF)$/],
  ["int", /^[-+]?(?:0b[01_]+|0x[\da-fA-F_]+|0[0-7_]+|0|[1-9][\d_]*(?::[0-5]?\d)*)$/],
  ["float", /^(?:[-+]?\d[\d_]*\.[\d_]*|\.\d[\d_]*)(?:[eE][-+]\d+)?$/],
  ["float", /^[-+]?\d[\d_]*(?::[0-5]?\d)+\.[\d_]*$/],
  ["float", /^(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$/],
  ["timestamp", /^\d{4}-\d\d-\d\d$/],
  ["timestamp", /^\d{4}-\d\d?-\d\d?(?:[Tt]|[ \t]+)\d\d?:\d\d:\d\d(?:\.\d*)?(?:[ \t]*(?:Z|[-+]\d\d?(?::\d\d)?))?$/],
  ["merge", /^<<$/],
  ["value", /^=$/],
];

/** What an unquoted scalar means in YAML 1.1 as PyYAML reads it; `undefined` for text. */
export function plainKind(text: string): PlainKind | undefined {
  return kinds.find(([, pattern]) => pattern.test(text))?.[0];
}
