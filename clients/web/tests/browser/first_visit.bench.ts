import { type Page, expect, test } from "@playwright/test";
import { MOST_BYTES, countBytes, findPlace, listObjects, openSample, report } from "./page";

// it finds the stack as somebody does who has just started it: no engine has run, nothing is cached
test("from the link to a mask, and to an object that turns", async ({ page }) => {
  test.setTimeout(240_000);
  const traffic = await countBytes(page);
  const begun = Date.now();
  const seconds = () => ((Date.now() - begun) / 1000).toFixed(1);
  await page.goto(process.env["MAQUETTE_TEST_LINK"] ?? "");
  const canvas = await openSample(page, "breakfast");
  report("seconds from the link to an image", seconds());
  const apple = await findPlace(canvas, 0.54, 0.66);
  await page.mouse.click(apple.x, apple.y);
  await expect(listObjects(page)).toHaveCount(1, { timeout: 90_000 });
  report("seconds from the link to a mask", seconds());
  report("kB over the wire until then", (traffic.bytes / 1000).toFixed(0));
  report("first paint, ms", (await findFirstPaint(page)).toFixed(0));
  expect(traffic.bytes).toBeLessThan(MOST_BYTES);
  await page.getByRole("button", { name: "Make 3D" }).click();
  const shown = page.getByRole("region", { name: "Asset" }).locator("canvas");
  await expect(shown).toBeVisible({ timeout: 120_000 });
  await expect(page.getByText("Loading the mesh")).toHaveCount(0);
  const before = await shown.screenshot();
  await expect.poll(async () => (await shown.screenshot()).equals(before)).toBe(false);
  report("seconds from the link to an object that turns", seconds());
});

function findFirstPaint(page: Page): Promise<number> {
  return page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? 0);
}
