// The cloud on its stage: points, box and camera, drawn with three.js.
//
// Points are drawn through an index in a golden-ratio stride, so that any first part of it is a fair sample. While
// something moves, so large a part is drawn as the machine manages at TARGET frames a second; when all is still, all.

const TARGET = 32, LEAST = 10000, FIRST = 40000, STILL = 180;
const EDGE = 24, SIDE = 56, PANEL = 224;  // room around a flat cloud, in pixels
const VERTEX = `
  attribute vec4 here, there;
  uniform sampler2D palette;
  uniform vec3 periodic;
  uniform float scale, centre, fraction, moment, timed, size, perspective, lift;
  varying vec3 tint;
  void main() {
    vec3 way = (there.xyz - here.xyz) * scale;
    way -= periodic * floor(way + 0.5);
    vec3 place = here.xyz * scale + centre + fraction * way;
    place -= periodic * floor(place);
    float level = mix(mix(here.w, there.w, fraction), moment, timed);
    tint = mix(texture2D(palette, vec2((level * 255.0 + 0.5) / 256.0, 0.5)).rgb, vec3(1.0), lift);
    gl_Position = projectionMatrix * modelViewMatrix * vec4(place, 1.0);
    gl_PointSize = mix(size, size / gl_Position.w, perspective);
  }`;
const FRAGMENT = `
  uniform float opacity, round, shaded;
  varying vec3 tint;
  void main() {
    float r = 2.0 * length(gl_PointCoord - 0.5);
    if (round * r > 1.0) discard;
    float light = 1.0 - shaded * 0.45 * r * r;
    gl_FragColor = vec4(tint * light, opacity);
  }`;

class Stage {
  constructor(THREE, run, holder, changed) {
    Object.assign(this, { THREE, run, holder, changed });
    this.flat = run.axes < 3;
    this.renderer = new THREE.WebGLRenderer({ powerPreference: "high-performance" });
    THREE.ColorManagement.enabled = false;
    this.renderer.outputColorSpace = THREE.LinearSRGBColorSpace;
    this.canvas = this.renderer.domElement;
    holder.prepend(this.canvas);
    this.scene = new THREE.Scene();
    this.enlargement = 1;
    this.share = Math.min(1, FIRST / Math.max(run.count, 1));  // of the points that is drawn while something moves
    this.waiting = this.moving = this.wasMoving = false;
    this.reset();
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(holder);
  }

  // Begin again, as for a run whose box has grown.
  reset() {
    const { THREE, run } = this;
    const lengths = run.upper.map((upper, axis) => upper - run.lower[axis]);
    if (run.axes === 1) lengths.push(lengths[0] * 0.5);
    while (lengths.length < 3) lengths.push(0);
    const longest = Math.max(...lengths);
    this.sides = lengths.map((length) => length / longest);
    this.points?.geometry.dispose();
    this.points?.material.dispose();
    this.scene.clear();
    this.group = new THREE.Group();
    this.group.scale.set(...this.sides.map((side) => side || 1));
    this.group.position.set(...this.sides.map((side) => -(side || 1) / 2));
    this.scene.add(this.group);
    this.points = this.makePoints();
    this.box = this.makeBox();
    this.group.add(this.points, this.box);
    this.labels = this.makeLabels();
    this.makeCamera();
    this.resize();
  }

  makePoints() {
    const { THREE, run } = this, count = run.count;
    const index = new Uint32Array(count);
    let stride = Math.max(1, Math.round(count * 0.6180339887));
    while (common(stride, count) > 1) stride++;
    for (let i = 0, at = 0; i < count; i++, at = (at + stride) % count) index[i] = at;
    const whole = 2 ** run.bits;
    this.buffers = [0, 1].map(() => {
      const buffer = new THREE.BufferAttribute(new Uint16Array(4 * count).fill(whole / 2), 4, true);
      buffer.setUsage(THREE.DynamicDrawUsage);
      if (run.axes === 1) for (let i = 0; i < count; i++) buffer.array[4 * i + 1] = (whole * (i + 0.5)) / count;
      return Object.assign(buffer, { frame: -1, colouring: null });
    });
    const geometry = new THREE.BufferGeometry();
    geometry.setIndex(new THREE.BufferAttribute(index, 1));
    geometry.setAttribute("here", this.buffers[0]);
    geometry.setAttribute("there", this.buffers[1]);
    const periodic = [0, 1, 2].map((axis) => (run.periodic[axis] ? 1 : 0));
    this.uniforms = Object.fromEntries(Object.entries({
      palette: null, periodic: new THREE.Vector3(...periodic), scale: 65535 / whole, centre: 0.5 / whole,
      fraction: 0, moment: 0, timed: 1, size: 2, perspective: this.flat ? 0 : 1, opacity: 1, round: 1, shaded: this.flat ? 0 : 1, lift: 0,
    }).map(([name, value]) => [name, { value }]));
    const material = new THREE.ShaderMaterial({
      uniforms: this.uniforms, vertexShader: VERTEX, fragmentShader: FRAGMENT,
      transparent: this.flat, depthTest: !this.flat, depthWrite: !this.flat,
    });
    return Object.assign(new THREE.Points(geometry, material), { frustumCulled: false, visible: false });
  }

  makeBox() {
    const { THREE } = this, corners = [];
    const ends = this.flat ? [0.5] : [0, 1];
    for (const z of ends) for (const [a, b] of [[0, 1], [1, 3], [3, 2], [2, 0]]) corners.push(a & 1, a >> 1, z, b & 1, b >> 1, z);
    if (!this.flat) for (const [x, y] of [[0, 0], [1, 0], [0, 1], [1, 1]]) corners.push(x, y, 0, x, y, 1);
    const geometry = new THREE.BufferGeometry();
    geometry.setAttribute("position", new THREE.Float32BufferAttribute(corners, 3));
    return new THREE.LineSegments(geometry, new THREE.LineBasicMaterial({ color: 0x9aa0a6 }));
  }

  // The ends of each axis of the box, in words beside it.
  makeLabels() {
    this.holder.querySelectorAll(".label").forEach((label) => label.remove());
    const { lower, upper, axes } = this.run, brief = (value) => shown(Number(value.toPrecision(3)));
    const [left, bottom] = lower.map(brief), ends = upper.map(brief);
    const words = [
      [[[0, 0, 0.5], "below-right", left], [[1, 0, 0.5], "below-left", ends[0]], [[0, 0.5, 0.5], "upwards", "rank at the start"]],
      [[[0, 0, 0.5], "below-right", left], [[1, 0, 0.5], "below-left", ends[0]], [[0, 0, 0.5], "left-above", bottom], [[0, 1, 0.5], "left-below", ends[1]]],
      [[[0, 0, 0], "beside", `(${lower.map(brief).join(", ")})`], [[1, 0, 0], "beside", `x = ${ends[0]}`], [[1, 1, 0], "beside", `y = ${ends[1]}`], [[0, 0, 1], "beside", `z = ${ends[2]}`]],
    ][axes - 1];
    return words.map(([place, side, textContent]) => {
      const label = element("span", { className: `label ${side}`, textContent });
      this.holder.append(label);
      return { element: label, place: new this.THREE.Vector3(...place) };
    });
  }

  makeCamera() {
    const { THREE } = this;
    this.controls?.dispose();
    this.camera = this.flat ? new THREE.OrthographicCamera() : new THREE.PerspectiveCamera(35, 1, 0.01, 50);
    const controls = new THREE.OrbitControls(this.camera, this.canvas, { parameters: { cameraUpAxis: this.flat ? "none" : "z" } });
    if (this.flat) {
      controls.enableRotate = controls.enableZoom = false;
      controls.mouseButtons.LEFT = THREE.MOUSE.PAN;
      controls.touches.ONE = THREE.TOUCH.PAN;
      this.canvas.onwheel = (event) => this.zoomAt(event);
    }
    controls.addEventListener("change", () => this.moved());
    this.controls = controls;
    this.home();
  }

  // Zoom a flat cloud so that what is under the pointer stays there.
  zoomAt(event) {
    event.preventDefault();
    const { camera, controls, THREE } = this, frame = this.canvas.getBoundingClientRect();
    const pointer = new THREE.Vector3(
      (2 * (event.clientX - frame.left)) / frame.width - 1, 1 - (2 * (event.clientY - frame.top)) / frame.height, 0);
    const before = pointer.clone().unproject(camera);
    camera.zoom = Math.min(1e4, Math.max(0.2, camera.zoom * Math.exp(-0.0015 * event.deltaY)));
    camera.updateProjectionMatrix();
    const slide = before.sub(pointer.unproject(camera)).setZ(0);
    camera.position.add(slide);
    controls.target.add(slide);
    this.moved();
  }

  // Back to the view at the start: a flat cloud from above, another from a corner.
  home() {
    const { camera, controls } = this;
    controls.target.set(0, 0, this.flat ? 0 : -0.06);
    if (this.flat) camera.position.set(0, 0, 5);
    else camera.position.set(1.13, -2.2, 0.95).multiplyScalar(Math.max(1, 1.25 / (this.aspect ?? 1.6)));
    camera.zoom = 1;
    camera.updateProjectionMatrix();
    controls.update();
    this.moved();
  }

  resize() {
    const width = this.holder.clientWidth, height = this.holder.clientHeight;
    if (!width || !height) return;
    this.aspect = width / height;
    this.renderer.setPixelRatio(Math.min(window.devicePixelRatio, 2));
    this.renderer.setSize(width, height);
    const { camera } = this;
    if (this.flat) {
      const [across, along] = this.sides, high = along / Math.max(height - 2 * EDGE, 50);
      const fits = across / high < width - 2 * PANEL;  // beside the panel; else the cloud stays left of it
      const right = fits ? SIDE : PANEL, unit = Math.max(across / Math.max(width - SIDE - right, 50), high);
      const middle = (unit * (right - SIDE)) / 2;
      Object.assign(camera, { left: middle - (unit * width) / 2, right: middle + (unit * width) / 2, top: (unit * height) / 2, bottom: (-unit * height) / 2, near: 0, far: 10 });
    } else camera.aspect = this.aspect;
    camera.updateProjectionMatrix();
    this.moved();
  }

  // Diameter of a point in pixels; in space, of one at a distance of 1.
  pointSize() {
    const { clientWidth: width, clientHeight: height } = this.canvas, root = Math.sqrt(Math.max(this.run.count, 1));
    const natural = this.flat
      ? Math.min(Math.max((0.5 * Math.sqrt(width * height)) / root, 1.3), 9)
      : 2.5 * Math.min(Math.max((0.6 * height) / root, 1.3), 9);
    return natural * this.enlargement;
  }

  // In the dark, colours are lighter.
  paint(background, line, lift) {
    this.uniforms.lift.value = lift;
    this.scene.background = new this.THREE.Color(background);
    this.box.material.color.set(line);
    this.moved();
  }

  setPalette(colours) {
    const { THREE } = this, texture = new THREE.DataTexture(colours, 256, 1);
    texture.needsUpdate = true;
    this.uniforms.palette.value = texture;
  }

  // Show the cloud between two frames; `colouring.levels` null colours all by the time.
  show(frame, fraction, moment, colouring) {
    const next = fraction > 0 ? frame + 1 : frame;
    const here = this.loaded(frame, next, colouring), there = this.loaded(next, frame, colouring);
    this.points.geometry.setAttribute("here", here);
    this.points.geometry.setAttribute("there", there);
    this.points.visible = true;
    const { uniforms } = this;
    uniforms.fraction.value = fraction;
    uniforms.moment.value = moment;
    uniforms.timed.value = colouring.levels ? 0 : 1;
    this.moved();
  }

  // The buffer that holds a frame, filled in the one that does not hold the other.
  loaded(frame, other, colouring) {
    const held = this.buffers.find((buffer) => buffer.frame === frame && buffer.colouring === colouring);
    if (held) return held;
    const buffer = this.buffers.find((one) => one.frame !== other || one.colouring !== colouring) ?? this.buffers[0];
    const { cells } = this.run.frames[frame], { axes, count } = this.run, target = buffer.array;
    for (let axis = 0; axis < axes; axis++) for (let i = 0, from = axis, to = axis; i < count; i++, from += axes, to += 4) target[to] = cells[from];
    const levels = colouring.levels?.(frame);
    if (levels) for (let i = 0; i < count; i++) target[4 * i + 3] = 257 * levels[i];
    buffer.needsUpdate = true;
    return Object.assign(buffer, { frame, colouring });
  }

  // Colours have changed their meaning: fill the buffers anew.
  forget() {
    for (const buffer of this.buffers) buffer.frame = -1;
  }

  moved() {
    this.moving = true;
    this.ask();
  }

  ask() {
    if (this.waiting || this.gone) return;
    this.waiting = true;
    this.askedAt = performance.now();
    requestAnimationFrame(() => this.draw());
  }

  draw() {
    this.waiting = false;
    if (this.gone) return;
    const { moving } = this, { count } = this.run;
    if (moving && this.wasMoving) {
      const wanted = 1000 / TARGET / Math.max(performance.now() - this.askedAt, 1);  // a busy machine answers late
      if (wanted < 0.95 || wanted > 1.15) this.share *= Math.min(1.15, Math.max(0.3, wanted));
      this.share = Math.min(1, Math.max(this.share, LEAST / Math.max(count, 1)));
    }
    const drawn = moving ? Math.round(this.share * count) : count;
    this.points.geometry.setDrawRange(0, drawn);
    const size = this.pointSize() * Math.min(1.6, Math.sqrt(count / Math.max(drawn, 1)));
    const ratio = this.renderer.getPixelRatio(), { uniforms } = this;
    uniforms.size.value = ratio * size;
    uniforms.round.value = ratio * size > 2.5 ? 1 : 0;
    uniforms.opacity.value = this.flat ? (count < 3000 ? 0.9 : 0.72) : 1;
    this.renderer.render(this.scene, this.camera);
    this.placeLabels();
    if (this.points.visible) this.changed(drawn);
    this.wasMoving = moving;
    if (moving) this.untilStill();
  }

  // Draw once more, whole, when nothing has moved for a while.
  untilStill() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      if (this.waiting) return;  // it moves again, and a slow machine has not drawn it yet
      this.moving = false;
      this.ask();
    }, STILL);
  }

  placeLabels() {
    const width = this.holder.clientWidth, height = this.holder.clientHeight;
    for (const { element, place } of this.labels) {
      const at = this.group.localToWorld(place.clone()).project(this.camera);
      const x = ((at.x + 1) / 2) * width, y = ((1 - at.y) / 2) * height;
      element.hidden = !this.box.visible || at.z > 1 || x < 0 || y < 0 || x > width || y > height;
      element.classList.toggle("outward", x < width / 2);
      element.style.left = `${x}px`;
      element.style.top = `${y}px`;
    }
  }

  dispose() {
    this.gone = true;
    clearTimeout(this.timer);
    this.observer.disconnect();
    this.controls.dispose();
    this.renderer.dispose();
  }
}

const common = (a, b) => (b ? common(b, a % b) : a);
