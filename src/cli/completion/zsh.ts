import { type Flag, type Tool, type Value, otherTargets, placesByValue, quoted } from "./spec.ts";

/** Works as a file `_msalt` in `$fpath`, and through `source <(…)`. */
export function zshScript(tools: readonly Tool[]): string {
  const names = tools.map(({ name }) => name).join(" ");
  const branches = tools.map(({ name, flags }) => {
    const specs = [...flags.map(flagSpec), ...(argumentSpecs[name] ?? [])];
    return `    ${name})\n      _arguments -s -S ${specs.map((spec) => `\\\n        ${spec}`).join(" ")}\n      ;;`;
  });
  const places = placesByValue().map(({ value, places: all }) => {
    const patterns = all.map(({ runner, place }) => `${runner}:${place}`).join(" | ");
    return `    ${patterns}) ${actionOf(value).trim()} ;;`;
  });
  return `#compdef ${names}
# Completion of the msalt tools for zsh, printed by: msalt-run completion zsh

_msalt_ask() {
  local -a where found
  local i
  for ((i = 2; i < \${#_msalt_typed}; i++)); do
    case \${_msalt_typed[i]} in
      -c | --config-dir | --root-dir) where+=("\${_msalt_typed[i]}" "\${(Q)_msalt_typed[i + 1]/#\\~\\//$HOME/}") ;;
      --config-dir=* | --root-dir=*) where+=("\${(Q)_msalt_typed[i]}") ;;
    esac
  done
  found=(\${(f)"$(command "$_msalt_run" $where -- __complete $1 2>/dev/null)"})
  compadd -a found
}

_msalt_list() {
  compset -P '*,'
  _msalt_ask $1
}

_msalt_target() {
  local option
  for option in ${otherTargets.join(" ")}; do
    if ((\${_msalt_typed[(I)$option]})); then
      _message 'target'
      return
    fi
  done
  if ((\${_msalt_typed[(I)-L]} || \${_msalt_typed[(I)--list]})); then
    _msalt_list minions
  else
    _msalt_ask minions
  fi
}

_msalt_argument() {
  case \${words[1]}:$((CURRENT - 1)) in
${places.join("\n")}
    *) _message 'argument' ;;
  esac
}

_msalt() {
  local -a _msalt_typed=("\${words[@]}")
  local _msalt_run=\${(Q)words[1]}
  local _msalt_tool=\${_msalt_run:t}
  _msalt_run=\${_msalt_run%$_msalt_tool}msalt-run
  case $_msalt_tool in
${branches.join("\n")}
  esac
}

if [[ \${funcstack[1]} == _msalt ]]; then
  _msalt "$@"
else
  compdef _msalt ${names}
fi
`;
}

// An action without a space before it would get arguments of _arguments' own.
const argumentSpecs: Readonly<Record<string, readonly string[]>> = {
  msalt: ["'1:target:_msalt_target'", "'2:function: _msalt_list functions'", "'*:argument:_files'"],
  "msalt-cp": ["'1:target:_msalt_target'", "'*:path:_files'"],
  "msalt-call": ["'1:function: _msalt_list functions'", "'*:argument:_files'"],
  "msalt-run": ["'1:function: _msalt_ask runners'", "'*::argument:_msalt_argument'"],
};

function flagSpec({ names, text, value }: Flag): string {
  const others = names.length > 1 ? quoted(`(${names.join(" ")})`) : "";
  const spelt = names.map((name) => (value === undefined ? name : `${name}${name.startsWith("--") ? "=" : "+"}`));
  const what = text.replace(/[\\[\]]/g, String.raw`\$&`);
  const action = value === undefined ? "" : `:${names.at(-1)?.replace(/^-+/, "") ?? ""}:${actionOf(value)}`;
  const heads = spelt.length > 1 ? `{${spelt.join(",")}}` : (spelt[0] ?? "");
  return `${others}${heads}${quoted(`[${what}]${action}`)}`;
}

function actionOf(value: Value): string {
  switch (value.kind) {
    case "words":
      return `compadd -- ${value.words.join(" ")}`;
    case "ask":
      return ` _msalt_ask ${value.what}`;
    case "dirs":
      return "_files -/";
    case "files":
      return "_files";
    case "any":
      return " ";
  }
}
