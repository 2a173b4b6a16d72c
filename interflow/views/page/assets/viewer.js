// The interface around the stage: what is on it, what a pointer and a keyboard do, and the time that is shown.

const KEYS = [
  ["Space", "play"], ["← →", "frame"], ["Home End", "first, last"], ["↑ ↓", "speed"], ["+ −", "point size"],
  ["C", "colour"], ["B", "box"], ["M", "motion"], ["L", "loop"], ["D", "dark"], ["R", "reset view"],
];
const SPEEDS = [0.125, 0.25, 0.5, 1, 2, 4, 8];
const THEMES = { light: ["#ffffff", "#b4b9bf", 0], dark: ["#101216", "#5b626b", 0.22] };

function element(name, properties = {}, ...children) {
  const node = Object.assign(document.createElement(name), properties);
  node.append(...children);
  return node;
}

class Viewer {
  // `about` says what the run is (scene.py); frames come later through `add`, once the library is there (`begin`).
  constructor(root, about) {
    Object.assign(this, { root, about });
    this.run = {
      ...about, frames: [], times: [], steps: [],
      known: () => this.run.frames.length,
    };
    Object.assign(this, { position: 0, playing: false, speed: 3, smooth: true, loop: false, drawn: 0 });
    this.build();
    this.extend(about);
  }

  build() {
    const { about } = this;
    const check = (label, on, act) => {
      const input = element("input", { type: "checkbox", checked: on, onchange: () => act(input.checked) });
      this.checks[label] = input;
      return element("label", {}, input, label);
    };
    this.checks = {};
    this.clock = element("div", { className: "clock" });
    this.waiting = element("div", { className: "waiting", textContent: "loading…" });
    this.colour = element("select", { title: "colour by (C)", onchange: () => { this.colourBy(this.colour.selectedIndex); this.focus(); } });
    this.legend = element("div", { className: "legend" });
    this.size = element("input", {
      type: "range", min: -2, max: 2, step: 0.1, value: 0, title: "point size (+ −)", className: "size", oninput: () => this.resize(0),
    });
    this.panel = element("div", { className: "panel" },
      element("label", { className: "row" }, "colour ", this.colour), this.legend,
      element("label", { className: "row" }, "points ", this.size),
      check("box", true, (on) => this.showBox(on)), check("motion", true, (on) => this.moveSmoothly(on)),
      check("loop", false, (on) => (this.loop = on)), check("dark", false, (on) => this.paint(on)),
      element("button", { textContent: "reset view", title: "R", onclick: () => this.stage?.home() }));
    this.checks.motion.parentElement.title = "between frames, particles move on straight lines (M)";
    this.holder = element("div", { className: "stage" }, this.waiting, this.panel);
    this.play = element("button", { className: "play", textContent: "▶", title: "play (Space)", onclick: () => this.toggle() });
    this.slider = element("input", {
      type: "range", min: 0, max: 0, value: 0, step: 1, className: "time", title: "time (← →)",
      oninput: () => this.go(Number(this.slider.value)),
    });
    this.rate = element("select", { title: "speed (↑ ↓)", onchange: () => { this.hasten(this.rate.selectedIndex - this.speed); this.focus(); } },
      ...SPEEDS.map((speed) => element("option", { textContent: `${speed < 1 ? `1⁄${1 / speed}` : speed} ×` })));
    this.rate.selectedIndex = this.speed;
    this.curve = new Curve((time) => this.goToTime(time));
    this.energy = element("span", { className: "value" });
    this.notes = element("p", { className: "notes" });
    this.state = element("span", { className: "state" });
    const pointer = about.axes === 3 ? [["drag", "turn"], ["right drag", "pan"]] : [["drag", "pan"]];
    const keys = [...KEYS, ...pointer, ["wheel", "zoom"]].map(([key, what]) => element("span", {}, element("kbd", { textContent: key }), ` ${what}`));
    this.facts = element("dl");
    const config = about.config ? [element("details", {}, element("summary", { textContent: "config" }), element("pre", { textContent: about.config }))] : [];
    this.root.classList.add("interflow");
    this.root.tabIndex = 0;
    this.root.dataset.lmSuppressShortcuts = "true";  // or JupyterLab would take the keys
    this.holder.addEventListener("pointerdown", (event) => event.target === this.stage?.canvas && this.focus());
    this.root.replaceChildren(
      element("header", {}, element("h1", { textContent: about.title }), element("span", { className: "headline", textContent: about.headline }), this.state, this.clock),
      this.holder,
      element("div", { className: "bar" }, this.play, this.slider, this.rate),
      element("div", { className: "bar curve" }, element("span", { className: "name" }, "energy", this.energy), this.curve.element, element("span", { className: "ends" })),
      element("footer", {}, element("p", { className: "keys" }, ...keys),
        this.notes, this.facts, ...config, element("p", { className: "licences" }, about.credit)));
    this.listener = (event) => this.press(event);
    this.root.addEventListener("keydown", this.listener);
  }

  begin(THREE) {
    this.stage = new Stage(THREE, this.run, this.holder, (drawn) => { this.drawn = drawn; this.draws = (this.draws ?? 0) + 1; });
    this.palettes = Object.fromEntries(Object.entries(this.about.palettes).map(([key, text]) => [key, coloursOf(text)]));
    this.colourings = colourings(this.run);
    this.colour.replaceChildren(...this.colourings.map(({ name }) => element("option", { textContent: name })));
    this.paint(this.checks.dark.checked);
    this.colourBy(0);
  }

  // Take note of frames that there are: all from the start, or more as they come.
  extend({ times, steps, curve, notes, facts }) {
    Object.assign(this.run, { times, steps });
    this.slider.max = Math.max(times.length - 1, 0);
    if (curve.times.length) this.curve.draw(curve.times, curve.energies);
    const { low, high } = this.curve;
    const ends = this.root.querySelector(".ends");
    ends.replaceChildren(...(low <= high ? [element("span", { textContent: shown(high) }), element("span", { textContent: shown(low) })] : []));
    this.notes.textContent = notes.join(" ");
    const said = ([name, value]) => [element("dt", { textContent: name }), element("dd", { textContent: value })];
    this.facts.replaceChildren(...facts.flatMap(said));
  }

  // Where keys are heard.
  focus() {
    this.root.focus({ preventScroll: true });
  }

  // Do what may fail, and tell it in the place of the cloud.
  async attempt(work) {
    try {
      await work();
    } catch (error) {
      Object.assign(this.waiting, { hidden: false, textContent: `This browser cannot show the run: ${error.message}` });
      throw error;
    }
  }

  say(state) {
    this.state.textContent = state;
  }

  // A decoded frame.
  add(frame) {
    this.run.frames.push(frame);
    const known = this.run.known();
    this.waiting.hidden = true;
    this.slider.style.setProperty("--loaded", `${(100 * Math.max(known - 1, 0)) / Math.max(this.run.times.length - 1, 1)}%`);
    if (known - 1 <= Math.ceil(this.wanted ?? 0)) this.go(this.wanted ?? 0);
    if (known === this.run.times.length) this.ranges();
  }

  // Take the ranges of the colours from all frames that there are now.
  ranges() {
    for (const colouring of this.colourings) colouring.forget?.();
    this.stage.forget();
    this.colourBy(this.colour.selectedIndex);
  }

  // Forget the frames, as for a run whose box has grown.
  reset({ lower, upper, bits }) {
    Object.assign(this.run, { lower, upper, bits, frames: [] });
    this.wanted = this.position;
    this.colourings = colourings(this.run);
    this.colouring = this.colourings[this.colour.selectedIndex];
    this.stage.reset();
    this.colourBy(this.colour.selectedIndex);
    this.showBox(this.checks.box.checked);
    this.paint(this.checks.dark.checked);
  }

  go(position) {
    const last = this.run.times.length - 1, known = this.run.known();
    this.wanted = Math.min(Math.max(position, 0), Math.max(last, 0));
    if (!known) return;
    this.position = Math.min(this.wanted, known - 1);
    this.show();
  }

  goToTime(time) {
    const { times } = this.run;
    let nearest = 0;
    times.forEach((other, frame) => { if (Math.abs(other - time) < Math.abs(times[nearest] - time)) nearest = frame; });
    this.pause();
    this.go(nearest);
  }

  show() {
    const { times, steps } = this.run;
    const frame = Math.floor(this.smooth ? this.position : this.position + 1e-9);
    const fraction = this.smooth ? this.position - frame : 0;
    const span = times.at(-1) - times[0];
    const time = times[frame] + (fraction ? fraction * (times[frame + 1] - times[frame]) : 0);
    const moment = span > 0 ? (time - times[0]) / span : 0;
    this.stage.show(frame, fraction, moment, this.colouring);
    this.slider.step = fraction ? "any" : 1;
    this.slider.value = this.position;
    const colour = `rgb(${coloursAt(this.palettes.time, Math.round(255 * moment)).join(" ")})`;
    const energy = this.curve.mark(time, colour);
    this.energy.textContent = energy === null ? "–" : shown(energy);
    this.clock.textContent = `t = ${shown(time)}  ·  step ${steps[frame].toLocaleString("en").replaceAll(",", " ")}`;
    this.slider.style.setProperty("--now", colour);
  }

  toggle() {
    if (this.playing) return this.pause();
    if (this.position >= this.run.times.length - 1) this.go(0);
    this.playing = true;
    this.play.textContent = "❚❚";
    this.playedAt = performance.now();
    requestAnimationFrame((now) => this.advance(now));
  }

  pause() {
    this.playing = false;
    this.play.textContent = "▶";
    if (this.stage && this.position % 1) this.go(Math.round(this.position));
  }

  // Frames a second at speed 1: the whole run in 5 to 20 seconds.
  get pace() {
    const gaps = Math.max(this.run.times.length - 1, 1);
    return gaps / Math.min(Math.max(gaps / 10, 5), 20);
  }

  advance(now) {
    if (!this.playing || !this.root.isConnected) return;
    const seconds = Math.min(Math.max(now - this.playedAt, 0), 250) / 1000, last = this.run.times.length - 1;
    this.playedAt = Math.max(now, this.playedAt);
    const next = Math.min(this.position + seconds * this.pace * SPEEDS[this.speed], this.run.known() - 1);
    this.go(next);
    if (this.position >= last && this.loop) {
      if (performance.now() - (this.endedAt ??= performance.now()) > 800) { this.endedAt = undefined; this.go(0); }
    } else if (this.position >= last && !this.live) return this.pause();
    requestAnimationFrame((later) => this.advance(later));
  }

  colourBy(index) {
    this.colour.selectedIndex = index;
    this.colouring = this.colourings[index];
    const { key, legend } = this.colouring, palette = this.palettes[key];
    this.stage.setPalette(palette);
    const { times } = this.run;
    const words = key === "time" ? [shown(times[0]), shown(times.at(-1))] : this.run.known() && legend ? legend() : ["", ""];
    this.legend.replaceChildren(chartOf(palette, key === "initial" ? this.run.axes : 1), element("div", { className: "words" }, ...words.map((textContent) => element("span", { textContent }))));
    this.legend.hidden = key === "initial" && this.run.axes === 3;
    if (this.run.known()) this.go(this.position);
  }

  resize(change) {
    if (change) this.size.value = Number(this.size.value) + change;
    if (!this.stage) return;
    this.stage.enlargement = 2 ** Number(this.size.value);
    this.stage.moved();
  }

  showBox(on) {
    this.checks.box.checked = on;
    if (!this.stage) return;
    this.stage.box.visible = on;
    this.stage.moved();
  }

  moveSmoothly(on) {
    this.checks.motion.checked = this.smooth = on;
    if (!on && this.stage) this.go(Math.floor(this.position));
  }

  paint(dark) {
    this.checks.dark.checked = dark;
    this.root.classList.toggle("dark", dark);
    this.stage?.paint(...THEMES[dark ? "dark" : "light"]);
  }

  step(change) {
    this.pause();
    this.go(Math.round(this.position) + change);
  }

  hasten(change) {
    this.speed = this.rate.selectedIndex = Math.min(Math.max(this.speed + change, 0), SPEEDS.length - 1);
  }

  press(event) {
    if (event.ctrlKey || event.altKey || event.metaKey || event.target.tagName === "SELECT") return;
    const last = this.run.times.length - 1;
    const actions = {
      " ": () => this.toggle(),
      ArrowLeft: () => this.step(-1), ArrowRight: () => this.step(1),
      Home: () => { this.pause(); this.go(0); }, End: () => { this.pause(); this.go(last); },
      ArrowUp: () => this.hasten(1), ArrowDown: () => this.hasten(-1),
      "+": () => this.resize(0.3), "=": () => this.resize(0.3), "-": () => this.resize(-0.3), "−": () => this.resize(-0.3),
      c: () => this.colourBy((this.colour.selectedIndex + 1) % this.colourings.length),
      b: () => this.showBox(!this.checks.box.checked),
      m: () => this.moveSmoothly(!this.smooth),
      l: () => (this.loop = this.checks.loop.checked = !this.loop),
      d: () => this.paint(!this.checks.dark.checked),
      r: () => this.stage.home(),
    };
    const action = actions[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!action || !this.stage) return;
    event.preventDefault();
    event.stopPropagation();
    action();
  }

  dispose() {
    this.playing = false;
    this.root.removeEventListener("keydown", this.listener);
    this.stage?.dispose();
  }
}

// 256 colours of six hexadecimal digits each, as the bytes of a texture.
function coloursOf(text) {
  const colours = new Uint8Array(1024).fill(255);
  for (let i = 0; i < 256; i++) for (let part = 0; part < 3; part++) colours[4 * i + part] = parseInt(text.slice(6 * i + 2 * part, 6 * i + 2 * part + 2), 16);
  return colours;
}

const coloursAt = (colours, entry) => colours.slice(4 * entry, 4 * entry + 3);

// The colours of a palette in a row, or of a chart of two axes in a square, the second axis upwards.
function chartOf(palette, axes) {
  const [width, height] = axes === 2 ? [16, 16] : [256, 1];
  const canvas = element("canvas", { width, height, className: axes === 2 ? "chart" : "scale" });
  const picture = new ImageData(width, height);
  for (let x = 0; x < width; x++) for (let y = 0; y < height; y++) {
    const entry = axes === 2 ? 16 * x + (15 - y) : x;
    picture.data.set(palette.subarray(4 * entry, 4 * entry + 4), 4 * (y * width + x));
  }
  canvas.getContext("2d").putImageData(picture, 0, 0);
  return canvas;
}
