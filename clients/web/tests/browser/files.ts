import { createHash } from "node:crypto";
import { crc32, deflateSync } from "node:zlib";

/** A PNG of noise, which does not compress: about 3 bytes per pixel. */
export function makeNoise(width: number, height: number): Buffer {
  const rows = Buffer.alloc(height * (3 * width + 1));
  let value = 16;
  for (let at = 0; at < rows.length; at += 1) {
    value = (value * 1_103_515_245 + 12_345) & 0x7fffffff;
    // each row begins with its filter: none
    rows[at] = at % (3 * width + 1) === 0 ? 0 : value >> 16;
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, 0], 8);
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([signature, chunk("IHDR", header), chunk("IDAT", deflateSync(rows, { level: 0 })), chunk("IEND", Buffer.alloc(0))]);
}

export function sha256(data: Buffer): string {
  return createHash("sha256").update(data).digest("hex");
}

function chunk(kind: string, data: Buffer): Buffer {
  const [size, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  const body = Buffer.concat([Buffer.from(kind), data]);
  size.writeUInt32BE(data.length);
  sum.writeUInt32BE(crc32(body));
  return Buffer.concat([size, body, sum]);
}
