/** Who asks while the same question is being answered gets that answer: costly ones reach the master one at a time. */
export function inFlight<T>(work: () => Promise<T>): () => Promise<T> {
  let going: Promise<T> | undefined;
  return () => {
    going ??= work().finally(() => (going = undefined));
    return going;
  };
}
