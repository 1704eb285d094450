import { accessSync, constants, existsSync, readFileSync, statSync } from "node:fs";
import { isAbsolute, join, resolve } from "node:path";

/** Where a program is, as execvp would find it; undefined when there is no executable file of that name. */
export function findProgram(name: string, path: string, cwd = "/"): string | undefined {
  if (name === "") return undefined;
  if (name.includes("/")) return isProgram(resolve(cwd, name)) ? resolve(cwd, name) : undefined;
  return path
    .split(":")
    .map((folder) => join(isAbsolute(folder) ? folder : resolve(cwd, folder), name))
    .find(isProgram);
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

/** The shell of `cmd.run` where none is named. */
export function defaultShell(): string {
  return existsSync("/bin/bash") ? "/bin/bash" : "/bin/sh";
}

/** How to run a script: by itself when it may, else by its `#!` line, else by `shell`. */
export function scriptCommand(file: string, shell: string): readonly [string, ...string[]] {
  if (isProgram(file)) return [file];
  const [first = ""] = readFileSync(file, "latin1").split("\n", 1);
  const [program = "", ...words] = first.startsWith("#!") ? first.slice(2).trim().split(/\s+/) : [];
  return program === "" ? [shell, file] : [program, ...words, file];
}

/** `word` so that a POSIX shell reads it back as one word. */
export function quoteWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'"'"'`)}'`;
}

/** The words of `text` as a POSIX shell would split them, without any expansion; undefined when a quote stays open. */
export function splitWords(text: string): string[] | undefined {
  const words: string[] = [];
  const token = /\s+|\\([\s\S]?)|'([^']*)('?)|"((?:[^"\\]|\\[\s\S])*)("?)|([^\s\\'"]+)/g;
  let word: string | undefined;
  for (const [whole, escaped, single, singleEnd, double, doubleEnd, plain] of text.matchAll(token)) {
    if (/^\s/.test(whole)) {
      if (word !== undefined) words.push(word);
      word = undefined;
      continue;
    }
    if (singleEnd === "" || doubleEnd === "" || whole === "\\") return undefined;
    word = (word ?? "") + (escaped ?? single ?? double?.replaceAll(/\\(["\\])/g, "$1") ?? plain ?? "");
  }
  return word === undefined ? words : [...words, word];
}
