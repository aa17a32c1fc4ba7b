// The live page: asks for a snapshot every two seconds, and draws what has changed.
"use strict";
(() => {
  const POLL_MS = 2000, FIRST_ROWS = 200, SHORT_NAME = 28;
  const token = document.querySelector("meta[name=headstart-token]").content;
  const byId = (id) => document.getElementById(id);
  let entries = new Map(), state = "", chosen = [], isAll = false, shownView = null;
  const rows = new Map();

  /* ---- words and numbers ---- */
  const STATES = { running: "in progress", unfinished: "unfinished", finished: "finished", damaged: "damaged" };
  const duration = (seconds) => {
    if (seconds === null || seconds === undefined) return "–";
    if (seconds < 10) return `${seconds.toFixed(1)} s`;
    if (seconds < 120) return `${Math.round(seconds)} s`;
    const minutes = Math.round(seconds / 60);
    return minutes < 100 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`;
  };
  const accuracy = (score) => (score ? percent(score.accuracy, score.n) : "–");
  const interval = (score) => (score?.interval ? `95%: ${score.interval.map((end) => percent(end, score.n)).join(" to ")}` : "");
  const ago = (time) => {
    const seconds = Math.max(0, Date.now() / 1000 - time);
    if (seconds < 60) return "just now";
    if (seconds < 86400) return `${duration(seconds)} ago`;
    return new Date(time * 1000).toISOString().slice(0, 10);
  };
  const left = (entry) => {
    if (entry.state !== "running" || entry.ends === null) return "";
    const seconds = entry.ends - Date.now() / 1000;
    if (seconds < 1) return entry.time_limit ? "time limit reached" : "nearly done";
    return `${entry.time_limit ? "at most " : "about "}${duration(seconds)} left`;
  };
  const fraction = (entry) => {
    if (entry.fraction !== null || !entry.time_limit) return entry.fraction;
    return Math.min(1, Math.max(0, 1 - (entry.ends - Date.now() / 1000) / entry.time_limit));
  };
  const nameOf = (entry) => (entry.id === "." ? byId("folder").textContent.split("/").at(-1) : entry.id);
  const kindOf = (entry) => (entry.kind === "study" ? entry.verb : entry.seed === null ? "run" : `run, seed ${entry.seed}`);

  /* ---- elements ---- */
  function element(tag, attributes = {}, ...children) {
    const node = document.createElement(tag);
    Object.entries(attributes).forEach(([key, value]) => {
      if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
      else if (value === true) node.setAttribute(key, "");
      else if (value !== false && value !== null) node.setAttribute(key, value);
    });
    node.append(...children.filter((child) => child !== null && child !== ""));
    return node;
  }
  /* A path breaks after its slashes. */
  const breakable = (text) => text.split(/(?<=\/)(?=.)/).flatMap((part) => [element("wbr"), part]);
  const button = (text, key, onclick, attributes = {}) => element("button", { type: "button", "data-key": key, onclick, ...attributes }, text);
  const opens = (entry, text = nameOf(entry)) => button(text, `open ${entry.id}`, () => { location.hash = `run=${encodeURIComponent(entry.id)}`; }, { class: "link" });

  /* Replace the content of a box. The focus, open details and scrolled tables stay as they are. */
  function fill(box, ...children) {
    const focused = box.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
    const open = [...box.querySelectorAll("details[open]")].map((node) => node.dataset.key);
    box.replaceChildren(...children.filter((child) => child !== null && child !== ""));
    box.querySelectorAll("details").forEach((node) => { node.open = open.includes(node.dataset.key); });
    if (focused !== undefined) [...box.querySelectorAll("[data-key]")].find((node) => node.dataset.key === focused)?.focus({ preventScroll: true });
  }

  /* ---- requests ---- */
  async function ask(address, options = {}) {
    const answer = await fetch(address, { ...options, headers: { "X-Headstart-Token": token, "Content-Type": "application/json" } });
    const content = await answer.json();
    if (!answer.ok) throw new Error(content.error ?? `status ${answer.status}`);
    return content;
  }
  const say = (text) => { byId("status").textContent = text; };
  const complain = (text) => { byId("connection").textContent = text; byId("connection").hidden = !text; };

  async function confirm(title, text, command, yes) {
    byId("ask-title").textContent = title;
    byId("ask-text").textContent = text;
    byId("ask-command").textContent = command;
    byId("ask-command").hidden = !command;
    byId("ask-yes").textContent = yes;
    const dialog = byId("ask");
    dialog.returnValue = "no";
    dialog.showModal();
    byId("ask-no").focus();
    await new Promise((resolve) => { dialog.addEventListener("close", resolve, { once: true }); });
    return dialog.returnValue === "yes";
  }
  async function act(verb, entry) {
    const isStop = verb === "stop";
    const text = isStop
      ? "It finishes its step, saves everything, and can be resumed. A study keeps its finished runs."
      : "This command runs on this machine until it is done, even if this page is closed:";
    const title = `${isStop ? "Stop" : "Resume"} ${nameOf(entry)}?`;
    if (!await confirm(title, text, isStop ? "" : entry.command, isStop ? "Stop" : "Resume")) return;
    try {
      await ask(verb, { method: "POST", body: JSON.stringify({ id: entry.id }) });
      say(isStop ? `${nameOf(entry)} was asked to stop.` : `${nameOf(entry)} resumes.`);
      complain("");
    } catch (error) {
      complain(`${nameOf(entry)}: ${error.message}`);
    }
    poll();
  }
  function actions(entry) {
    const buttons = [];
    if (entry.can_stop) buttons.push(button("Stop", `stop ${entry.id}`, () => act("stop", entry), { "aria-label": `Stop ${nameOf(entry)}` }));
    if (entry.can_resume) buttons.push(button("Resume", `resume ${entry.id}`, () => act("resume", entry), { "aria-label": `Resume ${nameOf(entry)}` }));
    return buttons;
  }
  const reportLink = (entry) => (entry.has_report
    ? element("a", { href: `report?id=${encodeURIComponent(entry.id)}&token=${encodeURIComponent(token)}`, target: "_blank", rel: "noopener", "data-key": `report ${entry.id}` }, "Report")
    : null);
  function toType(entry) {
    if (!entry.command || entry.can_stop || entry.can_resume) return [];
    return [element("p", { class: "soft" }, entry.state === "running" ? "To stop it, type:" : "To resume it, type:"), element("pre", { tabindex: "0" }, entry.command)];
  }

  /* ---- the list ---- */
  const top = () => [...entries.values()].filter((entry) => entry.parent === null);
  function progressBar(entry) {
    const done = fraction(entry);
    return done === null ? null : element("progress", { max: "1", value: done.toFixed(4), "aria-label": `Progress of ${nameOf(entry)}` });
  }
  function card(entry) {
    const done = fraction(entry);
    const facts = [done === null ? "" : `${fixed(100 * done, 0)}%`, left(entry)].filter(Boolean).join(" · ");
    return element("li", {},
      element("h3", {}, opens(entry)),
      element("p", { class: "soft" }, [kindOf(entry), entry.model, entry.data].filter(Boolean).join(" · ")),
      progressBar(entry),
      element("p", {}, element("b", {}, facts || (entry.validation ? "in progress" : "starting"))),
      element("p", {}, entry.progress),
      entry.validation ? element("p", {}, `${accuracy(entry.validation)} validation accuracy ${entry.kind === "study" ? "of the best run" : "so far"}`) : null,
      entry.problem ? element("p", { class: "problem" }, ...breakable(entry.problem)) : null,
      element("p", { class: "buttons" }, ...actions(entry)),
      ...toType(entry));
  }
  function choose(entry, isChosen) {
    chosen = chosen.filter((id) => id !== entry.id);
    if (isChosen) chosen = [...chosen, entry.id].slice(-2);
    drawChosen();
  }
  const comparable = (entry) => entry.kind === "run" && entry.state !== "damaged";
  const tick = (entry) => (comparable(entry)
    ? element("input", { type: "checkbox", "aria-label": `Compare ${nameOf(entry)}`, "data-key": `choose ${entry.id}`, "data-id": entry.id, onchange: (event) => choose(entry, event.target.checked) })
    : "");
  function row(entry) {
    const text = JSON.stringify(entry);
    const known = rows.get(entry.id);
    if (known?.text === text) return known.node;
    const value = (name, content, title = "") => element("td", { class: `number value${content === "–" ? " empty" : ""}`, "data-name": name, title: title || null }, content);
    const node = element("tr", {},
      element("td", {}, tick(entry)),
      element("th", { scope: "row" }, opens(entry), entry.sentence ? element("small", {}, entry.sentence) : "",
        entry.problem ? element("p", { class: "problem" }, ...breakable(entry.problem)) : ""),
      element("td", { class: "status" }, element("span", { class: `state ${entry.state}` }, STATES[entry.state]), ...(entry.state === "running" ? [] : actions(entry)).map((control) => element("p", {}, control))),
      element("td", { class: "extra" }, entry.data || "–"),
      element("td", { class: "extra model" }, entry.model || "–", element("br"), element("small", {}, kindOf(entry))),
      value("validation", accuracy(entry.validation), interval(entry.validation)),
      value("test", accuracy(entry.test), interval(entry.test)),
      value("time", duration(entry.seconds)),
      element("td", { class: "extra nowrap", "data-changed": entry.changed }, ago(entry.changed)));
    rows.set(entry.id, { text, node });
    return node;
  }
  const KEYS = {
    changed: (entry) => -entry.changed,
    test: (entry) => -(entry.test?.accuracy ?? -1),
    validation: (entry) => -(entry.validation?.accuracy ?? -1),
    seconds: (entry) => -(entry.seconds ?? -1),
  };
  function drawList() {
    const running = top().filter((entry) => entry.state === "running");
    byId("current").hidden = !running.length;
    fill(byId("cards"), ...running.map(card));

    const words = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
    const wanted = byId("state").value, order = byId("order").value;
    const visible = top().filter((entry) => {
      const text = `${entry.id} ${entry.verb} ${entry.model} ${entry.data}`.toLowerCase();
      return (!wanted || entry.state === wanted) && words.every((word) => text.includes(word));
    });
    const byName = (a, b) => a.id.localeCompare(b.id, undefined, { numeric: true });
    visible.sort((a, b) => (order === "name" ? byName(a, b) : KEYS[order](a) - KEYS[order](b) || byName(a, b)));
    fill(byId("rows"), ...visible.slice(0, isAll ? undefined : FIRST_ROWS).map(row));
    byId("table").hidden = !visible.length;
    byId("empty").hidden = visible.length > 0;
    byId("empty").textContent = entries.size ? "Nothing matches." : "No runs yet. Train one in another terminal: headstart train digits";
    byId("more").hidden = isAll || visible.length <= FIRST_ROWS;
    byId("more-button").textContent = `Show all ${visible.length.toLocaleString("en")}`;
    drawChosen();
  }
  function drawChosen() {
    chosen = chosen.filter((id) => entries.has(id));
    document.querySelectorAll("input[data-id]").forEach((box) => { box.checked = chosen.includes(box.dataset.id); });
    byId("chosen").hidden = !chosen.length || shownView?.kind === "compare";
    const [a, b] = chosen.map((id) => entries.get(id));
    fill(byId("chosen"), element("span", {}, b ? `${nameOf(a)} and ${nameOf(b)}` : a ? `${nameOf(a)}: tick another run to compare` : ""),
      b ? button("Side by side", "side by side", () => { location.hash = `compare=${encodeURIComponent(a.id)}&with=${encodeURIComponent(b.id)}`; }, { class: "main" }) : null,
      button("Clear", "clear", () => { chosen = []; drawChosen(); }));
  }

  /* ---- one run, one study, two runs ---- */
  const fact = (name, value, note = "") => element("div", {}, element("dt", {}, name), element("dd", {}, element("b", {}, value), note));
  function facts(entry) {
    return element("dl", { class: "facts" },
      fact("State", STATES[entry.state], [entry.progress, left(entry)].filter(Boolean).join(" · ")),
      entry.validation ? fact("Validation accuracy", accuracy(entry.validation), interval(entry.validation)) : null,
      entry.test ? fact("Test accuracy", accuracy(entry.test), interval(entry.test)) : null,
      fact("Model", entry.model || "–", kindOf(entry)),
      fact("Data", entry.data || "–"),
      entry.seconds === null ? null : fact("Time", duration(entry.seconds)));
  }
  const points = (curves, column) => (curves[column] ?? []).map((y, place) => ({ x: curves.epoch[place], y }));
  const loss = (value, isShort) => (isShort ? String(Number(value.toPrecision(2))) : value.toFixed(4));
  const share = (value, isShort) => `${fixed(100 * value, !isShort || (value > 0.98 && value < 1) ? 1 : 0)}%`;
  function curveFigures(named) {
    const series = (part) => named.flatMap(({ name, curves }, colour) => [
      { name: `${name}validation`, colour, points: points(curves, `validation_${part}`) },
      { name: `${name}training`, colour, dashed: true, points: points(curves, `train_${part}`) },
    ]);
    return element("div", { class: "panels" },
      charts.figure({ title: "Accuracy", xName: "epoch", series: series("accuracy"), format: share, bounds: [0, 1], element }),
      charts.figure({ title: "Loss", xName: "epoch", series: series("loss"), format: loss, bounds: [0, Infinity], element }));
  }
  function pairs(title, columns, names) {
    const keys = [...new Set(columns.flatMap((column) => Object.keys(column)))];
    if (!keys.length) return [];
    const head = columns.length > 1 ? element("thead", {}, element("tr", {}, element("th", { scope: "col" }, element("span", { class: "unseen" }, "Name")), ...names.map((name, place) => element("th", { scope: "col", class: `c${place}` }, name)))) : "";
    const body = keys.map((key) => {
      const values = columns.map((column) => column[key] ?? "–");
      return element("tr", { class: new Set(values).size > 1 ? "differs" : null }, element("th", { scope: "row" }, key), ...values.map((value) => element("td", {}, value)));
    });
    const table = element("div", { class: "scroll", role: "region", tabindex: "0", "aria-label": title }, element("table", { class: "values" }, head, element("tbody", {}, ...body)));
    return [element("details", { "data-key": title }, element("summary", { "data-key": `summary ${title}` }, title), table)];
  }
  function drawRun(entry, detail) {
    const parent = entry.parent !== null && entries.get(entry.parent);
    return [parent ? element("p", {}, "Part of ", opens(parent)) : null,
      entry.problem ? element("p", { class: "problem" }, ...breakable(entry.problem), " See what still works: headstart doctor") : null,
      entry.state === "running" ? progressBar(entry) : null,
      element("p", { class: "buttons" }, ...actions(entry), reportLink(entry)), ...toType(entry),
      facts(entry), element("h2", { class: "part" }, "Curves"), curveFigures([{ name: "", curves: detail.curves }]),
      element("h2", { class: "part" }, "Details"), ...pairs("Settings", [detail.settings]), ...pairs("Environment", [detail.environment])];
  }
  function drawStudy(entry, detail) {
    const runs = [...entries.values()].filter((other) => other.parent === entry.id && other.kind === "run");
    const done = runs.filter((run) => run.state === "finished" && run.validation).sort((a, b) => a.changed - b.changed);
    const short = (run) => run.id.slice(entry.id === "." ? 0 : entry.id.length + 1).replace(/^runs\//, "");
    let best = 0;
    const climb = done.map((run, place) => { best = Math.max(best, run.validation.accuracy); return { x: place + 1, y: best, label: "best so far" }; });
    const dots = done.map((run, place) => ({ x: place + 1, y: run.validation.accuracy, label: short(run) }));
    const keys = [...new Set(Object.values(detail.settings).flatMap(Object.keys))];
    const ordered = [...runs].sort((a, b) => (b.state === "running") - (a.state === "running") || (b.validation?.accuracy ?? -1) - (a.validation?.accuracy ?? -1));
    const head = ["Run", "State", "Validation", "Test", "Time", ...keys];
    const body = ordered.slice(0, 500).map((run) => element("tr", {},
      element("td", {}, tick(run)),
      element("th", { scope: "row", class: short(run).length <= SHORT_NAME ? "nowrap" : null }, opens(run, short(run))),
      element("td", { class: "nowrap" }, element("span", { class: `state ${run.state}` }, STATES[run.state]), run.state === "running" ? element("small", {}, element("br"), [run.progress, left(run)].filter(Boolean).join(" · ")) : ""),
      element("td", { class: "number" }, accuracy(run.validation)), element("td", { class: "number" }, accuracy(run.test)), element("td", { class: "number" }, duration(run.seconds)),
      ...keys.map((key) => element("td", { class: "nowrap" }, detail.settings[run.id]?.[key] ?? "–"))));
    return [entry.sentence ? element("p", { class: "lead" }, entry.sentence) : null,
      entry.problem ? element("p", { class: "problem" }, ...breakable(entry.problem)) : null,
      entry.state === "running" ? progressBar(entry) : null,
      element("p", { class: "buttons" }, ...actions(entry), reportLink(entry)), ...toType(entry), facts(entry),
      done.length > 1 ? charts.figure({ title: "Validation accuracy of the runs, in the order in which they finished", xName: "run", format: share, bounds: [0, 1], element,
        series: [{ name: "best so far", colour: 0, steps: true, points: climb }, { name: "run", colour: 1, dots: true, points: dots }] }) : null,
      element("h2", { class: "part" }, `Runs (${runs.length.toLocaleString("en")})`),
      element("div", { class: "scroll", role: "region", tabindex: "0", "aria-label": "Runs of this study" },
        element("table", {}, element("thead", {}, element("tr", {}, element("th", { scope: "col" }, element("span", { class: "unseen" }, "Compare")),
          ...head.map((name, place) => element("th", { scope: "col", class: place > 1 && place < 5 ? "number" : null }, name)))), element("tbody", {}, ...body))),
      ordered.length > 500 ? element("p", { class: "soft" }, "The 500 best runs are shown.") : null];
  }
  function drawPair(pair, details) {
    const names = pair.map(nameOf);
    const rows = pair.map((entry) => ({ state: STATES[entry.state], "validation accuracy": accuracy(entry.validation), "test accuracy": accuracy(entry.test), "95% interval of the test": interval(entry.test).replace("95%: ", "") || "–", model: entry.model || "–", seed: String(entry.seed ?? "–"), data: entry.data || "–", progress: entry.progress || "–", time: duration(entry.seconds) }));
    const [table] = pairs("Results", rows, names);
    table.open = true;
    const tests = pair.every((entry) => entry.test);
    const command = `headstart compare DATA --models ${pair.map((entry) => `${byId("folder").textContent}/${entry.id}`).join(",")}`;
    return [tests ? element("p", { class: "soft" }, "Two accuracies alone do not show which run is better. For a test on the same images, type:") : null,
      tests ? element("pre", { tabindex: "0" }, command) : null,
      element("h2", { class: "part" }, "Results"), table.querySelector(".scroll"),
      element("h2", { class: "part" }, "Curves"), curveFigures(pair.map((entry, place) => ({ name: `${names[place]}, `, curves: details[place].curves }))),
      element("h2", { class: "part" }, "Details"), ...pairs("Settings", details.map((detail) => detail.settings), names), ...pairs("Environment", details.map((detail) => detail.environment), names)];
  }

  /* ---- views, by the part of the address behind # ---- */
  function view() {
    const parts = new URLSearchParams(location.hash.slice(1));
    if (parts.get("compare")) return { kind: "compare", ids: [parts.get("compare"), parts.get("with") ?? ""] };
    return parts.get("run") ? { kind: "entry", ids: [parts.get("run")] } : { kind: "list", ids: [] };
  }
  function drawTitle() {
    const { kind, ids } = view();
    const running = top().filter((entry) => entry.state === "running").length;
    const names = ids.map((id) => (entries.has(id) ? nameOf(entries.get(id)) : id)).join(" and ");
    byId("title").textContent = kind === "list" ? `${running} in progress, ${top().length - running} others` : names;
    byId("back").hidden = kind === "list";
    document.title = running ? `(${running}) Headstart watch` : "Headstart watch";
  }
  async function drawView(isNew) {
    const now = view(), box = byId("detail-view");
    shownView = now;
    drawTitle();
    byId("list-view").hidden = now.kind !== "list";
    box.hidden = now.kind === "list";
    if (now.kind === "list") {
      drawList();
      return;
    }
    const missing = now.ids.find((id) => !entries.has(id));
    if (missing !== undefined) {
      fill(box, element("p", {}, `There is no ${missing || "second run"} in this folder.`));
      return;
    }
    let details;
    try {
      details = await Promise.all(now.ids.map((id) => ask(`entry?id=${encodeURIComponent(id)}`)));
    } catch (error) {
      complain(error.message);
      return;
    }
    if (shownView !== now) return; // another view was opened meanwhile
    const shown = now.ids.map((id) => entries.get(id));
    if (shown.includes(undefined)) return;
    if (now.kind === "compare") fill(box, ...drawPair(shown, details));
    else fill(box, ...(shown[0].kind === "study" ? drawStudy : drawRun)(shown[0], details[0]));
    drawChosen();
    if (isNew) { byId("title").focus(); window.scrollTo(0, 0); }
  }

  /* ---- polling ---- */
  function announce(before) {
    const changes = top().flatMap((entry) => {
      const earlier = before.get(entry.id);
      if (!earlier || earlier.state === entry.state) return [];
      return [`${nameOf(entry)} is ${entry.state === "running" ? "in progress" : entry.state}.`];
    });
    if (changes.length) say(changes.slice(0, 3).join(" "));
  }
  const signature = (list) => JSON.stringify(list.flatMap((id) => [...entries.values()].filter((entry) => entry.id === id || entry.parent === id)));
  function take(content) {
    const before = entries, shown = view().ids, earlier = signature(shown);
    entries = new Map(content.entries.map((entry) => [entry.id, entry]));
    byId("folder").textContent = content.folder;
    if (before.size) announce(before);
    for (const id of rows.keys()) if (!entries.has(id)) rows.delete(id);
    if (!shown.length || earlier !== signature(shown)) drawView(false);
    else drawTitle();
  }
  let timer;
  async function poll() {
    clearTimeout(timer);
    try {
      const content = await ask(`snapshot?since=${encodeURIComponent(state)}`);
      if (state === "" || byId("connection").dataset.lost) { complain(""); delete byId("connection").dataset.lost; }
      if (content.entries) take(content);
      else if (shownView?.kind === "list") fill(byId("cards"), ...top().filter((entry) => entry.state === "running").map(card)); // the time left
      state = content.state;
    } catch {
      if (!byId("connection").dataset.lost) complain("The command headstart watch has ended. This page shows the last state.");
      byId("connection").dataset.lost = "true";
    }
    if (!document.hidden) timer = setTimeout(poll, POLL_MS);
  }
  document.addEventListener("visibilitychange", () => { if (!document.hidden) poll(); });
  window.addEventListener("hashchange", () => drawView(true));
  ["input", "change"].forEach((kind) => document.querySelector(".tools").addEventListener(kind, () => { isAll = false; drawList(); }));
  byId("more-button").addEventListener("click", () => { isAll = true; drawList(); });
  poll();
})();
