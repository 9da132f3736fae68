/* Gaussians as instanced quads, blended back to front. Their projection is the local affine approximation of
   EWA splatting (Zwicker et al. 2001) as in 3D Gaussian Splatting (Kerbl et al. 2023, eq. 5), with the constants
   of the service's own rasterisers. Colours are sRGB and are blended as such, as they were when trained. */
const SPLAT_VERTEX = `#version 300 es
precision highp float;
precision highp int;
precision highp usampler2D;
${CAMERA_GLSL}
uniform usampler2D gaussians;
uniform int perLine;
uniform float near;
uniform vec2 logScales;
layout(location = 0) in vec2 corner;
layout(location = 1) in uint index;
out vec2 sigmas;
out vec4 color;

const float LOW_PASS = 0.3;
const float ALPHA_FLOOR = 1.0 / 255.0;
const float REACH = 3.33;
const float GUARD = 1.3;

void main() {
  gl_Position = vec4(0.0, 0.0, 2.0, 1.0);
  sigmas = vec2(0.0);
  color = vec4(0.0);
  int k = int(index);
  ivec2 at = ivec2(2 * (k % perLine), k / perLine);
  uvec4 first = texelFetch(gaussians, at, 0);
  uvec4 second = texelFetch(gaussians, at + ivec2(1, 0), 0);
  vec3 point = toCamera(uintBitsToFloat(first.xyz) - eye);
  float opacity = float(first.w >> 24) / 255.0;
  if (point.z <= near || opacity < ALPHA_FLOOR) return;

  vec4 q = normalize(vec4(unpackSnorm2x16(second.x), unpackSnorm2x16(second.y)));
  vec3 shares = vec3(unpackUnorm2x16(second.z), unpackUnorm2x16(second.w).x);
  vec3 scales = exp(mix(vec3(logScales.x), vec3(logScales.y), shares));
  float w = q.x, x = q.y, y = q.z, z = q.w;
  vec3 axes[3];
  axes[0] = vec3(1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y + w * z), 2.0 * (x * z - w * y));
  axes[1] = vec3(2.0 * (x * y - w * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z + w * x));
  axes[2] = vec3(2.0 * (x * z + w * y), 2.0 * (y * z - w * x), 1.0 - 2.0 * (x * x + y * y));
  vec2 limit = GUARD * halfSize / focal;
  vec2 slope = clamp(point.xy / point.z, -limit, limit);
  float xx = LOW_PASS, xy = 0.0, yy = LOW_PASS;
  for (int j = 0; j < 3; j++) {
    vec3 axis = scales[j] * toCamera(axes[j]);
    vec2 seen = focal / point.z * (axis.xy - slope * axis.z);
    xx += seen.x * seen.x;
    xy += seen.x * seen.y;
    yy += seen.y * seen.y;
  }
  float spread = length(vec2(0.5 * (xx - yy), xy));
  float widest = 0.5 * (xx + yy) + spread;
  float narrowest = max((xx * yy - xy * xy) / widest, LOW_PASS);
  float angle = spread > 0.0 ? 0.5 * atan(2.0 * xy, xx - yy) : 0.0;
  vec2 along = vec2(cos(angle), sin(angle));
  float reach = min(sqrt(2.0 * log(opacity / ALPHA_FLOOR)), REACH);
  sigmas = reach * corner;
  vec2 offset = sigmas.x * sqrt(widest) * along + sigmas.y * sqrt(narrowest) * vec2(-along.y, along.x);
  gl_Position = vec4((focal * point.xy / point.z + offset) / halfSize, 0.0, 1.0);
  color = vec4(vec3(first.w & 255u, (first.w >> 8) & 255u, (first.w >> 16) & 255u) / 255.0, opacity);
}`;

const SPLAT_FRAGMENT = `#version 300 es
precision highp float;
in vec2 sigmas;
in vec4 color;
out vec4 blended;
void main() {
  float alpha = min(0.99, color.a * exp(-0.5 * dot(sigmas, sigmas)));
  if (alpha < 1.0 / 255.0) discard;
  blended = vec4(alpha * color.rgb, alpha);
}`;

/** Shows a splat; `changed` is called when a new frame has become possible. */
class AssetView {
  static contextOptions = { antialias: false, alpha: false, depth: false };

  constructor(gl, bytes, fields, changed) {
    this.gl = gl;
    this.fields = fields;
    this.count = bytes.length / 32;
    this.visible = 0;
    this.ready = false;
    const { program, uniforms } = compileProgram(gl, SPLAT_VERTEX, SPLAT_FRAGMENT);
    this.program = program;
    this.uniforms = uniforms;
    this.upload(new Uint32Array(bytes.buffer));
    this.makeQuads();
    const words = new Float32Array(bytes.buffer);
    const means = new Float32Array(3 * this.count);
    for (let k = 0; k < this.count; k++) means.set(words.subarray(8 * k, 8 * k + 3), 3 * k);
    this.sorting = new DepthSorting(means, (order) => {
      this.visible = order.length;
      gl.bindBuffer(gl.ARRAY_BUFFER, this.order);
      gl.bufferData(gl.ARRAY_BUFFER, order, gl.DYNAMIC_DRAW);
      this.ready = true;
      changed();
    });
  }

  upload(words) {
    const gl = this.gl;
    const largest = gl.getParameter(gl.MAX_TEXTURE_SIZE);
    const width = Math.min(largest, 4096);
    this.perLine = width / 2;
    const height = Math.ceil(this.count / this.perLine);
    if (height > largest) throw new ViewerError("This device cannot hold so many Gaussians.");
    const full = Math.floor(this.count / this.perLine);
    gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
    gl.texStorage2D(gl.TEXTURE_2D, 1, gl.RGBA32UI, width, height);
    const format = [gl.RGBA_INTEGER, gl.UNSIGNED_INT];
    if (full) gl.texSubImage2D(gl.TEXTURE_2D, 0, 0, 0, width, full, ...format, words, 0);
    const rest = this.count - full * this.perLine;
    if (rest) gl.texSubImage2D(gl.TEXTURE_2D, 0, 0, full, 2 * rest, 1, ...format, words, 4 * width * full);
  }

  makeQuads() {
    const gl = this.gl;
    this.quads = gl.createVertexArray();
    gl.bindVertexArray(this.quads);
    gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
    gl.bufferData(gl.ARRAY_BUFFER, new Float32Array([-1, -1, 1, -1, -1, 1, 1, 1]), gl.STATIC_DRAW);
    gl.enableVertexAttribArray(0);
    gl.vertexAttribPointer(0, 2, gl.FLOAT, false, 0, 0);
    this.order = gl.createBuffer();
    gl.bindBuffer(gl.ARRAY_BUFFER, this.order);
    gl.enableVertexAttribArray(1);
    gl.vertexAttribIPointer(1, 1, gl.UNSIGNED_INT, 0, 0);
    gl.vertexAttribDivisor(1, 1);
  }

  /** Called when the camera has moved. */
  prepare(camera) {
    const { eye, forward } = camera.pose();
    this.sorting.request({ eye, forward, near: camera.range().near });
  }

  draw(camera, viewport) {
    const { gl, uniforms } = this;
    gl.useProgram(this.program);
    setCamera(gl, uniforms, camera, viewport);
    gl.uniform1i(uniforms.perLine, this.perLine);
    gl.uniform1f(uniforms.near, camera.range().near);
    gl.uniform2f(uniforms.logScales, this.fields.scale_low, this.fields.scale_high);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    gl.bindVertexArray(this.quads);
    gl.drawArraysInstanced(gl.TRIANGLE_STRIP, 0, 4, this.visible);
  }
}
