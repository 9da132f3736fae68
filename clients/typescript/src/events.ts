/** One event of a stream (WHATWG server-sent events). */
export interface StreamEvent {
  id: string;
  event: string;
  data: string;
}

/** The events of a stream, in order; comments that keep a connection alive are left out. */
export async function* readEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<StreamEvent> {
  const reader = body.pipeThrough<string>(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>).getReader();
  let pending = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      // a line break of two characters may arrive in two pieces
      pending = (pending + value).replaceAll("\r\n", "\n");
      let end = pending.indexOf("\n\n");
      while (end >= 0) {
        const event = parseEvent(pending.slice(0, end));
        pending = pending.slice(end + 2);
        if (event) yield event;
        end = pending.indexOf("\n\n");
      }
    }
  } finally {
    // whoever stops early closes the connection
    await reader.cancel().catch(() => undefined);
  }
}

/** One event from its lines; null for a comment. */
export function parseEvent(block: string): StreamEvent | null {
  const fields = new Map<string, string>();
  for (const line of block.split("\n")) {
    const colon = line.indexOf(":");
    if (colon <= 0) continue;
    const name = line.slice(0, colon);
    const value = line.slice(colon + 1).replace(/^ /, "");
    const before = fields.get(name);
    fields.set(name, name === "data" && before !== undefined ? `${before}\n${value}` : value);
  }
  const data = fields.get("data");
  if (data === undefined) return null;
  return { id: fields.get("id") ?? "", event: fields.get("event") ?? "message", data };
}
