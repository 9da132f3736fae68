import type { Page } from "@playwright/test";
import type { ObjectsResult } from "maquette";
import { type CroppedMask, decodeRle } from "../../src/lib/rle";
import { expect, listObjects, openSample, report, test, url } from "./page";

// pixels on each side of the comparison: the outline itself is not judged
const GRID = 100;
// an outline that is a cell off all round gives 0.88 here; Gaussians at the rim fade over half of one
const SAME = 0.9;

for (const form of ["Mesh", "Splat"]) {
  test(`the ${form.toLowerCase()} lies over the image where its mask is @slow`, async ({ studio: page, shifts }) => {
    await openSample(page, "breakfast");
    await page.getByLabel("Objects to find").fill("cup");
    await page.keyboard.press("Enter");
    await expect(listObjects(page)).toHaveCount(1);
    await page.getByRole("button", { name: "Make 3D" }).click();
    await page.getByRole("button", { name: form, exact: true }).click({ timeout: 60_000 });
    await expect(page.getByText("Loading the")).toHaveCount(0);
    await page.getByRole("button", { name: "Over the image" }).click();
    await page.getByLabel("opacity").fill("1");
    const id = /job_[0-9a-f]+/.exec(page.url())?.[0];
    const job = (await (await page.request.get(`${url()}/v1/jobs/${id}`)).json()) as { result: { result: ObjectsResult } };
    const object = job.result.result.objects[0];
    if (!object) throw new Error("no object");
    // the asset alone, on one colour
    await page.evaluate(() => {
      for (const other of document.querySelectorAll<HTMLElement>(".holder > :not(canvas)")) other.style.visibility = "hidden";
      document.querySelector<HTMLElement>(".stage")?.style.setProperty("background", "rgb(255, 0, 255)");
    });
    let overlap = 0;
    // without a GPU a splat is sorted and drawn a while after it was loaded
    const measure = async () => {
      const drawn = await readForeground(page, (await page.locator("canvas").screenshot()).toString("base64"));
      return (overlap = compare(drawn, decodeRle(object.mask), object.mask.size));
    };
    await expect.poll(measure).toBeGreaterThan(SAME);
    report("mask IoU", overlap.toFixed(3));
    // the canvas takes the image's shape, as was asked for; without a GPU that is long after the click
    shifts.splice(0);
  });
}

/** Which cells of a grid over a screenshot show something else than the background. */
function readForeground(page: Page, png: string): Promise<boolean[]> {
  return page.evaluate(
    async ([content, side]) => {
      const bytes = Uint8Array.from(atob(content), (sign) => sign.charCodeAt(0));
      const picture = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
      const canvas = new OffscreenCanvas(side, side);
      const context = canvas.getContext("2d");
      context?.drawImage(picture, 0, 0, side, side);
      const { data } = context?.getImageData(0, 0, side, side) ?? { data: new Uint8ClampedArray() };
      return Array.from({ length: side * side }, (_, index) => {
        const [red = 0, green = 0, blue = 0] = data.subarray(index * 4, index * 4 + 3);
        return red < 215 || green > 40 || blue < 215;
      });
    },
    [png, GRID] as const,
  );
}

/** Mask IoU on the grid. */
function compare(drawn: readonly boolean[], mask: CroppedMask, [height, width]: readonly [number, number]): number {
  let [both, any] = [0, 0];
  drawn.forEach((isDrawn, index) => {
    const x = Math.floor((((index % GRID) + 0.5) / GRID) * width) - mask.x;
    const y = Math.floor(((Math.floor(index / GRID) + 0.5) / GRID) * height) - mask.y;
    const isInside = x >= 0 && y >= 0 && x < mask.width && y < mask.height && mask.data[y * mask.width + x] === 1;
    both += Number(isDrawn && isInside);
    any += Number(isDrawn || isInside);
  });
  return both / any;
}
