import page from "../../../../docs/reference/problem-codes.md?raw";

/** What to do about each problem code: the rows of the reference, which the page shares. */
export function parseAdvice(text: string): Map<string, string> {
  const advice = new Map<string, string>();
  for (const line of text.split("\n")) {
    const [, codes, , what] = line.split("|").map((cell) => cell.trim());
    if (!codes?.startsWith("`") || !what) continue;
    const plain = what.replace(/\[([^\]]+)\]\([^)]*\)/g, "$1").replaceAll("`", "");
    for (const [, code] of codes.matchAll(/`([a-z0-9_]+)`/g)) if (code) advice.set(code, plain);
  }
  return advice;
}

const ADVICE = parseAdvice(page);

export function findAdvice(code: string): string | null {
  return ADVICE.get(code) ?? null;
}
