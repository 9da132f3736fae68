const KEY = "theme";
const IS_DARK = matchMedia("(prefers-color-scheme: dark)");
type Choice = "light" | "dark";

/** Light or dark: what the system prefers until somebody chooses. */
class Theme {
  current = $state<Choice>(readChoice());

  constructor() {
    this.#apply();
    IS_DARK.addEventListener("change", () => {
      this.current = readChoice();
      this.#apply();
    });
  }

  toggle(): void {
    this.current = this.current === "dark" ? "light" : "dark";
    localStorage.setItem(KEY, this.current);
    this.#apply();
  }

  #apply(): void {
    document.documentElement.dataset["theme"] = this.current;
  }
}

function readChoice(): Choice {
  const stored = localStorage.getItem(KEY);
  if (stored === "light" || stored === "dark") return stored;
  return IS_DARK.matches ? "dark" : "light";
}

export const theme = new Theme();
