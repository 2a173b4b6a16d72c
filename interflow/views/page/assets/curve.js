// The energy of every frame as inline SVG, with a marker at the time that is shown. A click or drag goes to a time.

const SVG = "http://www.w3.org/2000/svg";

function svg(name, attributes = {}, ...children) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

class Curve {
  constructor(choose) {
    const size = { width: "100%", height: "100%" };
    this.line = svg("path", { class: "line", "vector-effect": "non-scaling-stroke" });
    this.plot = svg("svg", { ...size, viewBox: "0 0 1 1", preserveAspectRatio: "none" }, this.line);
    this.marker = svg("circle", { r: 5, class: "marker" });
    this.stem = svg("line", { y1: "0", y2: "100%", class: "stem" });
    this.element = svg("svg", { class: "energy", role: "img", "aria-label": "energy over time" },
      this.plot, this.stem, this.marker);
    const drag = (event) => {
      const frame = this.element.getBoundingClientRect();
      const share = Math.min(1, Math.max(0, (event.clientX - frame.left) / frame.width));
      choose(this.start + share * (this.end - this.start));
    };
    this.element.addEventListener("pointerdown", (event) => {
      this.element.setPointerCapture(event.pointerId);
      drag(event);
    });
    this.element.addEventListener("pointermove", (event) => event.buttons & 1 && drag(event));
  }

  draw(times, energies) {
    const finite = energies.filter((energy) => energy !== null);
    Object.assign(this, { times, energies, start: times[0], end: times.at(-1) });
    this.low = Math.min(...finite);
    this.high = Math.max(...finite);
    const points = times.map((time, i) => [this.across(time), this.down(energies[i])]);
    let pen = "M";
    const steps = points.map(([x, y]) => {
      const step = y === null ? "" : `${pen}${x.toFixed(5)} ${y.toFixed(5)}`;
      pen = y === null ? "M" : "L";
      return step;
    });
    this.line.setAttribute("d", steps.join(""));
  }

  across(time) {
    return this.end > this.start ? (time - this.start) / (this.end - this.start) : 0;
  }

  down(energy) {
    if (energy === null || !Number.isFinite(energy)) return null;
    return this.high > this.low ? 0.92 - (0.84 * (energy - this.low)) / (this.high - this.low) : 0.5;
  }

  // Mark a time; gives the energy there, between frames the one on the straight line.
  mark(time, colour) {
    let after = this.times.findIndex((other) => other >= time);
    if (after < 0) after = this.times.length - 1;
    const before = Math.max(after - 1, 0), gap = this.times[after] - this.times[before];
    const share = gap > 0 ? (time - this.times[before]) / gap : 1;
    const [a, b] = [this.energies[before], this.energies[after]];
    const energy = share >= 1 ? b : a === null || b === null ? null : a + share * (b - a);
    const y = this.down(energy), x = `${100 * this.across(time)}%`;
    this.marker.setAttribute("cx", x);
    this.marker.setAttribute("cy", `${100 * (y ?? 0.5)}%`);
    this.marker.setAttribute("fill", colour);
    this.marker.style.display = y === null ? "none" : "";
    for (const end of ["x1", "x2"]) this.stem.setAttribute(end, x);
    return energy;
  }
}
