// Curves as inline SVG, with their values in words, under the pointer or the arrow keys, and as a table.
"use strict";
const charts = (() => {
  const H = 250, LEFT = 52, RIGHT = 14, TOP = 12, BOTTOM = 42;
  const svg = (tag, attributes = {}, ...children) => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
    Object.entries(attributes).forEach(([key, value]) => node.setAttribute(key, value));
    node.append(...children);
    return node;
  };
  const ticks = (low, high, count, least = 0) => {
    const raw = Math.max(least, (high - low) / count);
    const unit = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 5, 10].map((factor) => factor * unit).find((size) => size >= raw * 0.999);
    const values = [];
    for (let place = Math.ceil(low / step - 1e-9); place * step <= high + step * 1e-9; place += 1) values.push(place * step);
    return values;
  };
  const short = (value) => String(Number(value.toPrecision(3)));
  const path = (points) => points.map(([x, y], place) => `${place ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");
  const stairs = ([[x, y], ...points]) => `M${x.toFixed(1)} ${y.toFixed(1)}${points.map((point) => `H${point[0].toFixed(1)}V${point[1].toFixed(1)}`).join("")}`;
  const sample = (one) => {
    const mark = one.dots ? svg("circle", { class: `dot s${one.colour}`, cx: 15, cy: 4, r: 3.5 })
      : svg("path", { class: `curve s${one.colour}${one.dashed ? " dashed" : ""}`, d: "M0 4H30" });
    return svg("svg", { viewBox: "0 0 30 8", "aria-hidden": "true" }, mark);
  };

  /* One figure. Each series has a name, a colour (0 or 1), and points {x, y, label}; y is null where nothing was measured.
     A series is a line, `steps` between values that last, or dots. The axis of y stays within `bounds`. Where x counts, as runs and whole epochs do, its ticks are whole
     and its axis starts at the first value. Fractions of an epoch have an axis from 0. */
  function figure({ title, xName, series, format, bounds, element }) {
    const W = Math.min(560, Math.max(280, document.documentElement.clientWidth - 34)); // text keeps its size on a phone
    const drawn = series.map((one) => ({ ...one, points: one.points.filter((point) => point.y !== null) })).filter((one) => one.points.length);
    const node = element("figure", {}, element("figcaption", {}, title));
    if (!drawn.length) {
      node.append(element("p", { class: "soft" }, "Nothing is measured yet."));
      return node;
    }
    const all = drawn.flatMap((one) => one.points);
    let [low, high] = [Math.min(...all.map((point) => point.y)), Math.max(...all.map((point) => point.y))];
    const pad = (high - low || Math.abs(high) || 1) * 0.08;
    [low, high] = [Math.max(bounds[0], low - pad), Math.min(bounds[1], high + pad)];
    const isWhole = all.every((point) => Number.isInteger(point.x));
    let [first, last] = [Math.min(...(isWhole ? [] : [0]), ...all.map((point) => point.x)), Math.max(...all.map((point) => point.x))];
    if (last === first) last = first + 1;
    const toX = (x) => LEFT + ((x - first) / (last - first)) * (W - LEFT - RIGHT);
    const toY = (y) => TOP + ((high - y) / (high - low)) * (H - TOP - BOTTOM);

    const words = drawn.map((one) => {
      const end = one.points.at(-1);
      return `${one.name}: ${format(end.y)} at ${xName} ${short(end.x)}`;
    });
    const image = svg("svg", { viewBox: `0 0 ${W} ${H}`, role: "img", tabindex: "0", "data-key": `chart of ${title}`, "aria-label": `${title}. ${words.join("; ")}. Use the arrow keys to read values.` });
    ticks(low, high, 5).forEach((value) => image.append(
      svg("line", { class: "grid", x1: LEFT, x2: W - RIGHT, y1: toY(value), y2: toY(value) }),
      svg("text", { x: LEFT - 8, y: toY(value) + 4, "text-anchor": "end" }, format(value, true)),
    ));
    ticks(first, last, 6, isWhole ? 1 : 0).forEach((value) => image.append(svg("text", { x: toX(value), y: H - 23, "text-anchor": "middle" }, short(value))));
    image.append(svg("text", { x: W - RIGHT, y: H - 5, "text-anchor": "end" }, xName));
    drawn.forEach((one) => {
      const style = `s${one.colour}${one.dashed ? " dashed" : ""}`;
      const points = one.points.map((point) => [toX(point.x), toY(point.y)]);
      if (!one.dots) image.append(svg("path", { class: `curve ${style}`, d: one.steps ? stairs(points) : path(points) }));
      if (one.dots || points.length === 1) points.forEach(([x, y]) => image.append(svg("circle", { class: `dot ${style}`, cx: x, cy: y, r: 3.5 })));
    });

    const places = [...new Set(all.map((point) => point.x))].sort((a, b) => a - b);
    const cursor = svg("line", { class: "cursor", y1: TOP, y2: H - BOTTOM, visibility: "hidden" });
    const output = element("output", {}, words.join(" · "));
    image.append(cursor);
    let place = places.length - 1;
    const show = (next) => {
      place = Math.max(0, Math.min(places.length - 1, next));
      const x = places[place];
      cursor.setAttribute("visibility", "visible");
      cursor.setAttribute("x1", toX(x));
      cursor.setAttribute("x2", toX(x));
      const values = drawn.flatMap((one) => one.points.filter((point) => point.x === x).map((point) => `${point.label ?? one.name} ${format(point.y)}`));
      output.textContent = `${xName} ${short(x)}: ${values.join(" · ")}`;
    };
    const hide = () => { cursor.setAttribute("visibility", "hidden"); output.textContent = words.join(" · "); };
    image.addEventListener("pointermove", (event) => {
      const box = image.getBoundingClientRect();
      const x = first + ((((event.clientX - box.left) / box.width) * W - LEFT) / (W - LEFT - RIGHT)) * (last - first);
      show(places.reduce((best, other, index) => (Math.abs(other - x) < Math.abs(places[best] - x) ? index : best), 0));
    });
    image.addEventListener("pointerleave", hide);
    image.addEventListener("keydown", (event) => {
      const steps = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity };
      if (event.key === "Escape") hide();
      if (!(event.key in steps)) return;
      event.preventDefault();
      show(place + steps[event.key]);
    });

    const key = element("p", { class: "key" }, ...drawn.map((one) => element("span", {}, sample(one), one.name)));
    const head = element("tr", {}, element("th", { scope: "col" }, xName), ...drawn.map((one) => element("th", { scope: "col", class: "number" }, one.name)));
    const body = places.map((x) => element("tr", {}, element("th", { scope: "row" }, short(x)), ...drawn.map((one) => {
      const point = one.points.find((other) => other.x === x);
      return element("td", { class: "number" }, point ? format(point.y) : "–");
    })));
    const table = element("div", { class: "scroll", role: "region", tabindex: "0", "aria-label": `${title}, values` },
      element("table", { class: "values" }, element("thead", {}, head), element("tbody", {}, ...body)));
    node.append(key, image, output, element("details", { "data-key": `values of ${title}` }, element("summary", { "data-key": `summary of ${title}` }, "Values as a table"), table));
    return node;
  }
  return { figure };
})();
