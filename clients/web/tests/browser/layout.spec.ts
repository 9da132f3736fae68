import type { Page } from "@playwright/test";
import { MOST_BYTES, countBytes, expect, listObjects, openSample, submitJob, test, uploadFile, url } from "./page";

const TRIANGLE = "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n";

// what moves while a room is loaded fails these tests as well: see page.ts
for (const width of [1280, 390]) {
  test.describe(`in ${width} pixels`, () => {
    test.use({ viewport: { width, height: 844 } });

    test("rooms are light, fit, and stand still while they are loaded", async ({ studio: page }) => {
      const traffic = await countBytes(page);
      await page.reload();
      await openSample(page, "breakfast");
      await page.getByLabel("Objects to find").fill("cup");
      await page.keyboard.press("Enter");
      await expect(listObjects(page)).toHaveCount(1);
      expect(traffic.bytes).toBeGreaterThan(10_000);
      expect(traffic.bytes).toBeLessThan(MOST_BYTES);
      await expectFitting(page, "image with a mask");
      const mesh = await uploadFile(page, Buffer.from(TRIANGLE));
      const job = await submitJob(page, { kind: "convert", asset: { id: mesh }, formats: ["glb"] });
      await page.goto(`${url()}/#/jobs/${job}`);
      await expect(page.getByText("succeeded").first()).toBeVisible();
      for (const room of ["video", "3d", `3d/${job}`, "datasets", "jobs", `jobs/${job}`, "engines"]) {
        await page.goto(`${url()}/#/${room}`);
        await page.reload();
        await expect(page.locator("main").getByRole("heading").first()).toBeVisible();
        await expect(page.getByText("Loading")).toHaveCount(0);
        await expectFitting(page, room);
      }
    });
  });
}

test("a job ends without moving what stands beside it, and its list is filtered", async ({ studio: page }) => {
  await openSample(page, "breakfast");
  const image = page.url().split("/").at(-1) ?? "";
  const box = { x0: 110, y0: 215, x1: 385, y1: 445 };
  const [first, second] = [
    await submitJob(page, { kind: "objects", image: { id: image }, boxes: [box] }),
    await submitJob(page, { kind: "objects", image: { id: image }, boxes: [box], seed: 1 }),
  ];
  await page.goto(`${url()}/#/jobs`);
  await page.getByRole("button", { name: `Cancel objects ${second}` }).click();
  const rows = page.getByRole("list", { name: "Jobs" }).getByRole("listitem");
  await expect(rows.filter({ hasText: "cancelled" })).toHaveCount(1);
  await rows.filter({ has: page.locator(`a[href="#/jobs/${first}"]`) }).getByRole("link").click();
  await expect(page.getByRole("status").filter({ hasText: "succeeded" })).toBeVisible({ timeout: 60_000 });
  await expect(page.getByRole("img", { name: "Preview of the result" })).toBeVisible();
  await expect(page.getByText("1 object", { exact: true })).toBeVisible();
  // the address of a filtered list can be sent to others
  await page.goto(`${url()}/#/jobs?kind=objects&state=cancelled`);
  await page.reload();
  await expect(rows.filter({ hasText: "cancelled" }).first()).toBeVisible();
  await expect(rows.filter({ hasText: "succeeded" })).toHaveCount(0);
  await page.getByLabel("state").selectOption("succeeded");
  await expect(rows.filter({ hasText: "succeeded" }).first()).toBeVisible();
  await expect(rows.filter({ hasText: "cancelled" })).toHaveCount(0);
});

/** Nothing is cut off at the side: neither the page nor what is in it can be scrolled sideways. */
async function expectFitting(page: Page, room: string): Promise<void> {
  const wide = await page.evaluate(() =>
    [document.documentElement, ...document.querySelectorAll<HTMLElement>("main, main *")]
      .filter((element) => {
        const isScrolled = ["auto", "scroll", "visible"].includes(getComputedStyle(element).overflowX);
        return isScrolled && element.checkVisibility() && element.clientWidth > 0 && element.scrollWidth > element.clientWidth + 1;
      })
      .map((element) => `${element.tagName} ${element.className} "${element.textContent?.trim().slice(0, 40)}"`),
  );
  expect(wide, room).toEqual([]);
}
