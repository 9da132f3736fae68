const MOST = 200;

/** A value with undo and redo; it is replaced as a whole and never changed in place. */
export class History<T> {
  current = $state.raw() as T;
  #past = $state.raw<T[]>([]);
  #future = $state.raw<T[]>([]);

  constructor(start: T) {
    this.current = start;
  }

  get canUndo(): boolean {
    return this.#past.length > 0;
  }

  get canRedo(): boolean {
    return this.#future.length > 0;
  }

  /** Put a new value in place, which can be undone. */
  push(next: T): void {
    this.#past = [...this.#past.slice(1 - MOST), this.current];
    this.#future = [];
    this.current = next;
  }

  /** Put a new value in place without a step of its own, as while a slider moves. */
  amend(next: T): void {
    this.current = next;
  }

  undo(): void {
    const before = this.#past.at(-1);
    if (before === undefined) return;
    this.#past = this.#past.slice(0, -1);
    this.#future = [...this.#future, this.current];
    this.current = before;
  }

  redo(): void {
    const next = this.#future.at(-1);
    if (next === undefined) return;
    this.#future = this.#future.slice(0, -1);
    this.#past = [...this.#past, this.current];
    this.current = next;
  }

  /** Start anew: there is nothing to undo. */
  reset(value: T): void {
    this.#past = [];
    this.#future = [];
    this.current = value;
  }
}
