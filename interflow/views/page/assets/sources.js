// Where the frames come from: script tags of this page, a notebook's kernel, or the server of a run that is going on.

// three.js, as the bundle of k3d carries it. The bundle gives itself to a function `define`, and adds styles, which would
// load fonts, to the page; those are taken away again.
async function threeFrom(bytes) {
  const text = new TextDecoder().decode(await inflate(bytes));
  const styles = new Set(document.querySelectorAll("style"));
  let bundle;
  new Function("define", text)((name, needed, make) => (bundle = make()));
  document.querySelectorAll("style").forEach((style) => styles.has(style) || style.remove());
  return bundle.ThreeJsProvider.THREE;
}

// Decode the frames of a viewer one after the other, each when `read(index)` gives its bytes and those of its column.
async function decodeAll(viewer, read) {
  const { count, axes, bits, predictions, column } = viewer.about;
  const positions = new Decoder(count, axes, bits), values = column && new Decoder(count, 1, column.bits);
  for (let index = 0; index < predictions.length; index++) {
    const [cells, own] = await read(index);
    viewer.add({
      cells: await positions.next(predictions[index], cells),
      column: values && (await values.next(column.predictions[index], own)),
    });
    await new Promise((later) => setTimeout(later));  // let the page answer in between
  }
}

// The page of one file: everything is in script tags, the first frame before the others.
async function showPage(root) {
  const stored = (name) => {
    const tag = document.getElementById(name), bytes = fromBase64(tag.textContent);
    tag.remove();
    return bytes;
  };
  const parsed = document.readyState === "loading" && new Promise((done) => document.addEventListener("DOMContentLoaded", done));
  const viewer = new Viewer(root, JSON.parse(document.getElementById("about").textContent));
  window.viewer = viewer;
  await new Promise((later) => setTimeout(later));
  await viewer.attempt(async () => {
    viewer.begin(await threeFrom(stored("library")));
    viewer.focus();
    await decodeAll(viewer, async (index) => {
      if (index > 0) await parsed;
      return [stored(`frame-${index}`), viewer.about.column && stored(`column-${index}`)];
    });
  });
}

// The widget of a notebook, with the interface of anywidget.
async function render({ model, el: holder }) {
  const bytes = (view) => new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  const root = element("div", { className: "embedded" });
  holder.append(root);
  const viewer = new Viewer(root, model.get("about"));
  viewer.attempt(async () => {
    viewer.begin(await threeFrom(bytes(model.get("library"))));
    await decodeAll(viewer, async (index) => [bytes(model.get("frames")[index]), viewer.about.column && bytes(model.get("column")[index])]);
  });
  return () => viewer.dispose();
}

// The page of a run that goes on: asks its server for what is new.
async function showLive(root) {
  const rest = (seconds) => new Promise((later) => setTimeout(later, 1000 * seconds));
  const viewer = new Viewer(root, JSON.parse(document.getElementById("about").textContent));
  window.viewer = Object.assign(viewer, { live: true });
  await viewer.attempt(async () => viewer.begin(await threeFrom(fromBase64(document.getElementById("library").textContent))));
  viewer.focus();
  let generation = -1, latest = performance.now();
  for (;;) {
    let news;
    try {
      news = await (await fetch(`frames?generation=${generation}&known=${viewer.run.known()}`)).json();
    } catch {
      news = { error: "The server has ended." };
    }
    if (news.error) {
      viewer.say(news.error);
      await rest(2);
      continue;
    }
    if (news.count !== viewer.run.count || news.axes !== viewer.run.axes) return location.reload();
    const following = viewer.position >= viewer.run.times.length - 1 && !viewer.playing;
    viewer.extend(news);
    if (news.generation !== generation) viewer.reset(news);
    generation = news.generation;
    if (following) viewer.wanted = news.times.length - 1;
    const decoder = new Decoder(news.count, news.axes, news.bits);
    for (const [prediction, text] of news.frames) viewer.add({ cells: await decoder.next(prediction, fromBase64(text)) });
    if (news.frames.length) latest = performance.now();
    const all = viewer.run.known() === news.times.length, silent = Math.round((performance.now() - latest) / 1000);
    viewer.live = !(news.finished && all);
    if (!viewer.live) return viewer.say("finished");
    viewer.say(`● live, step ${news.steps.at(-1)} of ${news.steps_wanted}${silent > 10 ? `, the last frame ${silent} s ago` : ""}`);
    if (all) await rest(0.7);
  }
}
