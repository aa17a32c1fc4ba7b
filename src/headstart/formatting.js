// Numbers as text, with the rules of formatting.py. Every page of Headstart includes this file.
// A tie goes to the even digit: 76.25 is 76.2, where toFixed alone writes 76.3.
function fixed(value, decimals) {
  const scale = 10 ** decimals, lower = Math.floor(value * scale);
  const isTie = Number.isInteger(value * 2 ** (decimals + 1)) && !Number.isInteger(value * 2 ** decimals);
  return (isTie && lower % 2 === 0 ? lower / scale : value).toFixed(decimals);
}

// A second decimal needs 2,000 images.
function percent(share, images) {
  return `${fixed(100 * share, images >= 2000 ? 2 : 1)}%`;
}

// No probability is certain.
function probability(share) {
  if (share >= 0.9995) return ">99.9%";
  return share < 0.0005 ? "<0.1%" : `${fixed(100 * share, 1)}%`;
}

function wholeProbability(share) {
  if (share >= 0.995) return ">99%";
  return share <= 0.005 ? "<1%" : `${fixed(100 * share, 0)}%`;
}
