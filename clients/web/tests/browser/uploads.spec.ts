import { Upload } from "tus-js-client";
import { makeNoise, sha256 } from "./files";
import { expect, key, test, url } from "./page";
import { startProxy } from "./proxy";

test("an upload that is cut off goes on where it broke", async ({ studio: page, complaints }) => {
  const picture = makeNoise(2600, 2600);
  const offsets: number[] = [];
  page.on("request", (request) => {
    if (request.method() === "PATCH") offsets.push(Number(request.headers()["upload-offset"]));
  });
  const proxy = await startProxy(8e6, 2500);
  await page.goto(proxy.url);
  const file = { name: "noise.png", mimeType: "image/png", buffer: picture };
  await page.locator('input[type="file"]').first().setInputFiles(file);
  await expect(page.getByText("The gateway cannot be reached")).toBeVisible();
  expect(proxy.hasBroken()).toBe(true);
  await expect(page.getByText("The gateway is back")).toBeVisible();
  await expect(page.locator("canvas")).toBeVisible();
  await expect(page.getByText("Sending")).toHaveCount(0);
  expect(offsets[0]).toBe(0);
  // what had arrived before was not sent again
  expect(offsets.at(-1)).toBeGreaterThan(1_000_000);
  expect((await page.request.get(`${url()}/v1/uploads/${sha256(picture)}`)).status()).toBe(200);
  proxy.close();
  complaints.splice(0);
});

test("a tus client that we did not write goes on after a pause", async ({ request }) => {
  const picture = makeNoise(300, 200);
  const asked = { endpoint: `${url()}/v1/resumable-uploads`, headers: { "X-API-Key": key() }, chunkSize: 60_000 };
  const address = await new Promise<string>((resolve, reject) => {
    const upload: Upload = new Upload(picture, {
      ...asked,
      onError: reject,
      onChunkComplete: () => {
        void upload.abort().then(() => resolve(upload.url ?? ""));
      },
    });
    upload.start();
  });
  const sent: number[] = [];
  await new Promise<void>((resolve, reject) => {
    const onChunkComplete = (_size: number, total: number) => sent.push(total);
    const options = { ...asked, uploadUrl: address, onError: reject, onSuccess: () => resolve(), onChunkComplete };
    new Upload(picture, options).start();
  });
  expect(sent).toEqual([120_000, 180_000, picture.length]);
  const headers = { "X-API-Key": key() };
  const media = await request.get(`${url()}/v1/uploads/${sha256(picture)}`, { headers });
  expect(await media.json()).toMatchObject({ kind: "image", width: 300, height: 200 });
});
