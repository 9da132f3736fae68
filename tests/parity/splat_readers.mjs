// Prints what three.js reads from a KHR_gaussian_splatting GLB: node splat_readers.mjs NODE_MODULES FILE
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const [folder, file] = process.argv.slice(2);
globalThis.self = globalThis;
// The addons import 'three' by name, from wherever they lie.
const addons = pathToFileURL(`${folder}/three/examples/jsm/loaders/`).href;
const { GLTFLoader } = await import(`${addons}GLTFLoader.js`);
const { GLTFGaussianSplatLoaderExtension } = await import(`${addons}GLTFGaussianSplatLoaderExtension.js`);
const loader = new GLTFLoader();
loader.register((parser) => new GLTFGaussianSplatLoaderExtension(parser));
const bytes = readFileSync(file);
const whole = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
loader.parse(whole, '', ({ scene }) => {
  scene.traverse((object) => {
    if (object.type !== 'GaussianSplat') return;
    const attributes = Object.entries(object.splatGeometry.attributes);
    console.log(JSON.stringify(Object.fromEntries(attributes.map(([name, { array }]) => [name, Array.from(array)]))));
  });
}, (error) => { throw error; });
