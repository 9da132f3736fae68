const SECOND_MS = 1000;

/** Work that goes on until a component is left, and a tick every second; what `onMount` is given and gives back. */
export function whileShown(work: (signal: AbortSignal) => Promise<void>, tick: () => void): () => void {
  const stop = new AbortController();
  const timer = setInterval(tick, SECOND_MS);
  void work(stop.signal);
  return () => {
    stop.abort();
    clearInterval(timer);
  };
}
