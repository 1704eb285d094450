import { Minimatch } from "minimatch";
import { MsaltError } from "../errors.ts";

const maxPatternLength = 4096;
/** Before pattern and text alike, it takes from minimatch whatever it knows of empty names, `.` and `..`. */
const guard = "x";
// Noncharacters, which no id contains: minimatch would split at a slash, and a leading `^` negates its classes.
const slash = "\uffff";
const filler = "\ufffe";

/**
 * A test for Salt's globs (Python's fnmatch): `*`, `?`, `[seq]` and `[!seq]` over the whole text, case matters, nothing else
 * is special. Takes time linear in the text.
 * @throws MsaltError `ERR_TARGET_INVALID` for a pattern of more than 4096 characters.
 */
export function compileGlob(pattern: string): (text: string) => boolean {
  if (pattern.length > maxPatternLength) {
    throw new MsaltError(
      "ERR_TARGET_INVALID",
      `glob of ${pattern.length} characters, at most ${maxPatternLength} allowed`,
    );
  }
  const glob = new Minimatch(guard + hideSlashes(translate(pattern)), {
    dot: true,
    nocomment: true,
    nonegate: true,
    nobrace: true,
    noext: true,
    noglobstar: true,
  });
  return (text) => glob.match(guard + hideSlashes(text));
}

/** Escapes what minimatch reads otherwise than fnmatch: backslashes, unclosed brackets, POSIX classes, `[^`. */
function translate(pattern: string): string {
  return pattern.replace(
    /\[(?:!([^][^\]]*)|([^!][^\]]*))\]|[\\[]/g,
    (part: string, negated: string | undefined, positive: string | undefined) => {
      const members = (negated ?? positive)?.replace(/[\\[\]]/g, "\\$&");
      if (members === undefined) return `\\${part}`;
      if (negated !== undefined) return `[!${members}]`;
      return members.startsWith("^") ? `[${filler}${members}]` : `[${members}]`;
    },
  );
}

function hideSlashes(text: string): string {
  return text.replaceAll("/", slash);
}
