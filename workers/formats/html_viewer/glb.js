/* Reads the GLB that the service writes: one primitive of indexed triangles per node, no transforms, and images
   inside the file. It is no general reader of glTF. */
const COMPONENT_TYPES = { 5121: Uint8Array, 5123: Uint16Array, 5125: Uint32Array, 5126: Float32Array };
const COMPONENTS = { SCALAR: 1, VEC2: 2, VEC3: 3, VEC4: 4 };

/** The parts of a mesh, each with its arrays and its material; `image` has bytes and a media type. */
function readGlb(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const jsonLength = view.getUint32(12, true);
  const document = JSON.parse(new TextDecoder().decode(bytes.subarray(20, 20 + jsonLength)));
  const binary = bytes.subarray(28 + jsonLength);

  const readAccessor = (number) => {
    if (number === undefined) return null;
    const accessor = document.accessors[number];
    const start = binary.byteOffset + (document.bufferViews[accessor.bufferView].byteOffset ?? 0);
    const size = COMPONENTS[accessor.type];
    const array = new COMPONENT_TYPES[accessor.componentType](bytes.buffer, start, accessor.count * size);
    return { array, size, type: accessor.componentType, normalized: accessor.normalized ?? false };
  };
  const readTexture = (number) => {
    const { sampler, source } = document.textures[number];
    const { bufferView, mimeType } = document.images[source];
    const { byteOffset = 0, byteLength } = document.bufferViews[bufferView];
    const data = binary.subarray(byteOffset, byteOffset + byteLength);
    return { data, mimeType, sampler: document.samplers[sampler] };
  };
  return document.nodes.map(({ mesh }) => {
    const { attributes, indices, material: number } = document.meshes[mesh].primitives[0];
    const material = document.materials[number];
    const surface = material.pbrMetallicRoughness ?? {};
    return {
      positions: readAccessor(attributes.POSITION),
      normals: readAccessor(attributes.NORMAL),
      colors: readAccessor(attributes.COLOR_0),
      uvs: readAccessor(attributes.TEXCOORD_0),
      indices: readAccessor(indices),
      factor: surface.baseColorFactor ?? [1, 1, 1, 1],
      alphaMode: material.alphaMode ?? "OPAQUE",
      texture: surface.baseColorTexture ? readTexture(surface.baseColorTexture.index) : null,
    };
  });
}
