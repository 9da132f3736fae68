/* Triangles with a lamp at the camera, lit from both sides. Colours are linear until the last line: vertex colours
   of a GLB are linear, textures are decoded from sRGB by the sampler. */
const MESH_VERTEX = `#version 300 es
precision highp float;
${CAMERA_GLSL}
uniform vec2 range;
layout(location = 0) in vec3 position;
layout(location = 1) in vec3 normal;
layout(location = 2) in vec4 color;
layout(location = 3) in vec2 uv;
out vec3 towards, facing;
out vec4 tint;
out vec2 place;
void main() {
  vec3 point = toCamera(position - eye);
  float depth = (range.y + range.x) / (range.y - range.x) * point.z - 2.0 * range.x * range.y / (range.y - range.x);
  gl_Position = vec4(focal * point.xy / halfSize, depth, point.z);
  towards = eye - position;
  facing = normal;
  tint = color;
  place = uv;
}`;

const MESH_FRAGMENT = `#version 300 es
precision highp float;
uniform sampler2D image;
uniform vec4 factor;
uniform float ambient, cutoff;
uniform bool opaque;
in vec3 towards, facing;
in vec4 tint;
in vec2 place;
out vec4 shown;
vec3 encode(vec3 linear) {
  vec3 x = clamp(linear, 0.0, 1.0);
  return mix(12.92 * x, 1.055 * pow(max(x, 0.0031308), vec3(1.0 / 2.4)) - 0.055, step(0.0031308, x));
}
void main() {
  vec4 base = tint * factor * texture(image, place);
  if (base.a < cutoff) discard;
  float length2 = dot(facing, facing);
  float lamp = length2 > 0.0 ? abs(dot(facing * inversesqrt(length2), normalize(towards))) : 1.0;
  float alpha = opaque ? 1.0 : base.a;
  shown = vec4(encode(base.rgb * mix(ambient, 1.0, lamp)) * alpha, alpha);
}`;

// How bright a surface is that is seen edge-on: without colours shading alone shows the shape.
const AMBIENT_OF_COLORS = 0.45;
const AMBIENT_OF_PLAIN = 0.3;
// Linear light of a mesh without colours.
const PLAIN_GREY = [0.6, 0.6, 0.6, 1];
const LOCATIONS = { positions: 0, normals: 1, colors: 2, uvs: 3 };

/** Shows a mesh; `changed` is called when a new frame has become possible. */
class AssetView {
  static contextOptions = { antialias: true, alpha: false, depth: true };

  constructor(gl, bytes, fields, changed) {
    this.gl = gl;
    this.ready = false;
    const { program, uniforms } = compileProgram(gl, MESH_VERTEX, MESH_FRAGMENT);
    this.program = program;
    this.uniforms = uniforms;
    this.white = this.makeTexture(new ImageData(new Uint8ClampedArray([255, 255, 255, 255]), 1, 1), {});
    this.parts = readGlb(bytes).map((part) => this.upload(part));
    // transparent ones are blended over the others
    this.parts.sort((a, b) => (a.alphaMode === "BLEND") - (b.alphaMode === "BLEND"));
    Promise.all(this.parts.map((part) => this.loadTexture(part))).then(() => {
      this.ready = true;
      changed();
    }, showError);
  }

  upload(part) {
    const gl = this.gl;
    const triangles = gl.createVertexArray();
    gl.bindVertexArray(triangles);
    for (const [name, location] of Object.entries(LOCATIONS)) {
      const accessor = part[name];
      if (!accessor) continue;
      gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
      gl.bufferData(gl.ARRAY_BUFFER, accessor.array, gl.STATIC_DRAW);
      gl.enableVertexAttribArray(location);
      gl.vertexAttribPointer(location, accessor.size, accessor.type, accessor.normalized, 0, 0);
    }
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, gl.createBuffer());
    gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, part.indices.array, gl.STATIC_DRAW);
    gl.bindVertexArray(null);
    const plain = !part.colors && !part.texture;
    return {
      triangles,
      count: part.indices.array.length,
      indexType: part.indices.type,
      hasColors: part.colors !== null,
      factor: plain ? PLAIN_GREY : part.factor,
      ambient: plain ? AMBIENT_OF_PLAIN : AMBIENT_OF_COLORS,
      alphaMode: part.alphaMode,
      texture: part.texture,
      image: this.white,
    };
  }

  async loadTexture(part) {
    if (!part.texture) return;
    const { data, mimeType, sampler } = part.texture;
    const blob = new Blob([data], { type: mimeType });
    const options = { colorSpaceConversion: "none", premultiplyAlpha: "none" };
    let image = await createImageBitmap(blob, options);
    const largest = this.gl.getParameter(this.gl.MAX_TEXTURE_SIZE);
    const shrink = largest / Math.max(image.width, image.height);
    if (shrink < 1) {
      const resizeWidth = Math.max(Math.floor(image.width * shrink), 1);
      const resizeHeight = Math.max(Math.floor(image.height * shrink), 1);
      image = await createImageBitmap(blob, { ...options, resizeWidth, resizeHeight, resizeQuality: "high" });
    }
    part.image = this.makeTexture(image, sampler);
  }

  makeTexture(source, sampler) {
    const gl = this.gl;
    const texture = gl.createTexture();
    gl.bindTexture(gl.TEXTURE_2D, texture);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.SRGB8_ALPHA8, gl.RGBA, gl.UNSIGNED_BYTE, source);
    gl.generateMipmap(gl.TEXTURE_2D);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_S, sampler.wrapS ?? gl.REPEAT);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_T, sampler.wrapT ?? gl.REPEAT);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, sampler.minFilter ?? gl.LINEAR_MIPMAP_LINEAR);
    return texture;
  }

  /** Called when the camera has moved; triangles need no order. */
  prepare() {}

  draw(camera, viewport) {
    const { gl, uniforms } = this;
    gl.useProgram(this.program);
    setCamera(gl, uniforms, camera, viewport);
    const { near, far } = camera.range();
    gl.uniform2f(uniforms.range, near, far);
    gl.enable(gl.DEPTH_TEST);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    for (const part of this.parts) this.drawPart(part);
    gl.depthMask(true);
  }

  drawPart(part) {
    const { gl, uniforms } = this;
    const blends = part.alphaMode === "BLEND";
    (blends ? gl.enable : gl.disable).call(gl, gl.BLEND);
    gl.depthMask(!blends);
    gl.uniform4fv(uniforms.factor, part.factor);
    gl.uniform1f(uniforms.ambient, part.ambient);
    gl.uniform1f(uniforms.cutoff, part.alphaMode === "MASK" ? 0.5 : 0);
    gl.uniform1i(uniforms.opaque, blends ? 0 : 1);
    if (!part.hasColors) gl.vertexAttrib4f(LOCATIONS.colors, 1, 1, 1, 1);
    gl.bindTexture(gl.TEXTURE_2D, part.image);
    gl.bindVertexArray(part.triangles);
    gl.drawElements(gl.TRIANGLES, part.count, part.indexType, 0);
  }
}
