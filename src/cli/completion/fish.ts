import { type Flag, type Tool, type Value, otherTargets, placesByValue } from "./spec.ts";

/** Fish knows by itself which options take a value; what it does not know is how many words were given before. */
export function fishScript(tools: readonly Tool[]): string {
  const valued = tools.flatMap(({ name, flags }) =>
    flags.flatMap(({ names, value }) => (value === undefined ? [] : names.map((each) => `${name}:${each}`))),
  );
  const rules = tools.flatMap(({ name, flags }) => [
    `\ncomplete -c ${name} -f`,
    ...flags.map((flag) => flagRule(name, flag)),
  ]);
  const places = placesByValue().flatMap(({ value, places: all }) =>
    all.map(
      ({ runner, place }) =>
        `complete -c msalt-run -n '__msalt_behind ${place} ${runner}' ${argumentsOf(value).join(" ")}`,
    ),
  );
  return `# Completion of the msalt tools for fish, printed by: msalt-run completion fish

set -g __msalt_valued ${valued.join(" ")}

# The words before the one that is typed which are no options and no values of options, one a line.
function __msalt_given
    set -l words (commandline -opc)
    set -l tool (string replace -r '.*/' '' -- $words[1])
    set -l skip no
    set -l ended no
    for word in $words[2..-1]
        if test $skip = yes
            set skip no
        else if test $ended = yes
            printf '%s\\n' $word
        else if test "$word" = --
            set ended yes
        else if not string match -qr '^-.' -- $word
            printf '%s\\n' $word
        else if contains -- $tool:$word $__msalt_valued
            set skip yes
        end
    end
end

function __msalt_at -a place
    test (count (__msalt_given)) -eq $place
end

function __msalt_behind -a place first
    set -l given (__msalt_given)
    test (count $given) -eq $place; and test "$given[1]" = $first
end

function __msalt_typed
    for word in (commandline -opc)
        contains -- $word $argv; and return 0
    end
    return 1
end

function __msalt_ask
    set -l words (commandline -opc)
    set -l run (string replace -r '[^/]*$' msalt-run -- $words[1])
    set -l where
    for i in (seq 2 (count $words))
        switch $words[$i]
            case -c --config-dir --root-dir
                set -a where $words[$i] $words[(math $i + 1)]
            case '--config-dir=*' '--root-dir=*'
                set -a where $words[$i]
        end
    end
    command $run $where -- __complete $argv 2>/dev/null
end
${rules.join("\n")}

complete -c msalt -n '__msalt_at 0; and __msalt_typed -L --list' -a '(__fish_complete_list , "__msalt_ask minions")'
complete -c msalt -n '__msalt_at 0; and not __msalt_typed -L --list ${otherTargets.join(" ")}' -a '(__msalt_ask minions)'
complete -c msalt -n '__msalt_at 1' -a '(__fish_complete_list , "__msalt_ask functions")'
complete -c msalt -n 'not __msalt_at 0; and not __msalt_at 1' -F
complete -c msalt-cp -n '__msalt_at 0; and not __msalt_typed -L --list ${otherTargets.join(" ")}' -a '(__msalt_ask minions)'
complete -c msalt-cp -n 'not __msalt_at 0' -F
complete -c msalt-call -n '__msalt_at 0' -a '(__fish_complete_list , "__msalt_ask functions")'
complete -c msalt-call -n 'not __msalt_at 0' -F
complete -c msalt-run -n '__msalt_at 0' -a '(__msalt_ask runners)'
${places.join("\n")}
`;
}

function flagRule(tool: string, { names, text, value }: Flag): string {
  const spelt = names.map((name) => (name.startsWith("--") ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`));
  const rest = value === undefined ? [] : value.kind === "files" ? ["-r", "-F"] : ["-x", ...argumentsOf(value)];
  return ["complete", "-c", tool, ...spelt, ...rest, "-d", quoted(text)].join(" ");
}

function argumentsOf(value: Value): string[] {
  switch (value.kind) {
    case "words":
      return ["-a", quoted(value.words.join(" "))];
    case "ask":
      return ["-a", quoted(`(__msalt_ask ${value.what})`)];
    case "dirs":
      return ["-a", quoted("(__fish_complete_directories)")];
    case "files":
      return ["-F"];
    case "any":
      return [];
  }
}

const quoted = (text: string): string => `'${text.replace(/[\\']/g, String.raw`\$&`)}'`;
