// What the colour of a particle tells: the time, its speed, the density around it, or where it started.
//
// A colouring gives each particle of a frame a level from 0 to 255, an entry of its palette of 256 colours.

const SAMPLED = 4000;  // particles, and
const LOOKED_AT = 12;  // frames, from which the range of a quantity is taken

const shown = (value) => {
  if (!Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  const text = size !== 0 && (size >= 1e5 || size < 1e-3) ? value.toExponential(2) : String(Number(value.toPrecision(4)));
  return text.replace("e+", "e").replaceAll("-", "−");
};

const rough = (value) => shown(Number(value.toPrecision(2)));

function colourings(run) {
  const speed = run.column
    ? { name: run.column.name, legend: (low, high) => [rough(low), rough(high)], quantity: columnOf(run) }
    : { name: "speed", legend: (low, high) => [rough(low), rough(high)], quantity: speedOf(run) };
  return [
    { key: "time", name: "time", levels: null },
    ranged(run, { key: "speed", ...speed }),
    ranged(run, {
      key: "density", name: "local density", quantity: densityOf(run),
      legend: (low, high) => [`${rough(2 ** low)} ×`, `${rough(2 ** high)} × mean`],
    }),
    { key: "initial", name: "initial position", levels: initialOf(run) },
  ];
}

// Levels of a quantity, from the lowest to the highest of its values but for a hundredth at each end.
function ranged(run, { key, name, quantity, legend }) {
  let range = null;
  const cache = new Map();
  const rangeNow = () => {
    const values = [];
    const known = run.known();
    for (let j = 0; j < Math.min(LOOKED_AT, known); j++) {
      const all = quantity(Math.round((j * (known - 1)) / Math.max(Math.min(LOOKED_AT, known) - 1, 1)));
      const stride = Math.max(1, Math.floor(all.length / SAMPLED));
      for (let i = 0; i < all.length; i += stride) if (Number.isFinite(all[i])) values.push(all[i]);
    }
    values.sort((a, b) => a - b);
    const at = (share) => values[Math.round(share * (values.length - 1))] ?? 0;
    return [key === "speed" ? 0 : at(0.01), at(0.99)];
  };
  return {
    key,
    name,
    levels(frame) {
      range ??= rangeNow();
      if (!cache.has(frame)) {
        const [low, high] = range;
        const values = quantity(frame), levels = new Uint8Array(values.length);
        const scale = high > low ? 255 / (high - low) : 0;
        for (let i = 0; i < levels.length; i++) levels[i] = Math.min(255, Math.max(0, (values[i] - low) * scale));
        cache.set(frame, levels);
      }
      return cache.get(frame);
    },
    legend: () => legend(...(range ??= rangeNow())),
    forget: () => { range = null; cache.clear(); },
  };
}

function columnOf(run) {
  return (frame) => {
    const stored = run.frames[frame].column, { low, high, bits } = run.column;
    return Float32Array.from(stored, (cell) => low + ((cell + 0.5) / 2 ** bits) * (high - low));
  };
}

// The way from frame to frame over the time between them; on a periodic axis the shorter way.
function speedOf(run) {
  return (frame) => {
    const speeds = new Float32Array(run.count);
    const from = Math.max(frame - 1, 0), to = Math.min(from + 1, run.known() - 1);
    const seconds = run.times[to] - run.times[from];
    if (!(seconds > 0)) return speeds;
    const here = run.frames[from].cells, there = run.frames[to].cells, { axes, periodic } = run;
    const sides = run.upper.map((upper, axis) => (upper - run.lower[axis]) / 2 ** run.bits);
    const whole = 2 ** run.bits;
    for (let i = 0, at = 0; i < speeds.length; i++) {
      let square = 0;
      for (let axis = 0; axis < axes; axis++, at++) {
        let way = there[at] - here[at];
        if (periodic[axis]) way -= whole * Math.round(way / whole);
        square += (way * sides[axis]) ** 2;
      }
      speeds[i] = Math.sqrt(square) / seconds;
    }
    return speeds;
  };
}

// The logarithm, to base 2, of the number of particles in a cell of a coarse grid and its neighbours over their mean.
function densityOf(run) {
  const { axes, periodic } = run;
  return (frame) => {
    const cells = run.frames[frame].cells;
    const fine = Math.round(Math.log2(Math.max(run.count / 3, 2)) / axes);
    const power = Math.min(Math.max(fine, 2), axes === 3 ? 6 : 9, run.bits), side = 2 ** power;
    const shift = run.bits - power;
    let counts = new Float32Array(side ** axes);
    const homes = new Uint32Array(run.count);
    for (let i = 0, at = 0; i < homes.length; i++) {
      let home = 0;
      for (let axis = 0; axis < axes; axis++, at++) home = home * side + (cells[at] >> shift);
      homes[i] = home;
      counts[home]++;
    }
    for (let axis = 0; axis < axes; axis++) counts = smoothed(counts, side, side ** (axes - 1 - axis), periodic[axis]);
    const mean = run.count / counts.length;
    return Float32Array.from(homes, (home) => Math.log2(counts[home] / mean));
  };
}

// The mean of each cell and its two neighbours along one axis.
function smoothed(counts, side, stride, periodic) {
  const means = new Float32Array(counts.length);
  for (let i = 0; i < counts.length; i++) {
    const at = Math.floor(i / stride) % side;
    const below = at > 0 ? i - stride : periodic ? i + (side - 1) * stride : i;
    const above = at < side - 1 ? i + stride : periodic ? i - (side - 1) * stride : i;
    means[i] = (counts[below] + counts[i] + counts[above]) / 3;
  }
  return means;
}

// The place in the first frame as an entry of a chart: 256, 16 × 16 or 6 × 6 × 6 colours.
function initialOf(run) {
  const parts = [256, 16, 6][run.axes - 1];
  let levels = null;
  return () => {
    if (levels === null) {
      levels = new Uint8Array(run.count);
      const cells = run.frames[0].cells, { axes } = run, whole = 2 ** run.bits;
      for (let i = 0, at = 0; i < levels.length; i++) {
        for (let axis = 0; axis < axes; axis++, at++) levels[i] = levels[i] * parts + Math.floor((cells[at] * parts) / whole);
      }
    }
    return levels;
  };
}
