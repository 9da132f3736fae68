/** Keep a text for this tab, so that it outlives a reload; false where the tab has no room left for it. */
export function keepInTab(key: string, text: string): boolean {
  try {
    sessionStorage.setItem(key, text);
    return true;
  } catch {
    return false;
  }
}
