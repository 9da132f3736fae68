// Writes a Brotli and a gzip copy beside each file of the page that shrinks: the gateway sends the smaller one.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const FOLDER = new URL("../../../service/page/assets/", import.meta.url).pathname;
const COMPRESSIBLE = /\.(js|css|svg|wasm)$/;

for (const name of readdirSync(FOLDER).filter((name) => COMPRESSIBLE.test(name))) {
  const path = join(FOLDER, name);
  const content = readFileSync(path);
  const brotli = { params: { [constants.BROTLI_PARAM_QUALITY]: content.length > 2e6 ? 9 : 11 } };
  writeFileSync(`${path}.br`, brotliCompressSync(content, brotli));
  writeFileSync(`${path}.gz`, gzipSync(content, { level: 9 }));
}
