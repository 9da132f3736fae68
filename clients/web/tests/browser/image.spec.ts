import type { Page } from "@playwright/test";
import { expect, expectAccessible, findPlace, listObjects, openSample, readSample, submitJob, test, uploadFile, url } from "./page";

test("a phrase gives masks, and the slider filters them without another job", async ({ studio: page }) => {
  await openSample(page, "breakfast");
  await page.getByLabel("Objects to find").fill("orange");
  await page.keyboard.press("Enter");
  await expect(listObjects(page)).toHaveCount(2);
  const jobs: string[] = [];
  page.on("request", (request) => request.method() === "POST" && jobs.push(request.url()));
  const slider = page.getByLabel("Lowest score of orange");
  await slider.fill("0.2");
  await expect.poll(() => listObjects(page).count()).toBeGreaterThan(2);
  await slider.fill("0.99");
  await expect(listObjects(page)).toHaveCount(0);
  expect(jobs).toEqual([]);
});

test("a click names an object, a second one refines it, and both can be undone", async ({ studio: page }) => {
  const canvas = await openSample(page, "breakfast");
  const apple = await findPlace(canvas, 0.54, 0.66);
  await page.mouse.click(apple.x, apple.y);
  await expect(listObjects(page)).toHaveCount(1);
  const before = await copyMasks(page);
  // the apple's shadow on the table does not belong to it
  const shadow = await findPlace(canvas, 0.66, 0.77);
  await page.keyboard.down("Shift");
  await page.mouse.click(shadow.x, shadow.y);
  await page.keyboard.up("Shift");
  await expect(page.getByText("Segmenting")).toHaveCount(0);
  await expect(listObjects(page)).toHaveCount(1);
  await page.getByRole("button", { name: "Undo" }).click();
  expect(await copyMasks(page)).toBe(before);
  await page.getByRole("button", { name: "Undo" }).click();
  await expect(listObjects(page)).toHaveCount(0);
});

test("a box names the object in it", async ({ studio: page }) => {
  const canvas = await openSample(page, "breakfast");
  await page.keyboard.press("b");
  const [from, to] = [await findPlace(canvas, 0.15, 0.37), await findPlace(canvas, 0.47, 0.73)];
  await drag(page, from, to);
  await expect(listObjects(page)).toHaveCount(1);
  const [mask] = JSON.parse(await copyMasks(page)) as { box: { x0: number; x1: number } }[];
  // the cup, of which the handle is the left end
  expect(mask?.box.x0).toBeGreaterThan(100);
  expect(mask?.box.x1).toBeLessThan(400);
});

test("a file that is no image says so, and leaves what was there", async ({ studio: page, complaints }) => {
  await openSample(page, "football");
  await page.getByLabel("Objects to find").fill("sports ball");
  const data = Buffer.from("this is no image");
  const drop = await page.evaluateHandle((bytes) => {
    const transfer = new DataTransfer();
    transfer.items.add(new File([bytes], "notes.txt", { type: "text/plain" }));
    return transfer;
  }, data.toString());
  await page.getByRole("region", { name: "Image" }).dispatchEvent("drop", { dataTransfer: drop });
  await expect(page.getByText("unsupported_media")).toBeVisible();
  await expect(page.getByText("What to do")).toBeVisible();
  await expect(page.locator("canvas")).toBeVisible();
  await expect(page.getByLabel("Objects to find")).toHaveValue("sports ball");
  // the browser itself notes the refusal
  complaints.splice(0);
});

test("an unknown phrase says what the engine knows, and keeps what was typed", async ({ studio: page, complaints }) => {
  await openSample(page, "football");
  await page.getByLabel("Objects to find").fill("zeppelin");
  await page.keyboard.press("Enter");
  await expect(page.getByText("unknown_phrase")).toBeVisible();
  await expect(page.getByText(/does not know .zeppelin./)).toBeVisible();
  await expect(page.getByText("words that it knows")).toBeVisible();
  await expect(page.getByText(/sam3 takes any phrase, and is not here: /)).toBeVisible();
  await expect(page.getByLabel("Objects to find")).toHaveValue("zeppelin");
  complaints.splice(0);
});

test("masks are corrected, named, hidden, merged, deleted and copied, and all of it is undone @slow", async ({ studio: page }) => {
  const canvas = await openSample(page, "breakfast");
  await page.getByLabel("Objects to find").fill("orange, cup");
  await page.keyboard.press("Enter");
  await expect(listObjects(page)).toHaveCount(3);
  const found = await copyMasks(page);
  const cup = listObjects(page).filter({ hasText: "cup" });
  await cup.getByRole("button", { name: "cup", exact: true }).click();
  await expect(page.getByText("1 selected")).toBeVisible();
  const [before] = await readMasks(page);
  await page.keyboard.press("r");
  await drag(page, await findPlace(canvas, 0.3, 0.3), await findPlace(canvas, 0.3, 0.4));
  const [painted] = await readMasks(page);
  expect(painted?.area).toBeGreaterThan(before?.area ?? Infinity);
  await cup.getByRole("button", { name: "Rename cup" }).click();
  await page.keyboard.type("mug");
  await page.keyboard.press("Enter");
  expect((await readMasks(page)).map(({ label }) => label)).toEqual(["mug"]);
  // what is hidden is not chosen any more
  await page.getByRole("button", { name: "Hide mug" }).click();
  await expect(page.getByText("all 2 shown")).toBeVisible();
  const oranges = page.getByRole("list", { name: "Objects" }).getByRole("button", { name: "orange", exact: true });
  await oranges.first().click();
  await oranges.last().click({ modifiers: ["Shift"] });
  await page.getByRole("button", { name: "Merge" }).click();
  await expect(listObjects(page)).toHaveCount(2);
  await page.getByRole("button", { name: "Polygon" }).click();
  await expect(page.getByText("1 mask copied as polygons")).toBeVisible();
  const [polygons] = JSON.parse(await page.evaluate(() => navigator.clipboard.readText())) as { polygons: number[][] }[];
  expect(polygons?.polygons.every((ring) => ring.length >= 8)).toBe(true);
  await page.getByRole("button", { name: "PNG" }).click();
  await expect(page.getByText("1 mask copied as PNG")).toBeVisible();
  await page.getByRole("button", { name: "Delete orange" }).click();
  await expect(listObjects(page)).toHaveCount(1);
  for (let step = 0; step < 5; step += 1) await page.keyboard.press("Control+z");
  await page.keyboard.press("Escape");
  expect(await copyMasks(page)).toBe(found);
  for (let step = 0; step < 5; step += 1) await page.keyboard.press("Control+Shift+z");
  await expect(listObjects(page)).toHaveCount(1);
});

test("an example finds what looks like it @slow", async ({ studio: page }) => {
  const canvas = await openSample(page, "breakfast");
  await page.keyboard.press("e");
  await drag(page, await findPlace(canvas, 0.53, 0.36), await findPlace(canvas, 0.71, 0.57));
  await expect(page.getByLabel("Lowest score of like the example")).toBeVisible();
  await expect(listObjects(page).first()).toBeVisible();
  // another one, of what is not meant: both are sent
  await page.keyboard.down("Shift");
  await drag(page, await findPlace(canvas, 0.15, 0.37), await findPlace(canvas, 0.47, 0.73));
  await page.keyboard.up("Shift");
  const readExamples = async () => {
    const [job] = (await (await page.request.get(`${url()}/v1/jobs?limit=1`)).json()).jobs as { id: string }[];
    const { request } = (await (await page.request.get(`${url()}/v1/jobs/${job?.id}`)).json()) as { request: { exemplars: { positive: boolean }[] } };
    return request.exemplars.map(({ positive }) => positive);
  };
  await expect.poll(readExamples).toEqual([true, false]);
  await expect(page.getByText("Looking for")).toHaveCount(0);
});

test("an image is pasted @slow", async ({ studio: page }) => {
  const bytes = [...readSample("football.webp")];
  await page.evaluate((values) => {
    const transfer = new DataTransfer();
    transfer.items.add(new File([new Uint8Array(values)], "pasted.webp", { type: "image/webp" }));
    dispatchEvent(new ClipboardEvent("paste", { clipboardData: transfer }));
  }, bytes);
  await expect(page.locator("canvas")).toBeVisible();
});

test("masks outlive a reload, and a link leads back to them @slow", async ({ studio: page }) => {
  await openSample(page, "breakfast");
  await page.getByLabel("Objects to find").fill("cup");
  await page.keyboard.press("Enter");
  await expect(listObjects(page)).toHaveCount(1);
  await page.reload();
  await expect(listObjects(page)).toHaveCount(1);
  const [job] = (await (await page.request.get(`${url()}/v1/jobs?limit=1`)).json()).jobs as { id: string }[];
  await page.goto(`${url()}/#/jobs/${job?.id}`);
  await page.getByRole("link", { name: "See the masks" }).click();
  await expect(listObjects(page)).toHaveCount(1);
});

for (const scheme of ["light", "dark"] as const) {
  test(`axe finds nothing in any room, ${scheme} @slow`, async ({ studio: page }) => {
    test.setTimeout(240_000);
    await page.emulateMedia({ colorScheme: scheme });
    await page.reload();
    await openSample(page, "breakfast");
    await page.getByLabel("Objects to find").fill("cup");
    await page.keyboard.press("Enter");
    await expect(listObjects(page)).toHaveCount(1);
    const mesh = await uploadFile(page, Buffer.from("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n"));
    const job = await submitJob(page, { kind: "convert", asset: { id: mesh }, formats: ["glb"] });
    await page.goto(`${url()}/#/jobs/${job}`);
    await expect(page.getByText("succeeded").first()).toBeVisible();
    for (const room of ["image", "video", "3d", `3d/${job}`, "datasets", "jobs", `jobs/${job}`, "engines", "nowhere"]) {
      await page.goto(`${url()}/#/${room}`);
      await expect(page.getByText("Loading")).toHaveCount(0);
      await expectAccessible(page, room);
    }
    await page.keyboard.press("?");
    await expectAccessible(page, "keys");
  });
}

async function drag(page: Page, from: { x: number; y: number }, to: { x: number; y: number }): Promise<void> {
  await page.mouse.move(from.x, from.y);
  await page.mouse.down();
  await page.mouse.move(to.x, to.y, { steps: 4 });
  await page.mouse.up();
}

async function readMasks(page: Page): Promise<{ label: string; area: number }[]> {
  return JSON.parse(await copyMasks(page)) as { label: string; area: number }[];
}

async function copyMasks(page: Page): Promise<string> {
  await page.getByRole("button", { name: "RLE" }).click();
  return page.evaluate(() => navigator.clipboard.readText());
}
