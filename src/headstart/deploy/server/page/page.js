// The page of `headstart serve`: sends an image to /predict and /explain, and shows the results.
// It uses no library and needs no build step.
const $ = (id) => document.getElementById(id);
const make = (tag, properties) => Object.assign(document.createElement(tag), properties);
const count = (number) => number.toLocaleString("en");
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const FEW_BARS = 10;
const NO_EXPLANATION =
  "This shows the image as the model sees it, and the regions that are evidence for its prediction.";
let card, sent = null, latestRequest = 0, explanation = null, chosenClass = null, showsAll = false;

function percent(share) {
  if (share > 0.9995 && share < 1) return ">99.9%";
  if (share < 0.0005 && share > 0) return "<0.1%";
  return `${(100 * share).toFixed(1)}%`;
}

// ---- model card

function addFact(name, value) {
  if (value === null || value === undefined || value === "") return;
  $("facts").append(make("dt", { textContent: name }), make("dd", { textContent: value }));
}

function formatScores(scores) {
  if (!scores || scores.accuracy === null) return null;
  const interval = scores.interval ? ` (95% interval ${scores.interval.map(percent).join(" to ")})` : "";
  const images = scores.n ? ` on ${count(scores.n)} images` : "";
  const groups = scores.groups ? ` in ${count(scores.groups)} groups` : "";
  return `${percent(scores.accuracy)}${interval}${images}${groups}`;
}

function showCard() {
  const [height, width, channels] = card.image_shape;
  const data = card.data.name, model = card.model ?? "classifier";
  document.title = `${data ? `${model} on ${data}` : card.run} · Headstart`;
  $("title").textContent = data ? `${model} on ${data}` : card.run;
  $("run").textContent = `· run ${card.run}`;
  const scores = card.test ?? card.validation;
  let accuracy = "";
  if (scores && scores.accuracy !== null)
    accuracy = ` ${card.test ? "Test" : "Validation"} accuracy: ${percent(scores.accuracy)}.`;
  $("lead").textContent = `Classifies images into ${count(card.classes.length)} classes.${accuracy}`;
  addFact("Model", card.model);
  const images = card.data.train_images ? `, ${count(card.data.train_images)} images` : "";
  addFact("Trained on", data && `${data}${images}`);
  addFact("Test accuracy", formatScores(card.test));
  addFact("Validation accuracy", formatScores(card.validation));
  addFact("Image size", `${width} × ${height} pixels, ${channels === 1 ? "greyscale" : "colour"}`);
  const resizing = { pad: "padded with black", crop: "cropped around the centre", squish: "stretched" };
  addFact("Other shapes", resizing[card.resize]);
  addFact("Parameters", card.parameters && count(card.parameters));
  const seed = card.seed === null ? "" : `, seed ${card.seed}`;
  addFact("Training", card.epochs && `${+card.epochs.toFixed(1)} epochs${seed}`);
  $("classes").replaceChildren(...card.classes.map((name) => make("li", { textContent: name })));
  $("example").textContent = `curl --data-binary @image.png \\\n  ${location.origin}/predict`;
  const notes = {
    mnist: "The drawing is cropped, scaled to 20 of 28 pixels and centred by mass, like the digits of MNIST.",
    box: "The drawing is cropped, scaled to fill the image and centred. "
      + "If the classes are objects, draw filled shapes.",
  };
  $("pad-note").textContent = notes[card.drawing] ?? "";
  $("pad-ghost").textContent = card.classes.every((name) => /^\d$/.test(name)) ? "Draw a digit here" : "Draw here";
  $("explanation").hidden = !card.explains;
  const longest = Math.max(...card.classes.map((name) => name.length));
  $("bars").style.setProperty("--names", `${Math.min(9, Math.max(1.6, longest * 0.55))}rem`);
}

// ---- tabs

const tabs = ["draw", "photo", "camera"];
const visibleTabs = () => tabs.filter((name) => !$(`tab-${name}`).hidden);

function openTab(name, focus = false) {
  for (const each of tabs) {
    const isOpen = each === name;
    $(`tab-${each}`).setAttribute("aria-selected", isOpen);
    $(`tab-${each}`).tabIndex = isOpen ? 0 : -1;
    $(`panel-${each}`).hidden = !isOpen;
  }
  if (focus) $(`tab-${name}`).focus();
  if (name !== "camera") stopCamera();
}

for (const name of tabs) {
  $(`tab-${name}`).addEventListener("click", () => openTab(name));
  $(`tab-${name}`).addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const names = visibleTabs();
    openTab(names[(names.indexOf(name) + step + names.length) % names.length], true);
    event.preventDefault();
  });
}

// ---- drawing: strokes are stored, so that they can be undone; they are sent in black on white

const pad = $("pad"), SIDE = pad.width, PEN = SIDE * 0.075, STEP = SIDE / 40;
let strokes = [], stroke = null, pen = null, timer = 0;

function drawStrokes(context, style) {
  context.lineCap = context.lineJoin = "round";
  context.lineWidth = PEN;
  context.strokeStyle = style;
  for (const points of strokes) {
    context.beginPath();
    context.moveTo(...points[0]);
    for (let i = 1; i < points.length - 1; i++) {
      const [x, y] = points[i], [nextX, nextY] = points[i + 1];
      context.quadraticCurveTo(x, y, (x + nextX) / 2, (y + nextY) / 2);
    }
    context.lineTo(...points.at(-1));
    context.stroke();
  }
}

function redraw() {
  const context = pad.getContext("2d");
  context.clearRect(0, 0, SIDE, SIDE);
  drawStrokes(context, colour("--ink"));
  if (pen) {
    context.beginPath();
    context.arc(pen.x, pen.y, PEN / 2 + 6, 0, 7);
    context.lineWidth = 4;
    context.strokeStyle = colour("--accent");
    context.stroke();
  }
  $("pad-ghost").hidden = strokes.length > 0;
  $("undo").disabled = $("clear").disabled = strokes.length === 0;
}

function drawingAsBlob() {
  const sheet = document.createElement("canvas");
  sheet.width = sheet.height = SIDE;
  const context = sheet.getContext("2d");
  context.fillStyle = "white";
  context.fillRect(0, 0, SIDE, SIDE);
  drawStrokes(context, "black");
  return new Promise((done) => sheet.toBlob(done));
}

async function predictDrawing(isDone) {
  if (!strokes.length) return reset();
  predict(await drawingAsBlob(), true, isDone);
}

function position(event) {
  const box = pad.getBoundingClientRect();
  return [((event.clientX - box.left) / box.width) * SIDE, ((event.clientY - box.top) / box.height) * SIDE];
}

pad.addEventListener("pointerdown", (event) => {
  if (event.button !== 0) return;
  pad.setPointerCapture(event.pointerId);
  pen = null;
  stroke = [position(event)];
  strokes.push(stroke);
  redraw();
});
pad.addEventListener("pointermove", (event) => {
  if (!stroke) return;
  const events = event.getCoalescedEvents?.() ?? [];
  for (const each of events.length ? events : [event]) stroke.push(position(each));
  redraw();
  timer ||= setTimeout(() => {
    timer = 0;
    if (stroke) predictDrawing(false);
  }, 150);
});
for (const kind of ["pointerup", "pointercancel"]) {
  pad.addEventListener(kind, () => {
    if (stroke) predictDrawing(true);
    stroke = null;
  });
}

pad.addEventListener("keydown", (event) => {
  const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  if (event.key === " ") {
    pen ??= { x: SIDE / 2, y: SIDE / 2, isDown: false };
    pen.isDown = !pen.isDown;
    if (pen.isDown) strokes.push([[pen.x, pen.y]]);
    else predictDrawing(true);
    $("pen-state").textContent = pen.isDown ? "pen down" : "pen up";
  } else if (move) {
    pen ??= { x: SIDE / 2, y: SIDE / 2, isDown: false };
    pen.x = Math.min(SIDE, Math.max(0, pen.x + move[0] * STEP));
    pen.y = Math.min(SIDE, Math.max(0, pen.y + move[1] * STEP));
    if (pen.isDown) strokes.at(-1).push([pen.x, pen.y]);
  } else return;
  event.preventDefault();
  redraw();
});
pad.addEventListener("blur", () => {
  pen = null;
  $("pen-state").textContent = "";
  redraw();
});

function edit(change) {
  pen = null;
  change();
  redraw();
  predictDrawing(true);
}
$("clear").addEventListener("click", () => edit(() => (strokes = [])));
$("undo").addEventListener("click", () => edit(() => strokes.pop()));

// ---- photographs: from a file, dropped or pasted

function showPreview(isVisible) {
  $("preview").hidden = $("another-row").hidden = !isVisible;
  $("drop-text").hidden = isVisible;
}

function useFile(file) {
  if (!file) return;
  openTab("photo");
  const preview = $("preview");
  URL.revokeObjectURL(preview.src);
  preview.src = URL.createObjectURL(file);
  preview.alt = file.name ? `Your image ${file.name}` : "Your image";
  showPreview(true);
  predict(file, false, true);
}
$("preview").addEventListener("error", () => showPreview(false));
$("another").addEventListener("click", () => $("file").click());
$("file").addEventListener("change", (event) => {
  useFile(event.target.files[0]);
  event.target.value = "";
});
addEventListener("dragover", (event) => {
  event.preventDefault();
  $("drop").classList.add("over");
});
addEventListener("dragleave", (event) => event.relatedTarget ?? $("drop").classList.remove("over"));
addEventListener("drop", (event) => {
  event.preventDefault();
  $("drop").classList.remove("over");
  useFile(event.dataTransfer.files[0]);
});
addEventListener("paste", (event) => {
  const files = [...event.clipboardData.files];
  useFile(files.find((file) => file.type.startsWith("image/")));
});

// ---- camera

let stream = null;

function stopCamera() {
  stream?.getTracks().forEach((track) => track.stop());
  stream = null;
  $("video").srcObject = null;
  $("shoot").disabled = true;
  $("camera-ghost").hidden = false;
  $("camera").textContent = "Turn camera on";
}
$("camera").addEventListener("click", async () => {
  if (stream) return stopCamera();
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
  } catch (error) {
    return showProblem("The camera is not available.", error.message);
  }
  $("video").srcObject = stream;
  await $("video").play();
  $("shoot").disabled = false;
  $("camera-ghost").hidden = true;
  $("camera").textContent = "Turn camera off";
});
$("shoot").addEventListener("click", () => {
  const video = $("video"), size = Math.min(video.videoWidth, video.videoHeight);
  const left = (video.videoWidth - size) / 2, top = (video.videoHeight - size) / 2;
  const square = make("canvas", { width: size, height: size });
  square.getContext("2d").drawImage(video, left, top, size, size, 0, 0, size, size);
  square.toBlob((blob) => predict(blob, false, true));
});

// ---- requests

async function post(path, query) {
  const response = await fetch(`${path}?${new URLSearchParams(query)}`, { method: "POST", body: sent.blob });
  const result = await response.json().catch(() => ({ error: `The server responded with status ${response.status}.` }));
  if (!response.ok) throw Object.assign(new Error(result.error), { hint: result.hint });
  return result;
}

function showProblem(text, hint = "") {
  $("problem").textContent = `${text} ${hint ?? ""}`;
  $("problem").hidden = false;
}

function showError(error) {
  if (error instanceof TypeError) showProblem("The server does not respond.", "Check that it is running.");
  else showProblem(error.message, error.hint);
}

function reset() {
  latestRequest++;
  sent = explanation = chosenClass = null;
  $("problem").hidden = $("remark").hidden = $("more").hidden = true;
  $("answer").replaceChildren(make("span", { className: "soft", textContent: "No image yet." }));
  $("bars").replaceChildren();
  showExplanation();
}

async function predict(blob, isDrawing, isDone) {
  const request = ++latestRequest;
  sent = { blob, query: isDrawing ? { drawing: "true" } : {} };
  chosenClass = null;
  try {
    const prediction = await post("predict", sent.query);
    if (request !== latestRequest) return;
    $("problem").hidden = true;
    sent.prediction = prediction;
    showPrediction(prediction);
  } catch (error) {
    if (request !== latestRequest) return;
    reset();
    return showError(error);
  }
  if (isDone && card.explains) explain(request);
}

async function explain(request) {
  try {
    const query = chosenClass === null ? sent.query : { ...sent.query, class: chosenClass };
    const result = await post("explain", query);
    if (request !== latestRequest) return;
    $("problem").hidden = true;
    explanation = result;
    await showExplanation();
  } catch (error) {
    if (request !== latestRequest) return;
    explanation = null; // the prediction stays: it does not depend on its explanation
    showExplanation();
    showError(error);
  }
}

// ---- results

function showPrediction({ label, probabilities, unfamiliar }) {
  const name = make("b", { textContent: label });
  name.classList.toggle("long", label.length > 14);
  const share = make("span", { className: "soft", textContent: percent(probabilities[label]) });
  $("answer").replaceChildren(name, share);
  $("remark").hidden = !unfamiliar;
  const rows = Object.entries(probabilities).sort((a, b) => b[1] - a[1]);
  const visible = showsAll ? rows : rows.slice(0, FEW_BARS);
  $("bars").replaceChildren(...visible.map(([each, probability]) => bar(each, probability, label)));
  $("more").hidden = rows.length <= FEW_BARS;
  $("more").textContent = showsAll ? `Show the ${FEW_BARS} most probable` : `Show all ${rows.length}`;
}

function bar(name, probability, best) {
  const row = document.createElement("li"), button = document.createElement("button");
  const [label, track, fill, share] = ["name", "track", "fill", "share"].map((kind) =>
    make("span", { className: kind }));
  label.textContent = label.title = name;
  share.textContent = percent(probability);
  fill.style.width = `${100 * probability}%`;
  track.append(fill);
  button.append(label, track, share);
  button.type = "button";
  button.disabled = !card.explains;
  button.setAttribute("aria-pressed", name === (chosenClass ?? best));
  if (card.explains) button.title = `Explain ${name}`;
  button.addEventListener("click", () => choose(name));
  row.append(button);
  return row;
}

function choose(name) {
  chosenClass = name;
  for (const button of $("bars").querySelectorAll("button"))
    button.setAttribute("aria-pressed", button.querySelector(".name").textContent === name);
  if (sent?.prediction) explain(++latestRequest); // else its prediction is under way, and this class is explained next
}
$("more").addEventListener("click", () => {
  if (!sent?.prediction) return;
  showsAll = !showsAll;
  showPrediction(sent.prediction);
});

async function showExplanation() {
  const canvas = $("heat"), context = canvas.getContext("2d");
  const method = document.querySelector("[name=method]:checked").value;
  if (!explanation) {
    context.clearRect(0, 0, canvas.width, canvas.height);
    canvas.setAttribute("aria-label", "No explanation yet");
    $("caption").textContent = NO_EXPLANATION;
    return;
  }
  const current = explanation, image = new Image();
  image.src = current.seen;
  await image.decode();
  if (current !== explanation) return;
  const scale = canvas.width / Math.max(image.width, image.height);
  const width = image.width * scale, height = image.height * scale;
  const box = [(canvas.width - width) / 2, (canvas.height - height) / 2, width, height];
  const heat = method === "seen" ? null : current[method];
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingEnabled = image.width > 100;
  context.drawImage(heat ? toGreyscale(image) : image, ...box);
  context.imageSmoothingEnabled = true;
  context.imageSmoothingQuality = "high";
  if (heat) context.drawImage(heatmap(heat.values), ...box);
  describe(current, method, heat);
}

function toGreyscale(image) {
  const small = make("canvas", { width: image.width, height: image.height });
  const context = small.getContext("2d");
  context.drawImage(image, 0, 0);
  const pixels = context.getImageData(0, 0, image.width, image.height), data = pixels.data;
  for (let i = 0; i < data.length; i += 4) {
    const grey = 0.299 * data[i] + 0.587 * data[i + 1] + 0.114 * data[i + 2];
    data[i] = data[i + 1] = data[i + 2] = grey;
  }
  context.putImageData(pixels, 0, 0);
  return small;
}

function heatmap(values) {
  const rows = values.length, columns = values[0].length, largest = Math.max(0.1, ...values.flat().map(Math.abs));
  const small = make("canvas", { width: columns, height: rows });
  const context = small.getContext("2d");
  values.forEach((line, row) =>
    line.forEach((value, column) => {
      context.globalAlpha = 0.8 * Math.abs(value) / largest;
      context.fillStyle = colour(value >= 0 ? "--for" : "--against");
      context.fillRect(column, row, 1, 1);
    }));
  return small;
}

function swatch(kind) {
  return make("i", { className: kind });
}

function strongestRegion(values) {
  let largest = -Infinity, row = 0, column = 0;
  values.forEach((line, i) => line.forEach((value, j) => {
    if (value > largest) [largest, row, column] = [value, (i + 0.5) / values.length, (j + 0.5) / line.length];
  }));
  const words = [];
  if (row < 1 / 3) words.push("upper");
  if (row > 2 / 3) words.push("lower");
  if (column < 1 / 3) words.push("left");
  if (column > 2 / 3) words.push("right");
  return words.length ? `${words.join(" ")} part` : "middle";
}

function describe({ label }, method, heat) {
  const caption = $("caption");
  caption.replaceChildren();
  if (method === "seen") {
    caption.append(`The image as the model sees it: ${card.image_shape[1]} × ${card.image_shape[0]} pixels.`);
  } else if (!heat) {
    caption.append("Grad-CAM needs convolutional feature maps, which this model does not have.");
  } else if (method === "occlusion") {
    const most = Math.exp(Math.max(0, ...heat.values.flat()));
    caption.append(swatch("is-for"), `Evidence for “${label}”: covering it lowers the probability. `);
    caption.append(swatch("is-against"), "Evidence against it. ");
    const factor = most < 1000 ? most.toPrecision(2) : "more than 1,000";
    const region = strongestRegion(heat.values);
    caption.append(`The strongest evidence is in the ${region}: covering it divides the odds by ${factor}.`);
  } else {
    caption.append(swatch("is-for"), `Evidence for “${label}” in the feature map of the network. `);
    caption.append(`It is strongest in the ${strongestRegion(heat.values)}. `);
    caption.append(`The map has ${heat.values[0].length} × ${heat.values.length} cells.`);
  }
  $("heat").setAttribute("aria-label", `The image as the model sees it. ${caption.textContent}`);
}

for (const radio of document.querySelectorAll("[name=method]")) radio.addEventListener("change", showExplanation);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  redraw();
  showExplanation();
});

// ---- start

const hasCamera = Boolean(navigator.mediaDevices?.getUserMedia); // only on this machine or over https
$("tab-camera").hidden = !hasCamera;
try {
  const response = await fetch("model");
  if (!response.ok) throw new Error();
  card = await response.json();
  showCard();
  $("tab-draw").hidden = card.drawing === null;
  openTab(visibleTabs()[0]);
  redraw();
} catch {
  showProblem("The server does not respond.", "Check that it is running, then reload the page.");
}
