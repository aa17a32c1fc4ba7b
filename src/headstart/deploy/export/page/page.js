// The page of `headstart export --page`: classifies images in the browser, without a network.
// shared.js has the drawing area, the camera and the bars. The network and ONNX Runtime Web are in
// the last elements of the page, compressed with gzip and written in base64.
let network = null, isReady = false, ort = null, latest = 0;

// ---- what is packed in the page

function unpackText(id) {
  const element = $(id), text = element.textContent;
  element.remove(); // its megabytes are not needed twice
  return text;
}

async function unpack(id) {
  const binary = atob(unpackText(id)), bytes = new Uint8Array(binary.length);
  for (let place = 0; place < bytes.length; place++) bytes[place] = binary.charCodeAt(place);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

async function openNetwork() {
  const code = new Blob([await unpack("runtime-code")], { type: "text/javascript" });
  const address = URL.createObjectURL(code);
  ort = await import(address);
  URL.revokeObjectURL(address);
  ort.env.wasm.numThreads = 1; // more need headers that a file does not have
  ort.env.wasm.wasmBinary = await unpack("runtime");
  return ort.InferenceSession.create(await unpack("network"), { executionProviders: ["wasm"] });
}

// ---- predictions

function seenByNetwork(blob, isDrawing) {
  const [height, width] = card.image_shape;
  if (!isDrawing) return readImage(blob, card.image_shape, card.resize);
  return decode(blob).then((image) => placeDrawing(image, width, height, card.drawing === "mnist"));
}

// Return the index of the most probable class, or of the one with the least expected cost.
function decide(probabilities) {
  const { costs } = card;
  const scores = costs === null ? probabilities : costs[0].map((_, predicted) =>
    -probabilities.reduce((sum, probability, label) => sum + probability * costs[label][predicted], 0));
  return scores.indexOf(Math.max(...scores));
}

async function classify(image) {
  const session = await network;
  const images = new ort.Tensor("uint8", new Uint8Array(image.data), [1, ...card.image_shape]);
  const results = await session.run({ images });
  const probabilities = [...results.probabilities.data];
  return {
    label: card.classes[decide(probabilities)],
    probabilities: Object.fromEntries(card.classes.map((name, index) => [name, probabilities[index]])),
    unfamiliar: isUnfamiliar(image, results.familiarity.data[0], card.unfamiliar_limits),
  };
}

let previous = Promise.resolve(); // ONNX Runtime answers one question at a time

async function predict(blob, isDrawing) {
  const request = ++latest;
  const isOld = () => request !== latest;
  let image = null;
  try {
    image = await seenByNetwork(blob, isDrawing);
  } catch {
    if (isOld()) return;
    reset();
    return showProblem("This browser cannot read the file as an image.", "Choose a JPEG, PNG, WebP or BMP file.");
  }
  await previous;
  if (isOld()) return;
  if (!isReady) $("answer").replaceChildren(make("span", { className: "soft", textContent: "Starting the model …" }));
  if (image === null) return reset();

  previous = classify(image).then((prediction) => {
    if (isOld()) return;
    showPrediction(prediction);
    showSeen(image);
  }, showFailure);
}

function showFailure(error) {
  reset();
  showProblem("This browser cannot run the model. Use a version of 2023 or later.", error.message);
}

function reset() {
  latest++;
  clearPrediction();
  showSeen(null);
}

// Show the image as the network receives it.
function showSeen(image) {
  const canvas = $("seen"), [height, width] = card.image_shape;
  [canvas.width, canvas.height] = [width, height];
  canvas.hidden = image === null;
  $("seen-ghost").hidden = image !== null;
  if (image === null) return;
  const shown = canvas.getContext("2d").createImageData(width, height);
  for (let place = 0; place < width * height; place++)
    for (let channel = 0; channel < 4; channel++)
      shown.data[4 * place + channel] =
        channel === 3 ? 255 : image.data[place * image.channels + (image.channels === 3 ? channel : 0)];
  canvas.getContext("2d").putImageData(shown, 0, 0);
}

// ---- start

function start() {
  card = JSON.parse(unpackText("card"));
  openFirstTab();
  showCard();
  addFact("Page written", card.written);
  addFact("Unfamiliar images", card.unfamiliar_limits ? "flagged" : "not flagged: too few validation images");
  reset();
  network = openNetwork();
  network.then(() => (isReady = true), showFailure);
}
start();
