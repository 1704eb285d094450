export function compileGlob(p: string): (t: string) => boolean { const re = new RegExp("^" + p.replaceAll(".", "\\.").replaceAll("*", ".*").replaceAll("?", ".") + "$"); return (t) => re.test(t); }
