import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type Locator, type Page, test as base, expect } from "@playwright/test";

const SAMPLES = fileURLToPath(new URL("../../src/samples/", import.meta.url));

export const url = () => process.env["MAQUETTE_TEST_URL"] ?? "";
export const key = () => process.env["MAQUETTE_TEST_KEY"] ?? "";

/** The bytes of a sample picture or video. */
export function readSample(name: string): Buffer {
  return readFileSync(SAMPLES + name);
}

/** A page that is logged in; whatever it complains about fails the test, unless the test expects it. */
export const test = base.extend<{ studio: Page; complaints: string[] }>({
  complaints: async ({}, use) => {
    const complaints: string[] = [];
    await use(complaints);
    expect(complaints).toEqual([]);
  },
  studio: async ({ page, complaints }, use) => {
    page.on("pageerror", (error) => complaints.push(error.message));
    page.on("console", (message) => {
      if (message.type() === "error") complaints.push(`${message.text()} ${message.location().url}`);
    });
    const headers = { "X-Maquette-Page": "1" };
    await page.context().request.post(`${url()}/login`, { data: { key: key() }, headers });
    await page.goto(url());
    await use(page);
  },
});

/** Note a measurement: with the test's result, and on standard output. */
export function report(what: string, value: string): void {
  test.info().annotations.push({ type: what, description: value });
  process.stdout.write(`     ${what}: ${value}\n`);
}

/** Open a sample picture. */
export async function openSample(page: Page, name: string): Promise<Locator> {
  await page.getByRole("button", { name }).click();
  const canvas = page.locator("canvas");
  await expect(canvas).toBeVisible();
  await expect(page.getByText("Sending")).toHaveCount(0);
  return canvas;
}

/** Where a share of the shown picture of 800 × 600 lies on the page. */
export async function findPlace(canvas: Locator, x: number, y: number): Promise<{ x: number; y: number }> {
  const box = await canvas.boundingBox();
  if (!box) throw new Error("the picture is not shown");
  const scale = Math.min(box.width / 800, box.height / 600) * 0.96;
  const [left, top] = [(box.width - 800 * scale) / 2, (box.height - 600 * scale) / 2];
  return { x: box.x + left + x * 800 * scale, y: box.y + top + y * 600 * scale };
}

/** Send a file by the API, as the page's login. */
export async function uploadFile(page: Page, data: Buffer): Promise<string> {
  const headers = { "X-Maquette-Page": "1", "Content-Type": "application/octet-stream" };
  const answer = await page.request.post(`${url()}/v1/uploads`, { data, headers, timeout: 60_000 });
  return ((await answer.json()) as { id: string }).id;
}

/** Submit a job by the API, as the page's login. */
export async function submitJob(page: Page, data: Record<string, unknown>): Promise<string> {
  const answer = await page.request.post(`${url()}/v1/jobs`, { data, headers: { "X-Maquette-Page": "1" } });
  return ((await answer.json()) as { id: string }).id;
}

export function listObjects(page: Page): Locator {
  return page.getByRole("list", { name: "Objects" }).getByRole("listitem");
}

export { expect };
