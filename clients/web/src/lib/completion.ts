const MOST = 12;

/** What a list of phrases, joined by commas, may become: its last phrase completed by each word that fits. */
export function completePhrases(text: string, words: readonly string[]): string[] {
  const comma = text.lastIndexOf(",") + 1;
  const [before, begun] = [text.slice(0, comma), text.slice(comma).trim().toLowerCase()];
  const lead = before ? `${before} ` : "";
  const starts = words.filter((word) => word.startsWith(begun));
  const others = words.filter((word) => !word.startsWith(begun) && word.includes(begun));
  return [...starts, ...others].slice(0, begun ? MOST : words.length).map((word) => lead + word);
}
