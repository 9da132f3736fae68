import { statSync } from "node:fs";
import { expect, listObjects, makeInput, openSample, submitJob, test, uploadFile, url } from "./page";

test("an object becomes 3D, can be turned, and its job is listed", async ({ studio: page }) => {
  await openSample(page, "breakfast");
  await page.getByLabel("Objects to find").fill("cup");
  await page.keyboard.press("Enter");
  await expect(listObjects(page)).toHaveCount(1);
  await page.getByRole("button", { name: "Make 3D" }).click();
  const canvas = page.locator("canvas");
  await expect(canvas).toBeVisible({ timeout: 60_000 });
  await expect(page.getByText("Loading the mesh")).toHaveCount(0);
  await expect(page.getByText("not in metres")).toBeVisible();
  await page.waitForTimeout(500);
  const before = await canvas.screenshot();
  const box = await canvas.boundingBox();
  if (!box) throw new Error("no canvas");
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width / 2 + 150, box.y + box.height / 2, { steps: 5 });
  await page.mouse.up();
  await expect.poll(async () => (await canvas.screenshot()).equals(before)).toBe(false);
  await page.getByRole("link", { name: "Jobs" }).click();
  await expect(page.getByRole("list", { name: "Jobs" }).getByText("objects").first()).toBeVisible();
});

test.describe("where things may move", () => {
  test.use({ contextOptions: { reducedMotion: "no-preference" } });

  test("an asset turns once by itself, until somebody touches it @slow", async ({ studio: page }) => {
    const mesh = await uploadFile(page, Buffer.from("v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nf 1 3 2\nf 1 2 4\nf 1 4 3\nf 2 3 4\n"));
    const job = await submitJob(page, { kind: "convert", asset: { id: mesh }, formats: ["glb"] });
    await page.goto(`${url()}/#/3d/${job}`);
    const canvas = page.locator("canvas");
    await expect(canvas).toBeVisible();
    await expect(page.getByText("Loading the mesh")).toHaveCount(0);
    const before = await canvas.screenshot();
    await expect.poll(async () => (await canvas.screenshot()).equals(before)).toBe(false);
    await page.keyboard.press("0");
    await page.waitForTimeout(1000);
    const still = await canvas.screenshot();
    await page.waitForTimeout(1000);
    expect((await canvas.screenshot()).equals(still)).toBe(true);
  });
});

test("assets stand beside each other and together, and are made in other formats @slow", async ({ studio: page, shifts }) => {
  test.setTimeout(240_000);
  await openSample(page, "breakfast");
  await page.getByLabel("Objects to find").fill("cup, bowl");
  await page.keyboard.press("Enter");
  await expect(listObjects(page)).toHaveCount(2);
  await page.getByRole("button", { name: "Make 3D" }).click();
  const beside = page.getByLabel("beside");
  await expect(beside).toBeVisible({ timeout: 90_000 });
  await beside.selectOption({ label: "bowl of this job" });
  await expect(page.locator("canvas")).toHaveCount(2);
  await expect(page.getByText("Loading the")).toHaveCount(0);
  // the numbers of both take another place, as was asked for
  shifts.splice(0);
  await page.reload();
  await expect(page.locator("canvas")).toHaveCount(2);
  const made = page.getByRole("group", { name: "The mesh as" });
  await made.getByRole("button", { name: "STL" }).click();
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("link", { name: "mesh stl" }).click()]);
  // a binary STL: 84 bytes, and 50 for each face
  const { size } = statSync(await download.path());
  expect(size).toBeGreaterThan(84);
  expect((size - 84) % 50).toBe(0);
  await page.getByRole("link", { name: "Image" }).click();
  await page.getByRole("button", { name: "Make scene" }).click();
  await expect(page.getByRole("heading", { name: "scene" })).toBeVisible();
  await expect(page.locator("canvas")).toBeVisible({ timeout: 90_000 });
  // a node for each object, which says what it is
  for (const name of ["cup", "bowl"]) await expect(page.getByRole("definition").filter({ hasText: name })).toBeVisible();
});

test("a person becomes a body with a rig @slow", async ({ studio: page }) => {
  test.setTimeout(240_000);
  const file = { name: "person.png", mimeType: "image/png", buffer: makeInput("person", "person.png") };
  await page.locator('input[type="file"]').first().setInputFiles(file);
  // nothing is searched before the image is there
  await expect(page.getByRole("application", { name: /person\.png/ })).toBeVisible();
  await page.getByLabel("Objects to find").fill("person");
  await page.keyboard.press("Enter");
  await expect(listObjects(page)).toHaveCount(1);
  await page.getByRole("button", { name: "Make body" }).click();
  await expect(page.getByRole("heading", { name: "person 1" })).toBeVisible({ timeout: 120_000 });
  const canvas = page.locator("canvas");
  await expect(canvas).toBeVisible();
  await expect(page.getByText("Loading the mesh")).toHaveCount(0);
  const height = page.getByRole("definition").filter({ hasText: /^\d\.\d\d m$/ });
  await expect(height).toBeVisible();
  const before = await canvas.screenshot();
  await page.getByRole("button", { name: "Rig", exact: true }).click();
  await expect.poll(async () => (await canvas.screenshot()).equals(before)).toBe(false);
  await expect(page.getByRole("link", { name: "GLB" })).toBeVisible();
});
