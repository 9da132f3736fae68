import { Maquette } from "maquette";
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
