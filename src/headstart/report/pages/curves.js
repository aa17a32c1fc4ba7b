// The values of a curve under the pointer, or at the place that the arrow keys reach.
(() => {
  const digits = (value) => value.toLocaleString("en", { maximumSignificantDigits: 4 });
  const shown = (value, label) => (/accuracy/.test(label) && value <= 1
    ? percent(value) : digits(value));

  document.querySelectorAll("svg[data-values]").forEach((svg) => {
    const plots = JSON.parse(svg.dataset.values);
    const figure = svg.closest("figure"), drawing = svg.closest("[role=img]");
    const guide = document.createElementNS(svg.namespaceURI, "line");
    const tip = document.createElement("div");
    tip.className = "tip";
    tip.setAttribute("aria-hidden", "true");
    guide.setAttribute("class", "guide");
    const said = document.createElement("p");
    said.className = "heard";
    said.setAttribute("role", "status");
    svg.append(guide);
    figure.classList.add("hovers");
    figure.append(tip);
    figure.after(said);
    drawing.tabIndex = 0;

    const scaled = (value, isLog) => (isLog ? Math.log10(value) : value);
    const places = plots.map(({ lines }) => [...new Set(lines.flatMap((line) => line[1]))].sort((a, b) => a - b));
    const across = ({ box, x, log }, value) => box[0] + ((scaled(value, log[0]) - x[0]) / (x[1] - x[0])) * (box[2] - box[0]);

    const show = (number, value) => {
      const plot = plots[number], [left, top, , bottom] = plot.box;
      const rows = plot.lines.flatMap(([name, xs, ys]) => {
        const at = xs.indexOf(value);
        return at < 0 ? [] : [`${name} ${shown(ys[at], plot.labels[1])}`];
      });
      const words = [`${plot.labels[0]} ${digits(value)}`, ...rows];
      const position = across(plot, value);
      for (const [key, number] of [["x1", position], ["x2", position], ["y1", top], ["y2", bottom]]) guide.setAttribute(key, number);
      tip.replaceChildren(...words.map((word) => Object.assign(document.createElement("span"), { textContent: word })));
      const area = svg.getBoundingClientRect(), outer = figure.getBoundingClientRect();
      const scale = area.width / svg.viewBox.baseVal.width;
      const isRight = position > (left + plot.box[2]) / 2;
      tip.style.top = `${area.top - outer.top + top * scale + 4}px`;
      tip.style.left = isRight ? "auto" : `${area.left - outer.left + position * scale + 8}px`;
      tip.style.right = isRight ? `${outer.right - area.left - position * scale + 8}px` : "auto";
      figure.classList.add("is-hovered");
      return words.join(", ");
    };
    const hide = () => figure.classList.remove("is-hovered");

    svg.addEventListener("pointermove", (event) => {
      const area = svg.getBoundingClientRect(), scale = area.width / svg.viewBox.baseVal.width;
      const x = (event.clientX - area.left) / scale, y = (event.clientY - area.top) / scale;
      const number = plots.findIndex(({ box }) => x >= box[0] && x <= box[2] && y >= box[1] && y <= box[3]);
      if (number < 0) return hide();
      const far = (value) => Math.abs(across(plots[number], value) - x);
      return show(number, places[number].reduce((best, value) => (far(value) < far(best) ? value : best)));
    });
    svg.addEventListener("pointerleave", hide);

    // The same values as a table, after all figures of a group.
    const group = svg.closest(".panels, .curves, .drawing");
    let table = group.nextElementSibling;
    if (!table || table.className !== "values") {
      table = document.createElement("details");
      table.className = "values";
      table.innerHTML = "<summary>Values as a table</summary><div class='scroll' tabindex='0' role='group' aria-label='Values'>"
        + "<table><thead><tr><th scope='col'>Plot</th><th scope='col'>Line</th><th scope='col'>x</th><th scope='col'>Value</th></tr></thead><tbody></tbody></table></div>";
      group.after(table);
    }
    const isCopy = figure.classList.contains("narrow");
    const rows = isCopy ? [] : plots.flatMap((plot) => plot.lines.flatMap(([name, xs, ys]) => xs.map((x, place) => [
      (figure.querySelector("figcaption") || { textContent: plot.labels[1] }).textContent.trim(),
      name, `${plot.labels[0]} ${digits(x)}`, shown(ys[place], plot.labels[1])])));
    table.querySelector("tbody").append(...rows.map((cells) => {
      const row = document.createElement("tr");
      row.append(...cells.map((cell, place) => Object.assign(document.createElement(place ? "td" : "th"),
        { textContent: cell, ...(place ? {} : { scope: "row" }) })));
      return row;
    }));

    let at = [0, -1];
    drawing.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!step) return;
      event.preventDefault();
      let [number, place] = [at[0], at[1] + step];
      if (place >= places[number].length && number + 1 < plots.length) [number, place] = [number + 1, 0];
      if (place < 0 && number > 0) [number, place] = [number - 1, places[number - 1].length - 1];
      at = [number, Math.min(Math.max(place, 0), places[number].length - 1)];
      said.textContent = show(at[0], places[at[0]][at[1]]);
    });
    drawing.addEventListener("blur", hide);
  });
})();
