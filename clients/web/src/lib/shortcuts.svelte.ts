/** A key of the page; `keys` are as KeyboardEvent.key names them, with "Ctrl+" or "Shift+" before. */
export interface Shortcut {
  keys: string;
  what: string;
  run: () => void;
}

/** Keys of the room that is shown, and of the page; the dialog behind `?` lists them. */
class Shortcuts {
  groups = $state.raw<{ title: string; shortcuts: Shortcut[] }[]>([]);

  constructor() {
    addEventListener("keydown", (event) => this.#handle(event));
  }

  /** Add keys until the returned function is called. */
  add(title: string, shortcuts: Shortcut[]): () => void {
    const group = { title, shortcuts };
    this.groups = [...this.groups, group];
    return () => (this.groups = this.groups.filter((other) => other !== group));
  }

  #handle(event: KeyboardEvent): void {
    if (event.defaultPrevented || isTyping(event.target) || document.querySelector("dialog[open]")) return;
    const pressed = nameKeys(event);
    // the newest group first: a room may take a key of the page
    for (const group of this.groups.toReversed()) {
      const shortcut = group.shortcuts.find((known) => known.keys === pressed);
      if (shortcut) {
        event.preventDefault();
        shortcut.run();
        return;
      }
    }
  }
}

export function nameKeys(event: Pick<KeyboardEvent, "key" | "ctrlKey" | "metaKey" | "shiftKey">): string {
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const control = event.ctrlKey || event.metaKey ? "Ctrl+" : "";
  // Shift is part of what "?" and "+" are; it is named beside letters and longer names
  const shift = event.shiftKey && (/^[a-z]$/.test(key) || key.length > 1) ? "Shift+" : "";
  return `${control}${shift}${key}`;
}

function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target instanceof HTMLInputElement) return !["range", "checkbox", "radio", "button"].includes(target.type);
  return target.isContentEditable || target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement;
}

export const shortcuts = new Shortcuts();
