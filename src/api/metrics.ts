/** Counters for Prometheus, in its text format. */
export class Metrics {
  readonly #answers = new Map<string, number>();

  answered(method: string, status: number): void {
    const labels = `method="${method}",status="${status}"`;
    this.#answers.set(labels, (this.#answers.get(labels) ?? 0) + 1);
  }

  /** @param gauges values now, by name */
  text(gauges: Readonly<Record<string, { readonly help: string; readonly value: number }>>): string {
    const lines = Object.entries(gauges).flatMap(([name, { help, value }]) => [
      `# HELP ${name} ${help}`,
      `# TYPE ${name} gauge`,
      `${name} ${value}`,
    ]);
    lines.push(
      "# HELP msalt_api_requests_total Requests that were answered.",
      "# TYPE msalt_api_requests_total counter",
    );
    for (const [labels, count] of this.#answers) lines.push(`msalt_api_requests_total{${labels}} ${count}`);
    return `${lines.join("\n")}\n`;
  }
}
