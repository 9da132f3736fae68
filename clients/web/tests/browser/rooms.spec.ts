import { expect, listObjects, openSample, test, url } from "./page";
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
  await page.getByLabel("Objects to find").fill("cup");
  await page.keyboard.press("Enter");
  await expect(page.getByText("Nothing is lost")).toBeVisible();
  await page.getByLabel("API key").fill(process.env["MAQUETTE_TEST_KEY"] ?? "");
  await page.keyboard.press("Enter");
  await expect(listObjects(page)).toHaveCount(1);
  complaints.splice(0);
});

test("a job's page has its files and its request as code", async ({ studio: page }) => {
  await openSample(page, "breakfast");
  await page.getByLabel("Objects to find").fill("bowl");
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
  await page.getByLabel("Objects to find").fill("cup");
  await page.keyboard.press("Enter");
  await expect(page.getByText("The gateway cannot be reached")).toBeVisible();
  await expect(page.getByText("The gateway is back")).toBeVisible({ timeout: 60_000 });
  await expect(listObjects(page)).toHaveCount(1);
  complaints.splice(0);
});

test("? lists the keys of the room, and keys lead from room to room", async ({ studio: page }) => {
  await page.keyboard.press("?");
  const keys = page.getByRole("dialog", { name: "Keys" });
  await expect(keys.getByRole("heading", { name: "Image" })).toBeVisible();
  await expect(keys.getByText("correct with a brush")).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(keys).toHaveCount(0);
  for (const [key, title] of [["2", "Video"], ["3", "3D"], ["4", "Datasets"], ["5", "Jobs"], ["6", "Engines"]] as const) {
    await page.keyboard.press(key);
    await expect(page).toHaveTitle(`${title} · Maquette`);
  }
  await page.keyboard.press("?");
  await expect(keys.getByRole("heading", { name: "Everywhere" })).toBeVisible();
  await expect(keys.getByRole("heading", { name: "Image" })).toHaveCount(0);
});

test("engines that are missing come with the reason and the command", async ({ studio: page }) => {
  await page.goto(`${url()}/#/engines`);
  const sam3 = page.getByRole("listitem").filter({ has: page.getByRole("heading", { name: "sam3", exact: true }) });
  await expect(sam3.getByText("not here")).toBeVisible();
  await expect(sam3.getByText("gated weights").first()).toBeVisible();
  await sam3.getByRole("button", { name: "Copy the command for worker" }).click();
  expect(await page.evaluate(() => navigator.clipboard.readText())).toMatch(/^docker compose /);
});
