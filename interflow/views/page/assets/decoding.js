// Frames from their bytes: the inverse of packing.py, which says what they are.

const ALONG = 0, BEFORE = 1;

async function inflate(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function fromBase64(text) {
  const characters = atob(text.trim());
  const bytes = new Uint8Array(characters.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = characters.charCodeAt(i);
  return bytes;
}

// Decodes the frames of a run one after the other: each into its cells, `count` times `axes` of them.
class Decoder {
  constructor(count, axes, bits) {
    Object.assign(this, { count, axes, mask: 2 ** bits - 1, before: [] });
  }

  async next(prediction, bytes) {
    const planes = await inflate(bytes);
    const { count, axes, mask } = this;
    const cells = new Uint16Array(count * axes);
    const [last, earlier] = this.before;
    for (let axis = 0; axis < axes; axis++) {
      const low = 2 * axis * count, high = low + count;
      let along = 0;
      for (let i = 0, at = axis; i < count; i++, at += axes) {
        const folded = planes[low + i] | (planes[high + i] << 8);
        const difference = (folded >> 1) ^ -(folded & 1);
        let guess;
        if (prediction === ALONG) guess = along;
        else if (prediction === BEFORE) guess = last[at];
        else guess = 2 * last[at] - earlier[at];
        along = (guess + difference) & mask;
        cells[at] = along;
      }
    }
    this.before = prediction === ALONG ? [cells] : [cells, last];
    return cells;
  }
}
