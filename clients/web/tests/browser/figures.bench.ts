import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Page } from "@playwright/test";
import { expect, findPlace, listObjects, openSample, readSample, submitJob, test, uploadFile, url } from "./page";
import { runPython } from "./processes";

const FIGURES = fileURLToPath(new URL("../../../../docs/figures/", import.meta.url));
const CUP = { x0: 110, y0: 215, x1: 385, y1: 445 };
const ORANGE = { x0: 425, y0: 200, x1: 570, y1: 350 };

test.describe.configure({ mode: "serial" });
test.setTimeout(400_000);

test("image", async ({ studio: page }) => {
  const canvas = await openSample(page, "breakfast");
  await page.getByLabel("Objects to find").fill("cup, orange, bowl");
  await page.keyboard.press("Enter");
  await expect(listObjects(page)).toHaveCount(4, { timeout: 60_000 });
  const apple = await findPlace(canvas, 0.54, 0.66);
  await page.mouse.click(apple.x, apple.y);
  await expect(listObjects(page)).toHaveCount(5);
  await take(page, "image");
});

test("video", async ({ studio: page }) => {
  await page.goto(`${url()}/#/video`);
  await page.getByRole("button", { name: /rolling ball/ }).click();
  const slider = page.getByRole("slider", { name: "Frame" });
  await slider.fill("12");
  await expect(page.getByText("frame 12 of 71")).toBeVisible();
  const canvas = page.locator("canvas");
  const ball = await findPlace(canvas, 0.2, 0.4, [480, 320]);
  await page.mouse.click(ball.x, ball.y);
  await expect(page.getByText("1 object, 1 prompt.")).toBeVisible();
  await page.keyboard.press("Enter");
  const vase = await findPlace(canvas, 0.53, 0.6, [480, 320]);
  await page.mouse.click(vase.x, vase.y);
  await expect(page.getByText("2 objects, 2 prompts.")).toBeVisible();
  await page.getByRole("button", { name: "Both ways" }).click();
  await expect(page.getByText("succeeded")).toBeVisible({ timeout: 240_000 });
  await page.keyboard.press("Escape");
  await slider.fill("18");
  await expect(page.getByText("frame 18 of 71")).toBeVisible();
  await take(page, "video");
});

test("3d and jobs", async ({ studio: page }) => {
  const image = await uploadFile(page, readSample("breakfast.webp"));
  const job = await submitJob(page, { kind: "objects", image: { id: image }, boxes: [CUP, ORANGE] });
  await page.goto(`${url()}/#/jobs/${job}`);
  await expect(page.getByRole("status").filter({ hasText: "succeeded" })).toBeVisible({ timeout: 240_000 });
  await expect(page.getByRole("img", { name: "Preview of the result" })).toBeVisible();
  await take(page, "job");
  await page.goto(`${url()}/#/3d/${job}/0?beside=${job}/1`);
  await expect(page.locator("canvas")).toHaveCount(2);
  await expect(page.getByText("Loading the")).toHaveCount(0);
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("ArrowUp");
  await take(page, "3d");
});

test("datasets", async ({ studio: page }) => {
  const video = await uploadFile(page, readSample("rolling-ball.mp4"));
  const request = { kind: "dataset", videos: [{ id: video }], text: ["vase", "sports ball"], clip_seconds: 1, min_clip_seconds: 1 };
  const job = await submitJob(page, request);
  await page.goto(`${url()}/#/datasets/${job}`);
  await expect(page.getByRole("region", { name: "Clips" })).toBeVisible({ timeout: 360_000 });
  await expect(page.getByText("0 of 23")).toBeVisible();
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("r");
  await page.getByRole("region", { name: "Decisions by hand" }).scrollIntoViewIfNeeded();
  await take(page, "datasets");
});

test("lists and engines", async ({ studio: page }) => {
  for (const room of ["jobs", "engines", "3d", "datasets"]) {
    await page.goto(`${url()}/#/${room}`);
    await expect(page.getByText("Loading")).toHaveCount(0);
    await page.waitForTimeout(1000);
    await take(page, room === "3d" || room === "datasets" ? `${room}-list` : room);
  }
});

const SHOWN_DARK = new Set(["video", "job"]);
const SHOWN = new Set(["image", "video", "3d", "datasets", "job", "engines"]);

/** Take a room light and dark, wide and narrow; the figures of docs are some of them, the others are for looking at. */
async function take(page: Page, name: string): Promise<void> {
  const wide = page.viewportSize() ?? { width: 1280, height: 800 };
  for (const scheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme: scheme });
    for (const size of [wide, { width: 390, height: 844 }]) {
      await page.setViewportSize(size);
      await page.waitForTimeout(1500);
      const isFigure = SHOWN.has(name) && size === wide && (scheme === "dark") === SHOWN_DARK.has(name);
      const others = join(process.env["MAQUETTE_PICTURES"] ?? test.info().outputDir, `${name}-${scheme}-${size.width}.png`);
      const path = isFigure ? `${FIGURES}playground-${name}.png` : others;
      await page.screenshot({ path });
      if (isFigure) runPython("tests.support.shrink_figure", path);
    }
  }
  await page.setViewportSize(wide);
  await page.emulateMedia({ colorScheme: "light" });
}
