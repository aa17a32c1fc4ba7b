// The page of `headstart serve`: sends an image to /predict and /explain, and shows the results.
// shared.js has everything else.
const NO_EXPLANATION =
  "This shows the image as the model sees it, and the regions that are evidence for its prediction.";
let sent = null, latestRequest = 0, explanation = null, waitingFor = "";

// ---- requests

async function post(path, query) {
  const response = await fetch(`${path}?${new URLSearchParams(query)}`, { method: "POST", body: sent.blob });
  const result = await response.json().catch(() => ({ error: `The server responded with status ${response.status}.` }));
  if (!response.ok) throw Object.assign(new Error(result.error), { hint: result.hint });
  return result;
}

function showError(error) {
  if (error instanceof TypeError) showProblem("The server does not respond.", "Check that it is running.");
  else showProblem(error.message, error.hint);
}

function reset() {
  latestRequest++;
  sent = explanation = null;
  waitingFor = "";
  clearPrediction();
  showExplanation();
}

async function predict(blob, isDrawing, isDone) {
  const request = ++latestRequest;
  sent = { blob, query: isDrawing ? { drawing: "true" } : {} };
  chosenClass = null;
  if (card.explains) waitForExplanation(isDone); // that of the image before would be wrong beside this one
  try {
    const prediction = await post("predict", sent.query);
    if (request !== latestRequest) return;
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
    waitingFor = "No explanation";
    showExplanation();
    showError(error);
  }
}

// ---- explanation

function waitForExplanation(isDone) {
  explanation = null;
  waitingFor = isDone ? "Computing the explanation …" : "Explained when the pen is up";
  showExplanation();
}

function choose(name) {
  chosenClass = name;
  for (const button of $("bars").querySelectorAll("button"))
    button.setAttribute("aria-pressed", button.querySelector(".name").textContent === name);
  if (!sent?.prediction) return;
  waitForExplanation(true);
  explain(++latestRequest);
}

async function showExplanation() {
  const canvas = $("heat"), context = canvas.getContext("2d");
  const method = document.querySelector("[name=method]:checked").value;
  $("heat-ghost").hidden = explanation !== null;
  $("heat-ghost").textContent = waitingFor || "The explanation appears here";
  if (!explanation) {
    context.clearRect(0, 0, canvas.width, canvas.height);
    canvas.setAttribute("aria-label", waitingFor || "No explanation yet");
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
    const factor = most < 1000 ? Number(most.toPrecision(2)) : "more than 1,000";
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
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", showExplanation);

// ---- start

async function start() {
  try {
    const response = await fetch("model");
    if (!response.ok) throw new Error();
    card = await response.json();
  } catch {
    return showProblem("The server does not respond.", "Check that it is running, then reload the page.");
  }
  $("explanation").hidden = !card.explains;
  $("example").textContent = `curl --data-binary @image.png \\\n  ${location.origin}/predict`;
  openFirstTab();
  showCard();
}
start();
