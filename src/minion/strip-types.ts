import { transform } from "sucrase";

/** The JavaScript of a TypeScript text. Loaded late: few minions need it. @throws SyntaxError naming line and column. */
export function stripTypes(text: string): string {
  return transform(text, { transforms: ["typescript"], disableESTransforms: true, preserveDynamicImport: true }).code;
}
