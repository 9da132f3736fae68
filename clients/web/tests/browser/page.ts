import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { AxeBuilder } from "@axe-core/playwright";
import { type Locator, type Page, test as base, expect } from "@playwright/test";
import { runPython } from "./processes";

const SAMPLES = fileURLToPath(new URL("../../src/samples/", import.meta.url));

export const url = () => process.env["MAQUETTE_TEST_URL"] ?? "";
/** What jobs may read from: a folder of the stack. */
export const bucket = () => process.env["MAQUETTE_TEST_BUCKET"] ?? "";
export const key = () => process.env["MAQUETTE_TEST_KEY"] ?? "";

/** The bytes of a sample image or video. */
export function readSample(name: string): Buffer {
  return readFileSync(SAMPLES + name);
}

// share of the window times share of the way, summed: browsers call a tenth good
const MOST_SHIFT = 0.01;

/** What moved by itself, and how far: the layout shifts of https://wicg.github.io/layout-instability. */
interface Shift {
  value: number;
  what: string;
}

/**
 * A page that is logged in.
 *
 * Whatever it complains about fails the test, unless the test expects it, and so does what jumps without being touched.
 */
export const test = base.extend<{ studio: Page; complaints: string[]; shifts: Shift[] }>({
  complaints: async ({}, use) => {
    const complaints: string[] = [];
    await use(complaints);
    expect(complaints).toEqual([]);
  },
  shifts: [
    async ({ page }, use) => {
      const shifts: Shift[] = [];
      await page.exposeBinding("noteShift", (_, shift: Shift) => shifts.push(shift));
      await page.addInitScript(watchShifts);
      await use(shifts);
      const sum = shifts.reduce((total, { value }) => total + value, 0);
      expect(sum, JSON.stringify(shifts, null, 1)).toBeLessThan(MOST_SHIFT);
    },
    { auto: true },
  ],
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

/** Runs in the page. */
function watchShifts(): void {
  interface LayoutShift extends PerformanceEntry {
    value: number;
    hadRecentInput: boolean;
    sources: { node: Node | null; previousRect: DOMRect; currentRect: DOMRect }[];
  }
  const { noteShift } = window as unknown as { noteShift: (shift: { value: number; what: string }) => void };
  const RECENT_MS = 2000;
  let resizedAt = -RECENT_MS;
  addEventListener("resize", () => (resizedAt = performance.now()));
  const observer = new PerformanceObserver((list) => {
    for (const shift of list.getEntries() as LayoutShift[]) {
      if (shift.hadRecentInput || shift.startTime < resizedAt + RECENT_MS) continue;
      const moved = shift.sources.map(({ node, previousRect: from, currentRect: to }) => {
        const element = node instanceof Element ? node : node?.parentElement;
        return `${element?.tagName} ${element?.className} "${element?.textContent?.trim().slice(0, 30)}" ${from.x},${from.y} to ${to.x},${to.y}`;
      });
      noteShift({ value: shift.value, what: `${location.hash}: ${moved.join("; ")}` });
    }
  });
  observer.observe({ type: "layout-shift", buffered: true });
}

/** 3D is loaded on demand, and what comes before the first mask is small. */
export const MOST_BYTES = 400_000;

/** Count what arrives from now on, as it is on the wire. */
export async function countBytes(page: Page): Promise<{ bytes: number }> {
  const traffic = { bytes: 0 };
  const session = await page.context().newCDPSession(page);
  await session.send("Network.enable");
  await session.send("Network.setCacheDisabled", { cacheDisabled: true });
  session.on("Network.loadingFinished", ({ encodedDataLength }) => (traffic.bytes += encodedDataLength));
  return traffic;
}

/** Note a measurement: with the test's result, and on standard output. */
export function report(what: string, value: string): void {
  test.info().annotations.push({ type: what, description: value });
  process.stdout.write(`     ${what}: ${value}\n`);
}

/** Open a sample image. */
export async function openSample(page: Page, name: string): Promise<Locator> {
  await page.getByRole("button", { name }).click();
  const canvas = page.locator("canvas");
  await expect(canvas).toBeVisible();
  await expect(page.getByText("Sending")).toHaveCount(0);
  return canvas;
}

/** Where a share of the shown image lies on the page. */
export async function findPlace(canvas: Locator, x: number, y: number, [width, height] = [800, 600]): Promise<{ x: number; y: number }> {
  const box = await canvas.boundingBox();
  if (!box) throw new Error("the image is not shown");
  const scale = Math.min(box.width / width, box.height / height) * 0.96;
  const [left, top] = [(box.width - width * scale) / 2, (box.height - height * scale) / 2];
  return { x: box.x + left + x * width * scale, y: box.y + top + y * height * scale };
}

/** What a module of this project's tests writes as a file: `python -m tests.support.page_inputs`. */
export function makeInput(kind: string, name: string): Buffer {
  const path = test.info().outputPath(name);
  runPython("tests.support.page_inputs", kind, path);
  return readFileSync(path);
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

/** axe finds nothing that WCAG 2.2 AA asks for. */
export async function expectAccessible(page: Page, where: string): Promise<void> {
  const found = await new AxeBuilder({ page }).withTags(["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"]).analyze();
  expect(found.violations.map((one) => `${where}: ${one.id} ${one.nodes[0]?.html}`)).toEqual([]);
}

export function listObjects(page: Page): Locator {
  return page.getByRole("list", { name: "Objects" }).getByRole("listitem");
}

export { expect };
