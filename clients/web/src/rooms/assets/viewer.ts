import type { CameraModel, Pose } from "maquette";
import {
  type AnimationAction,
  AnimationMixer,
  Box3,
  DirectionalLight,
  Group,
  HemisphereLight,
  type Material,
  Matrix4,
  Mesh,
  MeshNormalMaterial,
  type Object3D,
  PerspectiveCamera,
  Quaternion,
  SRGBColorSpace,
  Scene,
  SkeletonHelper,
  Timer,
  Vector3,
  WebGLRenderer,
} from "three";
import { OrbitControls } from "three/addons/controls/OrbitControls.js";
import { GLTFLoader } from "three/addons/loaders/GLTFLoader.js";
import { type Guides, makeGuides } from "./guides";

export type Shading = "material" | "wireframe" | "normals";

/** Where one looks from and at, in radii of the asset from its centre. */
export interface View {
  from: readonly [number, number, number];
  at: readonly [number, number, number];
}

// of the shorter side of the canvas, in degrees
const FIELD_OF_VIEW = 40;
// OpenCV's camera looks along +z with y down, three.js along -z with y up
const FLIP = new Matrix4().makeScale(1, -1, -1);
const NORMALS = new MeshNormalMaterial();
// what moves by itself for longer would need a button that stops it (WCAG 2.2.2)
const TURN_SECONDS = 5;
// a frame that took longer does not make it jump
const LONGEST_STEP = 0.25;
const MOVES_LITTLE = "(prefers-reduced-motion: reduce)";

/** Whether this browser can draw in 3D at all. */
export function hasWebGl(): boolean {
  return document.createElement("canvas").getContext("webgl2") !== null;
}

/** Draws one asset: a mesh with its rig and animation, or a splat; from any side, or as the input's camera saw it. */
export class Viewer {
  readonly #renderer: WebGLRenderer;
  readonly #scene = new Scene();
  readonly #camera = new PerspectiveCamera(FIELD_OF_VIEW, 1, 0.01, 1000);
  readonly #controls: OrbitControls;
  readonly #timer = new Timer();
  readonly #content = new Group();
  readonly #lights = new Group();
  #guides: Guides | null = null;
  #mixer: AnimationMixer | null = null;
  #action: AnimationAction | null = null;
  #skeleton: SkeletonHelper | null = null;
  #hasSpark = false;
  #photo: CameraModel | null = null;
  readonly #centre = new Vector3();
  #radius = 1;
  #isFollowing = false;
  #turnLeft = 0;
  /** Called when somebody has turned or moved it. */
  onview: () => void = () => undefined;
  /** Called after each frame with the time of the animation in seconds. */
  onframe: (seconds: number) => void = () => undefined;

  constructor(canvas: HTMLCanvasElement) {
    this.#renderer = new WebGLRenderer({ canvas, antialias: true, alpha: true });
    this.#renderer.outputColorSpace = SRGBColorSpace;
    this.#renderer.setPixelRatio(window.devicePixelRatio);
    this.#controls = new OrbitControls(this.#camera, canvas);
    this.#controls.enableDamping = !matchMedia(MOVES_LITTLE).matches;
    this.#controls.autoRotateSpeed = 60 / TURN_SECONDS;
    this.#controls.addEventListener("start", () => this.#stopTurning());
    this.#controls.addEventListener("change", () => this.#isFollowing || this.onview());
    const sun = new DirectionalLight("white", 2.2);
    sun.position.set(2, 4, 3);
    this.#lights.add(new HemisphereLight("white", "#8a7f74", 1.6), sun);
    this.#scene.add(this.#lights, this.#content);
    this.#renderer.setAnimationLoop(() => this.#draw());
  }

  /** Show a GLB; returns the length of its animation in seconds, or null. */
  async showMesh(bytes: ArrayBuffer): Promise<number | null> {
    const gltf = await new GLTFLoader().parseAsync(bytes, "");
    this.#replace(gltf.scene);
    const [clip] = gltf.animations;
    if (clip) {
      this.#mixer = new AnimationMixer(gltf.scene);
      this.#action = this.#mixer.clipAction(clip);
      this.#action.play();
    }
    return clip ? clip.duration : null;
  }

  /** Show a splat of the 3DGS attribute convention. */
  async showSplat(bytes: ArrayBuffer): Promise<void> {
    const { SparkRenderer, SplatFileType, SplatMesh } = await import("@sparkjsdev/spark");
    if (!this.#hasSpark) {
      this.#scene.add(new SparkRenderer({ renderer: this.#renderer }));
      this.#hasSpark = true;
    }
    const splat = new SplatMesh({ fileBytes: new Uint8Array(bytes), fileType: SplatFileType.PLY });
    await splat.initialized;
    this.#replace(splat, splat.getBoundingBox(true));
  }

  setShading(shading: Shading): void {
    this.#content.traverse((node) => {
      if (!(node instanceof Mesh)) return;
      const own = (node.userData["own"] ??= node.material) as Material | Material[];
      node.material = shading === "normals" ? NORMALS : own;
      for (const material of [own].flat()) if ("wireframe" in material) material.wireframe = shading === "wireframe";
    });
  }

  showRig(isShown: boolean): void {
    if (isShown && !this.#skeleton) {
      this.#skeleton = new SkeletonHelper(this.#content);
      this.#scene.add(this.#skeleton);
    }
    if (this.#skeleton) this.#skeleton.visible = isShown;
  }

  /** Draw the grid and the axes; returns the side of a square of the grid. */
  showGuides(isShown: boolean, unit: string, isDark: boolean): number | null {
    this.#guides?.group.removeFromParent();
    this.#guides = null;
    const bounds = this.#bounds();
    if (!isShown || bounds.isEmpty()) return null;
    this.#guides = makeGuides(bounds, unit, isDark);
    this.#scene.add(this.#guides.group);
    return this.#guides.step;
  }

  /** Turn once about the vertical, which says that it can be turned; whoever touches it stops that. */
  turnOnce(): void {
    if (matchMedia(MOVES_LITTLE).matches) return;
    this.#turnLeft = TURN_SECONDS;
    this.#controls.autoRotate = true;
  }

  setPlaying(isPlaying: boolean): void {
    if (this.#action) this.#action.paused = !isPlaying;
  }

  seek(seconds: number): void {
    if (this.#action) this.#action.time = seconds;
    this.#mixer?.update(0);
  }

  /** Look at all of the asset, and let the viewers that are linked do so too. */
  fit(): void {
    this.#stopTurning();
    this.orbit();
    this.onview();
  }

  /** Look from any side, at all of the asset. */
  orbit(): void {
    this.#photo = null;
    this.#isFollowing = true;
    this.#content.matrixAutoUpdate = true;
    this.#content.matrix.identity();
    this.#content.matrix.decompose(this.#content.position, this.#content.quaternion, this.#content.scale);
    this.#controls.enabled = true;
    const bounds = this.#bounds();
    const centre = bounds.getCenter(this.#centre);
    const radius = (this.#radius = Math.max(1e-3, bounds.getSize(new Vector3()).length() / 2));
    const distance = radius / Math.sin(FIELD_OF_VIEW * (Math.PI / 360));
    this.#camera.position.copy(centre).add(new Vector3(0.55, 0.4, 1).normalize().multiplyScalar(distance * 1.05));
    [this.#camera.near, this.#camera.far] = [radius / 100, radius * 100];
    this.#controls.target.copy(centre);
    this.#camera.updateProjectionMatrix();
    this.#controls.update();
    this.#isFollowing = false;
  }

  get view(): View {
    const inRadii = (point: Vector3) => point.clone().sub(this.#centre).divideScalar(this.#radius).toArray();
    return { from: inRadii(this.#camera.position), at: inRadii(this.#controls.target) };
  }

  /** Look as another viewer does, whatever the size of its asset is. */
  follow(view: View): void {
    if (this.#photo) return;
    this.#stopTurning();
    this.#isFollowing = true;
    this.#controls.target.fromArray(view.at).multiplyScalar(this.#radius).add(this.#centre);
    this.#camera.position.fromArray(view.from).multiplyScalar(this.#radius).add(this.#centre);
    this.#controls.update();
    this.#isFollowing = false;
  }

  /** Turn by angles in degrees about the vertical and the horizontal. */
  turn(across: number, down: number): void {
    this.#stopTurning();
    const offset = this.#camera.position.clone().sub(this.#controls.target);
    offset.applyAxisAngle(new Vector3(0, 1, 0), (across * Math.PI) / 180);
    const side = new Vector3(0, 1, 0).cross(offset).normalize();
    offset.applyAxisAngle(side, (down * Math.PI) / 180);
    this.#camera.position.copy(this.#controls.target).add(offset);
  }

  zoom(factor: number): void {
    this.#camera.position.sub(this.#controls.target).divideScalar(factor).add(this.#controls.target);
  }

  /** Look as the input's camera did, so that the asset lies over the image. */
  reproject(camera: CameraModel, pose: Pose): void {
    this.#stopTurning();
    this.#photo = camera;
    this.#controls.enabled = false;
    const [w, x, y, z] = pose.rotation_wxyz;
    const scale = new Vector3(pose.scale, pose.scale, pose.scale);
    const posed = new Matrix4().compose(new Vector3(...pose.translation), new Quaternion(x, y, z, w), scale);
    posed.premultiply(FLIP).decompose(this.#content.position, this.#content.quaternion, this.#content.scale);
    this.#camera.position.set(0, 0, 0);
    this.#camera.quaternion.identity();
    const { width, height, fx, fy, cx, cy } = camera;
    const depth = Math.max(1e-3, Math.hypot(...pose.translation));
    const [near, far] = [depth / 100, depth * 100];
    const [a, b] = [(far + near) / (near - far), (2 * far * near) / (near - far)];
    // prettier-ignore
    this.#camera.projectionMatrix.set(
      (2 * fx) / width, 0, 1 - (2 * cx) / width, 0,
      0, (2 * fy) / height, (2 * cy) / height - 1, 0,
      0, 0, a, b,
      0, 0, -1, 0,
    );
    this.#camera.projectionMatrixInverse.copy(this.#camera.projectionMatrix).invert();
  }

  resize(width: number, height: number): void {
    this.#renderer.setSize(width, height, false);
    if (this.#photo || height === 0) return;
    this.#camera.aspect = width / height;
    // a canvas that is higher than wide shows all of the asset as well
    const half = Math.tan(FIELD_OF_VIEW * (Math.PI / 360)) / Math.min(1, width / height);
    this.#camera.fov = Math.atan(half) * (360 / Math.PI);
    this.#camera.updateProjectionMatrix();
  }

  close(): void {
    this.#renderer.setAnimationLoop(null);
    this.#controls.dispose();
    this.#clear();
    this.#renderer.dispose();
  }

  #replace(content: Object3D, bounds?: Box3): void {
    this.#clear();
    this.#content.add(content);
    if (bounds) content.userData["bounds"] = bounds;
    this.orbit();
  }

  #clear(): void {
    this.#mixer = this.#action = null;
    this.#skeleton?.removeFromParent();
    this.#skeleton = null;
    for (const child of [...this.#content.children]) {
      child.removeFromParent();
      child.traverse((node) => {
        if (node instanceof Mesh) node.geometry.dispose();
      });
      if ("dispose" in child && typeof child.dispose === "function") child.dispose();
    }
  }

  #stopTurning(): void {
    const { enableDamping } = this.#controls;
    // without damping an update leaves nothing to come to rest
    Object.assign(this.#controls, { autoRotate: false, enableDamping: false });
    this.#controls.update();
    this.#controls.enableDamping = enableDamping;
  }

  #bounds(): Box3 {
    const [content] = this.#content.children;
    if (!content) return new Box3();
    return (content.userData["bounds"] as Box3 | undefined)?.clone() ?? new Box3().setFromObject(content, true);
  }

  #draw(): void {
    this.#timer.update();
    const seconds = this.#timer.getDelta();
    this.#mixer?.update(seconds);
    const step = Math.min(seconds, LONGEST_STEP);
    if (this.#controls.autoRotate && (this.#turnLeft -= step) < 0) this.#stopTurning();
    if (!this.#photo) this.#controls.update(step);
    this.#renderer.render(this.#scene, this.#camera);
    this.onframe(this.#action?.time ?? 0);
  }
}
