// The images behind the errors: a gallery that sorts and filters, and a dialog per cell of a matrix.
(() => {
  const source = document.getElementById("images-data");
  if (!source) return;
  const data = JSON.parse(source.textContent);
  // A number after a name that runs from the right would move to its other side.
  const isolate = (name) => (/[\u0590-\u08ff\ufb1d-\ufefc]/.test(name) ? `\u2068${name}\u2069` : name);
  data.classes = data.classes.map(isolate);
  const sheet = document.getElementById("images-sheet");
  const byId = (name) => document.getElementById(name);
  const PAGE = 48;

  const images = data.images.map(([name, label, predictions], tile) => ({ name, label, predictions, tile }));
  const counted = (number) => `${number.toLocaleString("en")} ${number === 1 ? "image" : "images"}`;
  const known = (image) => image.predictions.filter(Boolean);
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / Math.max(values.length, 1);

  // The predictions that count: those of one contender, or of all.
  const predictionsOf = (image, entry) => (entry === "" ? known(image) : [image.predictions[entry]].filter(Boolean));
  const trueProbability = (image, entry) => mean(predictionsOf(image, entry).map((said) => said[2]));
  const confidence = (image, entry) => mean(predictionsOf(image, entry).map((said) => said[1]));
  const disagreement = (image) => {
    const values = known(image).map((said) => said[2]);
    return Math.max(...values) - Math.min(...values);
  };

  const element = (tag, values = {}, ...children) => {
    const made = Object.assign(document.createElement(tag), values);
    made.append(...children);
    return made;
  };

  // The sheet is decoded once: decoding it for each cell takes longer than everything else.
  const bitmap = sheet.decode().then(() => createImageBitmap(sheet));

  const thumbnail = (image, pixels) => {
    const { width, height, columns } = data.tile;
    const canvas = element("canvas", { width, height });
    const words = image.predictions.map((said, entry) => (said
      ? `${data.entries[entry].name}: ${data.classes[said[0]]}, ${wholeProbability(said[1])}` : "")).filter(Boolean);
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `${image.name}, true class ${data.classes[image.label]}. ${words.join("; ")}`);
    if (data.tile.pixelated) canvas.className = "tiny";
    const left = (image.tile % columns) * width, top = Math.floor(image.tile / columns) * height;
    canvas.getContext("2d").drawImage(pixels, left, top, width, height, 0, 0, width, height);
    return canvas;
  };

  const item = (image, pixels) => {
    const text = element("div", {}, element("p", { className: "truth" }, data.classes[image.label],
      element("span", {}, image.name)));
    image.predictions.forEach((said, entry) => {
      if (!said) return;
      const { name, place } = data.entries[entry];
      const mark = element("i", { className: "mark" });
      mark.setAttribute("aria-hidden", "true");
      const isCorrect = said[0] === image.label;
      const words = `${isCorrect ? "correct" : data.classes[said[0]]},\u00a0${wholeProbability(said[1])}`;
      const line = element("p", { className: `said name c${place % 6}` }, mark, words);
      if (data.entries.length > 1) line.title = name;
      if (!isCorrect) line.append(" ", element("small", {}, `true class ${wholeProbability(said[2])}`));
      text.append(line);
    });
    return element("li", {}, thumbnail(image, pixels), text);
  };

  // The sheet may not be decoded yet when the first cell is opened.
  const fill = (list, shown) => bitmap.then((pixels) => list.append(...shown.map((image) => item(image, pixels))));

  // ---- The gallery ----
  const filters = byId("images-filters"), list = byId("images-list"), more = byId("images-more");
  byId("images-without-script").remove();
  filters.hidden = false;
  for (const name of ["true", "predicted"]) {
    filters.elements[name].append(...data.classes.map((label, number) => new Option(label, number)));
  }
  const chosen = (name) => (filters.elements[name] ? filters.elements[name].value : "");

  const isShown = (image) => {
    const entry = chosen("entry") === "" && data.entries.length === 1 ? 0 : chosen("entry");
    const said = predictionsOf(image, entry);
    const kinds = {
      "": true,
      incorrect: said.some(([predicted]) => predicted !== image.label),
      correct: said.length > 0 && said.every(([predicted]) => predicted === image.label),
      differ: new Set(known(image).map(([predicted]) => predicted)).size > 1,
    };
    return said.length > 0 && kinds[chosen("kind")]
      && (chosen("true") === "" || image.label === Number(chosen("true")))
      && (chosen("predicted") === "" || said.some(([predicted]) => predicted === Number(chosen("predicted"))));
  };
  const keys = {
    worst: (image) => trueProbability(image, chosen("entry")),
    confident: (image) => -confidence(image, chosen("entry")),
    uncertain: (image) => confidence(image, chosen("entry")),
    disagreement: (image) => -disagreement(image),
    class: (image) => image.label,
  };

  let waiting = [];
  const status = () => {
    const total = list.children.length + waiting.length;
    byId("images-status").textContent = waiting.length
      ? `${list.children.length} of ${counted(total)}` : `${counted(total)}`;
    more.hidden = waiting.length === 0;
  };
  const showMore = () => fill(list, waiting.splice(0, PAGE)).then(status);
  const update = () => {
    const key = keys[chosen("order")];
    waiting = images.filter(isShown).sort((a, b) => key(a) - key(b) || keys.worst(a) - keys.worst(b));
    list.replaceChildren();
    return showMore();
  };
  filters.addEventListener("change", update);
  more.addEventListener("click", () => {
    const before = list.children.length;
    showMore().then(() => { if (more.hidden && list.children[before]) list.children[before].scrollIntoView({ block: "nearest" }); });
  });
  update();

  // ---- The dialog of a cell ----
  const dialog = byId("cell-images");
  const cells = data.entries.map(({ cells: counts }) => new Map(counts.map(([t, p, count]) => [`${t},${p}`, count])));
  const countOf = (entry, t, p) => cells[entry].get(`${t},${p}`) || 0;
  const cellWords = (entry, t, p) => (t === p ? `${data.classes[t]}, correctly classified`
    : `${data.classes[t]} predicted as ${data.classes[p]}`);

  const openCell = (entry, t, p) => {
    const total = countOf(entry, t, p);
    if (!total) return;
    const shown = images.filter(({ label, predictions }) => label === t && predictions[entry] && predictions[entry][0] === p)
      .sort((a, b) => trueProbability(a, entry) - trueProbability(b, entry));
    byId("cell-images-title").textContent = cellWords(entry, t, p);
    const who = data.entries.length > 1 ? `${data.entries[entry].name}: ` : "";
    const rest = shown.length < total ? ` ${shown.length} of them are shown. All are in predictions.csv of the run.` : "";
    byId("cell-images-status").textContent = `${who}${counted(total)}, worst first.${rest}`;
    byId("cell-images-list").replaceChildren();
    dialog.showModal();
    dialog.scrollTop = 0;
    fill(byId("cell-images-list"), shown);
  };
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });

  const ARROWS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  const entryOf = (node) => Number(node.closest("[data-entry]").dataset.entry);

  // A table with numbers is a grid: one stop for Tab, arrow keys move, Enter opens.
  document.querySelectorAll("[data-entry] table.confusion").forEach((table) => {
    const entry = entryOf(table);
    const rows = [...table.tBodies[0].rows].map((row) => [...row.querySelectorAll("td")]);
    if (!data.entries[entry]) return;
    table.setAttribute("role", "grid");
    rows.flat().forEach((cell) => { cell.tabIndex = -1; });
    rows[0][0].tabIndex = 0;
    const at = (cell) => [cell.parentElement.rowIndex - 1, cell.cellIndex - 1];
    table.addEventListener("click", (event) => {
      const cell = event.target.closest("tbody td");
      if (cell) openCell(entry, ...at(cell));
    });
    table.addEventListener("keydown", (event) => {
      const cell = event.target.closest("tbody td");
      if (!cell) return;
      const [t, p] = at(cell);
      if (event.key === "Enter" || event.key === " ") {
        event.preventDefault();
        openCell(entry, t, p);
      } else if (ARROWS[event.key]) {
        event.preventDefault();
        const next = (rows[t + ARROWS[event.key][0]] || [])[p + ARROWS[event.key][1]];
        if (!next) return;
        cell.tabIndex = -1;
        next.tabIndex = 0;
        next.focus();
      }
    });
  });

  // A picture of many classes has a cursor, and a line that says what lies under it.
  document.querySelectorAll("[data-entry] .heat").forEach((figure) => {
    const entry = entryOf(figure), picture = figure.querySelector("img"), classes = data.classes.length;
    const box = element("div", { className: "cursor" }), words = element("p", { className: "caption under" });
    const plot = element("div", { className: "cells", tabIndex: 0 });
    if (!data.entries[entry]) return;
    words.setAttribute("role", "status");
    plot.setAttribute("role", "application");
    plot.setAttribute("aria-label", "Cells of the confusion matrix: arrow keys move, Enter shows the images");
    const holder = picture.closest("picture");
    holder.replaceWith(plot);
    plot.append(holder, box);
    figure.append(words);
    let at = [0, 0];
    const move = (t, p) => {
      at = [Math.min(Math.max(t, 0), classes - 1), Math.min(Math.max(p, 0), classes - 1)];
      const size = 100 / classes;
      box.style.cssText = `display:block;top:${at[0] * size}%;left:${at[1] * size}%;width:${size}%;height:${size}%`;
      words.textContent = `${cellWords(entry, ...at)}: ${counted(countOf(entry, ...at))}`;
    };
    const under = (event) => {
      const { left, top, width, height } = picture.getBoundingClientRect();
      return [Math.floor((classes * (event.clientY - top)) / height), Math.floor((classes * (event.clientX - left)) / width)];
    };
    plot.addEventListener("pointermove", (event) => move(...under(event)));
    plot.addEventListener("click", (event) => { move(...under(event)); openCell(entry, ...at); });
    plot.addEventListener("focus", () => move(...at));
    plot.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") {
        event.preventDefault();
        openCell(entry, ...at);
      } else if (ARROWS[event.key]) {
        event.preventDefault();
        move(at[0] + ARROWS[event.key][0], at[1] + ARROWS[event.key][1]);
      }
    });
  });

  // The list of the most confused classes: its numbers are buttons.
  document.querySelectorAll("[data-entry] table.pairs tbody td[data-cell]").forEach((cell) => {
    const entry = entryOf(cell), [t, p] = cell.dataset.cell.split(",").map(Number);
    if (!data.entries[entry]) return;
    const button = element("button", { type: "button", className: "link" }, ...cell.childNodes);
    button.setAttribute("aria-label", `${button.textContent}: show the images of ${cellWords(entry, t, p)}`);
    button.addEventListener("click", () => openCell(entry, t, p));
    cell.append(button);
  });
  document.querySelectorAll("[data-with-images]").forEach((hint) => { hint.hidden = false; });
})();
