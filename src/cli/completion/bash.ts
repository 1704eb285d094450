import { type Flag, type Tool, type Value, otherTargets, placesByValue, quoted } from "./spec.ts";

/** Bash splits words at `=` and `:`; this script joins them again before it counts. */
export function bashScript(tools: readonly Tool[]): string {
  const options = tools.map(({ name, flags }) => {
    const names = flags.flatMap((flag) => flag.names).join(" ");
    return `    ${name}) kind=${quoted(`words ${names}`)} ;;`;
  });
  const values = tools.flatMap(({ name, flags }) => flags.flatMap((flag) => valueCase(name, flag)));
  const places = placesByValue().map(({ value, places: all }) => {
    const patterns = all.map(({ runner, place }) => `${runner}:${place}`).join(" | ");
    return `        ${patterns}) kind=${quoted(kindOf(value))} ;;`;
  });
  return `# Completion of the msalt tools for bash, printed by: msalt-run completion bash

_msalt_options() {
  case $1 in
${options.join("\n")}
  esac
}

# What the value of an option is; fails for an option without one.
_msalt_value() {
  case $1:$2 in
${values.join("\n")}
    *) return 1 ;;
  esac
}

# What stands in the place behind the words that were given.
_msalt_argument() {
  local tool=$1
  shift
  case $tool:$# in
    msalt:0 | msalt-cp:0)
      case " \${seen[*]} " in
${otherTargets.map((name) => `        *" ${name} "*) kind=any ;;`).join("\n")}
        *' -L '* | *' --list '*) kind='list minions' ;;
        *) kind='ask minions' ;;
      esac
      ;;
    msalt:1 | msalt-call:0) kind='list functions' ;;
    msalt:* | msalt-cp:* | msalt-call:*) kind=files ;;
    msalt-run:0) kind='ask runners' ;;
    msalt-run:*)
      case $1:$# in
${places.join("\n")}
      esac
      ;;
  esac
}

_msalt_ask() {
  command "$run" \${where[@]+"\${where[@]}"} -- __complete "$1" "$2" 2>/dev/null
}

_msalt_offer() {
  local word lead= list
  case $kind in
    dirs | files)
      compopt -o filenames 2>/dev/null
      [[ $kind == dirs ]] && list=-d || list=-f
      while IFS= read -r word; do COMPREPLY+=("$before$word"); done < <(compgen "$list" -- "$cur")
      return
      ;;
    words\\ *) list=\${kind#words } list=\${list// /$'\\n'} ;;
    ask\\ *) list=$(_msalt_ask "\${kind#ask }" "$cur") ;;
    list\\ *)
      lead=\${cur%"\${cur##*,}"}
      cur=\${cur##*,}
      list=$(_msalt_ask "\${kind#list }" "$cur")
      ;;
    *) return ;;
  esac
  while IFS= read -r word; do
    [[ -n $word && $word == "$cur"* ]] && COMPREPLY+=("$before$lead$word")
  done <<<"$list"
}

_msalt() {
  local run=\${COMP_WORDS[0]} tool=\${COMP_WORDS[0]##*/} kind= cur= before= word value i at=0 joins= ended= option=
  local -a words=() where=() seen=() given=()
  COMPREPLY=()
  run=\${run%"$tool"}msalt-run
  for ((i = 0; i < \${#COMP_WORDS[@]}; i++)); do
    word=\${COMP_WORDS[i]}
    if ((i > 1)) && [[ -n $joins || $word =~ ^[=:]+$ ]]; then
      words[\${#words[@]} - 1]+=$word
    else
      words+=("$word")
    fi
    [[ $word =~ ^[=:]+$ ]] && joins=1 || joins=
    ((i == COMP_CWORD)) && at=$((\${#words[@]} - 1))
  done
  for ((i = 1; i < at; i++)); do
    word=\${words[i]}
    if [[ -n $ended || $word != -?* ]]; then
      given+=("$word")
    elif [[ $word == -- ]]; then
      ended=1
    else
      seen+=("$word")
      if [[ $word == --*=* ]]; then
        option=\${word%%=*} value=\${word#*=}
      elif _msalt_value "$tool" "$word"; then
        option=$word value=\${words[++i]}
      else
        continue
      fi
      value=\${value#[\\"\\']} value=\${value%[\\"\\']}
      [[ $value == '~/'* ]] && value=$HOME/\${value#'~/'}
      case $option in
        -c | --config-dir | --root-dir) ((i < at)) && where+=("$option" "$value") ;;
      esac
    fi
  done
  cur=\${words[at]#[\\"\\']}
  kind=
  if ((i > at)); then
    _msalt_value "$tool" "$option"
  elif [[ -z $ended && $cur == --*=* ]]; then
    option=\${cur%%=*}
    cur=\${cur#*=}
    [[ $COMP_WORDBREAKS == *=* ]] || before=$option=
    _msalt_value "$tool" "$option"
  elif [[ -z $ended && $cur == -* ]]; then
    _msalt_options "$tool"
  else
    _msalt_argument "$tool" "\${given[@]}"
  fi
  _msalt_offer
}

complete -F _msalt ${tools.map(({ name }) => name).join(" ")}
`;
}

function valueCase(tool: string, { names, value }: Flag): string[] {
  const patterns = names.map((name) => `${tool}:${name}`).join(" | ");
  return value === undefined ? [] : [`    ${patterns}) kind=${quoted(kindOf(value))} ;;`];
}

function kindOf(value: Value): string {
  if (value.kind === "words") return `words ${value.words.join(" ")}`;
  return value.kind === "ask" ? `ask ${value.what}` : value.kind;
}
