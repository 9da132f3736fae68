/** Where the page is: the part of the address behind `#`, so that every place has a link of its own. */
export interface Route {
  room: string;
  /** What follows the room: ids, in order. */
  parts: string[];
  query: URLSearchParams;
}

export function parseRoute(hash: string): Route {
  const [path = "", query = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  const [room = "", ...parts] = path.split("/").map(decodeURIComponent);
  return { room: room || "image", parts: parts.filter(Boolean), query: new URLSearchParams(query) };
}
