import { expect, expectAccessible, test, url } from "./page";

test("a video is prompted, tracked, corrected and tracked again @slow", async ({ studio: page }) => {
  test.setTimeout(240_000);
  await page.goto(`${url()}/#/video`);
  await page.getByRole("button", { name: /rolling ball/ }).click();
  const canvas = page.locator("canvas");
  await expect(canvas).toBeVisible();
  await expect(page.getByText("Loading")).toHaveCount(0);
  await page.getByRole("slider", { name: "Frame" }).fill("12");
  await expect(page.getByText("frame 12 of 71")).toBeVisible();
  const box = await canvas.boundingBox();
  if (!box) throw new Error("no frame");
  await page.mouse.click(box.x + box.width * 0.25, box.y + box.height * 0.4);
  await expect(page.getByText("1 object, 1 prompt.")).toBeVisible();
  await page.keyboard.press("Control+z");
  await expect(page.getByText("Click an object on the frame")).toBeVisible();
  await page.keyboard.press("Control+Shift+z");
  await expect(page.getByText("1 object, 1 prompt.")).toBeVisible();
  await page.getByRole("button", { name: "Both ways" }).click();
  const lane = page.getByRole("img", { name: /object 1: / });
  // masks come in while the job runs
  await expect(lane).toHaveAttribute("aria-label", /to (1[3-9]|[2-6]\d)/, { timeout: 120_000 });
  await expect(page.getByRole("button", { name: "Stop" })).toBeVisible();
  await expect(page.getByText("succeeded")).toBeVisible({ timeout: 120_000 });
  await expect(lane).toHaveAttribute("aria-label", /seen 0 to/);
  // the ball rolls behind the vase: keys lead there and back
  const hidden = /occluded (\d+) to/.exec((await lane.getAttribute("aria-label")) ?? "")?.[1];
  await page.keyboard.press("]");
  await expect(page.getByText(`frame ${hidden} of 71`)).toBeVisible();
  await page.keyboard.press("[");
  await expect(page.getByText("No doubtful frame before this one")).toBeVisible();
  await page.getByRole("slider", { name: "Frame" }).fill("60");
  await page.mouse.click(box.x + box.width * 0.75, box.y + box.height * 0.4);
  await expect(page.getByText("1 object, 2 prompts.")).toBeVisible();
  await page.getByLabel("write an overlay video and YouTube-VIS").check();
  await page.getByRole("button", { name: "Forward", exact: true }).click();
  await expect(page.getByRole("button", { name: "Stop" })).toBeVisible();
  await expect(page.getByText("succeeded")).toBeVisible({ timeout: 120_000 });
  await expectAccessible(page, "video");
  // prompts and masks outlive a reload, and a job leads back to its tracks
  await page.reload();
  await expect(page.getByText("1 object, 2 prompts.")).toBeVisible();
  await expect(lane).toHaveAttribute("aria-label", /to 71/);
  await page.getByRole("link", { name: "Files" }).click();
  await expect(page.getByRole("link", { name: "overlay.mp4" })).toBeVisible();
  await expect(page.getByRole("link", { name: /ytvis/ })).toBeVisible();
  await page.getByRole("link", { name: "See the tracks" }).click();
  await expect(lane).toHaveAttribute("aria-label", /to 71/);
});

test("an object is followed backward from where it was named @slow", async ({ studio: page }) => {
  test.setTimeout(240_000);
  await page.goto(`${url()}/#/video`);
  await page.getByRole("button", { name: /rolling ball/ }).click();
  const canvas = page.locator("canvas");
  await expect(canvas).toBeVisible();
  await page.getByRole("slider", { name: "Frame" }).fill("8");
  await expect(page.getByText("frame 8 of 71")).toBeVisible();
  const box = await canvas.boundingBox();
  if (!box) throw new Error("no frame");
  await page.mouse.click(box.x + box.width * 0.2, box.y + box.height * 0.4);
  await expect(page.getByText("1 object, 1 prompt.")).toBeVisible();
  await page.getByRole("button", { name: "Backward" }).click();
  await expect(page.getByText("succeeded")).toBeVisible({ timeout: 120_000 });
  await expect(page.getByRole("img", { name: /object 1: / })).toHaveAttribute("aria-label", /to 8$/);
});
