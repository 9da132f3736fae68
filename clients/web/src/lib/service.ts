import { ConnectionLost, Maquette, MaquetteError, type Media } from "maquette";
import { connection } from "./connection.svelte";
import { PAGE_HEADERS, login } from "./login.svelte";

// a request that finds nobody logged in waits for the dialog, and is sent again
async function send(input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
  const copy = input instanceof Request ? input.clone() : input;
  let answer: Response;
  try {
    answer = await fetch(input, init);
  } catch (error) {
    if (error instanceof TypeError) connection.lose();
    throw error;
  }
  if (answer.status !== 401) return answer;
  await login.renew();
  return send(copy, init);
}

/** The service behind the page. */
export const service = new Maquette({ url: "", headers: PAGE_HEADERS, fetch: send });

/** Send a file; one that is cut off, or finds nobody logged in, goes on as soon as that can help. */
export async function sendFile(file: Blob, onProgress: (share: number) => void): Promise<Media> {
  for (;;) {
    try {
      return await service.upload(file, { onProgress });
    } catch (error) {
      if (error instanceof ConnectionLost) await connection.wait();
      else if (error instanceof MaquetteError && error.status === 401) await login.renew();
      else throw error;
    }
  }
}
