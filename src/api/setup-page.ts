/** The page behind the link of the first start: it makes the first account, and needs nothing from elsewhere. */
import { createHash } from "node:crypto";

const script = `
const form = document.querySelector("form");
const said = document.querySelector("output");
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const body = { code: location.hash.slice(1), name: form.elements.name.value, password: form.elements.password.value };
  if (body.password !== form.elements.again.value) return void (said.textContent = "The two passwords differ.");
  const answer = await fetch("setup", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  if (answer.ok) {
    form.remove();
    said.textContent = "The account " + body.name + " is there. You are logged in.";
    history.replaceState(null, "", location.pathname);
    return;
  }
  const { error } = await answer.json();
  said.textContent = error.message;
});
`;

export const setupPage = `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>msalt: first account</title>
<h1>msalt: first account</h1>
<form>
<p><label>Name <input name="name" value="admin" pattern="[a-z][a-z0-9._\\-]{0,31}" autocomplete="username" required></label>
<p><label>Password, 12 characters or more
<input name="password" type="password" minlength="12" maxlength="256" autocomplete="new-password" required></label>
<p><label>Once more <input name="again" type="password" autocomplete="new-password" required></label>
<p><button>Make the account</button>
</form>
<p><output></output></p>
<script>${script}</script>
</html>
`;

/** Its own script may run, and speak to this API; nothing else may. */
export const setupPolicy = [
  "default-src 'none'",
  `script-src 'sha256-${createHash("sha256").update(script).digest("base64")}'`,
  "connect-src 'self'",
  "form-action 'none'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join("; ");
