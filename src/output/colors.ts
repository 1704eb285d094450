const colors = {
  red: "\u001b[0;31m",
  green: "\u001b[0;32m",
  cyan: "\u001b[0;36m",
  lightGray: "\u001b[0;37m",
  darkGray: "\u001b[0;1;30m",
  lightRed: "\u001b[0;1;31m",
  yellow: "\u001b[0;1;33m",
  white: "\u001b[0;1;37m",
} as const;

export type ColorName = keyof typeof colors;

const end = "\u001b[0;0m";

/** The text in Salt's colour of that name, or as it is where there are no colours. */
export function paint(on: boolean, color: ColorName, text: string): string {
  return on ? colors[color] + text + end : text;
}
