// What the page of `headstart serve` and the page of `headstart export --page` share: the image, as a
// drawing, a photograph or a picture of the camera, and the bars. The script of each page defines
// predict(blob, isDrawing, isDone), reset() and, if its model is explained, choose(name).
// No library, and no build step.
const $ = (id) => document.getElementById(id);
const make = (tag, properties) => Object.assign(document.createElement(tag), properties);
const count = (number) => number.toLocaleString("en");
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const FEW_BARS = 10;
const NO_IMAGE = "No image yet. The most probable classes of your image appear here.";
let card, shown = null, chosenClass = null, showsAll = false;

// ---- model card

function addFact(name, value) {
  if (value === null || value === undefined || value === "") return;
  $("facts").append(make("dt", { textContent: name }), make("dd", { textContent: value }));
}

function formatScores(scores) {
  if (!scores || scores.accuracy === null) return null;
  const interval = scores.interval ? ` (95% interval ${scores.interval.map((end) => percent(end, scores.n)).join(" to ")})` : "";
  const images = scores.n ? ` on ${count(scores.n)} images` : "";
  const groups = scores.groups ? ` in ${count(scores.groups)} groups` : "";
  return `${percent(scores.accuracy, scores.n)}${interval}${images}${groups}`;
}

function showCard() {
  const [height, width, channels] = card.image_shape;
  const data = card.data.name, model = card.model ?? "classifier";
  document.title = `${data ? `${model} on ${data}` : card.run} · Headstart`;
  $("title").textContent = data ? `${model} on ${data}` : card.run;
  $("run").textContent = `· run ${card.run}`;
  const scores = card.test ?? card.validation;
  let known = "";
  if (scores && scores.accuracy !== null)
    known = ` ${card.test ? "Test" : "Validation"} accuracy: ${percent(scores.accuracy, scores.n)}.`;
  $("lead").textContent = `Classifies images into ${count(card.classes.length)} classes.${known}`;
  addFact("Model", card.model);
  const images = card.data.train_images ? `, ${count(card.data.train_images)} images` : "";
  addFact("Trained on", data && `${data}${images}`);
  addFact("Test accuracy", formatScores(card.test));
  addFact("Validation accuracy", formatScores(card.validation));
  addFact("Image size", `${width} × ${height} pixels, ${channels === 1 ? "greyscale" : "colour"}`);
  const resizing = { pad: "padded with black", crop: "cropped around the centre", squish: "stretched" };
  addFact("Other shapes", resizing[card.resize]);
  addFact("Parameters", card.parameters && count(card.parameters));
  addFact("Training", card.training);
  $("classes").replaceChildren(...card.classes.map((name) => make("li", { textContent: name })));
  const notes = {
    mnist: "The drawing is cropped, scaled to 20 of 28 pixels and centred by mass, like the digits of MNIST.",
    box: "The drawing is cropped, scaled to fill the image and centred. "
      + "If the classes are objects, draw filled shapes.",
  };
  $("pad-note").textContent = notes[card.drawing] ?? "";
  $("pad-ghost").textContent = card.classes.every((name) => /^\d$/.test(name)) ? "Draw a digit here" : "Draw here";
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

// ---- results

function showPrediction(prediction) {
  const { label, probabilities, unfamiliar } = prediction;
  shown = prediction;
  $("problem").hidden = true;
  $("answer").hidden = false;
  const name = make("b", { textContent: label });
  name.classList.toggle("long", label.length > 14);
  const share = make("span", { className: "soft", textContent: probability(probabilities[label]) });
  $("answer").replaceChildren(name, share);
  $("remark").hidden = !unfamiliar;
  const rows = Object.entries(probabilities).sort((a, b) => b[1] - a[1]);
  const visible = showsAll ? rows : rows.slice(0, FEW_BARS);
  $("bars").replaceChildren(...visible.map(([each, share]) => bar(each, share, label)));
  $("more").hidden = rows.length <= FEW_BARS;
  $("more").textContent = showsAll ? `Show the ${FEW_BARS} most probable` : `Show all ${rows.length}`;
}

function bar(name, value, best) {
  const row = document.createElement("li");
  const line = make(card.explains ? "button" : "div", { className: "bar" });
  const [label, track, fill, share] = ["name", "track", "fill", "share"].map((kind) =>
    make("span", { className: kind }));
  label.textContent = label.title = name;
  share.textContent = probability(value);
  fill.style.width = `${100 * value}%`;
  track.append(fill);
  line.append(label, track, share);
  if (card.explains) {
    line.type = "button";
    line.title = `Explain ${name}`;
    line.setAttribute("aria-pressed", name === (chosenClass ?? best));
    line.addEventListener("click", () => choose(name));
  }
  row.append(line);
  return row;
}

$("more").addEventListener("click", () => {
  if (!shown) return;
  showsAll = !showsAll;
  showPrediction(shown);
});

function showProblem(text, hint = "") {
  const words = `${text} ${hint ?? ""}`.trim();
  $("problem").textContent = words.charAt(0).toUpperCase() + words.slice(1);
  $("problem").hidden = false;
  $("answer").hidden = !shown;
}

function clearPrediction() {
  shown = chosenClass = null;
  $("problem").hidden = $("remark").hidden = $("more").hidden = true;
  $("answer").hidden = false;
  $("answer").replaceChildren(make("span", { className: "soft hint", textContent: NO_IMAGE }));
  $("bars").replaceChildren();
}

// ---- start

// Where there is a camera: over https, on this machine and, in most browsers, in a file.
function openFirstTab() {
  $("tab-camera").hidden = !navigator.mediaDevices?.getUserMedia;
  $("tab-draw").hidden = card.drawing === null;
  openTab(visibleTabs()[0]);
  redraw();
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
