/** C0 and C1 controls but for newline and tab, DEL, line separators, and the marks that change the direction of text. */
const unsafe = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/**
 * Text from elsewhere, fit for a terminal: what could move the cursor, change colours or turn the reading direction becomes
 * `?`. Newlines and tabs stay.
 */
export function safeText(text: string): string {
  return text.replace(unsafe, "?");
}

/** As `safeText`, and on one line: for names and keys, which could otherwise pass for lines of their own. */
export function safeLine(text: string): string {
  return safeText(text).replaceAll("\n", "?");
}

/** What `safeText` would replace, for outputters that can escape it instead. */
export function isUnsafe(character: string): boolean {
  return safeText(character) !== character;
}
