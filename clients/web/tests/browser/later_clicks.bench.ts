import type { Locator, Page } from "@playwright/test";
import { findPlace, listObjects, openSample, report, test, url } from "./page";

const CLICKS = 15;

/** When a click was answered, in milliseconds since the epoch. */
interface Click {
  pressed: number;
  answered: number;
  drawn: number;
}

test("from a click to its mask", async ({ studio: page }) => {
  test.setTimeout(240_000);
  const canvas = await openSample(page, "breakfast");
  const rows = [];
  for (let number = 0; number < CLICKS; number += 1) {
    const click = await clickOnce(page, canvas, 0.5 + number * 0.005, 0.63 + (number % 3) * 0.02);
    const [job] = (await (await page.request.get(`${url()}/v1/jobs?limit=1`)).json()).jobs as { started_at: string; created_at: string; finished_at: string }[];
    if (!job) throw new Error("no job");
    const [created, started, finished] = [job.created_at, job.started_at, job.finished_at].map((at) => Date.parse(at)) as [number, number, number];
    rows.push({
      "from the press to the mask": click.drawn - click.pressed,
      "of that in the worker": finished - started,
      "beyond it": click.drawn - click.pressed - (finished - started),
      "press to job": created - click.pressed,
      "job to worker": started - created,
      "result to page": click.answered - finished,
      "page to screen": click.drawn - click.answered,
    });
  }
  // the first click encodes the image, which later ones find
  const later = rows.slice(1);
  for (const name of Object.keys(rows[0] ?? {}) as (keyof (typeof rows)[0])[]) {
    const values = later.map((row) => row[name]).toSorted((a, b) => a - b);
    report(`${name}, ms, median of ${later.length}`, (values[Math.floor(values.length / 2)] ?? 0).toFixed(1));
  }
});

/** Name one more object by a click. */
async function clickOnce(page: Page, canvas: Locator, x: number, y: number): Promise<Click> {
  const count = await listObjects(page).count();
  await page.keyboard.press("Enter");
  const place = await findPlace(canvas, x, y);
  // nothing runs in every frame: without a GPU, drawing takes the time of the engine
  await page.evaluate((before) => {
    const now = () => performance.timeOrigin + performance.now();
    const list = document.querySelector('[aria-label="Masks"]');
    const times = new Promise<Click>((resolve) => {
      let [pressed, answered] = [0, 0];
      addEventListener("pointerup", () => (pressed = now()), { capture: true, once: true });
      const answers = new PerformanceObserver((entries) => {
        for (const entry of entries.getEntries() as PerformanceResourceTiming[]) {
          if (entry.name.endsWith("/v1/jobs")) answered = performance.timeOrigin + entry.responseEnd;
        }
      });
      answers.observe({ type: "resource" });
      const changes = new MutationObserver(() => {
        if (document.querySelectorAll('ul[aria-label="Objects"] > li').length <= before) return;
        changes.disconnect();
        // after the frame that draws it
        requestAnimationFrame(() => setTimeout(() => (answers.disconnect(), resolve({ pressed, answered, drawn: now() }))));
      });
      if (list) changes.observe(list, { subtree: true, childList: true });
    });
    Object.assign(window, { times });
  }, count);
  await page.mouse.click(place.x, place.y);
  return page.evaluate(() => (window as unknown as { times: Promise<Click> }).times);
}
