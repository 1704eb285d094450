import { useState } from "preact/hooks";
import { api } from "./api.ts";
import { useAction, useLoad } from "./hooks.ts";
import { type Key, type Keys, keyStates } from "./types.ts";
import { Field, Input } from "./inputs.tsx";
import { Dialog, Problem, Rows, Time } from "./ui.tsx";

type Act = "accept" | "reject" | "delete";

const acts: Readonly<Record<(typeof keyStates)[number], readonly Act[]>> = {
  pending: ["accept", "reject", "delete"],
  accepted: ["delete"],
  denied: ["delete"],
  rejected: ["accept", "delete"],
};
const titles = { pending: "Waiting to be accepted", accepted: "Accepted", denied: "Denied", rejected: "Rejected" };

export function KeysPage() {
  const { data, problem, reload } = useLoad<Keys>("/keys", 5000);
  const [asked, setAsked] = useState<{ act: Act; keys: readonly Key[] }>();
  return (
    <>
      <h1>Keys</h1>
      <Problem of={problem} />
      {data !== undefined && (
        <>
          <p>
            The master's fingerprint: <code class="fingerprint">{colons(data.master)}</code>
          </p>
          {keyStates.map((state) => (
            <KeyList key={state} state={state} keys={data[state]} onAct={(act, keys) => setAsked({ act, keys })} />
          ))}
          <TokenMaker />
        </>
      )}
      {asked !== undefined && (
        <Confirm
          {...asked}
          onClose={() => {
            setAsked(undefined);
            reload();
          }}
        />
      )}
    </>
  );
}

function KeyList({
  state,
  keys,
  onAct,
}: {
  state: (typeof keyStates)[number];
  keys: readonly Key[];
  onAct: (act: Act, keys: readonly Key[]) => void;
}) {
  const [picked, setPicked] = useState<ReadonlySet<string>>(new Set());
  const chosen = keys.filter((key) => picked.has(nameOf(key)));
  if (keys.length === 0 && state !== "pending") return null;
  const toggle = (key: Key): void => setPicked((before) => before.symmetricDifference(new Set([nameOf(key)])));
  // On a phone the buttons stand below the fingerprint, which is shown whole.
  const rowHeight = matchMedia("(max-width: 640px)").matches ? 124 : 64;
  const list = (
    <div class="keys">
      {keys.length > 1 && (
        <p class="actions">
          {acts[state].map((act) => (
            <button key={act} type="button" disabled={chosen.length === 0} onClick={() => onAct(act, chosen)}>
              {act} {chosen.length} chosen
            </button>
          ))}
          <button
            type="button"
            onClick={() => setPicked(new Set(chosen.length === keys.length ? [] : keys.map(nameOf)))}
          >
            {chosen.length === keys.length ? "Choose none" : "Choose all"}
          </button>
        </p>
      )}
      <Rows
        items={keys}
        rowHeight={rowHeight}
        label={titles[state]}
        keyOf={nameOf}
        columns={[
          {
            cell: (key) => (
              <input
                type="checkbox"
                aria-label={`choose ${key.id}`}
                checked={picked.has(nameOf(key))}
                onChange={() => toggle(key)}
              />
            ),
          },
          {
            class: "grow",
            cell: ({ id, fingerprint, since, deleted_before: again }) => (
              <>
                <b>{id}</b>{" "}
                <span class="dim">
                  <Time at={since} />
                </span>
                {again !== undefined && again !== false && <span class="warn"> was deleted before</span>}
                <code class="fingerprint">{colons(fingerprint)}</code>
              </>
            ),
          },
          {
            class: "buttons",
            cell: (key) =>
              acts[state].map((act) => (
                <button
                  key={act}
                  type="button"
                  class={act === "delete" ? "danger" : ""}
                  aria-label={`${act} ${key.id}`}
                  onClick={() => onAct(act, [key])}
                >
                  {act}
                </button>
              )),
          },
        ]}
      />
    </div>
  );
  if (state !== "pending") {
    return (
      <details>
        <summary>
          {titles[state]} ({keys.length})
        </summary>
        {list}
      </details>
    );
  }
  return (
    <section aria-live="polite">
      <h2>
        {titles[state]} ({keys.length})
      </h2>
      {keys.length > 0 && list}
    </section>
  );
}

/** As `msalt-key` and the minion's own log write it. */
function colons(fingerprint: string): string {
  return fingerprint.includes(":") ? fingerprint : (fingerprint.match(/../g)?.join(":") ?? "");
}

function nameOf({ id, fingerprint }: Key): string {
  return `${id} ${fingerprint}`;
}

interface Result {
  readonly id: string;
  readonly ok: boolean;
  readonly message?: string;
}

/** What is done is done to the very keys that are shown, by their fingerprints. */
function Confirm({ act, keys, onClose }: { act: Act; keys: readonly Key[]; onClose: () => void }) {
  const action = useAction();
  const run = (): void =>
    action.run(async () => {
      const body = { keys: keys.map(({ id, fingerprint }) => ({ id, fingerprint })) };
      const { results } = await api<{ results: readonly Result[] }>("POST", `/keys/${act}`, body);
      const failed = results.filter(({ ok }) => !ok);
      if (failed.length > 0) throw new Error(failed.map(({ id, message = "no" }) => `${id}: ${message}`).join("; "));
      onClose();
    });
  return (
    <Dialog title={`${act} ${keys.length === 1 ? "this key" : `these ${keys.length} keys`}?`} onClose={onClose}>
      {act === "accept" && <p>Compare each fingerprint with the one in the log of msalt-minion on that machine.</p>}
      <ul class="sample">
        {keys.slice(0, 50).map((key) => (
          <li key={nameOf(key)}>
            <b>{key.id}</b> <code class="fingerprint">{colons(key.fingerprint)}</code>
          </li>
        ))}
      </ul>
      {keys.length > 50 && <p>… and {keys.length - 50} more</p>}
      <Problem of={action.problem} />
      <p class="actions">
        <button
          type="button"
          class={act === "accept" ? "primary" : "danger"}
          disabled={action.busy}
          onClick={run}
          autofocus
        >
          {act}
        </button>
        <button type="button" onClick={onClose}>
          Back
        </button>
      </p>
    </Dialog>
  );
}

function TokenMaker() {
  const [uses, setUses] = useState("1");
  const [minutes, setMinutes] = useState("60");
  const [made, setMade] = useState<{ token: string; expires: string }>();
  const action = useAction();
  return (
    <details>
      <summary>A token, with which new minions are accepted as they come</summary>
      <form
        class="bar"
        onSubmit={(event) => {
          event.preventDefault();
          action.run(async () =>
            setMade(await api("POST", "/keys/token", { expires_in: Number(minutes) * 60, uses: Number(uses) })),
          );
        }}
      >
        <Field label="Uses">
          <Input type="number" min={1} value={uses} onValue={setUses} />
        </Field>
        <Field label="Good for (minutes)">
          <Input type="number" min={1} value={minutes} onValue={setMinutes} />
        </Field>
        <button type="submit" disabled={action.busy}>
          Make it
        </button>
      </form>
      <Problem of={action.problem} />
      {made !== undefined && (
        <p role="status">
          <code>msalt-minion --token {made.token}</code>, until <Time at={made.expires} />. It is shown this once.
        </p>
      )}
    </details>
  );
}
