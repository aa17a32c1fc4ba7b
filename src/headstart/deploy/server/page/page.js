// The page of `headstart serve`: an image goes to /predict and /explain, what comes back is drawn. No library, no build.
const $ = (id) => document.getElementById(id);
const percent = (share) => (share > 0.9995 && share < 1 ? ">99.9%" : share < 0.0005 && share > 0 ? "<0.1%" : `${(100 * share).toFixed(1)}%`);
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const FEW_BARS = 10;
let card, sent = null, asked = 0, explained = null, chosen = null, all = false;

// ---- the model's card

function addFact(name, value) {
  if (value === null || value === undefined || value === "") return;
  const term = document.createElement("dt"), text = document.createElement("dd");
  term.textContent = name;
  text.textContent = value;
  $("facts").append(term, text);
}

function score(found) {
  if (!found || found.accuracy === null) return null;
  const span = found.interval ? ` (${found.interval.map(percent).join(" to ")})` : "";
  return `${percent(found.accuracy)}${span}${found.n ? ` of ${found.n.toLocaleString("en")} images` : ""}`;
}

function showCard() {
  const [height, width, channels] = card.image_shape;
  const data = card.data.name, model = card.model ?? "classifier";
  document.title = `${data ? `${model} on ${data}` : card.run} · Headstart`;
  $("title").textContent = data ? `${model} on ${data}` : card.run;
  $("run").textContent = `serves ${card.run}`;
  const judged = card.test ?? card.validation;
  const right = judged && judged.accuracy !== null ? `; right on ${percent(judged.accuracy)} of its ${card.test ? "test" : "validation"} images` : "";
  $("lead").textContent = `Tells ${card.classes.length.toLocaleString("en")} classes apart${right}.`;
  addFact("Model", card.model);
  addFact("Trained on", data && (card.data.train_images ? `${data}, ${card.data.train_images.toLocaleString("en")} images` : data));
  addFact("Test accuracy", score(card.test));
  addFact("Validation", score(card.validation));
  addFact("Sees", `${width} × ${height} pixels, ${channels === 1 ? "grey" : "colour"}`);
  addFact("Other shapes", { pad: "padded with black", crop: "cropped around the centre", squish: "squeezed" }[card.resize]);
  addFact("Parameters", card.parameters?.toLocaleString("en"));
  addFact("Training", card.epochs && `${+card.epochs.toFixed(1)} epochs${card.seed === null ? "" : `, seed ${card.seed}`}`);
  $("classes").replaceChildren(...card.classes.map((name) => Object.assign(document.createElement("li"), { textContent: name })));
  $("example").textContent = `curl --data-binary @image.png \\\n  ${location.origin}/predict`;
  const notes = {
    mnist: "Your drawing is cut out, scaled to 20 of 28 pixels and centred by its mass, as MNIST's digits were.",
    box: "Your drawing is cut out, scaled to fill the image and centred. Draw filled shapes where the classes are objects.",
  };
  $("pad-note").textContent = notes[card.drawing] ?? "";
  $("pad-ghost").textContent = card.classes.every((name) => /^\d$/.test(name)) ? "Draw a digit here" : "Draw here";
  $("why").hidden = !card.explains;
  const longest = Math.max(...card.classes.map((name) => name.length));
  $("bars").style.setProperty("--names", `${Math.min(9, Math.max(1.6, longest * 0.55))}rem`);
}

// ---- tabs

const tabs = ["draw", "photo", "camera"];
const shown = () => tabs.filter((name) => !$(`tab-${name}`).hidden);

function open(name, focus = false) {
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
  $(`tab-${name}`).addEventListener("click", () => open(name));
  $(`tab-${name}`).addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const names = shown();
    open(names[(names.indexOf(name) + step + names.length) % names.length], true);
    event.preventDefault();
  });
}

// ---- drawing: strokes are kept, so that they can be undone, shown in the page's colour and sent in black

const pad = $("pad"), SIDE = pad.width, PEN = SIDE * 0.075, STEP = SIDE / 40;
let strokes = [], stroke = null, pen = null, waiting = 0;

function ink(context, style) {
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
  ink(context, colour("--ink"));
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

function drawn() {
  const sheet = document.createElement("canvas");
  sheet.width = sheet.height = SIDE;
  const context = sheet.getContext("2d");
  context.fillStyle = "white";
  context.fillRect(0, 0, SIDE, SIDE);
  ink(context, "black");
  return new Promise((done) => sheet.toBlob(done));
}

async function judgeDrawing(isDone) {
  if (!strokes.length) return forget();
  judge(await drawn(), true, isDone);
}

function place(event) {
  const box = pad.getBoundingClientRect();
  return [((event.clientX - box.left) / box.width) * SIDE, ((event.clientY - box.top) / box.height) * SIDE];
}

pad.addEventListener("pointerdown", (event) => {
  if (event.button !== 0) return;
  pad.setPointerCapture(event.pointerId);
  pen = null;
  stroke = [place(event)];
  strokes.push(stroke);
  redraw();
});
pad.addEventListener("pointermove", (event) => {
  if (!stroke) return;
  const events = event.getCoalescedEvents?.() ?? [];
  for (const each of events.length ? events : [event]) stroke.push(place(each));
  redraw();
  waiting ||= setTimeout(() => {
    waiting = 0;
    if (stroke) judgeDrawing(false);
  }, 150);
});
for (const kind of ["pointerup", "pointercancel"]) {
  pad.addEventListener(kind, () => {
    if (stroke) judgeDrawing(true);
    stroke = null;
  });
}

pad.addEventListener("keydown", (event) => {
  const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  if (event.key === " ") {
    pen ??= { x: SIDE / 2, y: SIDE / 2, isDown: false };
    pen.isDown = !pen.isDown;
    if (pen.isDown) strokes.push([[pen.x, pen.y]]);
    else judgeDrawing(true);
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

function change(how) {
  pen = null;
  how();
  redraw();
  judgeDrawing(true);
}
$("clear").addEventListener("click", () => change(() => (strokes = [])));
$("undo").addEventListener("click", () => change(() => strokes.pop()));

// ---- photographs: chosen, dropped, pasted

function take(file) {
  if (!file) return;
  open("photo");
  const preview = $("preview");
  URL.revokeObjectURL(preview.src);
  preview.src = URL.createObjectURL(file);
  preview.alt = file.name ? `Your image ${file.name}` : "Your image";
  preview.hidden = false;
  $("drop-text").hidden = true;
  judge(file, false, true);
}
$("preview").addEventListener("error", () => {
  $("preview").hidden = true;
  $("drop-text").hidden = false;
});
$("file").addEventListener("change", (event) => {
  take(event.target.files[0]);
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
  take(event.dataTransfer.files[0]);
});
addEventListener("paste", (event) => take([...event.clipboardData.files].find((file) => file.type.startsWith("image/"))));

// ---- camera

let stream = null;

function stopCamera() {
  stream?.getTracks().forEach((track) => track.stop());
  stream = null;
  $("video").srcObject = null;
  $("shoot").disabled = true;
  $("camera-ghost").hidden = false;
  $("camera").textContent = "Turn the camera on";
}
$("camera").addEventListener("click", async () => {
  if (stream) return stopCamera();
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
  } catch (error) {
    return complain("The camera cannot be used.", error.message);
  }
  $("video").srcObject = stream;
  await $("video").play();
  $("shoot").disabled = false;
  $("camera-ghost").hidden = true;
  $("camera").textContent = "Turn it off";
});
$("shoot").addEventListener("click", () => {
  const video = $("video"), side = Math.min(video.videoWidth, video.videoHeight);
  const square = document.createElement("canvas");
  square.width = square.height = side;
  square.getContext("2d").drawImage(video, (video.videoWidth - side) / 2, (video.videoHeight - side) / 2, side, side, 0, 0, side, side);
  square.toBlob((blob) => judge(blob, false, true));
});

// ---- asking the server

async function post(path, query) {
  const response = await fetch(`${path}?${new URLSearchParams(query)}`, { method: "POST", body: sent.blob });
  const found = await response.json().catch(() => ({ error: `The server answered ${response.status}.` }));
  if (!response.ok) throw Object.assign(new Error(found.error), { hint: found.hint });
  return found;
}

function complain(text, hint = "") {
  $("problem").textContent = `${text} ${hint ?? ""}`;
  $("problem").hidden = false;
}

function complainOf(error) {
  const isAway = error instanceof TypeError;
  complain(isAway ? "The server does not answer." : error.message, isAway ? "Is it still running?" : error.hint);
}

function forget() {
  asked++;
  sent = explained = chosen = null;
  $("problem").hidden = $("remark").hidden = $("more").hidden = true;
  $("answer").replaceChildren(Object.assign(document.createElement("span"), { className: "soft", textContent: "Nothing to judge yet." }));
  $("bars").replaceChildren();
  showHeat();
}

async function judge(blob, isDrawing, isDone) {
  const number = ++asked;
  sent = { blob, query: isDrawing ? { drawing: "true" } : {} };
  chosen = null;
  try {
    const found = await post("predict", sent.query);
    if (number !== asked) return;
    $("problem").hidden = true;
    sent.found = found;
    showPrediction(found);
  } catch (error) {
    if (number !== asked) return;
    forget();
    return complainOf(error);
  }
  if (isDone && card.explains) why(number);
}

async function why(number) {
  try {
    const found = await post("explain", chosen === null ? sent.query : { ...sent.query, class: chosen });
    if (number !== asked) return;
    $("problem").hidden = true;
    explained = found;
    await showHeat();
  } catch (error) {
    if (number !== asked) return; // the prediction stays: it is right without its reasons
    explained = null;
    showHeat();
    complainOf(error);
  }
}

// ---- showing what came back

function showPrediction(found) {
  const name = Object.assign(document.createElement("b"), { textContent: found.label });
  name.classList.toggle("long", found.label.length > 14);
  const share = Object.assign(document.createElement("span"), { className: "soft", textContent: percent(found.probabilities[found.label]) });
  $("answer").replaceChildren(name, share);
  $("remark").hidden = !found.unfamiliar;
  const rows = Object.entries(found.probabilities).sort((a, b) => b[1] - a[1]);
  $("bars").replaceChildren(...rows.slice(0, all ? rows.length : FEW_BARS).map(([each, chance]) => bar(each, chance, found.label)));
  $("more").hidden = rows.length <= FEW_BARS;
  $("more").textContent = all ? `Show the likeliest ${FEW_BARS}` : `Show all ${rows.length}`;
}

function bar(name, chance, best) {
  const row = document.createElement("li"), button = document.createElement("button");
  const [label, track, fill, share] = ["name", "track", "fill", "share"].map((kind) =>
    Object.assign(document.createElement("span"), { className: kind }));
  label.textContent = label.title = name;
  share.textContent = percent(chance);
  fill.style.width = `${100 * chance}%`;
  track.append(fill);
  button.append(label, track, share);
  button.type = "button";
  button.disabled = !card.explains;
  button.setAttribute("aria-pressed", name === (chosen ?? best));
  if (card.explains) button.title = `Show what speaks for ${name}`;
  button.addEventListener("click", () => choose(name));
  row.append(button);
  return row;
}

function choose(name) {
  chosen = name;
  for (const button of $("bars").querySelectorAll("button"))
    button.setAttribute("aria-pressed", button.querySelector(".name").textContent === name);
  if (sent?.found) why(++asked); // else an image is being judged, and explained for this class then
}
$("more").addEventListener("click", () => {
  if (!sent?.found) return;
  all = !all;
  showPrediction(sent.found);
});

async function showHeat() {
  const canvas = $("heat"), context = canvas.getContext("2d"), method = document.querySelector("[name=method]:checked").value;
  if (!explained) {
    context.clearRect(0, 0, canvas.width, canvas.height);
    canvas.setAttribute("aria-label", "No explanation yet");
    $("caption").textContent = "Here stands what the model sees, and which parts of it speak for its answer.";
    return;
  }
  const found = explained, image = new Image();
  image.src = found.seen;
  await image.decode();
  if (found !== explained) return;
  const scale = canvas.width / Math.max(image.width, image.height);
  const width = image.width * scale, height = image.height * scale;
  const box = [(canvas.width - width) / 2, (canvas.height - height) / 2, width, height];
  const heat = method === "seen" ? null : found[method];
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingEnabled = image.width > 100;
  context.drawImage(heat ? greyed(image) : image, ...box);
  context.imageSmoothingEnabled = true;
  context.imageSmoothingQuality = "high";
  if (heat) context.drawImage(coloured(heat.values), ...box);
  describe(found, method, heat);
}

function greyed(image) {
  const small = Object.assign(document.createElement("canvas"), { width: image.width, height: image.height });
  const context = small.getContext("2d");
  context.drawImage(image, 0, 0);
  const pixels = context.getImageData(0, 0, image.width, image.height), data = pixels.data;
  for (let i = 0; i < data.length; i += 4) data[i] = data[i + 1] = data[i + 2] = 0.299 * data[i] + 0.587 * data[i + 1] + 0.114 * data[i + 2];
  context.putImageData(pixels, 0, 0);
  return small;
}

function coloured(values) {
  const rows = values.length, columns = values[0].length, largest = Math.max(0.1, ...values.flat().map(Math.abs));
  const small = Object.assign(document.createElement("canvas"), { width: columns, height: rows });
  const context = small.getContext("2d");
  values.forEach((line, row) =>
    line.forEach((value, column) => {
      context.globalAlpha = 0.8 * Math.abs(value) / largest;
      context.fillStyle = colour(value >= 0 ? "--for" : "--against");
      context.fillRect(column, row, 1, 1);
    }));
  return small;
}

function mark(kind) {
  return Object.assign(document.createElement("i"), { className: kind });
}

function where(values) {
  let best = -Infinity, place = [0, 0];
  values.forEach((line, row) => line.forEach((value, column) => {
    if (value > best) [best, place] = [value, [(row + 0.5) / values.length, (column + 0.5) / line.length]];
  }));
  const name = (share, low, high) => (share < 1 / 3 ? low : share > 2 / 3 ? high : "");
  return [name(place[0], "upper", "lower"), name(place[1], "left", "right")].filter(Boolean).join(" ").replace(/$/, " part").replace(/^ part$/, "middle");
}

function describe(found, method, heat) {
  const caption = $("caption"), label = found.label;
  caption.replaceChildren();
  if (method === "seen") {
    caption.append(`What the model sees, ${card.image_shape[1]} × ${card.image_shape[0]} pixels.`);
  } else if (!heat) {
    caption.append("Grad-CAM needs the feature maps of a convolution; this model has none.");
  } else if (method === "occlusion") {
    const most = Math.exp(Math.max(0, ...heat.values.flat()));
    caption.append(mark("is-for"), `Covering this makes “${label}” less likely; `, mark("is-against"), "this, more likely. ");
    caption.append(`Most rests on the ${where(heat.values)}: covered, the odds are ${most < 1000 ? most.toPrecision(2) : "over a thousand"} times lower.`);
  } else {
    caption.append(mark("is-for"), `Here the network's feature map speaks for “${label}”, most in the ${where(heat.values)}. `);
    caption.append(`It is a map of ${heat.values[0].length} × ${heat.values.length} places.`);
  }
  $("heat").setAttribute("aria-label", `What the model sees. ${caption.textContent}`);
}

for (const radio of document.querySelectorAll("[name=method]")) radio.addEventListener("change", showHeat);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  redraw();
  showHeat();
});

// ---- start

const hasCamera = Boolean(navigator.mediaDevices?.getUserMedia); // on this machine or over https only
$("tab-camera").hidden = !hasCamera;
try {
  const response = await fetch("model");
  if (!response.ok) throw new Error();
  card = await response.json();
  showCard();
  $("tab-draw").hidden = card.drawing === null;
  open(shown()[0]);
  redraw();
} catch {
  complain("The server does not answer.", "Is it still running? Load the page again when it is.");
}
