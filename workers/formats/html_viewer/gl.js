"use strict";

/** An error that the page shows to its reader. */
class ViewerError extends Error {}

function requireElement(id) {
  const element = document.getElementById(id);
  if (!element) throw new ViewerError(`the page lacks #${id}`);
  return element;
}

/** The bytes of a base64 text, in pieces so that large ones need no second copy as text. */
function decodeBase64(text) {
  const clean = text.trim();
  const padding = clean.endsWith("==") ? 2 : clean.endsWith("=") ? 1 : 0;
  const bytes = new Uint8Array((clean.length / 4) * 3 - padding);
  const piece = 1 << 20;
  let filled = 0;
  for (let start = 0; start < clean.length; start += piece) {
    const binary = atob(clean.slice(start, start + piece));
    for (let k = 0; k < binary.length; k++) bytes[filled++] = binary.charCodeAt(k);
  }
  return bytes;
}

function compileProgram(gl, vertexSource, fragmentSource) {
  const program = gl.createProgram();
  for (const [type, source] of [[gl.VERTEX_SHADER, vertexSource], [gl.FRAGMENT_SHADER, fragmentSource]]) {
    const shader = gl.createShader(type);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) {
    const logs = gl.getAttachedShaders(program).map((shader) => gl.getShaderInfoLog(shader));
    throw new ViewerError(`this browser refuses a shader: ${[gl.getProgramInfoLog(program), ...logs].join(" ")}`);
  }
  const uniforms = {};
  for (let k = 0; k < gl.getProgramParameter(program, gl.ACTIVE_UNIFORMS); k++) {
    const { name } = gl.getActiveUniform(program, k);
    uniforms[name] = gl.getUniformLocation(program, name);
  }
  return { program, uniforms };
}

/** Set the camera's uniforms, which both kinds of asset share. */
function setCamera(gl, uniforms, camera, viewport) {
  const { eye, right, up, forward } = camera.pose();
  gl.uniform3fv(uniforms.eye, eye);
  gl.uniform3fv(uniforms.right, right);
  gl.uniform3fv(uniforms.up, up);
  gl.uniform3fv(uniforms.forward, forward);
  gl.uniform1f(uniforms.focal, camera.focal(viewport));
  gl.uniform2f(uniforms.halfSize, viewport.width / 2, viewport.height / 2);
}

/** Camera coordinates are x right, y up, z forward, in the asset's unit; pixels have their origin in the middle. */
const CAMERA_GLSL = `
uniform vec3 eye, right, up, forward;
uniform float focal;
uniform vec2 halfSize;
vec3 toCamera(vec3 direction) {
  return vec3(dot(direction, right), dot(direction, up), dot(direction, forward));
}
`;
