import { render } from "preact";
import { useEffect, useState } from "preact/hooks";
import { AccountsPage } from "./accounts.tsx";
import { api, ApiError, session } from "./api.ts";
import { EventsPage } from "./events.tsx";
import { useRoute } from "./hooks.ts";
import { JobPage } from "./job.tsx";
import { JobsPage } from "./jobs.tsx";
import { KeysPage } from "./keys.tsx";
import { LoginPage, SetupPage } from "./login.tsx";
import { MePage } from "./me.tsx";
import { MinionPage, MinionsPage } from "./minions.tsx";
import { RunPage } from "./run.tsx";
import { ScriptPage, ScriptsPage } from "./scripts.tsx";
import type { Session } from "./types.ts";
import { Problem } from "./ui.tsx";

const pages = [
  ["minions", "Minions"],
  ["run", "Run"],
  ["jobs", "Jobs"],
  ["scripts", "Scripts"],
  ["events", "Events"],
  ["keys", "Keys"],
  ["accounts", "Accounts"],
] as const;
const forAdmins: ReadonlySet<string> = new Set(["keys", "accounts"]);

function App() {
  const [who, setWho] = useState<Session | "nobody" | "asking">("asking");
  const [problem, setProblem] = useState<unknown>();
  const enter = (entered: Session): void => {
    session.csrf = entered.csrf;
    setProblem(undefined);
    setWho(entered);
  };
  useEffect(() => {
    session.onEnd = () => {
      session.csrf = undefined;
      setWho("nobody");
    };
    api<Session>("GET", "/session").then(enter, (failure: unknown) => {
      if (!(failure instanceof ApiError && failure.status === 401)) setProblem(failure);
      setWho("nobody");
    });
  }, []);
  if (location.pathname === "/setup") return <SetupPage />;
  if (who === "asking") return <p class="dim">…</p>;
  if (who === "nobody") return <LoginPage problem={problem} onEnter={enter} />;
  return <Shell who={who} />;
}

function Shell({ who }: { who: Session }) {
  const route = useRoute();
  const [page = "minions"] = route.path;
  const isAdmin = who.user.role === "admin";
  useEffect(() => {
    document.title = `${page} – msalt`;
  }, [page]);
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      const typing = event.target instanceof HTMLElement && event.target.matches("input, textarea, select");
      if (event.key !== "/" || typing) return;
      event.preventDefault();
      document.querySelector<HTMLElement>("[data-search]")?.focus();
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);
  return (
    <>
      <header>
        <b>msalt</b>
        <nav aria-label="Pages">
          {pages
            .filter(([name]) => isAdmin || !forAdmins.has(name))
            .map(([name, text]) => (
              <a key={name} href={`#/${name}`} aria-current={page === name ? "page" : undefined}>
                {text}
              </a>
            ))}
        </nav>
        <a href="#/me" aria-current={page === "me" ? "page" : undefined}>
          {who.user.name}
        </a>
        <button type="button" onClick={() => void api("POST", "/logout").then(session.onEnd, session.onEnd)}>
          Log out
        </button>
      </header>
      <main key={route.path.join("/")}>
        <Page page={page} name={route.path[1]} query={route.query} who={who} />
      </main>
    </>
  );
}

function Page({
  page,
  name,
  query,
  who,
}: {
  page: string;
  name?: string | undefined;
  query: URLSearchParams;
  who: Session;
}) {
  const isAdmin = who.user.role === "admin";
  switch (page) {
    case "minions":
      return name === undefined ? <MinionsPage /> : <MinionPage id={name} />;
    case "run":
      return <RunPage key={query.toString()} query={query} />;
    case "jobs":
      return name === undefined ? <JobsPage /> : <JobPage jid={name} />;
    case "scripts":
      return name === undefined ? <ScriptsPage /> : <ScriptPage name={name} isAdmin={isAdmin} />;
    case "events":
      return <EventsPage />;
    case "keys":
      return <KeysPage />;
    case "accounts":
      return <AccountsPage />;
    case "me":
      return <MePage who={who} />;
    default:
      return <Problem of={new Error("there is no such page")} />;
  }
}

const root = document.querySelector("#app");
if (root !== null) render(<App />, root);
