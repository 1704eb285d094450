import { dump } from "js-yaml";
import { MsaltError, messageOf } from "../errors.ts";
import { replaceFile } from "../lib/replace-file.ts";
import { maxBytes, parseYaml } from "./yaml.ts";

/**
 * Writes the custom grains of a minion as the YAML map that the operator may edit; old or new, never a part of it.
 * @throws MsaltError `ERR_FUNCTION_ARGS` when the minion could not read them again at its next start.
 */
export async function saveGrains(file: string, grains: Readonly<Record<string, unknown>>): Promise<void> {
  await replaceFile(file, written(file, grains));
}

function written(file: string, grains: Readonly<Record<string, unknown>>): string {
  try {
    const text = dump(grains, { noRefs: true });
    if (Buffer.byteLength(text) > maxBytes) throw new Error(`larger than ${maxBytes} bytes`);
    parseYaml(text, file);
    return text;
  } catch (cause) {
    const why = (cause as { reason?: string }).reason ?? messageOf(cause);
    throw new MsaltError("ERR_FUNCTION_ARGS", `these grains cannot be kept in ${file}: ${why}`, {}, { cause });
  }
}
