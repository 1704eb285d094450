import { MsaltError, messageOf } from "../errors.ts";
import { encode, requestScan } from "../wire/codec.ts";
import { limits } from "../wire/limits.ts";
import { prescan } from "../wire/prescan.ts";

/** What the master would not take is not kept either. @throws MsaltError `ERR_FUNCTION_ARGS`. */
export function checkGrains(grains: Readonly<Record<string, unknown>>): void {
  const load = encode({ cmd: "grains", grains });
  const bad = (what: string): MsaltError => new MsaltError("ERR_FUNCTION_ARGS", `these grains cannot be sent: ${what}`);
  if (load.length > limits.grainsBytes)
    throw bad(`all of them are ${load.length} bytes, over the limit of ${limits.grainsBytes}`);
  try {
    prescan(load, requestScan);
  } catch (failure) {
    throw bad(messageOf(failure));
  }
}
