import { mkdirSync, writeFileSync } from "node:fs";
import { bucket, expect, expectAccessible, readSample, test, url } from "./page";

test("a dataset is estimated, built and browsed @slow", async ({ studio: page }) => {
  test.setTimeout(240_000);
  await page.goto(`${url()}/#/datasets`);
  const folder = test.info().outputPath("videos");
  mkdirSync(folder);
  writeFileSync(`${folder}/rolling-ball.mp4`, readSample("rolling-ball.mp4"));
  writeFileSync(`${folder}/notes.txt`, "no video");
  await page.locator("form input[webkitdirectory]").setInputFiles(folder);
  await expect(page.getByText("1 file is no video: it was left out.")).toBeVisible();
  await expect(page.getByText("1 video,")).toBeVisible();
  await page.getByLabel("Objects to track").fill("vase");
  await page.getByLabel("shortest clip, s").fill("1");
  await page.getByRole("button", { name: "Estimate" }).click();
  await expect(page.getByText(/About .* of one worker/)).toBeVisible({ timeout: 120_000 });
  // the trial's clip would be taken over
  await page.getByLabel("longest side, px").fill("192");
  await page.getByRole("button", { name: "Start" }).click();
  // what planning kept is shown while clips are worked on
  await expect(page.getByRole("region", { name: "The funnel so far" }).getByText("72 of 72 frames kept")).toBeVisible({ timeout: 60_000 });
  await expect(page.getByText("1 clip kept")).toBeVisible({ timeout: 120_000 });
  await expect(page.locator("canvas")).toBeVisible();
  await expect(page.getByText("0 of them against it")).toBeVisible();
  await expectAccessible(page, "dataset");
  // a decision by hand makes a new version, and can be undone before that
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("r");
  await expect(page.getByText("1 decision by hand")).toBeVisible();
  await page.keyboard.press("Control+z");
  await expect(page.getByRole("button", { name: "Save as a new version" })).toBeDisabled();
  await page.keyboard.press("Control+Shift+z");
  const before = page.url();
  await page.getByRole("button", { name: "Save as a new version" }).click();
  await expect(page.getByText("1 track went: vase (by hand)")).toBeVisible({ timeout: 60_000 });
  expect(page.url()).not.toBe(before);
  await page.getByRole("link", { name: "an earlier version" }).click();
  await expect(page.getByText("1 track went")).toHaveCount(0);
});

test("a bucket that is not allowed is refused in a sentence, and what was typed stays", async ({ studio: page, complaints }) => {
  await page.goto(`${url()}/#/datasets`);
  await page.getByLabel("or a bucket that the operator allows").fill("s3://elsewhere/*.mp4");
  await page.getByLabel("Objects to track").fill("vase");
  await page.getByRole("button", { name: "Start" }).click();
  await expect(page.getByText("workers may not read from s3://elsewhere/*.mp4")).toBeVisible();
  await expect(page.getByText("bucket_not_allowed")).toBeVisible();
  await expect(page.getByText("What to do")).toBeVisible();
  await page.getByRole("link", { name: "Jobs" }).click();
  await page.getByRole("link", { name: "Datasets" }).click();
  await expect(page.getByLabel("or a bucket that the operator allows")).toHaveValue("s3://elsewhere/*.mp4");
  await expect(page.getByLabel("Objects to track")).toHaveValue("vase");
  complaints.splice(0);
});

test("a dataset of a bucket is estimated before it is built @slow", async ({ studio: page }) => {
  test.setTimeout(240_000);
  const folder = new URL(bucket()).pathname;
  mkdirSync(folder, { recursive: true });
  writeFileSync(`${folder}/one.mp4`, readSample("rolling-ball.mp4"));
  await page.goto(`${url()}/#/datasets`);
  await page.getByLabel("or a bucket that the operator allows").fill(`${bucket()}/*.mp4`);
  await page.getByLabel("Objects to track").fill("vase");
  await page.getByLabel("shortest clip, s").fill("1");
  await page.getByRole("button", { name: "Estimate" }).click();
  await expect(page.getByText(/About .* of one worker for 3\.0 s of video/)).toBeVisible({ timeout: 200_000 });
});
