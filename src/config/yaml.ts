import { loadAll, YAMLException } from "js-yaml";

/** Of one configuration file. */
export const maxBytes = 1_048_576;

/**
 * What a configuration file holds: undefined or null when only comments. Aliases (which can grow without end), unknown tags
 * and deep nesting are refused. @throws YAMLException with the line, or Error.
 */
export function parseYaml(text: string, file: string): unknown {
  const [value, another] = loadAll(text, { filename: file, maxAliases: 0, maxDepth: 20 });
  if (another !== undefined) throw new Error("must be one YAML document");
  return value;
}

/** Where in `file` and why it is not valid YAML; undefined for any other failure. */
export function yamlProblem(file: string, failure: unknown): string | undefined {
  if (!(failure instanceof YAMLException)) return undefined;
  const line = failure.mark === undefined ? "" : ` line ${failure.mark.line + 1}`;
  return `${file}${line}: not valid YAML: ${failure.reason}`;
}
