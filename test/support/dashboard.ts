/** What people do in the dashboard, in a page of `visit`. */
import type { Page } from "playwright-core";

export async function go(page: Page, path: string, heading: string | RegExp): Promise<void> {
  await page.goto(`/#/${path}`);
  await page.getByRole("heading", { level: 1, name: heading }).waitFor();
}

interface Order {
  readonly target?: string;
  readonly type?: string;
  readonly fun: string;
  readonly fields?: Readonly<Record<string, string>>;
}

/** Fills the form and sends it. */
export async function send(
  page: Page,
  { target = "*", type = "glob on the id", fun, fields = {} }: Order,
): Promise<void> {
  await go(page, "run", "Run");
  await page.getByLabel("Target", { exact: true }).fill(target);
  await page.getByLabel("Target type").selectOption(type);
  await page.getByLabel("Function").fill(fun);
  for (const [name, value] of Object.entries(fields)) await page.getByLabel(name, { exact: true }).fill(value);
  await page.getByRole("button", { name: "Look at it before it is sent" }).click();
  await page.getByRole("button", { name: /^Send to/ }).click();
}

export async function ended(page: Page): Promise<void> {
  await page.getByRole("status").filter({ hasText: "Ended." }).waitFor({ timeout: 60_000 });
}

export const jidOf = (page: Page): string => /#\/jobs\/(\d{20})/.exec(page.url())?.[1] ?? "";

export async function logIn(page: Page, name: string, secret: string): Promise<void> {
  await page.getByLabel("Name").fill(name);
  await page.getByLabel("Password").fill(secret);
  await page.getByRole("button", { name: "Log in" }).click();
}
