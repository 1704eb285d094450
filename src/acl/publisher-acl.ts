/** `publisher_acl` and `publisher_acl_blacklist`: which local users may publish what, and what nobody may. */
import { compileExpression } from "./expression.ts";
import { type Rule, compileRules } from "./rules.ts";

export type AclRules = Readonly<Record<string, readonly unknown[]>>;

export interface Blacklist {
  readonly users?: readonly string[] | undefined;
  /** Functions, such as `cmd.*`. */
  readonly modules?: readonly string[] | undefined;
}

type Test = (text: string) => boolean;

export class PublisherAcl {
  readonly #users: readonly { readonly isUser: Test; readonly rules: readonly Rule[] }[];
  readonly #badUsers: readonly Test[];
  readonly #badFunctions: readonly Test[];

  /** @throws MsaltError `ERR_TARGET_INVALID` for a regular expression that is none. */
  constructor(users: AclRules, { users: badUsers = [], modules = [] }: Blacklist = {}) {
    this.#users = Object.entries(users).map(([user, rules]) => ({
      isUser: compileExpression(user),
      rules: compileRules(rules),
    }));
    this.#badUsers = badUsers.map(compileExpression);
    this.#badFunctions = modules.map(compileExpression);
  }

  /** Of all entries that name this user. */
  rulesOf(user: string): Rule[] {
    return this.#users.flatMap(({ isUser, rules }) => (isUser(user) ? rules : []));
  }

  isUserBlacklisted(user: string): boolean {
    return this.#badUsers.some((matches) => matches(user));
  }

  /** The first of these functions that nobody may run. */
  blacklisted(funs: readonly string[]): string | undefined {
    return funs.find((fun) => this.#badFunctions.some((matches) => matches(fun)));
  }

  /** Every target that a rule names. */
  get targets(): string[] {
    return this.#users.flatMap(({ rules }) => rules.flatMap(({ target }) => target ?? []));
  }
}
