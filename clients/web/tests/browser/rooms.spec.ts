import { expect, findPlace, listObjects, openSample, report, submitJob, test, uploadFile, url } from "./page";
import { killGateway } from "./processes";

test("a link logs in once, and the key is nowhere on the page", async ({ page }) => {
  const link = process.env["MAQUETTE_TEST_LINK"] ?? "";
  await page.goto(link);
  await expect(page.getByRole("button", { name: /Log out/ })).toBeVisible();
  expect(page.url()).not.toContain("login");
  const stored = await page.evaluate(() => JSON.stringify({ ...localStorage, ...sessionStorage }) + document.cookie);
  expect(stored).not.toMatch(/mq_|maquette_login/);
  // who opens it again is logged in already
  await page.goto("about:blank");
  await page.goto(link);
  await expect(page.getByRole("button", { name: /Log out/ })).toBeVisible();
  await page.context().clearCookies();
  await page.goto("about:blank");
  await page.goto(link);
  await expect(page.getByText("used before")).toBeVisible();
});

test("an expired login is asked for again, and what was begun goes on", async ({ studio: page, complaints }) => {
  await openSample(page, "breakfast");
  await page.context().clearCookies();
  await page.getByLabel("Find everything that is").fill("cup");
  await page.keyboard.press("Enter");
  await expect(page.getByText("Nothing is lost")).toBeVisible();
  await page.getByLabel("API key").fill(process.env["MAQUETTE_TEST_KEY"] ?? "");
  await page.keyboard.press("Enter");
  await expect(listObjects(page)).toHaveCount(1);
  complaints.splice(0);
});

test("an object becomes 3D, can be turned, and its job is listed", async ({ studio: page }) => {
  await openSample(page, "breakfast");
  await page.getByLabel("Find everything that is").fill("cup");
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

test("a job's page has its files and its request as code", async ({ studio: page }) => {
  await openSample(page, "breakfast");
  await page.getByLabel("Find everything that is").fill("bowl");
  await page.keyboard.press("Enter");
  await expect(listObjects(page).first()).toBeVisible();
  await page.getByRole("link", { name: "Jobs" }).click();
  await page.getByRole("list", { name: "Jobs" }).getByRole("link").first().click();
  await expect(page.getByText("1 mask").or(page.getByText(/\d masks/)).first()).toBeVisible();
  await page.getByRole("button", { name: "Python" }).click();
  await expect(page.getByLabel("The request", { exact: true })).toContainText('mq.segment("IMAGE.jpg", text=["bowl"], threshold=0.1)');
  await page.getByRole("button", { name: "CLI" }).click();
  await expect(page.getByLabel("The request", { exact: true })).toContainText("maquette segment IMAGE.jpg --text bowl --threshold 0.1");
});

test("a killed gateway comes back, and the page says so and goes on", async ({ studio: page, complaints }) => {
  await openSample(page, "breakfast");
  killGateway();
  await page.getByLabel("Find everything that is").fill("cup");
  await page.keyboard.press("Enter");
  await expect(page.getByText("The gateway cannot be reached")).toBeVisible();
  await expect(page.getByText("The gateway is back")).toBeVisible({ timeout: 60_000 });
  await expect(listObjects(page)).toHaveCount(1);
  complaints.splice(0);
});

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
  await expect(page.getByText("succeeded")).toBeVisible({ timeout: 120_000 });
  const lane = page.getByRole("img", { name: /object 1: / });
  await expect(lane).toHaveAttribute("aria-label", /seen 0 to/);
  await page.keyboard.press("]");
  await expect(page.getByText("frame 12 of 71")).toHaveCount(0);
  await page.getByRole("slider", { name: "Frame" }).fill("60");
  await page.mouse.click(box.x + box.width * 0.75, box.y + box.height * 0.4);
  await expect(page.getByText("1 object, 2 prompts.")).toBeVisible();
  await page.getByRole("button", { name: "Forward", exact: true }).click();
  await expect(page.getByText("succeeded")).toBeVisible({ timeout: 120_000 });
});

test("a dataset is estimated, built and browsed @slow", async ({ studio: page }) => {
  test.setTimeout(240_000);
  await page.goto(`${url()}/#/datasets`);
  const sample = new URL("../../src/samples/rolling-ball.mp4", import.meta.url).pathname;
  await page.locator('form input[type="file"]').setInputFiles(sample);
  await expect(page.getByText("1 video,")).toBeVisible();
  await page.getByLabel("Objects to follow").fill("vase");
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

test("thousands of masks are panned smoothly @slow", async ({ studio: page }) => {
  const canvas = await openSample(page, "breakfast");
  await page.evaluate(() => {
    const objects = Array.from({ length: 2000 }, (_, index) => {
      const [x, y] = [(index % 50) * 16, Math.floor(index / 50) * 15];
      // a square of 10 × 10 pixels as runs of columns
      const runs = [x * 600 + y, ...Array.from({ length: 19 }, (_, k) => (k % 2 ? 590 : 10)), 600 * 800];
      runs[runs.length - 1] = 480_000 - runs.slice(0, -1).reduce((sum, run) => sum + run, 0);
      const counts = runs.map((run, k) => encode(run - (k > 2 ? (runs[k - 2] ?? 0) : 0))).join("");
      const box = { x0: x, y0: y, x1: x + 10, y1: y + 10 };
      return { id: index + 1, color: index + 1, group: null, label: `o${index}`, score: 0.9, box, area: 100, mask: { size: [600, 800], counts }, prompt: null, hidden: false, job: null };
    });
    const id = location.hash.split("/")[2];
    sessionStorage.setItem("image", JSON.stringify({ id, document: { groups: [], objects, nextId: 2001, nextColor: 2001 } }));
    function encode(value: number): string {
      let text = "";
      for (;;) {
        let byte = value & 31;
        value >>= 5;
        const isLast = byte & 16 ? value === -1 : value === 0;
        if (!isLast) byte |= 32;
        text += String.fromCharCode(byte + 48);
        if (isLast) return text;
      }
    }
  });
  await page.reload();
  await expect(page.getByText("and 1800 more on the picture")).toBeVisible();
  await page.keyboard.press("h");
  const place = await findPlace(canvas, 0.5, 0.5);
  await page.mouse.move(place.x, place.y);
  await page.mouse.down();
  const counting = page.evaluate(
    () =>
      new Promise<number>((resolve) => {
        let frames = 0;
        const end = performance.now() + 1000;
        const count = () => (performance.now() < end ? ((frames += 1), requestAnimationFrame(count)) : resolve(frames));
        requestAnimationFrame(count);
      }),
  );
  for (let step = 0; step < 30; step += 1) await page.mouse.move(place.x + step * 4, place.y + step * 2);
  const frames = await counting;
  await page.mouse.up();
  report("frames per second", String(frames));
  // 30 on a free machine; half of that where all cores are busy
  expect(frames).toBeGreaterThan(15);
});
