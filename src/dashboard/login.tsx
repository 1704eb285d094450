import { useState } from "preact/hooks";
import { api } from "./api.ts";
import { useAction } from "./hooks.ts";
import type { Session } from "./types.ts";
import { Field, Input, NewPassword } from "./inputs.tsx";
import { Problem } from "./ui.tsx";

export function LoginPage({ problem, onEnter }: { problem: unknown; onEnter: (session: Session) => void }) {
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const action = useAction();
  return (
    <main class="login">
      <h1>msalt</h1>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          action.run(async () => onEnter(await api<Session>("POST", "/login", { name, password })));
        }}
      >
        <Field label="Name">
          <Input value={name} onValue={setName} autocomplete="username" required autofocus />
        </Field>
        <Field label="Password">
          <Input type="password" value={password} onValue={setPassword} autocomplete="current-password" required />
        </Field>
        <Problem of={action.problem ?? problem} />
        <button type="submit" class="primary" disabled={action.busy}>
          Log in
        </button>
      </form>
    </main>
  );
}

/** What the link of the first start leads to: the first account. The code stands behind `#`, so no server sees it in a path. */
export function SetupPage() {
  const [code] = useState(location.hash.slice(1));
  const [name, setName] = useState("admin");
  const [password, setPassword] = useState("");
  const [again, setAgain] = useState("");
  const action = useAction();
  const differs = again !== "" && again !== password;
  return (
    <main class="login">
      <h1>Set up msalt</h1>
      <p>This makes the first account, an administrator. The link is good once.</p>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          action.run(async () => {
            await api<Session>("POST", "/setup", { code, name, password });
            location.replace("/");
          });
        }}
      >
        <Field label="Name" hint="small letters, digits, . _ -">
          <Input value={name} onValue={setName} autocomplete="username" required pattern="[a-z][a-z0-9._\-]{0,31}" />
        </Field>
        <Field label="Password" hint="at least 12 characters">
          <NewPassword value={password} onValue={setPassword} />
        </Field>
        <Field label="Password again">
          <Input type="password" value={again} onValue={setAgain} autocomplete="new-password" required />
        </Field>
        {differs && <Problem of={new Error("the passwords differ")} />}
        <Problem of={action.problem} />
        <button type="submit" class="primary" disabled={action.busy || differs}>
          Make the account
        </button>
      </form>
    </main>
  );
}
