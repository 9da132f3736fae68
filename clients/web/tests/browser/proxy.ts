import { type Socket, connect, createServer } from "node:net";
import { url } from "./page";

/** A way to the gateway that breaks once, after so many bytes of one connection, and stays closed for some time. */
export interface BreakingProxy {
  url: string;
  hasBroken: () => boolean;
  close: () => void;
}

export function startProxy(breakAfterBytes: number, closedMs: number): Promise<BreakingProxy> {
  const open = new Set<Socket>();
  let brokeAt = 0;
  const isClosed = () => brokeAt > 0 && Date.now() < brokeAt + closedMs;
  const server = createServer((client) => {
    if (isClosed()) {
      client.destroy();
      return;
    }
    const gateway = connect(Number(new URL(url()).port), "127.0.0.1");
    let sent = 0;
    for (const socket of [client, gateway]) {
      open.add(socket);
      socket.on("error", () => undefined);
      socket.on("close", () => {
        open.delete(socket);
        client.destroy();
        gateway.destroy();
      });
    }
    client.on("data", (data) => {
      sent += data.length;
      if (brokeAt === 0 && sent > breakAfterBytes) {
        brokeAt = Date.now();
        for (const socket of open) socket.destroy();
      } else if (!gateway.write(data)) {
        client.pause();
        gateway.once("drain", () => client.resume());
      }
    });
    gateway.pipe(client);
  });
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      const port = typeof address === "object" && address ? address.port : 0;
      resolve({
        url: `http://127.0.0.1:${port}`,
        hasBroken: () => brokeAt > 0,
        close: () => {
          server.close();
          for (const socket of open) socket.destroy();
        },
      });
    });
  });
}
