export const outputters = ["nested", "json", "jsonl", "yaml", "txt", "quiet"] as const;
export type OutputterName = (typeof outputters)[number];
export function isOutputter(n: string): n is OutputterName { return (outputters as readonly string[]).includes(n); }
export function render(n: OutputterName, v: unknown, _o: { color: boolean; indent?: number | undefined; failed?: ReadonlySet<string> }): string {
  if (n === "quiet") return "";
  if (n === "json") return JSON.stringify(v, null, 4) + "\n";
  if (n === "jsonl") return JSON.stringify(v) + "\n";
  if (Array.isArray(v)) return v.map((x) => `- ${x}\n`).join("");
  return Object.entries(v as {}).map(([k, x]) => `${k}:\n    ${x === true ? "True" : typeof x === "string" ? x.split("\n").join("\n    ") : JSON.stringify(x)}\n`).join("");
}
