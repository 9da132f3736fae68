import type { Page } from "@playwright/test";
import { expect, listObjects, openSample, submitJob, test, uploadFile, url } from "./page";
import { killWorker } from "./processes";

// a mesh of one triangle
const TRIANGLE = "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n";

test("a killed worker is replaced, and the page says what happened @slow", async ({ studio: page }) => {
  test.setTimeout(400_000);
  await openSample(page, "breakfast");
  await page.getByLabel("Objects to find").fill("cup");
  await page.keyboard.press("Enter");
  await expect(listObjects(page)).toHaveCount(1);
  await page.getByRole("button", { name: "Make 3D" }).click();
  await page.waitForURL(/job_[0-9a-f]+/);
  const id = /job_[0-9a-f]+/.exec(page.url())?.[0];
  const readState = async () => ((await (await page.request.get(`${url()}/v1/jobs/${id}`)).json()) as { state: string }).state;
  // an idle machine is done within seconds
  await expect.poll(readState, { intervals: [20], timeout: 60_000 }).toBe("running");
  killWorker();
  await page.goto(`${url()}/#/jobs/${id}`);
  await expect(page.getByText("queued: its worker was lost, and another one goes on")).toBeVisible({ timeout: 90_000 });
  await expect(page.getByText("succeeded").first()).toBeVisible({ timeout: 240_000 });
  await page.goto(`${url()}/#/3d/${id}`);
  await expect(page.locator("canvas")).toBeVisible();
});

test("a job that fails says why, and what to do", async ({ studio: page }) => {
  // its header is a mesh's, its faces are not
  const broken = await uploadFile(page, Buffer.from(TRIANGLE.replace("f 1 2 3", "f 1 2 99")));
  const id = await submitJob(page, { kind: "convert", asset: { id: broken }, formats: ["glb"] });
  await page.goto(`${url()}/#/jobs/${id}`);
  await expect(page.getByText("asset_unreadable")).toBeVisible();
  await expect(page.getByText("send a splat or a mesh that can be read")).toBeVisible();
  const before = page.url();
  await page.getByRole("button", { name: "Run again" }).click();
  await expect.poll(() => page.url()).not.toBe(before);
  await expect(page.getByText("asset_unreadable")).toBeVisible();
});

for (const [room, control] of [["image", "Image"], ["video", "Video"]] as const) {
  test(`five gigabytes dropped on the room ${room} are refused before they are sent`, async ({ studio: page, complaints }) => {
    if (room === "image") {
      await openSample(page, "breakfast");
      await page.getByLabel("Objects to find").fill("cup");
    } else await page.goto(`${url()}/#/video`);
    let sent = 0;
    page.on("request", (request) => (sent += request.method() === "PATCH" ? 1 : 0));
    await dropHuge(page, control);
    await expect(page.getByText("upload_too_large")).toBeVisible();
    await expect(page.getByText("What to do")).toBeVisible();
    expect(sent).toBe(0);
    if (room === "image") {
      await expect(page.locator("canvas")).toBeVisible();
      await expect(page.getByLabel("Objects to find")).toHaveValue("cup");
    }
    complaints.splice(0);
  });
}

test("without WebGL 2 the room 3D says so, and the files can be had", async ({ studio: page }) => {
  await page.addInitScript(() => {
    const original = HTMLCanvasElement.prototype.getContext;
    HTMLCanvasElement.prototype.getContext = function (this: HTMLCanvasElement, kind: string, ...rest: unknown[]) {
      return kind === "webgl2" ? null : Reflect.apply(original, this, [kind, ...rest]);
    } as typeof original;
  });
  await page.reload();
  const mesh = await uploadFile(page, Buffer.from(TRIANGLE));
  const id = await submitJob(page, { kind: "convert", asset: { id: mesh }, formats: ["glb"] });
  await page.goto(`${url()}/#/3d/${id}`);
  await expect(page.getByText("This browser has no WebGL 2")).toBeVisible();
  await expect(page.getByRole("link", { name: "GLB" }).first()).toHaveAttribute("href", /\/v1\/artefacts\//);
});

/** Drop a file of five gigabytes, which takes no memory: its parts are one and the same. */
async function dropHuge(page: Page, control: string): Promise<void> {
  const drop = await page.evaluateHandle(() => {
    const part = new Blob([new Uint8Array(1 << 20)]);
    const large = new Blob(Array<Blob>(128).fill(part));
    const transfer = new DataTransfer();
    transfer.items.add(new File(Array<Blob>(40).fill(large), "disk.mp4", { type: "video/mp4" }));
    return transfer;
  });
  await page.getByRole("region", { name: control }).dispatchEvent("drop", { dataTransfer: drop });
}
