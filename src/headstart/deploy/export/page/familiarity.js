// Whether an image is unlike the training images: OodThreshold and image_statistics of
// headstart.classifier, written again for a browser.

const SCALES = 5, LEAST_SIDE = 4, CELLS = 3, LEAST_CONTRAST = 1e-3, LEAST_SPREAD = 1e-6;
const DARK = 8, BRIGHT = 247;

const meanOf = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
const meanSquare = (values) => values.reduce((sum, value) => sum + value * value, 0) / values.length;
const plane = (width, height) => ({ width, height, values: new Float64Array(width * height) });

// Return brightness, and for colour images two differences of colours.
function colourPlanes({ width, height, channels, data }) {
  const mixes = channels === 1 ? [[1]] : [[1 / 3, 1 / 3, 1 / 3], [1, -1, 0], [0.5, 0.5, -1]];
  return mixes.map((mix) => {
    const result = plane(width, height);
    for (let place = 0; place < result.values.length; place++)
      mix.forEach((share, channel) => (result.values[place] += (share * data[place * channels + channel]) / 255));
    return result;
  });
}

// Return the sums of 2x2 blocks, and their horizontal, vertical and diagonal differences.
function haar({ width, height, values }) {
  const results = [0, 1, 2, 3].map(() => plane(width >> 1, height >> 1));
  const half = width >> 1;
  for (let row = 0; row < height >> 1; row++)
    for (let column = 0; column < half; column++) {
      const place = 2 * row * width + 2 * column;
      const [a, b, c, d] = [values[place], values[place + 1], values[place + width], values[place + width + 1]];
      [a + b + c + d, a + c - b - d, a + b - c - d, a - b - c + d].forEach((value, kind) => {
        results[kind].values[row * half + column] = value;
      });
    }
  return results;
}

function cellMeans({ width, height, values }, scale) {
  const edges = (length) => {
    const cells = Math.min(CELLS, length);
    return Array.from({ length: cells + 1 }, (_, cell) => Math.floor((cell * length) / cells));
  };
  const rows = edges(height), columns = edges(width), means = [];
  for (let i = 1; i < rows.length; i++)
    for (let j = 1; j < columns.length; j++) {
      let sum = 0;
      for (let y = rows[i - 1]; y < rows[i]; y++)
        for (let x = columns[j - 1]; x < columns[j]; x++) sum += values[y * width + x];
      means.push(sum / ((rows[i] - rows[i - 1]) * (columns[j] - columns[j - 1])) / scale);
    }
  return means;
}

function imageStatistics(image) {
  const planes = colourPlanes(image), means = planes.map(({ values }) => meanOf(values));
  const contrasts = planes.map(({ values }, index) => [meanSquare(values) - means[index] ** 2]);
  let sums = planes, cell = 1;
  for (let scale = 0; scale < SCALES && Math.min(sums[0].width, sums[0].height) >= LEAST_SIDE; scale++) {
    cell *= 2;
    sums = sums.map((each, index) => {
      const [sum, ...details] = haar(each);
      contrasts[index].push(...details.map(({ values }) => meanSquare(values) / cell ** 4));
      return sum;
    });
  }
  const strengths = contrasts.flat().map((each) => Math.log(Math.sqrt(Math.max(each, 0)) + LEAST_CONTRAST));
  const share = (test) => image.data.filter(test).length / image.data.length;
  const shares = [share((level) => level < DARK), share((level) => level > BRIGHT)];
  return [...means, ...strengths, ...cellMeans(sums[0], cell ** 2), ...shares];
}

const parseLine = (line) => line.trim().split(/\s+/).map(Number);

// Return the Mahalanobis distance of an image from the training images.
function distance(image, { mean, whitening }) {
  const usual = parseLine(mean), centred = imageStatistics(image).map((value, index) => value - usual[index]);
  const whitened = new Array(centred.length).fill(0);
  whitening.forEach((line, row) =>
    parseLine(line).forEach((weight, column) => (whitened[column] += centred[row] * weight)));
  return Math.hypot(...whitened);
}

// Return whether an image is out-of-distribution; null without limits, which small runs lack.
function isUnfamiliar(image, energy, limits) {
  if (!limits) return null;
  if (energy < limits.threshold) return true;
  const brightness = meanOf(image.data) / 255, [lowest, highest] = limits.brightness ?? [0, 1];
  if (brightness < lowest || brightness > highest) return true;
  const { image_distribution: usual, energy_median: median } = limits;
  if (usual === null || median === null) return false;
  const spread = Math.max(usual.limit - usual.median, LEAST_SPREAD);
  return (distance(image, usual) - usual.median) / spread > 1;
}
