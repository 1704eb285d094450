import { useState } from "preact/hooks";
import { api } from "./api.ts";
import { useAction, useLoad } from "./hooks.ts";
import type { Session, Token } from "./types.ts";
import { Field, Input, NewPassword } from "./inputs.tsx";
import { Problem, Time } from "./ui.tsx";

export function MePage({ who }: { who: Session }) {
  const [round, setRound] = useState(0);
  return (
    <>
      <h1>{who.user.name}</h1>
      <p class="facts">
        <span class="tag succeeded">{who.user.role}</span>
        {who.user.role === "user" && <code>{JSON.stringify(who.user.rules)}</code>}
        <span>
          logged in until <Time at={who.expires} />
        </span>
      </p>
      <h2>Tokens</h2>
      <TokenList key={round} path="/tokens" />
      <NewToken scopes={who.scopes} onMade={() => setRound(round + 1)} />
      <h2>Password</h2>
      <Password />
    </>
  );
}

export function TokenList({ path }: { path: string }) {
  const { data, problem, reload } = useLoad<{ tokens: readonly Token[] }>(path);
  const action = useAction();
  return (
    <>
      <Problem of={problem ?? action.problem} />
      {data?.tokens.length === 0 && <p class="dim">None.</p>}
      <ul class="list">
        {data?.tokens.map(({ id, name, user, scopes, expires, used }) => (
          <li key={id}>
            <b>{name}</b> of {user}, {scopes.join(" ")}, until <Time at={expires} />, used <Time at={used} />{" "}
            <button
              type="button"
              class="danger"
              aria-label={`Revoke ${name}`}
              disabled={action.busy}
              onClick={() => action.run(() => api("DELETE", `/tokens/${encodeURIComponent(id)}`).then(reload))}
            >
              Revoke
            </button>
          </li>
        ))}
      </ul>
    </>
  );
}

function NewToken({ scopes, onMade }: { scopes: readonly string[]; onMade: () => void }) {
  const [name, setName] = useState("");
  const [days, setDays] = useState("30");
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set(["read"]));
  const [made, setMade] = useState<string>();
  const action = useAction();
  return (
    <form
      class="bar"
      onSubmit={(event) => {
        event.preventDefault();
        action.run(async () => {
          const body = { name, scopes: [...chosen], expires_in: Math.round(Number(days) * 86_400) };
          setMade((await api<{ token: string }>("POST", "/tokens", body)).token);
          onMade();
        });
      }}
    >
      <Field label="Name">
        <Input value={name} onValue={setName} required />
      </Field>
      <Field label="Good for (days)">
        <Input type="number" min={1} max={366} value={days} onValue={setDays} />
      </Field>
      {scopes.map((scope) => (
        <label key={scope} class="inline">
          <input
            type="checkbox"
            checked={chosen.has(scope)}
            onChange={() => setChosen(chosen.symmetricDifference(new Set([scope])))}
          />
          {scope}
        </label>
      ))}
      <button type="submit" disabled={action.busy || chosen.size === 0}>
        Make a token
      </button>
      <Problem of={action.problem} />
      {made !== undefined && (
        <p role="status">
          <code class="fingerprint">{made}</code> It is shown this once.
        </p>
      )}
    </form>
  );
}

function Password() {
  const [old, setOld] = useState("");
  const [fresh, setFresh] = useState("");
  const [done, setDone] = useState(false);
  const action = useAction();
  return (
    <form
      class="bar"
      onSubmit={(event) => {
        event.preventDefault();
        action.run(async () => {
          await api("POST", "/session/password", { old, new: fresh });
          setOld("");
          setFresh("");
          setDone(true);
        });
      }}
    >
      <Field label="Old password">
        <Input type="password" value={old} onValue={setOld} autocomplete="current-password" required />
      </Field>
      <Field label="New password">
        <NewPassword value={fresh} onValue={setFresh} />
      </Field>
      <button type="submit" disabled={action.busy}>
        Change it
      </button>
      <Problem of={action.problem} />
      {done && <p role="status">It is changed. All other sessions of this account have ended.</p>}
    </form>
  );
}
